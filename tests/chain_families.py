"""The kinds of chains that one test runs on: blocks at every height, or slots, some empty."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final

STATES_KEPT: Final = 150  # heights; states of older blocks are refused on a chain of slots
GAPS: Final = ((0, 0),) * 14 + ((1, 4),) * 4 + ((5, 31), (33, 200))


class Family(Enum):
    """What kind of chain the same tests run on."""

    EVM = "evm"
    SOLANA = "solana"


@dataclass(frozen=True, slots=True)
class Slots:
    """
    What a chain is like whose heights are slots.

    Args:
        gap: how many heights before the next block have none.
        states_kept: states of blocks that lie further below the head are refused.
    """

    gap: Callable[[], int]
    states_kept: int = STATES_KEPT


def slots_of(family: Family, random: Random) -> Slots | None:
    """Return the slots of a family; gaps come one time in three, some of them long."""
    if family is Family.EVM:
        return None
    return Slots(lambda: random.randint(*random.choice(GAPS)))
