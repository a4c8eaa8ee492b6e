"""Whole numbers of base units; products and quotients with a named rounding."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, NewType

AssetId = NewType("AssetId", str)

BPS: Final = 10_000
WAD: Final = 10**18
RAY: Final = 10**27
UNITS_MAX: Final = 2**256 - 1


class Rounding(Enum):
    """Which way a quotient goes; there is no default."""

    DOWN = "down"
    UP = "up"


def mul_div(left: int, right: int, divisor: int, rounding: Rounding) -> int:
    """
    Return left * right / divisor, rounded as named.

    Args:
        left: >= 0.
        right: >= 0.
        divisor: > 0.

    Raises:
        ValueError: a negative factor, or a divisor that is not positive.
    """
    if left < 0 or right < 0 or divisor <= 0:
        raise ValueError(f"mul_div({left}, {right}, {divisor}): factors >= 0, divisor > 0")
    quotient, remainder = divmod(left * right, divisor)
    return quotient + (1 if rounding is Rounding.UP and remainder else 0)


@dataclass(frozen=True, slots=True)
class Amount:
    """Units of one asset on one chain, 0 to 2^256 - 1. [base units]"""

    asset_id: AssetId
    units: int

    def __post_init__(self) -> None:
        if not 0 <= self.units <= UNITS_MAX:
            raise ValueError(f"{self.units} units of {self.asset_id} are outside 0..2^256-1")
