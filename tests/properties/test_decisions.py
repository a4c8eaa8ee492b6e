"""
Random lives of an account: nothing that is accepted may leave it unsafe or a message unheld.

I-18: at the prices at which it was accepted, no action leaves maintenance health below one.
I-4: a release or seize exists exactly when its hold is booked.
I-6: an account's margin never goes below zero, and every journal entry balances.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chains.message import MessageKind
from relayer.clock import FixedClock
from relayer.errors import NotYetError
from relayer.outbox.holds import HELD_KINDS
from relayer.risk.margin import Health, assess_health
from relayer.risk.parameters import Level
from relayer.steps.catalog import Catalog
from relayer.steps.decide import decide
from relayer.steps.liquidate import liquidate_account
from relayer.steps.position import position_of, prices_of
from relayer.store.requests import RequestState
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.relayer.api.kit import ACCOUNT, ANN, CREDIT, OPERATOR, UNLOCK
from tests.relayer.steps.world import (
    DOLLAR,
    ETHER,
    FENCE,
    LIQ_ACCOUNT,
    ask,
    catalog_of_world,
    kinds_booked,
    lock_dollars,
    lock_ether,
    owe,
    set_price,
    set_prices,
    signed,
)

STEPS_MAX: Final = 12
ACTIONS: Final = st.one_of(
    st.tuples(st.just("lock"), st.integers(1, 5 * ETHER)),
    st.tuples(st.just("unlock"), st.integers(1, 6 * ETHER)),
    st.tuples(st.just("credit"), st.integers(1, 12_000 * DOLLAR)),
    st.tuples(st.just("borrow"), st.integers(1, 100)),
    st.tuples(st.just("price"), st.integers(1_000, 4_000)),
    st.tuples(st.just("liquidate"), st.just(0)),
)


class Life:
    """One account and what was accepted for it."""

    def __init__(self, store: Store, clock: FixedClock, catalog: Catalog) -> None:
        self.store, self.clock, self.catalog = store, clock, catalog
        self.number = 0
        self.drawn_units = 0
        lock_ether(store, 4 * ETHER)
        lock_dollars(store, 10**6 * DOLLAR, LIQ_ACCOUNT)
        set_prices(store)

    def act(self, action: str, size: int) -> bool:
        """Do one thing; return whether the hub accepted it as safe."""
        self.number += 1
        match action:
            case "lock":
                lock_ether(self.store, size, name=f"lock {self.number}")
            case "price":
                self.clock.move(1)
                set_price(self.store, size)
            case "borrow":
                self._borrow(size)
            case "liquidate":
                self._liquidate()
            case _:
                return self._ask(action, size)
        return False

    def health(self, level: Level) -> Health:
        """Return ann's health as of now."""
        with self.store.read() as uow:
            now = uow.clock.now()
            return assess_health(
                position_of(uow, self.catalog, ACCOUNT, now),
                parameters=self.catalog.parameters,
                prices=prices_of(uow, self.catalog, now),
                level=level,
            )

    def _ask(self, action: str, size: int) -> bool:
        nonce = self.number.to_bytes(32, "big")
        if action == "unlock":
            command = signed(replace(UNLOCK, amount=size, nonce=nonce), ANN)
        else:
            asked = replace(CREDIT, limit=size, nonce=nonce, expiry=NOW + 3_000)
            command = signed(asked, ANN, OPERATOR)
        command_id = ask(self.store, command)
        return decide(self.store, self.catalog, command_id, fence=FENCE) is RequestState.GRANTED

    def _borrow(self, percent: int) -> None:
        """Draw a part of what the highest grant still allows, as its contract would let ann."""
        with self.store.read() as uow:
            limits = [grant.limit_units for grant in uow.grants.active(ACCOUNT)]
        units = (max(limits, default=0) - self.drawn_units) * percent // 100
        if units > 0:
            self.drawn_units += units
            owe(self.store, units, name=f"borrow {self.number}")

    def _liquidate(self) -> None:
        if not self.health(Level.MAINTENANCE).is_below_one:
            return
        with suppress(NotYetError):  # worth nothing any more, or a person must decide
            liquidate_account(self.store, self.catalog, ACCOUNT, fence=FENCE)


def check_messages_have_their_holds(store: Store) -> None:
    """Hold both ways: no message without its pending entry, no pending entry without message."""
    with store.read() as uow:
        messages = uow.outbox.of_account(ACCOUNT)
        held = [stored for stored in messages if stored.message.message.kind in HELD_KINDS]
        for stored in held:
            entry = uow.ledger.entry(stored.message.hold_entry_id or b"")
            assert entry is not None
            assert entry.entry.cause == stored.message_id
        for stored in messages:
            if stored.message.message.kind is MessageKind.CREDIT_GRANT:
                assert uow.grants.get(stored.message_id) is not None
    booked = [kind for kind in kinds_booked(store) if kind.endswith(".held")]
    assert len(booked) == len(held)


def live(store: Store, clock: FixedClock, actions: list[Any]) -> None:
    """Live one life and check it after each step."""
    life = Life(store, clock, catalog_of_world())
    for action, size in actions:
        if life.act(action, size):
            assert not life.health(Level.INITIAL).is_below_one
            assert not life.health(Level.MAINTENANCE).is_below_one
    check_messages_have_their_holds(store)
    with store.read() as uow:
        assert uow.ledger.verify().is_sound
        assert all(found.counters.credits_posted >= 0 for found in uow.ledger.margin_lines(ACCOUNT))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ACTIONS, max_size=STEPS_MAX))
def test_no_accepted_action_is_unsafe(databases: TestDatabases, actions: list[Any]) -> None:
    """On SQLite, many lives."""
    clock = FixedClock(NOW)
    with databases.store("sqlite", clock) as store:
        live(store, clock, actions)


@pytest.mark.parametrize("backend", ["postgresql"])
def test_one_long_life_on_the_server(databases: TestDatabases, backend: str) -> None:
    """On PostgreSQL, one of each thing and then some."""
    clock = FixedClock(NOW)
    actions = [
        ("credit", 6_000 * DOLLAR),
        ("unlock", ETHER),
        ("borrow", 50),
        ("unlock", ETHER),
        ("credit", 9_000 * DOLLAR),
        ("price", 2_100),
        ("borrow", 100),
        ("liquidate", 0),
        ("unlock", ETHER),
        ("lock", 3 * ETHER),
        ("unlock", ETHER),
    ]
    with databases.store(backend, clock) as store:
        live(store, clock, actions)
