"""Logs as observed events."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.devnet.deploy import ARTIFACTS_PATH
from chains.errors import MalformedLogError
from chains.events import EVENT_TYPES, ObservedEvent, event_of_payload, payload_json_of
from chains.evm.abi import topic_of
from chains.evm.answers import RawLog
from chains.evm.decode import (
    CREDIT_LINE_EVENTS,
    VAULT_EVENTS,
    WATCHED_TOPICS,
    EventShape,
    decode_log,
)
from chains.types import BlockRef
from tests.chains.strategies import CHAIN, WORDS, observed_events

ALL_EVENTS = VAULT_EVENTS | CREDIT_LINE_EVENTS


def shape_of(event: ObservedEvent) -> EventShape:
    """Return where an event's fields stand."""
    return next(shape for shape in ALL_EVENTS.values() if shape.event_type is type(event))


def log_of(event: ObservedEvent) -> RawLog:
    """Return the log that a contract emits for an event."""
    shape = shape_of(event)

    def word(name: str) -> bytes:
        value = getattr(event, name)
        return value if isinstance(value, bytes) else value.to_bytes(32, "big")

    return RawLog(
        contract=event.position.contract,
        topics=(shape.topic, *(word(name) for name, _ in shape.topics)),
        data=b"".join(word(name) for name, _ in shape.data),
        block=event.position.block,
        tx_hash=event.position.tx_hash,
        log_index=event.position.log_index,
    )


@given(event=observed_events())
def test_a_log_decodes_to_its_event(event: ObservedEvent) -> None:
    """Every event type, over the whole range of every field."""
    assert decode_log(log_of(event), chain_id=CHAIN, shapes=ALL_EVENTS) == event


@given(event=observed_events())
def test_a_decoded_event_can_be_stored(event: ObservedEvent) -> None:
    """Decoder and store agree about ranges."""
    decoded = decode_log(log_of(event), chain_id=CHAIN, shapes=ALL_EVENTS)

    assert event_of_payload(type(event).__name__, event.position, payload_json_of(decoded)) == event


@given(
    topics=st.lists(WORDS | st.sampled_from(WATCHED_TOPICS), max_size=4),
    data=st.binary(max_size=200) | st.binary(min_size=96, max_size=128),
)
def test_random_logs_raise_nothing_but_malformed(topics: list[bytes], data: bytes) -> None:
    """Whatever a contract emits, the decoder has one way to refuse."""
    log = RawLog(
        bytes(32), tuple(topics), data, BlockRef(1, b"\x03" * 32), tx_hash=b"\x01" * 32, log_index=2
    )
    try:
        event = decode_log(log, chain_id=CHAIN, shapes=ALL_EVENTS)
    except MalformedLogError:
        return
    assert log_of(event) == log


@given(event=observed_events(), more=st.binary(min_size=1, max_size=64))
def test_a_log_of_another_length_is_malformed(event: ObservedEvent, more: bytes) -> None:
    """Data beyond the fields, or short of them."""
    log = log_of(event)
    for data in (log.data + more, log.data[: -len(more)]):
        with pytest.raises(MalformedLogError, match="bytes of data"):
            decode_log(replace(log, data=data), chain_id=CHAIN, shapes=ALL_EVENTS)


@given(event=observed_events())
def test_a_malformed_log_is_named_by_its_place(event: ObservedEvent) -> None:
    """Block, contract, transaction and index are what a person needs to look it up."""
    log = log_of(event)
    with pytest.raises(MalformedLogError) as caught:
        decode_log(replace(log, data=log.data + b"\x00"), chain_id=CHAIN, shapes=ALL_EVENTS)

    error = caught.value
    assert (error.block, error.contract) == (log.block, log.contract)
    assert (error.tx_hash, error.log_index) == (log.tx_hash, log.log_index)


@given(event=observed_events())
def test_a_log_with_another_number_of_topics_is_malformed(event: ObservedEvent) -> None:
    """One too few is not filled up, one too many not cut."""
    log = log_of(event)
    for topics in (log.topics[:-1], (*log.topics, bytes(32))):
        with pytest.raises(MalformedLogError, match="topics"):
            decode_log(replace(log, topics=topics), chain_id=CHAIN, shapes=ALL_EVENTS)


@given(event=observed_events(), place=st.integers(0, 11), dirt=st.integers(1, 255))
def test_dirty_padding_of_an_address_is_malformed(
    event: ObservedEvent, place: int, dirt: int
) -> None:
    """An address has twelve zero bytes before it."""
    log, shape = log_of(event), shape_of(event)
    at = next(at for at, (_, kind) in enumerate(shape.topics + shape.data) if kind == "address")
    words = [*log.topics[1:], *(log.data[i : i + 32] for i in range(0, len(log.data), 32))]
    words[at] = words[at][:place] + bytes((dirt,)) + words[at][place + 1 :]
    count = len(shape.topics)
    dirty = replace(log, topics=(log.topics[0], *words[:count]), data=b"".join(words[count:]))

    with pytest.raises(MalformedLogError, match="padded address"):
        decode_log(dirty, chain_id=CHAIN, shapes=ALL_EVENTS)


@given(event=observed_events(), excess=st.integers(2**64, 2**256 - 1))
def test_a_64_bit_number_that_is_larger_is_malformed(event: ObservedEvent, excess: int) -> None:
    """Lock ids, nonces and times fit 64 bits; lockId is a uint256 on the wire."""
    log, shape = log_of(event), shape_of(event)
    kinds = [kind for _, kind in shape.topics]
    if "uint64" not in kinds:
        return
    topics = list(log.topics)
    topics[1 + kinds.index("uint64")] = excess.to_bytes(32, "big")

    with pytest.raises(MalformedLogError, match=r"2\^64-1"):
        decode_log(replace(log, topics=tuple(topics)), chain_id=CHAIN, shapes=ALL_EVENTS)


@given(event=observed_events())
def test_the_event_of_a_vault_is_malformed_when_a_credit_line_emits_it(
    event: ObservedEvent,
) -> None:
    """A contract speaks only for what it is: an integrator cannot invent locks."""
    topic = shape_of(event).topic
    others = CREDIT_LINE_EVENTS if topic in VAULT_EVENTS else VAULT_EVENTS

    with pytest.raises(MalformedLogError, match="does not emit"):
        decode_log(log_of(event), chain_id=CHAIN, shapes=others)


@pytest.mark.parametrize("name", ["CollateralVault", "CreditLine"])
def test_the_shapes_are_those_of_the_compiled_contracts(name: str) -> None:
    """Topic, indexed fields and data agree with the artifact's ABI."""
    abi = json.loads((ARTIFACTS_PATH / f"{name}.json").read_text(encoding="utf-8"))["abi"]
    entries = {entry["name"]: entry for entry in abi if entry["type"] == "event"}
    shapes = VAULT_EVENTS if name == "CollateralVault" else CREDIT_LINE_EVENTS

    for topic, shape in shapes.items():
        entry = entries[shape.event_type.__name__]
        types = ",".join(one["type"] for one in entry["inputs"])
        indexed = [one["type"] for one in entry["inputs"] if one["indexed"]]
        data = [one["type"] for one in entry["inputs"] if not one["indexed"]]

        assert topic == topic_of(f"{entry['name']}({types})")
        assert len(indexed) == len(shape.topics)
        assert data == [kind for _, kind in shape.data]


def test_every_observed_event_has_a_shape() -> None:
    """Nothing that the relayer knows goes unread."""
    assert {shape.event_type for shape in ALL_EVENTS.values()} == set(EVENT_TYPES.values())
