"""Evidence: a node's logs against its own headers, receipts and token movements."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from chains.errors import (
    BlockGoneError,
    MovementMissingError,
    RangeTooLargeError,
    RpcAnswerError,
    RpcContradictionError,
)
from chains.evm.bloom import BloomCounts, mask_of
from chains.evm.decode import CREDIT_LINE_EVENTS, VAULT_EVENTS
from chains.evm.movement import TRANSFER_TOPIC
from chains.evm.reader import EvmReader, Watched
from chains.port import EventRead
from chains.types import BlockRef
from tests.chains.evm.fake_node import FakeNode, FaultError
from tests.chains.strategies import CHAIN

VAULT, TOKEN = bytes(12) + b"\x0a" * 20, bytes(12) + b"\x05" * 20
LOCKED, RELEASED = tuple(VAULT_EVENTS)[:2]
BLOCK = BlockRef(9, b"\x01" * 32)
BLOCK_FIELDS = {"blockNumber": "0x9", "blockHash": "0x" + "01" * 32, "removed": False}
TX_HASH = "0x" + "0c" * 32
LOG: dict[str, Any] = BLOCK_FIELDS | {
    "address": "0x" + "0a" * 20,
    "topics": [
        "0x" + LOCKED.hex(),
        "0x" + (1).to_bytes(32, "big").hex(),
        "0x" + "04" * 32,
        "0x" + TOKEN.hex(),
    ],
    "data": "0x" + "00" * 12 + "06" * 20 + "00" * 31 + "07" + "00" * 31 + "08",
    "transactionHash": TX_HASH,
    "logIndex": "0x3",
}
TRANSFER: dict[str, Any] = BLOCK_FIELDS | {
    "address": "0x" + TOKEN[12:].hex(),
    "topics": ["0x" + TRANSFER_TOPIC.hex(), "0x" + "00" * 12 + "06" * 20, "0x" + VAULT.hex()],
    "data": "0x" + "00" * 31 + "07",
    "transactionHash": TX_HASH,
    "logIndex": "0x2",
}
ASKED = {"watched": Watched(vaults=(VAULT,))}
BELIEVING = {"watched": Watched(vaults=(VAULT,), is_bloom_trusted=False)}
PROVING = {"watched": Watched(vaults=(VAULT,), tokens=(TOKEN,), is_bloom_trusted=False)}


def header(bloom: int) -> dict[str, Any]:
    """Return a block's header with a bloom."""
    return {
        "number": "0x9",
        "hash": "0x" + "01" * 32,
        "parentHash": "0x" + "02" * 32,
        "timestamp": "0x6a",
        "logsBloom": "0x" + bloom.to_bytes(256, "big").hex(),
    }


