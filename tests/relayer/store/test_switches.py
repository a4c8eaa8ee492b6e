"""Tests of switches in the store."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chains.types import ChainId
from relayer.clock import FixedClock, UnixSeconds
from relayer.governor.switches import Direction, Subject, Switch
from relayer.money import AssetId
from relayer.store.switches import Source, SwitchChange
from relayer.store.unit_of_work import Store
from tests.databases import NOW

SUBJECT = Subject(ChainId("eip155:1"), Direction.OUT, AssetId("WETH"))
PAUSED = SwitchChange(
    Source.OWN, Switch(SUBJECT, True, "odd"), "ann", 5, UnixSeconds(NOW), b"\x01" * 65
)
RESUMED = replace(PAUSED, switch=Switch(SUBJECT, False, "healed"), sequence=6)


def test_a_switch_is_stored_whole_and_let_go_on_by_a_later_order(store: Store) -> None:
    """The newest order counts, both stay in the log."""
    with store.unit_of_work() as uow:
        assert uow.switches.store(PAUSED)
        assert uow.switches.get(Source.OWN, SUBJECT) == PAUSED
        assert uow.switches.off() == (PAUSED.switch,)
        assert uow.switches.store(RESUMED)

    with store.read() as uow:
        assert (uow.switches.off(), uow.switches.all()) == ((), (RESUMED,))
        log = [
            (each.action, each.reason, each.who, each.signature) for each in uow.switches.entries()
        ]
    assert log == [
        ("resume", "healed", "ann", b"\x01" * 65),
        ("pause", "odd", "ann", b"\x01" * 65),
    ]


@pytest.mark.parametrize("sequence", [4, 5])
def test_an_order_that_is_not_newer_changes_nothing(store: Store, sequence: int) -> None:
    """Neither the switch nor the log."""
    with store.unit_of_work() as uow:
        uow.switches.store(PAUSED)

        assert not uow.switches.store(replace(RESUMED, sequence=sequence))

        assert uow.switches.off() == (PAUSED.switch,)
        assert len(uow.switches.entries()) == 1


def test_own_orders_and_those_from_outside_are_apart(store: Store) -> None:
    """Who was stopped by both goes on when both let it."""
    outside = replace(PAUSED, source=Source.OPERATOR)
    with store.unit_of_work() as uow:
        uow.switches.store(PAUSED)
        uow.switches.store(outside)
        uow.switches.store(RESUMED)

        assert uow.switches.off() == (outside.switch,)
        assert uow.switches.all(Source.OPERATOR) == (outside,)


def test_wide_and_narrow_switches_are_apart(store: Store) -> None:
    """None is a value of its own."""
    wide = replace(PAUSED, switch=Switch(Subject(), True, "all"))
    with store.unit_of_work() as uow:
        uow.switches.store(PAUSED)
        uow.switches.store(wide)

        assert uow.switches.get(Source.OWN, Subject()) == wide
        assert len(uow.switches.off()) == 2


def test_sequence_numbers_rise_whatever_the_clock_says(store: Store, clock: FixedClock) -> None:
    """They begin with the second, so a new database does not begin again from 1."""
    with store.unit_of_work() as uow:
        assert uow.switches.next_sequence() == NOW
        uow.switches.store(replace(PAUSED, sequence=NOW + 10))
        assert uow.switches.next_sequence() == NOW + 11
    clock.move(100)
    with store.read() as uow:
        assert uow.switches.next_sequence() == NOW + 100


def test_an_acknowledgement_is_kept_once(store: Store) -> None:
    """By order and guardian."""
    with store.unit_of_work() as uow:
        assert uow.switches.acknowledge(5, b"g" * 32)
        assert not uow.switches.acknowledge(5, b"g" * 32)

        assert uow.switches.acknowledged(5) == {b"g" * 32}
        assert uow.switches.acknowledged(6) == frozenset()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE switch_log SET reason = 'other'",
        "DELETE FROM switch_log",
        "DELETE FROM switch",
        "UPDATE switch SET chain_id = 'eip155:2'",
        "UPDATE switch_ack SET at = 0",
        "DELETE FROM switch_ack",
    ],
)
def test_what_was_ordered_cannot_be_changed_or_forgotten(store: Store, statement: str) -> None:
    """The database refuses it."""
    with store.unit_of_work() as uow:
        uow.switches.store(PAUSED)
        uow.switches.acknowledge(5, b"g" * 32)

    with pytest.raises(DBAPIError), store.unit_of_work() as uow:
        uow.connection.execute(text(statement))
