"""Closing an account whose debts are worth more than everything it has."""

from dataclasses import dataclass

from relayer.assets import Path, whole_units
from relayer.money import BPS, Rounding, mul_div
from relayer.oracle.price import PriceBook
from relayer.risk.margin import CollateralLine, DebtKey, DebtLine, Position
from relayer.risk.parameters import RiskParameters


@dataclass(frozen=True, slots=True)
class RawSides:
    """Unweighted sides of an account, and the listed collateral whose price was refused."""

    collateral_wad: int
    debt_wad: int
    unpriced: tuple[Path, ...]

    @property
    def is_short(self) -> bool:
        """Return whether the debts are worth more than the collateral."""
        return self.collateral_wad < self.debt_wad


@dataclass(frozen=True, slots=True)
class Seizure:
    """Collateral that goes for part of one debt at the plain price, without a bonus."""

    debt: DebtKey
    path: Path
    repaid_units: int
    seized_units: int


@dataclass(frozen=True, slots=True)
class BadDebt:
    """Debt left when the collateral is gone. [base units]"""

    debt: DebtKey
    units: int


@dataclass(frozen=True, slots=True)
class Insolvent:
    """
    How an account closes: all final collateral goes, shared over its debts by their value.

    bad_debts is empty while soft collateral is left, since that may still become final; it is
    recognised in the step that takes the last of the collateral.
    """

    account: bytes
    collateral_value_wad: int
    debt_value_wad: int
    seizures: tuple[Seizure, ...]
    bad_debts: tuple[BadDebt, ...]

    @property
    def shortfall_wad(self) -> int:
        """Return how much more the debts are worth than the collateral, soft in full."""
        return self.debt_value_wad - self.collateral_value_wad


def raw_sides(
    position: Position, *, parameters: RiskParameters, prices: PriceBook, soft_bps: int
) -> RawSides:
    """
    Return the unweighted sides at plain prices: listed collateral down, debts up.

    Args:
        soft_bps: share of soft units that counts.

    Raises:
        StalePriceError: the price of a debt was refused.
    """
    collateral_wad = 0
    unpriced = []
    for line in position.collateral:
        if line.path not in parameters.paths or not (line.final_units or line.soft_units):
            continue
        price = prices.find(line.path.asset_id)
        if price is None:
            unpriced.append(line.path)
            continue
        collateral_wad += mul_div(
            line.final_units * BPS + line.soft_units * soft_bps,
            price.price_wad,
            BPS * whole_units(parameters.scales[line.path.asset_id]),
            Rounding.DOWN,
        )
    debt_wad = sum(
        debt_value_wad(debt, parameters=parameters, prices=prices)
        for debt in position.debts
        if debt.owed_units
    )
    return RawSides(collateral_wad=collateral_wad, debt_wad=debt_wad, unpriced=tuple(unpriced))


def debt_value_wad(debt: DebtLine, *, parameters: RiskParameters, prices: PriceBook) -> int:
    """
    Return the unweighted value of what is owed, rounded up.

    Raises:
        StalePriceError: its price was refused.
    """
    price_wad = prices.price(debt.asset_id).price_wad
    divisor = whole_units(parameters.scales[debt.asset_id])
    return mul_div(debt.owed_units, price_wad, divisor, Rounding.UP)


def close_insolvent(
    position: Position, *, parameters: RiskParameters, prices: PriceBook
) -> Insolvent:
    """
    Return how an insolvent account closes.

    Each path is shared over the debts by their value, down, the last debt takes the rest; what a
    share pays is rounded up, against the one who takes it, and never above the debt.

    Raises:
        StalePriceError: listed collateral or a debt has no usable price; nothing is closed then.

    Source: RISK.md 2.10, I-25
    """
    sides = raw_sides(position, parameters=parameters, prices=prices, soft_bps=BPS)
    if sides.unpriced:
        raise prices.refusal(sides.unpriced[0].asset_id)
    debts = tuple(debt for debt in position.debts if debt.owed_units)
    values_wad = {
        debt.key: debt_value_wad(debt, parameters=parameters, prices=prices) for debt in debts
    }
    owed_units = {debt.key: debt.owed_units for debt in debts}
    seizures = []
    for line in position.collateral:
        if line.path not in parameters.paths or not line.final_units:
            continue
        for debt, units in _shares(line, debts, values_wad):
            seizure = _seizure(line, debt, units=units, parameters=parameters, prices=prices)
            repaid_units = min(seizure.repaid_units, owed_units[debt.key])
            if not (units or repaid_units):
                continue
            owed_units[debt.key] -= repaid_units
            seizures.append(
                Seizure(debt.key, line.path, repaid_units=repaid_units, seized_units=units)
            )
    has_soft = any(line.soft_units for line in position.collateral)
    bad_debts = tuple(BadDebt(key, units) for key, units in owed_units.items() if units)
    return Insolvent(
        account=position.account,
        collateral_value_wad=sides.collateral_wad,
        debt_value_wad=sides.debt_wad,
        seizures=tuple(seizures),
        bad_debts=() if has_soft else bad_debts,
    )


def _shares(
    line: CollateralLine, debts: tuple[DebtLine, ...], values_wad: dict[DebtKey, int]
) -> tuple[tuple[DebtLine, int], ...]:
    """Return which units of a line pay which debt; they add up to the whole line."""
    total_wad = sum(values_wad.values())
    found = []
    left_units = line.final_units
    for debt in debts[:-1]:
        units = mul_div(line.final_units, values_wad[debt.key], total_wad, Rounding.DOWN)
        left_units -= units
        found.append((debt, units))
    return (*found, (debts[-1], left_units))


def _seizure(
    line: CollateralLine,
    debt: DebtLine,
    *,
    units: int,
    parameters: RiskParameters,
    prices: PriceBook,
) -> Seizure:
    """Return what units of a line pay of a debt, rounded up."""
    repaid_units = mul_div(
        units * prices.price(line.path.asset_id).price_wad,
        whole_units(parameters.scales[debt.asset_id]),
        whole_units(parameters.scales[line.path.asset_id]) * prices.price(debt.asset_id).price_wad,
        Rounding.UP,
    )
    return Seizure(debt.key, line.path, repaid_units=repaid_units, seized_units=units)
