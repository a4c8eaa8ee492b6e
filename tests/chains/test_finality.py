"""Heads of a chain."""

import pytest

from chains.finality import Heads
from chains.types import BlockHeader, BlockRef


def header(height: int) -> BlockHeader:
    """Return a header at a height."""
    return BlockHeader(BlockRef(height, height.to_bytes(32, "big")), bytes(32), height)


def test_the_final_block_may_be_the_newest() -> None:
    """Instant finality is allowed."""
    assert Heads(latest=header(5), finalized=header(5)).latest.block.height == 5


def test_a_final_block_above_the_newest_is_refused() -> None:
    """Nothing is final before it exists."""
    with pytest.raises(ValueError, match="above"):
        Heads(latest=header(5), finalized=header(6))
