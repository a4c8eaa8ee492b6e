"""How deep a lock must lie, by value and chain."""

import pytest

from chains.types import ChainId
from relayer.governor.confirmations import (
    AT_ONCE,
    DEFAULT_TIERS,
    FINAL_ONLY,
    ConfirmationTier,
    blocks_needed,
    is_deep,
)
from relayer.money import WAD


@pytest.mark.parametrize(
    ("chain", "usd", "blocks"),
    [
        ("eip155:1", 0, 2),
        ("eip155:1", 100, 2),
        ("eip155:1", 101, 4),
        ("eip155:1", 9_999, 4),
        ("eip155:1", 10_000, 32),
        ("eip155:1", 10**9, 32),
        ("eip155:137", 50, 16),
        ("eip155:137", 1_000, 64),
        ("eip155:137", 10_000, 128),
        ("eip155:56", 1, 0),
        ("eip155:56", 1_000, 2),
        ("eip155:56", 10_000, 3),
        ("eip155:42161", 1_000, 1),
        ("eip155:10", 1_000, 1),
        ("eip155:8453", 1_000, 1),
        ("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", 1_000, 4),
    ],
)
def test_r19_the_default_policy_is_this_table(chain: str, usd: int, blocks: int) -> None:
    """Depth by value, as published for relayers that front their own money."""
    assert blocks_needed(DEFAULT_TIERS[ChainId(chain)], usd * WAD) == blocks


def test_r19_more_value_never_needs_fewer_blocks() -> None:
    """Whatever order the tiers are written in."""
    for tiers in DEFAULT_TIERS.values():
        needed = [blocks_needed(tiers[::-1], usd * WAD) or 0 for usd in range(0, 20_000, 50)]
        assert needed == sorted(needed)


def test_r19_without_a_price_the_deepest_tier_holds() -> None:
    """A feed that stops makes nothing count earlier."""
    assert blocks_needed(DEFAULT_TIERS[ChainId("eip155:1")], None) == 32


def test_r19_without_a_tier_only_what_is_final_counts() -> None:
    """Also below the least value of the tiers."""
    assert blocks_needed(FINAL_ONLY, WAD) is None
    assert blocks_needed((ConfirmationTier(WAD, 1),), WAD - 1) is None
    assert not is_deep(1, deep_height=None)
    assert blocks_needed(AT_ONCE, 0) == 0


@pytest.mark.parametrize(("deep", "expected"), [(None, False), (9, False), (10, True), (11, True)])
def test_r19_a_lock_is_deep_under_so_many_blocks(deep: int | None, expected: bool) -> None:
    """Here a lock in block 10, by the newest block that is deep enough."""
    assert is_deep(10, deep_height=deep) is expected


@pytest.mark.parametrize("values", [(-1, 0), (0, -1)])
def test_a_tier_that_makes_no_sense_is_refused(values: tuple[int, int]) -> None:
    """Value and depth are 0 or more."""
    with pytest.raises(ValueError, match="0 or more"):
        ConfirmationTier(*values)