def receipt(*logs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a receipt with these logs."""
    return {"blockHash": "0x" + "01" * 32, "logs": list(logs)} | changes


def reading(
    node: FakeNode, ask: Callable[[EvmReader], Coroutine[Any, Any, EventRead]], **options: Any
) -> tuple[EventRead, BloomCounts]:
    """Return what a reader of the node reads, and what its blooms came to."""

    async def asked() -> tuple[EventRead, BloomCounts]:
        reader = EvmReader(CHAIN, node.url, **options)
        try:
            return await ask(reader), reader.bloom_counts
        finally:
            await reader.close()

    return asyncio.run(asked())


def in_block(reader: EvmReader) -> Coroutine[Any, Any, EventRead]:
    """Ask for the events of the block."""
    return reader.events_in_block(BLOCK)


def in_range(reader: EvmReader) -> Coroutine[Any, Any, EventRead]:
    """Ask for the events of a range around it."""
    return reader.events_in_range(5, 20)


def answers(node: FakeNode, logs: list[Any], bloom: int, receipts: Any = None) -> None:
    """Let a node answer for the block."""
    node.answers["eth_getBlockByHash"] = lambda _: header(bloom)
    node.answers["eth_getLogs"] = lambda _: logs
    node.answers["eth_getBlockReceipts"] = lambda _: receipts


def test_r3_an_empty_bloom_and_no_logs_need_no_receipts(node: FakeNode) -> None:
    """The usual quiet block costs nothing more than its header."""
    answers(node, [], 0)

    read, counts = reading(node, in_block, **ASKED)

    assert read == EventRead((), ())
    assert counts == BloomCounts(checked=1)
    assert node.asked("eth_getBlockReceipts") == []


@pytest.mark.parametrize("logs", [[], [LOG]])
def test_r3_logs_that_the_receipts_have_and_the_answer_lacks_are_a_contradiction(
    node: FakeNode, logs: list[Any]
) -> None:
    """Passing trouble: another node or another moment may answer. None, or one kind too few."""
    late = LOG | {"topics": ["0x" + RELEASED.hex(), *LOG["topics"][1:]], "logIndex": "0x4"}
    bloom = mask_of(VAULT, LOCKED) | mask_of(VAULT, RELEASED)
    answers(node, logs, bloom, [receipt(LOG), receipt(), receipt(late)])

    with pytest.raises(RpcContradictionError, match="contradicts the header of block 9"):
        reading(node, in_block, **ASKED)


def test_r3_a_false_positive_is_counted_and_fine(node: FakeNode) -> None:
    """Logs of others have set the bits."""
    stranger = LOG | {"address": "0x" + "0e" * 20}
    other_topic = LOG | {"topics": [], "logIndex": "0x5"}
    answers(node, [], mask_of(VAULT, LOCKED), [receipt(stranger, other_topic)])

    read, counts = reading(node, in_block, **ASKED)

    assert read.events == ()
    assert counts == BloomCounts(checked=1, false_positives=1)


def test_r3_what_a_contract_should_not_emit_is_compared_too(node: FakeNode) -> None:
    """A vault that speaks like a credit line is malformed, and no contradiction of the node's."""
    borrowed = next(iter(CREDIT_LINE_EVENTS))
    strange = LOG | {"topics": ["0x" + borrowed.hex(), *LOG["topics"][1:]], "logIndex": "0x4"}
    bloom = mask_of(VAULT, LOCKED) | mask_of(VAULT, RELEASED)
    answers(node, [LOG, strange], bloom, [receipt(LOG, strange)])

    read, counts = reading(node, in_block, **ASKED)

    assert (len(read.events), len(read.unreadable)) == (1, 1)
    assert counts.false_positives == 1


def test_r3_a_log_that_the_bloom_excludes_is_unusable(node: FakeNode) -> None:
    """A bloom never promises too little; the error names the setting for chains without one."""
    answers(node, [LOG], 0)

    with pytest.raises(RpcAnswerError, match="is_bloom_trusted = false"):
        reading(node, in_block, **ASKED)


def test_a_chain_without_blooms_can_be_read(node: FakeNode) -> None:
    """All zero, and the operator said so."""
    answers(node, [LOG], 0)

    read, counts = reading(node, in_block, **BELIEVING)

    assert len(read.events) == 1
    assert counts == BloomCounts()


def test_a_node_without_receipts_of_blocks_is_counted(node: FakeNode) -> None:
    """The second reading and the lock counter remain."""
    answers(node, [], mask_of(VAULT, LOCKED))

    def unknown(_: list[Any]) -> Any:
        raise FaultError(-32601, "the method eth_getBlockReceipts does not exist")

    node.answers["eth_getBlockReceipts"] = unknown

    read, counts = reading(node, in_block, **ASKED)

    assert read.events == ()
    assert counts == BloomCounts(checked=1, unchecked=1)


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        (None, BlockGoneError),
        ({}, RpcAnswerError),
        ([None], RpcAnswerError),
        ([receipt(LOG | {"blockHash": "0x" + "03" * 32})], RpcAnswerError),
    ],
)
def test_receipts_that_cannot_be_used_prove_nothing(
    node: FakeNode, receipts: Any, expected: type[Exception]
) -> None:
    """Gone, misshapen, or of another block."""
    answers(node, [], mask_of(VAULT, LOCKED), receipts)

    with pytest.raises(expected):
        reading(node, in_block, **ASKED)


def test_the_header_that_was_just_read_is_not_asked_for_again(node: FakeNode) -> None:
    """The watcher reads the header first."""
    answers(node, [], 0)
    node.answers["eth_getBlockByNumber"] = lambda _: header(0)

    async def ask(reader: EvmReader) -> EventRead:
        await reader.header_at(9)
        return await reader.events_in_block(BLOCK)

    reading(node, ask, **ASKED)

    assert node.asked("eth_getBlockByHash") == []


def proving(node: FakeNode, found: Any) -> None:
    """Let a node answer with the lock, and with what its receipt and its tokens say."""

    def logs(params: list[Any]) -> Any:
        is_transfers = params[0]["topics"][0] == "0x" + TRANSFER_TOPIC.hex()
        return found["logs"][:-1] if is_transfers else [LOG]

    node.answers["eth_getLogs"] = logs
    node.answers["eth_getTransactionReceipt"] = lambda _: found


