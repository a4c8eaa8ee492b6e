"""Exposure: how much collateral of one path may carry new credit, and what is left to count."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from relayer.assets import Path
from relayer.money import Rounding, mul_div
from relayer.risk.margin import CollateralLine, Position


@dataclass(frozen=True, slots=True)
class Exposure:
    """
    What is held on a path against what may be lent against there. [USD x 1e18]

    limit_wad is as configured; deficit_wad is what was lost on the path and not made good.
    """

    path: Path
    limit_wad: int
    held_wad: int
    deficit_wad: int = 0

    def __post_init__(self) -> None:
        if min(self.limit_wad, self.held_wad, self.deficit_wad) < 0:
            raise ValueError(f"{self.path}: limit, held and deficit must be 0 or more")

    @property
    def effective_limit_wad(self) -> int:
        """Return the limit that counts: what was lost lowers it."""
        return max(0, self.limit_wad - self.deficit_wad)

    @property
    def is_exceeded(self) -> bool:
        """Return whether more is held than may be lent against."""
        return self.held_wad > self.effective_limit_wad

    def counted_units(self, units: int) -> int:
        """
        Return how many units of one account carry new credit: its share of the limit.

        counted = units * effective_limit / held, so all accounts together stay within the limit

        Returns:
            Base units, rounded down; all of them while the limit is not exceeded.
        """
        if not self.is_exceeded:
            return units
        return mul_div(units, self.effective_limit_wad, self.held_wad, Rounding.DOWN)


def counted_position(
    position: Position,
    *,
    exposures: Mapping[Path, Exposure] | None = None,
    stopped: Collection[Path] = (),
    kept: Path | None = None,
) -> Position:
    """
    Return the position as it carries new credit.

    Args:
        exposures: paths that are limited; others count in full.
        stopped: paths whose collateral counts nothing, because their chain is not believed.
        kept: counts as it is: what an unlock is about to take.
    """
    lines = []
    for line in position.collateral:
        exposure = None if exposures is None else exposures.get(line.path)
        if line.path == kept:
            lines.append(line)
        elif line.path in stopped:
            lines.append(CollateralLine(line.path, final_units=0))
        elif exposure is not None:
            lines.append(CollateralLine(line.path, exposure.counted_units(line.final_units)))
        else:
            lines.append(line)
    return Position(position.account, tuple(lines), position.debts)
