"""The reader against nodes that lie, tire or know less than others."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from chains.errors import (
    BlockGoneError,
    CallRevertedError,
    RangeTooLargeError,
    RpcAnswerError,
    RpcUnavailableError,
    WrongChainError,
)
from chains.evm.decode import VAULT_EVENTS
from chains.evm.reader import EvmReader, Watched
from chains.line import http
from chains.port import ContractCall
from chains.types import BlockRef
from tests.chains.evm.fake_node import FakeNode, FaultError
from tests.chains.strategies import CHAIN

T = TypeVar("T")
VAULT = bytes(12) + b"\x0a" * 20
LINE = bytes(12) + b"\x0b" * 20
LOCKED_TOPIC = next(
    topic for topic, shape in VAULT_EVENTS.items() if shape.event_type.__name__.endswith("Locked")
)
BLOCK = BlockRef(9, b"\x01" * 32)
HEADER: dict[str, Any] = {
    "number": "0x9",
    "hash": "0x" + "01" * 32,
    "parentHash": "0x" + "02" * 32,
    "timestamp": "0x6a",
}
LOG: dict[str, Any] = {
    "address": "0x" + "0a" * 20,
    "topics": [
        "0x" + LOCKED_TOPIC.hex(),
        "0x" + (1).to_bytes(32, "big").hex(),
        "0x" + "04" * 32,
        "0x" + "00" * 12 + "05" * 20,
    ],
    "data": "0x" + "00" * 12 + "06" * 20 + "00" * 31 + "07" + "00" * 31 + "08",
    "blockNumber": "0x9",
    "blockHash": "0x" + "01" * 32,
    "transactionHash": "0x" + "0c" * 32,
    "logIndex": "0x0",
    "removed": False,
}
HELD = ContractCall(CHAIN, VAULT, "lockCount()", ())


def run(node: FakeNode, ask: Callable[[EvmReader], Coroutine[Any, Any, T]], **options: Any) -> T:
    """Return what a reader of the node comes to."""

    async def asked() -> T:
        watched = options.pop("watched", Watched(vaults=(VAULT,), credit_lines=(LINE,)))
        reader = EvmReader(CHAIN, node.url, watched=watched, **options)
        try:
            return await ask(reader)
        finally:
            await reader.close()

    return asyncio.run(asked())


def raising(code: int, text: str) -> Callable[[list[Any]], Any]:
    """Return an answer that is an error object."""

    def refuse(params: list[Any]) -> Any:
        raise FaultError(code, text)

    return refuse


def test_a_node_of_another_chain_is_refused(node: FakeNode) -> None:
    """The error says which setting to look at."""
    node.answers["eth_chainId"] = lambda _: "0x1"

    with pytest.raises(WrongChainError, match="chain id is 1, expected 31337"):
        run(node, lambda reader: reader.identity())


@pytest.mark.parametrize("answer", [None, "", "31337", 31337, "0x" + "f" * 65, {}])
def test_a_chain_id_that_is_no_number_is_unusable(node: FakeNode, answer: object) -> None:
    """A wrong type is not taken for another chain."""
    node.answers["eth_chainId"] = lambda _: answer

    with pytest.raises(RpcAnswerError):
        run(node, lambda reader: reader.identity())


def test_a_missing_block_is_gone(node: FakeNode) -> None:
    """Nodes answer null for what they do not know."""
    node.answers["eth_getBlockByNumber"] = lambda _: None
    node.answers["eth_getBlockByHash"] = lambda _: None

    with pytest.raises(BlockGoneError, match="0x9"):
        run(node, lambda reader: reader.header_at(9))
    with pytest.raises(BlockGoneError):
        run(node, lambda reader: reader.header_of(b"\x01" * 32))


def test_another_header_than_the_asked_one_is_unusable(node: FakeNode) -> None:
    """By height and by hash."""
    node.answers["eth_getBlockByNumber"] = lambda _: HEADER
    node.answers["eth_getBlockByHash"] = lambda _: HEADER

    with pytest.raises(RpcAnswerError, match="asked for height 8"):
        run(node, lambda reader: reader.header_at(8))
    with pytest.raises(RpcAnswerError, match="asked for 0x0303"):
        run(node, lambda reader: reader.header_of(b"\x03" * 32))


def test_a_final_head_above_the_newest_is_asked_again(node: FakeNode) -> None:
    """Behind a load balancer two answers may come from two nodes."""
    node.answers["eth_getBlockByNumber"] = lambda params: (
        HEADER | {"number": "0x9" if params[0] == "finalized" else "0x8"}
    )

    with pytest.raises(RpcUnavailableError, match="above head"):
        run(node, lambda reader: reader.heads())


def test_a_block_is_asked_by_hash_for_our_contracts_and_topics(node: FakeNode) -> None:
    """A height would not tell one branch from another."""
    node.answers["eth_getLogs"] = lambda _: [LOG]

    read = run(node, lambda reader: reader.events_in_block(BLOCK))

    (asked,) = node.asked("eth_getLogs")[0]
    assert asked["blockHash"] == "0x" + "01" * 32
    assert asked["address"] == ["0x" + "0a" * 20, "0x" + "0b" * 20]
    assert len(asked["topics"][0]) == 7
    assert "fromBlock" not in asked
    assert [event.position.block for event in read.events] == [BLOCK]


@pytest.mark.parametrize(
    "lie",
    [
        {"blockHash": "0x" + "03" * 32},
        {"blockNumber": "0x8"},
        {"address": "0x" + "0d" * 20},
        {"topics": ["0x" + "0d" * 32]},
        {"topics": []},
        {"removed": True},
        {"logIndex": None},
        {"data": "0x1"},
        {"transactionHash": "0x"},
    ],
)
def test_a_log_that_was_not_asked_for_is_unusable(node: FakeNode, lie: dict[str, Any]) -> None:
    """Another block, contract or topic, or a broken field: nothing of the answer is used."""
    node.answers["eth_getLogs"] = lambda _: [LOG, LOG | {"logIndex": "0x1"} | lie]

    with pytest.raises(RpcAnswerError):
        run(node, lambda reader: reader.events_in_block(BLOCK))


@pytest.mark.parametrize("answer", [None, {}, "0x", [None], [[]]])
def test_logs_of_another_type_are_unusable(node: FakeNode, answer: object) -> None:
    """Null is not an empty list: it must not look like a quiet block."""
    node.answers["eth_getLogs"] = lambda _: answer

    with pytest.raises(RpcAnswerError):
        run(node, lambda reader: reader.events_in_block(BLOCK))


def test_a_malformed_log_does_not_hide_the_others(node: FakeNode) -> None:
    """It is reported beside them."""
    broken = LOG | {"logIndex": "0x1", "data": "0x" + "00" * 31}
    last = LOG | {"logIndex": "0x2"}
    node.answers["eth_getLogs"] = lambda _: [LOG, broken, last]

    read = run(node, lambda reader: reader.events_in_block(BLOCK))

    assert [event.position.log_index for event in read.events] == [0, 2]
    assert [error.log_index for error in read.malformed] == [1]


def test_a_lock_that_a_credit_line_announces_is_reported_and_not_believed(
    node: FakeNode,
) -> None:
    """A watched contract speaks only for what it is."""
    node.answers["eth_getLogs"] = lambda _: [LOG | {"address": "0x" + "0b" * 20}]

    read = run(node, lambda reader: reader.events_in_block(BLOCK))

    assert read.events == ()
    assert "does not emit" in read.malformed[0].reason


def test_a_block_that_left_the_chain_is_gone(node: FakeNode) -> None:
    """This is how a reorg shows between a header and its logs."""
    node.answers["eth_getLogs"] = raising(-32000, "unknown block")

    with pytest.raises(BlockGoneError, match="0x0101"):
        run(node, lambda reader: reader.events_in_block(BLOCK))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (-32005, "query returned more than 10000 results"),
        (-32005, "limit exceeded"),
        (-32602, "eth_getLogs is limited to a 10,000 range"),
        (-32000, "block range is too wide"),
        (-32600, "Log response size exceeded"),
        (-32000, "query timeout exceeded"),
    ],
)
def test_a_refused_range_is_to_be_halved(node: FakeNode, code: int, text: str) -> None:
    """As nodes of many makers write it; the suggested span shrinks with it."""
    node.answers["eth_getLogs"] = raising(code, text)

    async def ask(reader: EvmReader) -> int:
        with pytest.raises(RangeTooLargeError, match=r"1\.\.50"):
            await reader.events_in_range(1, 50)
        return reader.suggested_span

    assert run(node, ask) == 25


def test_an_endless_range_is_to_be_halved(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer above the bound is a range that is too large."""
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 1_000)
    node.answers["eth_getLogs"] = lambda _: ["x" * 2_000]

    with pytest.raises(RangeTooLargeError):
        run(node, lambda reader: reader.events_in_range(1, 2))


