"""Ascend: the next blocks over any gap, one question for each block and few for the gap."""

import asyncio
from itertools import pairwise
from random import Random

import pytest

from chains.types import BlockHeader
from relayer.steps.ascend import HEIGHTS_AHEAD, headers_after
from relayer.store.chains import BranchError
from tests.chain_families import Family, Slots
from tests.relayer.api.kit import CHAIN_A
from tests.simulated_chain import SimulatedChain, chain_of


def slots(*gaps: int) -> SimulatedChain:
    """Return a chain with a first block, and one behind each gap."""
    chain = SimulatedChain(CHAIN_A, slots=Slots(lambda: 0))
    for gap in gaps:
        chain.mine(gap=gap)
    chain.asked.clear()
    return chain


def after(chain: SimulatedChain, place: int = 0, last: int | None = None) -> list[BlockHeader]:
    """Return what follows a block of the chain, by its place among the blocks."""
    block = chain.blocks[place].header.block
    last_height = chain.height if last is None else last
    return list(asyncio.run(headers_after(chain, block, last_height)))


def headers(chain: SimulatedChain, *places: int) -> list[BlockHeader]:
    """Return headers of the chain."""
    return [chain.blocks[place].header for place in places]


def test_where_every_height_has_a_block_one_question_brings_the_next() -> None:
    """As on every chain of the EVM."""
    chain = slots(0, 0, 0)

    found = after(chain)

    assert found == headers(chain, 1)
    assert chain.asked == [("header_at", 1, 1)]


def test_a_gap_costs_one_question_and_each_block_behind_it_one() -> None:
    """Ten heights are empty; the blocks behind them come on the way down."""
    chain = slots(10, 0, 2)

    found = after(chain)

    assert found == headers(chain, 1, 2, 3)
    assert [ask[1] for ask in chain.asked] == [1, 15, 14, 11]


@pytest.mark.parametrize("gap", [1, 31, 32, 33, 64, 1_000, 100_000, 10**9])
def test_a_long_gap_is_crossed_in_few_questions(gap: int) -> None:
    """However long a cluster stood still; and the oldest block found follows the known one."""
    chain = slots(gap, *[0] * 100, 3)

    found = after(chain)

    assert found[0] == chain.blocks[1].header
    assert len(found) <= HEIGHTS_AHEAD + 1
    assert all(new.parent_hash == old.block.block_hash for old, new in pairwise(found))
    assert len(chain.asked) <= 2 * gap.bit_length() + len(found) + 8


def test_nothing_follows_the_newest_block() -> None:
    """And nothing is asked; nor is a block above the last height taken."""
    chain = slots(0, 5)

    assert (after(chain, 2), chain.asked) == ([], [])
    assert after(chain, 1, last=5) == []


def test_a_block_whose_height_is_empty_now_is_noticed() -> None:
    """What lies at the next height or below it is older than the block."""
    chain = slots(1, 0)
    gone = chain.blocks[1].header.block
    chain.drop(2)
    chain.mine(gap=9)

    with pytest.raises(BranchError):
        asyncio.run(headers_after(chain, gone, chain.height))


def test_a_block_of_another_branch_is_given_with_its_parent() -> None:
    """Whoever stores it sees that it does not follow."""
    chain = slots(1, 0)
    gone = chain.blocks[1].header.block
    chain.drop(2)
    chain.mine(gap=2)

    (found,) = asyncio.run(headers_after(chain, gone, chain.height))

    assert found.parent_hash != gone.block_hash


def test_a_chain_that_became_shorter_has_nothing_more() -> None:
    """Its new head is below the height that was asked for."""
    chain = slots(0, 0)
    known = chain.height
    chain.drop(1)

    assert after(chain, 1, last=known) == []


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("seed", range(20))
def test_walking_on_brings_every_block_once_and_in_order(family: Family, seed: int) -> None:
    """Whatever the gaps; one question for each block, and few for each gap."""
    chain = chain_of(family, CHAIN_A, Random(seed))
    chain.mine_empty(200)
    chain.asked.clear()

    found = [chain.blocks[0].header]
    while more := asyncio.run(headers_after(chain, found[-1].block, chain.height)):
        found += more

    assert found == [block.header for block in chain.blocks]
    gaps = [new.block.height - old.block.height - 1 for old, new in pairwise(found)]
    extra = sum(2 * gap.bit_length() for gap in gaps if gap)
    assert len(chain.asked) <= len(found) - 1 + extra
