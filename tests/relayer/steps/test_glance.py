"""Glance: one node is asked whether there is news; it can hide it for ten seconds at most."""

import asyncio

import pytest

from chains.errors import RpcTimeoutError
from chains.nodes import NodePool, NodeStatus
from chains.types import BlockRef
from relayer.clock import FixedClock
from relayer.steps.glance import QUORUM_SECONDS_MAX, Glance
from tests.databases import NOW
from tests.relayer.api.kit import CHAIN_A

BLOCK = BlockRef(9, b"\x01" * 32)


class FixedPool:
    """A pool whose node always names this block, or fails."""

    def __init__(self, block: BlockRef | None) -> None:
        self.block = block
        self.asked = 0

    async def newest(self) -> BlockRef:
        """Return the block."""
        self.asked += 1
        if self.block is None:
            raise RpcTimeoutError(chain_id=CHAIN_A, method="eth_x")
        return self.block

    def nodes(self) -> tuple[NodeStatus, ...]:
        """Return nothing."""
        return ()


def has_news(pool: NodePool | None, *, seconds: int = 0, is_level: bool = True) -> bool:
    """Return whether the quorum is asked, so long after it agreed on a block."""
    clock = FixedClock(NOW)
    glance = Glance(pool, clock)
    glance.agreed(BLOCK, is_level=is_level)
    clock.move(seconds)
    return asyncio.run(glance.has_news())


def test_the_agreed_block_is_no_news() -> None:
    """One request, and the quorum is left alone."""
    pool = FixedPool(BLOCK)

    assert not has_news(pool)
    assert pool.asked == 1


@pytest.mark.parametrize(
    "named",
    [BlockRef(10, b"\x02" * 32), BlockRef(9, b"\x02" * 32), BlockRef(8, b"\x01" * 32), None],
)
def test_another_block_or_no_answer_is_news(named: BlockRef | None) -> None:
    """A newer one, another one in its place, a shorter chain, a node that fails."""
    assert has_news(FixedPool(named))


def test_r5_one_node_hides_news_for_ten_seconds_at_most() -> None:
    """Then the quorum is asked whatever it says; a clock that went back is no reason to wait."""
    assert not has_news(FixedPool(BLOCK), seconds=QUORUM_SECONDS_MAX - 1)
    assert has_news(FixedPool(BLOCK), seconds=QUORUM_SECONDS_MAX)
    assert has_news(FixedPool(BLOCK), seconds=-1)


def test_a_chain_that_is_not_level_goes_on_reading() -> None:
    """And so does one whose nodes are not known."""
    assert has_news(FixedPool(BLOCK), is_level=False)
    assert has_news(None)


def test_after_a_failure_the_quorum_is_asked() -> None:
    """What was agreed before it counts no more."""
    glance = Glance(FixedPool(BLOCK), FixedClock(NOW))
    glance.agreed(BLOCK, is_level=True)

    glance.forget()

    assert asyncio.run(glance.has_news())