def test_a_rate_limit_is_not_a_range_limit(node: FakeNode) -> None:
    """Halving would only ask more often."""
    node.answers["eth_getLogs"] = raising(-32005, "daily request count exceeded")

    with pytest.raises(RpcUnavailableError):
        run(node, lambda reader: reader.events_in_range(1, 2))


def test_a_quick_full_range_widens_the_next(node: FakeNode) -> None:
    """The reader learns by itself."""
    node.answers["eth_getLogs"] = lambda _: []

    async def ask(reader: EvmReader) -> int:
        await reader.events_in_range(1, 50)
        return reader.suggested_span

    assert run(node, ask) == 100


def test_a_log_outside_the_asked_range_is_unusable(node: FakeNode) -> None:
    """It could be counted twice."""
    node.answers["eth_getLogs"] = lambda _: [LOG]

    with pytest.raises(RpcAnswerError, match=r"asked for 10\.\.20, got height 9"):
        run(node, lambda reader: reader.events_in_range(10, 20))


def test_a_range_that_ends_before_it_begins_is_refused(node: FakeNode) -> None:
    """A bug of the caller."""
    with pytest.raises(ValueError, match="above last height"):
        run(node, lambda reader: reader.events_in_range(2, 1))


def test_with_nothing_to_watch_nothing_is_asked(node: FakeNode) -> None:
    """An empty address list would mean every contract."""
    read = run(node, lambda reader: reader.events_in_block(BLOCK), watched=Watched())

    assert (read.events, node.requests) == ((), [])