@pytest.mark.parametrize("ask", [in_block, in_range])
@pytest.mark.parametrize(
    ("moved", "is_proven"),
    [
        ([TRANSFER], True),
        ([], False),
        ([TRANSFER | {"data": "0x" + "00" * 31 + "06"}], False),
        ([TRANSFER | {"address": "0x" + "07" * 20}], False),
        ([TRANSFER | {"logIndex": "0x4"}], False),
    ],
)
def test_r14_receipts_and_ranges_come_to_the_same_verdict(
    node: FakeNode,
    ask: Callable[[EvmReader], Coroutine[Any, Any, EventRead]],
    moved: list[Any],
    is_proven: bool,
) -> None:
    """Backed, or not, too little, of another token, or after the lock."""
    proving(node, receipt(*moved, LOG))

    read, _ = reading(node, ask, **PROVING)

    (event,) = read.events
    assert (event.position.event_id not in read.unproven) == is_proven
    assert all(isinstance(flaw, MovementMissingError) for flaw in read.malformed)
    assert read.unreadable == ()


def test_r14_one_more_question_covers_a_whole_range(node: FakeNode) -> None:
    """And only the part of it that has locks; a receipt per lock would cost too much."""
    proving(node, receipt(TRANSFER, LOG))

    reading(node, in_range, **PROVING)

    asked = node.asked("eth_getLogs")[1][0]
    assert len(node.asked("eth_getLogs")) == 2
    assert node.asked("eth_getTransactionReceipt") == []
    assert (asked["fromBlock"], asked["toBlock"]) == ("0x9", "0x9")
    assert asked["address"] == ["0x" + TOKEN[12:].hex()]
    assert asked["topics"][1:] == [None, ["0x" + VAULT.hex()]]


def test_a_range_without_locks_costs_nothing_more(node: FakeNode) -> None:
    """As most ranges are."""
    node.answers["eth_getLogs"] = lambda _: []

    reading(node, in_range, **PROVING)

    assert len(node.asked("eth_getLogs")) == 1


def test_too_many_movements_halve_the_range(node: FakeNode) -> None:
    """As too many locks do."""

    def logs(params: list[Any]) -> Any:
        if params[0]["topics"][0] == "0x" + TRANSFER_TOPIC.hex():
            raise FaultError(-32005, "query returned more than 10000 results")
        return [LOG]

    node.answers["eth_getLogs"] = logs

    with pytest.raises(RangeTooLargeError):
        reading(node, in_range, **PROVING)


def test_r14_a_lock_that_its_own_receipt_lacks_is_not_proven(node: FakeNode) -> None:
    """The log was made up for a transaction that exists."""
    proving(node, receipt(TRANSFER, LOG | {"data": LOG["data"][:-1] + "9"}))

    read, _ = reading(node, in_block, **PROVING)

    (reason,) = read.unproven.values()
    assert reason == "movement_missing: lock 1 is not in the receipt of its transaction"


@pytest.mark.parametrize("found", [None, receipt(TRANSFER, LOG, blockHash="0x" + "03" * 32)])
def test_r14_a_movement_that_cannot_be_looked_up_decides_nothing(
    node: FakeNode, found: Any
) -> None:
    """Could not verify: neither credited nor refused, but asked again."""
    proving(node, receipt(TRANSFER, LOG))
    node.answers["eth_getTransactionReceipt"] = lambda _: found

    with pytest.raises(RpcContradictionError):
        reading(node, in_block, **PROVING)


def test_a_movement_of_another_block_at_the_locks_height_is_unusable(node: FakeNode) -> None:
    """A node that knows two final blocks at one height knows neither."""
    proving(node, receipt(TRANSFER | {"blockHash": "0x" + "03" * 32}, LOG))

    with pytest.raises(RpcAnswerError, match="two blocks at height 9"):
        reading(node, in_range, **PROVING)


def test_r14_a_lock_of_an_unknown_token_is_left_to_the_ledger(node: FakeNode) -> None:
    """Not applicable: no asset is configured, so no rule books it."""
    node.answers["eth_getLogs"] = lambda _: [LOG]

    read, _ = reading(node, in_block, **BELIEVING)

    assert read.unproven == {}
    assert node.asked("eth_getTransactionReceipt") == []
