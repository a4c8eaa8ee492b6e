"""Agreement over real HTTP: several nodes, each with faults of its own, and no URL anywhere."""

import asyncio
import io
import logging
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import pytest

from chains.agreement.board import Terms
from chains.agreement.health import FAULTS_IN_ROW_MAX
from chains.agreement.reader import AgreeingReader
from chains.errors import ChainError, QuorumLostError
from chains.evm.reader import EvmReader, Watched
from chains.nodes import NodeReport, Standing
from chains.types import BlockRef
from relayer.steps.condition import log_node
from relayer.telemetry import configure_logging
from tests.chains.evm.fake_node import FakeNode, FaultError, serving
from tests.chains.strategies import CHAIN

T = TypeVar("T")
Nodes = tuple[FakeNode, ...]
Ask = Callable[[AgreeingReader], Coroutine[Any, Any, T]]
VAULT = bytes(12) + b"\x0a" * 20
LABELS = ("own", "rented", "third")


def block(height: int, branch: str = "a") -> dict[str, Any]:
    """Return a header as a node gives it."""
    return {
        "number": hex(height),
        "hash": "0x" + branch * 2 + f"{height:062x}",
        "parentHash": "0x" + branch * 2 + f"{max(height - 1, 0):062x}",
        "timestamp": hex(1_000 + height),
        "logsBloom": "0x" + "00" * 256,
    }


def ref(height: int) -> BlockRef:
    """Return a block of the true branch."""
    return BlockRef(height, bytes.fromhex(block(height)["hash"][2:]))


def serve_chain(node: FakeNode, latest: int, branch: str = "a") -> None:
    """Let a node serve a chain of this height; all but three blocks are final."""

    def at(params: list[Any]) -> Any:
        tags = {"latest": latest, "finalized": max(latest - 3, 0)}
        height = tags.get(params[0]) if params[0] in tags else int(params[0], 16)
        return block(height, branch) if height is not None and height <= latest else None

    node.answers["eth_chainId"] = lambda _: hex(31337)
    node.answers["eth_getBlockByNumber"] = at
    node.answers["eth_getBlockByHash"] = lambda params: at([hex(int(params[0][4:], 16))])
    node.answers["eth_getLogs"] = lambda _: []


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    """Three nodes of one chain."""
    with ExitStack() as running:
        made = tuple(running.enter_context(serving(FakeNode())) for _ in range(3))
        for node in made:
            serve_chain(node, 100)
        yield made


def refuse(code: int, text: str) -> Callable[[list[Any]], Any]:
    """Return an answer that is an error object."""

    def answer(params: list[Any]) -> Any:
        raise FaultError(code, text)

    return answer


def run(nodes: Nodes, ask: Ask[T], *, told: list[NodeReport] | None = None) -> T:
    """Return what a reader over the nodes comes to; two thirds must agree."""
    kept: list[NodeReport] = [] if told is None else told

    async def asked() -> T:
        readers = [
            EvmReader(CHAIN, node.url, watched=Watched(vaults=(VAULT,)), timeout_seconds=1)
            for node in nodes
        ]
        reader = AgreeingReader(readers, Terms(2, labels=LABELS, report=kept.append))
        try:
            return await ask(reader)
        finally:
            await reader.close()

    return asyncio.run(asked())


async def all_reads(reader: AgreeingReader) -> tuple[int, int, int]:
    """Read heads, logs of a range and logs of a block."""
    heads = await reader.heads()
    events = await reader.events_in_range(90, 97)
    more = await reader.events_in_block(ref(99))
    return heads.latest.block.height, heads.finalized.block.height, len(events.events + more.events)


def break_off(node: FakeNode) -> None:
    """Promise more than is sent."""
    node.announced_bytes = 10_000


def forge(node: FakeNode) -> None:
    """Serve another branch."""
    serve_chain(node, 100, "b")


def lag(node: FakeNode) -> None:
    """Serve the chain of a while ago."""
    serve_chain(node, 50)


def invent(node: FakeNode) -> None:
    """Serve a height that nobody else has."""
    serve_chain(node, 10**9)


def shrink(node: FakeNode) -> None:
    """Refuse every range."""
    node.answers["eth_getLogs"] = refuse(-32005, "query returned more than 10000 results")


