# ruff: noqa: PT017
"""What nodes answer: read strictly, refused by name, or said to be another's fault."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chains.errors import ChainError, MalformedLogError, RpcAnswerError
from chains.events import CollateralLocked, event_of_payload, payload_json_of
from chains.evm import views
from chains.evm.answers import (
    RawLog,
    header_of,
    log_of,
    ordered_logs,
    quantity_of,
    wei_of,
)
from chains.evm.bloom import bloom_of, mask_of, may_hold
from chains.evm.decode import CREDIT_LINE_EVENTS, VAULT_EVENTS, decode_log
from chains.evm.movement import TRANSFER_TOPIC, inflows_of, missing_movements
from chains.evm.rpc import RpcClient, revert_bytes
from chains.line.shapes import fields_of, items_of, shown, usable
from chains.oracles.chainlink import ROUND_WORDS, ChainlinkSource
from chains.port import ContractCall
from chains.types import BlockHeader, BlockRef, ChainId
from tests.chains.strategies import ADDRESSES, CHAIN, WORDS
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.garbage import JSON_VALUES, RAW_JSON, TEXTS, mutated, mutated_bytes

HEADER: Final[dict[str, Any]] = {
    "number": "0x9",
    "hash": "0x" + "01" * 32,
    "parentHash": "0x" + "02" * 32,
    "timestamp": "0x6a",
    "logsBloom": "0x" + "00" * 256,
}
LOG: Final[dict[str, Any]] = {
    "address": "0x" + "0a" * 20,
    "topics": ["0x" + "0b" * 32, "0x" + "0c" * 32],
    "data": "0x" + "00" * 64,
    "blockNumber": "0x9",
    "blockHash": "0x" + "01" * 32,
    "transactionHash": "0x" + "0c" * 32,
    "logIndex": "0x0",
    "removed": False,
}
SHAPES: Final = VAULT_EVENTS | CREDIT_LINE_EVENTS
READERS: Final[tuple[Callable[[Any], object], ...]] = (
    header_of,
    log_of,
    ordered_logs,
    bloom_of,
    lambda value: fields_of(value, "it"),
    lambda value: items_of(value, "it"),
    lambda value: quantity_of(value, "it"),
    lambda value: wei_of(value, "it"),
)


def deep(depth: int) -> Any:
    """Return the deepest list that the JSON reader of answers lets through, or a flatter one."""
    return orjson.loads(b"[" * depth + b"]" * depth)


class HostileContract:
    """A contract that answers each view with the next of some bytes."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = answers
        self._asked = 0

    @property
    def chain_id(self) -> ChainId:
        """The chain of the tests."""
        return CHAIN

    async def view(self, call: ContractCall, block: BlockRef | None) -> bytes:
        """Answer."""
        self._asked += 1
        return self._answers[(self._asked - 1) % len(self._answers)]


@pytest.mark.parametrize("reader", range(len(READERS)))
@fuzzed(60)
@given(value=JSON_VALUES | mutated(HEADER) | mutated(LOG) | mutated([LOG, LOG]))
@example(value=deep(1_000))
@example(value="a" * 1_000_000)
@example(value=["a" * 1_000_000])
@example(value={"number": deep(1_000), "topics": deep(1_000)})
@example(value=[LOG] * 2_000)
def test_any_value_is_read_or_refused(reader: int, value: Any) -> None:
    """AnswerShapeError, or what the places of a log and a header can hold."""
    with bounded():
        try:
            READERS[reader](value)
        except ValueError as refused:
            assert len(str(refused)) < 400
            with pytest.raises(RpcAnswerError), usable(CHAIN, "eth_x"):
                raise


@fuzzed(100)
@given(value=JSON_VALUES | TEXTS | st.text(max_size=2_000))
@example(value="x" * 1_000_000)
@example(value="://" * 300_000)
@example(value=deep(1_000))
def test_what_is_shown_is_short_and_names_no_place(value: Any) -> None:
    """Whatever a node says."""
    with bounded(cpu_seconds_max=0.5):
        text = shown(value)

    assert len(text) <= 60
    assert text.isprintable()
    assert re.search(r"\w://", text) is None


@fuzzed(100)
@given(value=mutated(LOG))
def test_an_accepted_log_is_written_back_as_it_was(value: Any) -> None:
    """Two answers that differ beyond the case of their digits never read alike."""
    try:
        log = log_of(value)
    except ValueError:
        return
    written = {
        "address": "0x" + log.contract[12:].hex(),
        "topics": ["0x" + topic.hex() for topic in log.topics],
        "data": "0x" + log.data.hex(),
        "blockHash": "0x" + log.block.block_hash.hex(),
        "transactionHash": "0x" + log.tx_hash.hex(),
    }

    for name, text in written.items():
        assert json.dumps(value[name]).lower() == json.dumps(text)
    assert int(value["logIndex"], 16) == log.log_index


@st.composite
def raw_logs(draw: st.DrawFn) -> RawLog:
    """Draw a log of one of our shapes, with topics or content changed or not."""
    shape = draw(st.sampled_from(list(SHAPES.values())))
    words = [WORDS, ADDRESSES, st.integers(0, 2**64).map(lambda n: n.to_bytes(32, "big"))]
    topics = [shape.topic, *(draw(st.one_of(words)) for _ in shape.topics)]
    content = b"".join(draw(st.one_of(words)) for _ in shape.data)
    match draw(st.sampled_from(["same", "content", "topics", "topic"])):
        case "content":
            content = draw(mutated_bytes(content))
        case "topics":
            topics = draw(st.lists(WORDS, max_size=4))
        case "topic":
            topics[draw(st.integers(0, len(topics) - 1))] = draw(WORDS)
    block = BlockRef(draw(st.integers(0, 2**64 - 1)), draw(WORDS))
    index = draw(st.integers(0, 2**64 - 1))
    return RawLog(draw(ADDRESSES), tuple(topics), content, block, draw(WORDS), index)


