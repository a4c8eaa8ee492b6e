"""How deep a lock must lie before it counts at all, by its value and its chain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chains.types import ChainId
from relayer.money import WAD


@dataclass(frozen=True, slots=True, order=True)
class ConfirmationTier:
    """From a value on, so many blocks on top of a lock's own are needed. [USD x 1e18]"""

    value_wad_min: int
    blocks: int

    def __post_init__(self) -> None:
        if self.value_wad_min < 0 or self.blocks < 0:
            raise ValueError(f"{self}: value and blocks must be 0 or more")


ConfirmationTiers = tuple[ConfirmationTier, ...]
# A chain with no tier at all: what is not final there never counts.
FINAL_ONLY: Final[ConfirmationTiers] = ()
AT_ONCE: Final[ConfirmationTiers] = (ConfirmationTier(0, 0),)


def _tiers(*blocks: int) -> ConfirmationTiers:
    """Return the tiers of up to 100 USD, of more than that, and of 10,000 USD or more."""
    smallest, middle, largest = blocks
    return (
        ConfirmationTier(0, smallest),
        ConfirmationTier(100 * WAD + 1, middle),
        ConfirmationTier(10_000 * WAD, largest),
    )


# What a relayer that fronts its own money waits for on these chains (RELAYING.md 2.17), and where
# it names no number for a large value, the number of the tier below.
DEFAULT_TIERS: Final[Mapping[ChainId, ConfirmationTiers]] = {
    ChainId("eip155:1"): _tiers(2, 4, 32),
    ChainId("eip155:137"): _tiers(16, 64, 128),
    ChainId("eip155:56"): _tiers(0, 2, 3),
    ChainId("eip155:10"): _tiers(1, 1, 1),
    ChainId("eip155:8453"): _tiers(1, 1, 1),
    ChainId("eip155:42161"): _tiers(1, 1, 1),
    ChainId("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"): _tiers(4, 4, 4),
}


def blocks_needed(tiers: Sequence[ConfirmationTier], value_wad: int | None) -> int | None:
    """
    Return how many blocks must lie on a lock's own; None where only finality will do.

    Args:
        value_wad: what the account has in locks that are not final, all of them together, so that
            splitting one helps nobody; None where no price is known, which takes the most blocks.
    """
    if value_wad is None:
        return max((tier.blocks for tier in tiers), default=None)
    reached = [tier.blocks for tier in tiers if tier.value_wad_min <= value_wad]
    return max(reached, default=None)


def is_deep(height: int, *, deep_height: int | None) -> bool:
    """
    Return whether a lock at a height lies under as many blocks as it needs.

    Args:
        deep_height: the newest height under so many blocks, counted as blocks and not as heights:
            a height without a block confirms nothing. None where no block is as deep.
    """
    return deep_height is not None and height <= deep_height
