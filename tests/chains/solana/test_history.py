"""Nodes that lie, and lines that break: nothing is read as empty, nothing is made up."""

import asyncio
import base64
import copy
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from chains.agreement.board import Terms
from chains.agreement.reader import AgreeingReader
from chains.base58 import base58_of, bytes_of_base58
from chains.devnet.proxy import (
    Break,
    ErrorObject,
    FaultProxy,
    HttpStatus,
    Late,
    Layer,
    Lie,
    always,
    on,
)
from chains.devnet.solana.lies import (
    DropSignatures,
    EndlessPages,
    ForgedBlocks,
    Forgetful,
    ShortPages,
    StaleSlots,
)
from chains.errors import (
    BlockGoneError,
    ChainError,
    QuorumLostError,
    RangeTooLargeError,
    RpcAnswerError,
    RpcContradictionError,
    RpcDisagreementError,
    RpcRateLimitError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from chains.line import http
from chains.nodes import NodeEvent, NodeReport
from chains.port import EventRead
from chains.solana import history
from chains.solana.reader import SolanaReader
from tests.chains.solana.scenes import Scene

Block = dict[str, Any]
SETUP_TRANSACTIONS = 4


def all_events(world: Scene, last: int, url: str | None = None) -> EventRead:
    """Return all events up to a slot, from the first one on that a test made."""
    first = world.slot_of(world.sent[SETUP_TRANSACTIONS])
    return world.ask(lambda reader: reader.events_in_range(first, last), url)


def through(world: Scene, layer: Layer, last: int) -> EventRead:
    """Return all events as a node with a layer in front tells them."""
    with FaultProxy(world.net.url, layers=[layer]) as proxy:
        return all_events(world, last, proxy.rpc_url)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Break.RESET, RpcUnavailableError),
        (Break.HALF_BODY, RpcUnavailableError),
        (Break.NOT_JSON, RpcUnavailableError),
        (Break.WRONG_ID, RpcAnswerError),
        (Break.HANG, RpcTimeoutError),
        (Late(30), RpcTimeoutError),
        (HttpStatus(429, retry_after_seconds=7), RpcRateLimitError),
        (HttpStatus(503), RpcUnavailableError),
        (HttpStatus(400), RpcRequestError),
        (ErrorObject(-32005, "Node is behind by 42 slots"), RpcUnavailableError),
        (ErrorObject(-32005, "too many requests"), RpcRateLimitError),
        (ErrorObject(-32004, "Block not available for slot 9"), BlockGoneError),
        (ErrorObject(-32011, "Transaction history is not available"), RpcUnavailableError),
        (ErrorObject(-32601, "Method not found"), RpcRequestError),
        (Lie(lambda _: "x"), RpcAnswerError),
        (Lie(lambda _: True), RpcAnswerError),
        (Lie(lambda _: -1), RpcAnswerError),
    ],
)
def test_r11_a_fault_of_the_line_is_named_and_no_url_is(
    world: Scene, fault: Any, expected: type[ChainError]
) -> None:
    """Whatever stands in the place of an answer."""
    with (
        FaultProxy(world.net.url, always(fault)) as proxy,
        pytest.raises(expected) as found,
    ):
        world.ask(lambda reader: reader.heads(), proxy.rpc_url, timeout_seconds=0.5)

    assert "127.0.0.1" not in str(found.value)
    if isinstance(fault, HttpStatus) and fault.retry_after_seconds:
        assert "wait 7 s" in str(found.value)


def test_r11_pages_that_are_cut_short_are_gone_through(world: Scene) -> None:
    """A short page is not the end; only an empty one after something known is."""
    for units in range(1, 8):
        world.lock(units)
    last = world.finalize()

    read = through(world, ShortPages(2), last)

    assert read == all_events(world, last)
    assert len(read.events) == 7


@pytest.mark.parametrize("layer", [EndlessPages, Forgetful])
def test_r11_pages_that_lead_nowhere_are_refused(world: Scene, layer: Callable[[], Layer]) -> None:
    """The same page again, or an end after a transaction that the node does not know."""
    world.lock(1)
    last = world.finalize()

    with (
        FaultProxy(world.net.url, layers=[layer()]) as proxy,
        pytest.raises(RpcContradictionError),
    ):
        world.ask(lambda reader: reader.events_in_range(0, last), proxy.rpc_url)


def test_r11_a_transaction_that_is_hidden_next_to_another_is_a_contradiction(
    world: Scene,
) -> None:
    """The block shows what the history leaves out."""
    world.lock(1)
    hidden = world.lock(2)
    last = world.finalize()

    with pytest.raises(RpcContradictionError):
        through(world, DropSignatures(lambda entry: entry["signature"] == hidden), last)


