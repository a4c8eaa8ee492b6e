"""Blocks that somebody made too large: they are read by their parts, and nobody is stopped."""

from typing import Any

import orjson
import pytest

from chains.devnet.proxy import Break, ErrorObject, Fault, FaultProxy, HttpStatus, Lie, Rule, on
from chains.errors import ChainError, RpcContradictionError, RpcUnavailableError
from chains.line import http
from chains.port import EventRead
from chains.solana.reader import SolanaReader
from tests.chains.solana.scenes import Scene


def crowded(world: Scene) -> tuple[int, int]:
    """Lock twice in a block that many others fill; return its slot, and a size between."""
    world.donate(1)
    locked = world.lock(5)
    world.lock(6)
    for _ in range(8):
        world.donate(1)
    slot = world.slot_of(locked)
    world.finalize()
    config = {"encoding": "base64", "maxSupportedTransactionVersion": 0}
    one = len(orjson.dumps(world.net.ask("getTransaction", locked, config)))
    return slot, 2 * one


def whole_blocks(fault: Fault) -> Rule:
    """Return a rule for each block that is asked for with all it holds."""

    def rule(method: str, params: list[Any]) -> Fault | None:
        is_whole = method == "getBlock" and params[1]["transactionDetails"] == "full"
        return fault if is_whole else None

    return rule


def test_a_block_that_others_made_too_large_is_read_by_its_parts(
    world: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever fills a block with long transactions hides no lock in it and stops nobody."""
    slot, size = crowded(world)
    whole = world.ask(lambda reader: reader.events_in_range(slot, slot))
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", size)

    async def block(reader: SolanaReader) -> EventRead:
        return await reader.events_in_block((await reader.header_at(slot)).block)

    assert len(whole.events) == 2
    assert world.ask(lambda reader: reader.events_in_range(slot, slot)) == whole
    assert world.ask(lambda reader: reader.events_in_range(slot, slot + 1)) == whole
    assert world.ask(block) == whole


@pytest.mark.parametrize(
    "fault", [Break.HANG, ErrorObject(-32603, "response is too large"), HttpStatus(413)]
)
def test_a_block_that_no_answer_brings_is_read_by_its_parts(world: Scene, fault: Fault) -> None:
    """A gateway that gives up on it, or does not get ready with it, stops nobody either."""
    slot, _ = crowded(world)

    with FaultProxy(world.net.url, whole_blocks(fault)) as proxy:
        read = world.ask(
            lambda reader: reader.events_in_range(slot, slot), proxy.rpc_url, timeout_seconds=1.0
        )

    assert len(read.events) == 2
    assert proxy.injected.total() == 1


@pytest.mark.parametrize(
    ("method", "change", "expected"),
    [
        ("getTransaction", lambda _: None, RpcUnavailableError),
        ("getTransaction", lambda said: said | {"slot": said["slot"] + 1}, RpcContradictionError),
        ("getBlock", lambda said: said | {"signatures": []}, RpcContradictionError),
        (
            "getBlock",
            lambda said: said | {"signatures": said["signatures"] * 2},
            RpcContradictionError,
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(
    world: Scene, method: str, change: Any, expected: type[ChainError]
) -> None:
    """What the history lists must be in the order of the block, and of that slot."""
    slot, _ = crowded(world)

    def changed(said: Any) -> Any:
        is_part = isinstance(said, dict) and ("signatures" in said or "transaction" in said)
        return change(said) if is_part else said

    with (
        FaultProxy(world.net.url, whole_blocks(HttpStatus(413)), on(method, Lie(changed))) as proxy,
        pytest.raises(expected),
    ):
        world.ask(lambda reader: reader.events_in_range(slot, slot), proxy.rpc_url)