@fuzzed(150)
@given(log=raw_logs(), vault=st.booleans())
def test_a_log_is_an_event_or_malformed(log: RawLog, vault: bool) -> None:
    """What is accepted encodes to the very topics and content, and survives being stored."""
    shapes = VAULT_EVENTS if vault else CREDIT_LINE_EVENTS
    try:
        event = decode_log(log, chain_id=CHAIN, shapes=shapes)
    except MalformedLogError:
        return
    shape = shapes[log.topics[0]]
    values = {
        name: getattr(event, name) if kind in ("bytes32", "address")
        else getattr(event, name).to_bytes(32, "big")
        for name, kind in (*shape.topics, *shape.data)
    }  # fmt: skip

    assert [values[name] for name, _ in shape.topics] == list(log.topics[1:])
    assert b"".join(values[name] for name, _ in shape.data) == log.data
    stored = event_of_payload(type(event).__name__, event.position, payload_json_of(event))
    assert stored == event


@fuzzed(60)
@given(logs=st.lists(raw_logs(), max_size=6), extra=st.lists(st.binary(max_size=40), max_size=4))
def test_movements_of_any_logs_can_be_counted(logs: list[RawLog], extra: list[bytes]) -> None:
    """A log of another shape than ERC-20's moves nothing; a lock without movement is missing."""
    locks: list[CollateralLocked] = []
    for log in logs:
        try:
            event = decode_log(log, chain_id=CHAIN, shapes=VAULT_EVENTS)
        except MalformedLogError:
            continue
        if isinstance(event, CollateralLocked):
            locks.append(event)
    for lock, content in zip(locks, extra, strict=False):
        topics = (TRANSFER_TOPIC, lock.depositor, lock.position.contract)
        place = lock.position
        logs.append(RawLog(lock.token, topics, content, place.block, place.tx_hash, 0))

    inflows = inflows_of(logs, locks)
    missing = missing_movements(locks, inflows)

    moved = sum(one.units for one in inflows)
    claimed = sum(lock.units for lock in locks)
    assert missing or claimed <= moved or not locks


@fuzzed(60)
@given(bloom=st.integers(0, 2**2048 - 1), contract=ADDRESSES, topic=WORDS)
def test_a_bloom_promises_what_was_put_into_it(bloom: int, contract: bytes, topic: bytes) -> None:
    """A bloom with more bits never promises less."""
    mask = mask_of(contract, topic)

    assert may_hold(bloom | mask, mask)
    assert not may_hold(0, mask)


@fuzzed(80)
@given(raw=RAW_JSON)
def test_an_error_object_is_a_fault_or_refused(raw: bytes) -> None:
    """Any value under "error" ends in a chain error that callers know."""
    client = RpcClient(CHAIN, "http://127.0.0.1:1")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return
    for error in (value, {"code": 3, "message": "x", "data": value}, {"code": value}):
        with bounded():
            revert_bytes(value)
            try:
                fault = client._fault("eth_x", error)
                classified: Exception = client.classified("eth_x", fault)
            except RpcAnswerError as exc:
                classified = exc
        assert isinstance(classified, ChainError)
        assert len(str(classified)) < 1_000


GUARDIAN_SET: Final = b"".join(
    number.to_bytes(32, "big") for number in (96, 2, 0, 3, 0xA1, 0xA2, 0xA3)
)
QUESTIONS: Final[tuple[Callable[[Any], Awaitable[object]], ...]] = (
    lambda contract: views.vault_state(contract, bytes(32), bytes(32), BlockRef(1, bytes(32))),
    lambda contract: views.exit_terms(
        contract, bytes(32), BlockHeader(BlockRef(1, bytes(32)), bytes(32), 1)
    ),
    lambda contract: views.credit_line_state(contract, bytes(32), BlockRef(1, bytes(32))),
    lambda contract: views.grant(contract, bytes(32), bytes(32), BlockRef(1, bytes(32))),
    lambda contract: views.is_executed(contract, bytes(32), bytes(32), None),
    lambda contract: views.current_guardian_set(contract, bytes(32), None),
    lambda contract: ChainlinkSource(contract).quote(bytes(32), None),
)


@pytest.mark.parametrize("question", range(len(QUESTIONS)))
@fuzzed(60)
@given(
    answers=st.lists(
        st.one_of(
            st.binary(max_size=70),
            WORDS,
            st.integers(0, 40).map(lambda number: number.to_bytes(32, "big")),
            mutated_bytes(GUARDIAN_SET),
            mutated_bytes(bytes(32 * ROUND_WORDS)),
        ),
        min_size=1,
        max_size=5,
    )
)
@example(answers=[b"\xff" * 1_000_000])
@example(answers=[bytes(31) + b"\x01", GUARDIAN_SET[:96] + b"\xff" * 32 + bytes(1_000_000)])
def test_a_view_is_read_or_refused(question: int, answers: list[bytes]) -> None:
    """RpcAnswerError for all that the contract cannot have said."""
    with bounded():
        try:
            asyncio.run(_asked(question, HostileContract(*answers)))
        except RpcAnswerError as refused:
            assert len(str(refused)) < 1_000


async def _asked(question: int, contract: HostileContract) -> object:
    return await QUESTIONS[question](contract)