def test_a_signature_of_another_slot_is_a_contradiction(world: Scene) -> None:
    """It is not in the block of the slot under which it is listed."""
    world.lock(1)
    world.net.advance()
    world.lock(2)
    last = world.finalize()

    def move(page: list[Any]) -> list[Any]:
        slots = [entry["slot"] for entry in page]
        return [entry | {"slot": slots[0]} for entry in page]

    with (
        FaultProxy(world.net.url, on("getSignaturesForAddress", Lie(move), times=1)) as proxy,
        pytest.raises(RpcContradictionError),
    ):
        all_events(world, last, proxy.rpc_url)


@pytest.mark.parametrize(
    "change",
    [
        lambda page: page[::-1],
        lambda page: page * 2,
        lambda page: [{name: value for name, value in page[0].items() if name != "err"}],
        lambda page: [page[0] | {"signature": "1" * 63}],
        lambda page: [page[0] | {"slot": True}],
        lambda page: {"page": page},
    ],
)
def test_a_page_that_cannot_be_true_is_refused(world: Scene, change: Any) -> None:
    """Its order, its entries, its form."""
    world.lock(1)
    world.net.advance()
    world.lock(2)
    last = world.finalize()

    with (
        FaultProxy(world.net.url, on("getSignaturesForAddress", Lie(change))) as proxy,
        pytest.raises(RpcAnswerError),
    ):
        all_events(world, last, proxy.rpc_url)


@pytest.mark.parametrize(
    "change",
    [
        lambda block: block | {"parentSlot": 10**9},
        lambda block: block | {"blockHeight": 10**9},
        lambda block: block | {"blockhash": "abc"},
        lambda block: block | {"blockhash": block["previousBlockhash"]},
        lambda block: block | {"blockTime": "now"},
        lambda block: block | {"transactions": None},
    ],
)
def test_a_block_that_cannot_be_true_is_refused(world: Scene, change: Any) -> None:
    """Above its parent, at most as high as its slot, with a hash and a time."""
    world.lock(1)
    last = world.finalize()

    with pytest.raises(RpcAnswerError):
        through(world, ForgedBlocks(change), last)


def with_meta(block: Block, change: Callable[[dict[str, Any]], Any]) -> Block:
    """Return a block with the effects of its last transaction changed."""
    forged = copy.deepcopy(block)
    change(forged["transactions"][-1]["meta"])
    return forged


@pytest.mark.parametrize(
    "change",
    [
        lambda meta: meta.update(innerInstructions=None),
        lambda meta: meta.pop("err"),
        lambda meta: meta.update(err={"InstructionError": [0, "Custom"]}),
        lambda meta: meta["innerInstructions"][0].update(index=200),
        lambda meta: meta["innerInstructions"][0]["instructions"][-1].update(programIdIndex=77),
        lambda meta: meta["innerInstructions"][0]["instructions"][-1].update(data="0OIl"),
        lambda meta: meta["innerInstructions"][0]["instructions"][-1].update(stackHeight=9),
        lambda meta: meta["innerInstructions"][0]["instructions"][-1].update(accounts=[255]),
        lambda meta: meta.update(postTokenBalances=None),
        lambda meta: meta["postTokenBalances"].append(meta["postTokenBalances"][0]),
        lambda meta: meta["postTokenBalances"][0]["uiTokenAmount"].update(amount="-1"),
        lambda meta: meta["loadedAddresses"]["writable"].append("1" * 32),
    ],
)
def test_effects_that_cannot_be_true_are_refused(world: Scene, change: Any) -> None:
    """Nothing of a transaction is guessed."""
    world.lock(1)
    last = world.finalize()

    with pytest.raises(RpcAnswerError):
        through(world, ForgedBlocks(lambda block: with_meta(block, change)), last)


def test_a_transaction_that_cannot_be_read_is_refused(world: Scene) -> None:
    """Its bytes are cut, or longer than it."""
    world.lock(1)
    last = world.finalize()

    def change(edit: Callable[[bytes], bytes], block: Block) -> Block:
        forged = copy.deepcopy(block)
        raw = base64.b64decode(forged["transactions"][-1]["transaction"][0])
        text = base64.b64encode(edit(raw)).decode()
        forged["transactions"][-1]["transaction"] = [text, "base64"]
        return forged

    edits: tuple[Callable[[bytes], bytes], ...] = (
        lambda raw: raw[:-1],
        lambda raw: raw + b"\0",
        lambda raw: b"\0" + raw,
    )
    for edit in edits:
        with pytest.raises((RpcAnswerError, RpcContradictionError)):
            through(world, ForgedBlocks(partial(change, edit)), last)


