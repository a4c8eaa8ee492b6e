"""Nodes with a hole in their history: what they lack is not taken for slots without a block."""

from functools import partial

import pytest

from chains.devnet.proxy import FaultProxy
from chains.devnet.solana.lies import LedgerJump
from chains.errors import BlockGoneError
from chains.solana.reader import SolanaReader
from tests.chains.solana.scenes import Scene

HOLE_SLOTS = 20


def with_hole(world: Scene) -> tuple[FaultProxy, int, int]:
    """Lock in blocks that a node lacks, as one that was started again from a snapshot."""
    world.lock(1)
    world.net.advance(4)
    first = world.slot_of(world.lock(5))
    world.net.advance(HOLE_SLOTS - 1)
    world.lock(6)
    world.net.advance(2)
    world.finalize()
    return (
        FaultProxy(world.net.url, layers=[LedgerJump(first, first + HOLE_SLOTS)]),
        first,
        (first + HOLE_SLOTS),
    )


def test_a_block_that_a_node_lacks_is_not_said_to_be_none(world: Scene) -> None:
    """A lower block in its place would be a final block that was replaced: the chain would halt."""
    proxy, first, last = with_hole(world)
    heights = (first, first + HOLE_SLOTS // 2, last)

    async def question(reader: SolanaReader) -> list[int]:
        refused = []
        for height in heights:
            with pytest.raises(BlockGoneError):
                await reader.header_at(height)
            refused.append(height)
        return refused

    with proxy:
        assert world.ask(question, proxy.rpc_url) == list(heights)


def test_a_range_over_a_hole_is_not_read_as_empty(world: Scene) -> None:
    """Two locks are in it, and the node keeps older blocks: its beginning tells nothing."""
    proxy, first, last = with_hole(world)

    with proxy:
        for begin, end in ((first, last + 1), (first - 3, last + 2), (first + 2, last + 1)):
            asked = partial(SolanaReader.events_in_range, first_height=begin, last_height=end)
            with pytest.raises(BlockGoneError):
                world.ask(asked, proxy.rpc_url)
        read = world.ask(lambda reader: reader.events_in_range(last + 1, last + 2), proxy.rpc_url)
    assert read.events == ()


def test_slots_that_are_really_empty_are_passed_over(world: Scene) -> None:
    """The block behind them names the one before them."""
    first = world.slot_of(world.lock(5))
    world.net.skip(40)
    world.lock(6)
    last = world.finalize()

    async def question(reader: SolanaReader) -> int:
        return (await reader.header_at(first + 20)).block.height

    assert world.ask(question) == first
    assert len(world.ask(lambda reader: reader.events_in_range(first, last)).events) == 2
    assert world.ask(lambda reader: reader.events_in_range(first + 1, first + 30)).events == ()
