"""Observed events and their stored form."""

import json
from dataclasses import replace

import pytest
from hypothesis import given

from chains.errors import MessageFormatError
from chains.events import (
    CollateralLocked,
    EventPosition,
    ObservedEvent,
    event_of_payload,
    known_position,
    payload_json_of,
    payload_of,
)
from chains.types import BlockRef
from tests.chains.strategies import CHAIN, POSITIONS, WORDS, observed_events

POSITION = EventPosition(
    chain_id=CHAIN,
    block=BlockRef(height=9, block_hash=b"\x01" * 32),
    tx_hash=b"\x02" * 32,
    log_index=3,
    contract=bytes(32),
)
LOCKED = CollateralLocked(
    position=POSITION,
    lock_id=1,
    account=b"\x04" * 32,
    token=bytes(12) + b"\x05" * 20,
    depositor=bytes(12) + b"\x06" * 20,
    units=7,
    held_after_units=8,
)


@given(event=observed_events())
def test_a_stored_event_is_read_back_unchanged(event: ObservedEvent) -> None:
    """payload_json_of and event_of_payload are inverse."""
    found = event_of_payload(type(event).__name__, event.position, payload_json_of(event))

    assert found == event


@given(position=POSITIONS)
def test_a_position_with_its_id_is_the_one_that_derived_it(position: EventPosition) -> None:
    """Every field and the id are equal, whichever way it was made."""
    place = (position.chain_id, position.block, position.tx_hash, position.log_index)

    found = known_position(*place, position.contract, position.event_id)

    assert found == position
    assert hash(found) == hash(position)
    assert found.event_id == position.event_id


@given(position=POSITIONS, other_hash=WORDS)
def test_the_same_transaction_in_another_block_is_another_event(
    position: EventPosition, other_hash: bytes
) -> None:
    """The block hash is part of an event's id."""
    moved = replace(position, block=BlockRef(position.block.height, other_hash))

    assert (moved.event_id == position.event_id) == (other_hash == position.block.block_hash)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("CollateralBurned", {}),
        ("CollateralLocked", {"lock_id": str(2**64)}),
        ("CollateralLocked", {"units": str(2**256)}),
        ("CollateralLocked", {"units": "-1"}),
        ("CollateralLocked", {"units": "1e3"}),
        ("CollateralLocked", {"account": "0x01"}),
        ("CollateralLocked", {"extra": "1"}),
    ],
)
def test_a_payload_that_is_no_event_is_refused(kind: str, change: dict[str, str]) -> None:
    """Unknown kinds, unknown fields, and values out of range."""
    with pytest.raises(MessageFormatError):
        event_of_payload(kind, POSITION, changed(change))


def changed(change: dict[str, str]) -> str:
    """Return the stored payload of a lock in which a field says something else."""
    return json.dumps(payload_of(LOCKED) | change)


def test_a_payload_with_a_missing_field_is_refused() -> None:
    """Every field is stored."""
    payload = payload_of(LOCKED)
    del payload["units"]

    with pytest.raises(MessageFormatError):
        event_of_payload("CollateralLocked", POSITION, json.dumps(payload))


def test_a_payload_with_a_word_that_is_not_hex_is_refused() -> None:
    """The one answer to a broken payload is a format error."""
    with pytest.raises(MessageFormatError):
        event_of_payload("CollateralLocked", POSITION, changed({"account": "0xzz"}))


@pytest.mark.parametrize("text", ["9" * 5_000, "007", "+1", "1_0", "\u0661"])
def test_a_number_that_payload_of_never_writes_is_refused(text: str) -> None:
    """By name; too many digits were a fault, and zeros in front a second spelling."""
    with pytest.raises(MessageFormatError, match="units"):
        event_of_payload("CollateralLocked", POSITION, changed({"units": text}))


@pytest.mark.parametrize("text", ["ab" * 32, "0x" + "AB" * 32, "0x ab" + "ab" * 31])
def test_a_word_that_payload_of_never_writes_is_refused(text: str) -> None:
    """One value has one spelling in the database."""
    with pytest.raises(MessageFormatError, match="account"):
        event_of_payload("CollateralLocked", POSITION, changed({"account": text}))