def agreeing(
    world: Scene, layers: list[Layer], told: list[NodeReport]
) -> Callable[[Callable[[AgreeingReader], Any]], Any]:
    """Return how to ask three nodes, each behind a layer; two must agree."""

    def ask(question: Callable[[AgreeingReader], Any]) -> Any:
        async def asked(urls: list[str]) -> Any:
            readers = [world.reader(url, timeout_seconds=3.0) for url in urls]
            reader = AgreeingReader(readers, Terms(2, report=told.append))
            try:
                return await question(reader)
            finally:
                await reader.close()

        with ExitStack() as running:
            proxies = [
                running.enter_context(FaultProxy(world.net.url, layers=[layer])) for layer in layers
            ]
            return asyncio.run(asked([proxy.rpc_url for proxy in proxies]))

    return ask


def forge_units(block: Block) -> Block:
    """Return a block whose last event has another amount, and a balance to go with it."""

    def change(meta: dict[str, Any]) -> None:
        call = meta["innerInstructions"][-1]["instructions"][-1]
        content = bytes_of_base58(call["data"])
        call["data"] = base58_of(content[:-16] + (10**9).to_bytes(8, "big") * 2)

    return with_meta(block, change)


@pytest.mark.parametrize(
    "liar",
    [
        DropSignatures(lambda _: True),
        ForgedBlocks(forge_units),
        StaleSlots(20),
        EndlessPages(),
    ],
)
def test_r5_one_of_three_nodes_that_lies_changes_nothing(world: Scene, liar: Layer) -> None:
    """The other two agree, on heads, ranges and blocks."""
    slot = world.slot_of(world.lock(5))
    last = world.finalize()
    truth = all_events(world, last)
    told: list[NodeReport] = []

    async def question(reader: AgreeingReader) -> tuple[Any, ...]:
        heads = await reader.heads()
        header = await reader.header_at(slot)
        return (
            heads.finalized.block.height,
            await reader.events_in_range(0, last),
            await reader.events_in_block(header.block),
        )

    honest: list[Layer] = [ShortPages(1_000), ShortPages(1_000)]
    found = agreeing(world, [liar, *honest], told)(question)

    assert found == (last, truth, truth)
    assert len(truth.events) == 1
    is_wrong = isinstance(liar, DropSignatures | ForgedBlocks)
    assert any(report.event is NodeEvent.DISSENTED for report in told) is is_wrong


def test_r5_two_liars_stop_the_reading(world: Scene) -> None:
    """No quorum says the same; nothing is decided."""
    world.lock(5)
    last = world.finalize()
    layers: list[Layer] = [
        DropSignatures(lambda _: True),
        ForgedBlocks(forge_units),
        ShortPages(1_000),
    ]

    with pytest.raises((RpcDisagreementError, QuorumLostError)):
        agreeing(world, layers, [])(lambda reader: reader.events_in_range(0, last))


def test_a_node_without_written_history_is_behind_and_not_empty(world: Scene) -> None:
    """It lists a block and cannot show it yet; heads are those that it can show."""
    world.net.advance(40)
    world.net.faults.history_lag_slots = 4

    async def question(reader: SolanaReader) -> int:
        return (await reader.heads()).latest.block.height

    assert world.ask(question) == world.net.slot - 4
    with pytest.raises(BlockGoneError):
        world.ask(lambda reader: reader.header_at(world.net.slot - 2))


def test_a_block_that_is_too_large_is_refused_and_a_range_halved(
    world: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By errors that callers know."""
    slot = world.slot_of(world.lock(5))
    last = world.finalize()
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 1_500)

    with pytest.raises(RangeTooLargeError):
        world.ask(lambda reader: reader.events_in_range(slot, last))

    async def question(reader: SolanaReader) -> None:
        header = await reader.header_at(slot)
        with pytest.raises(RpcAnswerError, match="too large"):
            await reader.events_in_block(header.block)

    world.ask(question)


def test_a_range_with_too_many_blocks_is_halved(
    world: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many are not read at once; one slot always is."""
    monkeypatch.setattr(history, "BLOCKS_PER_RANGE_MAX", 1)
    slot = world.slot_of(world.lock(5))
    world.net.advance()
    world.lock(6)
    last = world.finalize()

    with pytest.raises(RangeTooLargeError):
        world.ask(lambda reader: reader.events_in_range(slot, last))
    assert len(world.ask(lambda reader: reader.events_in_range(slot, slot)).events) == 1