def test_many_contracts_are_filtered_here(node: FakeNode) -> None:
    """Above a thousand addresses the node gets no address filter."""
    others = tuple(bytes(12) + number.to_bytes(20, "big") for number in range(1, 1_001))
    strange = LOG | {"address": "0x" + "0d" * 20, "logIndex": "0x1"}
    node.answers["eth_getLogs"] = lambda _: [LOG, strange]

    read = run(
        node,
        lambda reader: reader.events_in_block(BLOCK),
        watched=Watched(vaults=(VAULT, *others)),
    )

    assert "address" not in node.asked("eth_getLogs")[0][0]
    assert [event.position.contract for event in read.events] == [VAULT]


def test_a_view_is_pinned_by_hash(node: FakeNode) -> None:
    """EIP-1898, and only on the canonical chain."""
    node.answers["eth_call"] = lambda _: "0x" + "00" * 31 + "05"

    found = run(node, lambda reader: reader.view(HELD, BLOCK))

    assert int.from_bytes(found, "big") == 5
    pin = {"blockHash": "0x" + "01" * 32, "requireCanonical": True}
    assert node.asked("eth_call")[0][1] == pin


def by_number_only(params: list[Any]) -> str:
    """Answer a call as a node does that does not know EIP-1898."""
    if isinstance(params[1], dict):
        raise FaultError(-32602, "invalid argument 1: json: cannot unmarshal object")
    return "0x" + "00" * 31 + "05"


def test_a_node_without_hash_pinning_is_asked_by_number_and_checked(node: FakeNode) -> None:
    """The header is read after the call; the node is not asked by hash again."""
    node.answers["eth_call"] = by_number_only
    node.answers["eth_getBlockByNumber"] = lambda _: HEADER

    async def ask(reader: EvmReader) -> None:
        for _ in range(2):
            assert (await reader.view(HELD, BLOCK))[-1] == 5

    run(node, ask)

    assert [params[1] for params in node.asked("eth_call")[1:]] == ["0x9", "0x9"]
    assert len(node.asked("eth_getBlockByNumber")) == 2


def test_a_reorg_during_a_call_by_number_is_noticed(node: FakeNode) -> None:
    """The answer belongs to another branch and is dropped."""
    node.answers["eth_call"] = by_number_only
    node.answers["eth_getBlockByNumber"] = lambda _: HEADER | {"hash": "0x" + "03" * 32}

    with pytest.raises(BlockGoneError):
        run(node, lambda reader: reader.view(HELD, BLOCK))


def test_a_view_that_reverts_is_no_reason_to_stop_pinning(node: FakeNode) -> None:
    """The contract refused, not the node."""
    node.answers["eth_call"] = raising(-32602, "execution reverted")

    with pytest.raises(CallRevertedError):
        run(node, lambda reader: reader.view(HELD, BLOCK))
    assert len(node.asked("eth_call")) == 1


def test_a_contract_cannot_be_watched_twice() -> None:
    """As a vault and as a credit line."""
    with pytest.raises(ValueError, match="choose one"):
        Watched(vaults=(VAULT,), credit_lines=(VAULT,))
