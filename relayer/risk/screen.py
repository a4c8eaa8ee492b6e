"""Factors of the screen: prices and weights as 64-bit integers, rounded against the account."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relayer.assets import Path, whole_units
from relayer.money import BPS, AssetId, Rounding, mul_div
from relayer.oracle.price import PriceBook
from relayer.risk.kernel import INT64_MAX
from relayer.risk.margin import DebtKey
from relayer.risk.parameters import Level, RiskParameters

QUANTUM_DIGITS: Final = 9  # a quantum is at most 1e-9 of a whole token
FACTOR_BITS: Final = 61


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the book: what it counts, and the base units of one quantum."""

    line: Path | DebtKey
    is_soft: bool
    quantum_units: int

    @property
    def asset_id(self) -> AssetId:
        """Return the asset that the column counts."""
        return self.line.asset_id

    @property
    def is_debt(self) -> bool:
        """Return whether the column is a debt."""
        return isinstance(self.line, DebtKey)

    def quanta(self, units: int) -> int:
        """
        Return units as quanta: collateral down, debts up, cut at the end of int64.

        A cut of collateral is on the safe side; of a debt it is not, see is_cut.
        """
        rounding = Rounding.UP if self.is_debt else Rounding.DOWN
        return min(INT64_MAX, mul_div(units, 1, self.quantum_units, rounding))

    def is_cut(self, units: int) -> bool:
        """Return whether a debt does not fit into int64 quanta, so that the screen cannot tell."""
        return self.is_debt and units > INT64_MAX * self.quantum_units


def quantum_units(scale: int) -> int:
    """Return the base units of one quantum for an asset of that scale."""
    return whole_units(max(0, scale - QUANTUM_DIGITS))


@dataclass(frozen=True, slots=True)
class ScreenFactors:
    """
    What the kernel multiplies with: int64 [n_columns], and the margin for rounding.

    blind names the columns of debts without a usable price or weight: whoever owes there is
    visited. blind_factors finds them with the same kernel.
    """

    factors: "array[int]"
    margin: int
    blind_factors: "array[int] | None"


def screen_factors(
    columns: Sequence[Column], width: int, *, parameters: RiskParameters, prices: PriceBook
) -> ScreenFactors:
    """
    Return factors with which no account below one at maintenance escapes the screen.

    Let r be the exact weighted value of one quantum. Collateral takes floor(r * 2^e), debts
    -ceil(r * 2^e). The exact decision rounds each line by less than one wad against the account,
    so a row is sure to be healthy only when its sum is at least columns * 2^e of that unit: the
    margin. e is the largest exponent at which all of it stays inside 62 bits.

    Args:
        width: columns per row in the book, at least len(columns); the others get factor 0.
    """
    ratios: list[tuple[int, int]] = []
    blind = array("q", bytes(8 * width))
    for index, column in enumerate(columns):
        ratio = _ratio(column, parameters=parameters, prices=prices)
        if ratio is None:
            blind[index] = -1
        ratios.append(ratio or (0, 1))
    unit = len(columns) * BPS * BPS
    total = unit + sum(abs(numerator) // divisor + 1 for numerator, divisor in ratios)
    exponent = FACTOR_BITS - total.bit_length()
    up, down = (1 << max(0, exponent)), (1 << max(0, -exponent))
    factors = array("q", bytes(8 * width))
    for index, (numerator, divisor) in enumerate(ratios):
        factors[index] = numerator * up // (divisor * down)  # floor: also away from zero for debts
    return ScreenFactors(
        factors=factors,
        margin=mul_div(unit, up, down, Rounding.UP) + 1,
        blind_factors=blind if any(blind) else None,
    )


def _ratio(
    column: Column, *, parameters: RiskParameters, prices: PriceBook
) -> tuple[int, int] | None:
    """Return the signed weighted value of one quantum in wad*bps^2; None for a blind debt."""
    price = prices.find(column.asset_id)
    if isinstance(column.line, DebtKey):
        weight_bps = parameters.debt_weights_bps.get(column.asset_id)
        if price is None or weight_bps is None:
            return None
        value = -price.price_wad * weight_bps * BPS
    else:
        weight_bps = parameters.weight_bps(column.line, Level.MAINTENANCE)
        if price is None or not weight_bps:
            return 0, 1
        credit_bps = parameters.soft_credit_bps if column.is_soft else BPS
        value = price.price_wad * weight_bps * credit_bps
    return value * column.quantum_units, whole_units(parameters.scales[column.asset_id])