def be_silent(node: FakeNode) -> None:
    """Answer nothing."""
    node.is_silent = True


def be_full(node: FakeNode) -> None:
    """Refuse by status."""
    node.status, node.body = 429, b"slow down"


def lock_out(node: FakeNode) -> None:
    """Refuse our key."""
    node.status, node.body = 401, b'{"error":"Must be authenticated!"}'


def babble(node: FakeNode) -> None:
    """Answer no JSON."""
    node.body = b"<html>"


BAD = (break_off, forge, lag, invent, shrink, be_silent, be_full, lock_out, babble)


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_r5_no_fault_of_one_node_stops_two_of_three(
    nodes: Nodes, spoil: Callable[[FakeNode], None], place: int
) -> None:
    """Over real connections."""
    spoil(nodes[place])

    assert run(nodes, all_reads) == (100, 97, 0)


def test_r5_a_forger_alone_gives_nothing(nodes: Nodes) -> None:
    """The other two are cut off, each in its way; the error says who by label."""
    forge(nodes[0])
    be_full(nodes[1])
    babble(nodes[2])

    with pytest.raises(QuorumLostError) as caught:
        run(nodes, lambda reader: reader.heads())

    assert caught.value.tally.answered == ("own",)
    assert caught.value.tally.failed == (
        ("rented", "RpcRateLimitError"),
        ("third", "RpcUnavailableError"),
    )


def test_a_poll_asks_one_node_once(nodes: Nodes) -> None:
    """One after the other."""

    async def poll(reader: AgreeingReader) -> list[BlockRef]:
        return [await reader.newest() for _ in range(6)]

    assert run(nodes, poll) == [ref(100)] * 6
    assert [len(node.requests) for node in nodes] == [2, 2, 2]


def test_heads_ask_no_node_twice_for_a_header(nodes: Nodes) -> None:
    """What was named as the head need not be asked for again."""
    run(nodes, lambda reader: reader.heads())

    assert [len(node.requests) for node in nodes] == [2, 2, 2]


def test_r6_our_own_mistakes_demote_nobody(nodes: Nodes) -> None:
    """All nodes refuse ranges that are too large, again and again."""
    for node in nodes:
        shrink(node)

    async def flood(reader: AgreeingReader) -> list[Standing]:
        for _ in range(2 * FAULTS_IN_ROW_MAX):
            with pytest.raises(ChainError):
                await reader.events_in_range(1, 50)
        return [node.standing for node in reader.nodes()]

    assert run(nodes, flood) == [Standing.HEALTHY] * 3


def test_r5_no_log_error_or_representation_shows_a_url(
    nodes: Nodes, caplog: pytest.LogCaptureFixture
) -> None:
    """Login, path and query are canaries; the nodes repeat them in all that they say."""
    canary = "s3cr3t"
    for node in nodes:
        host = node.url.removeprefix("http://").removesuffix("/secret-key")
        node.url = f"http://{canary}-user:{canary}-word@{host}/v3/{canary}-path?key={canary}-query"
        words = f"{node.url} {canary}-user {canary}-word {canary}-path {canary}-query"
        for method in node.answers:
            node.answers[method] = refuse(-32000, f"no {words}")
    nodes[1].status, nodes[1].body = 403, b"no " + nodes[1].url.encode()
    stream = io.StringIO()
    handlers = logging.getLogger().handlers[:]
    shown: list[str] = []
    configure_logging(
        service="test", node="test", log_format="json", log_level="debug", stream=stream
    )
    told: list[NodeReport] = []

    async def fail(reader: AgreeingReader) -> None:
        for read in (reader.heads, reader.newest, reader.identity):
            for _ in range(2 * FAULTS_IN_ROW_MAX):
                with pytest.raises(ChainError) as caught:
                    await read()
                shown.extend(traceback.format_exception(caught.value, chain=True))
                shown.append(f"{caught.value!r} {reader!r} {vars(reader)!r} {reader.nodes()!r}")

    try:
        with caplog.at_level(logging.DEBUG):
            run(nodes, fail, told=told)
        for report in told:
            log_node(report)
    finally:
        logging.getLogger().handlers[:] = handlers

    everything = "".join(shown) + caplog.text + stream.getvalue() + repr(told)
    assert "rented" in everything
    assert canary not in everything
