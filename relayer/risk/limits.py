"""What an account may still unlock or owe, and the checks before it does; the initial level."""

from typing import Final

from relayer.assets import Path, whole_units
from relayer.errors import RefusedError
from relayer.money import BPS, WAD, Rounding, mul_div
from relayer.oracle.price import PriceBook
from relayer.risk.margin import (
    CollateralLine,
    DebtKey,
    DebtLine,
    Health,
    Position,
    assess_health,
)
from relayer.risk.parameters import Level, RiskParameters

SHOWN_DIGITS: Final = 6


def max_unlock_units(
    position: Position, path: Path, *, parameters: RiskParameters, prices: PriceBook
) -> int:
    """
    Return the most final units of a path that may leave now.

    The largest amount after which weighted collateral >= weighted debt at the initial level;
    everything where no debt counts, for which no price is needed; 0 where the account is short.

    Returns:
        Base units; one more would fail the check.

    Raises:
        StalePriceError: the price of a debt, or of the collateral that would leave, was refused.

    Source: RISK.md 2.1
    """
    line = position.line_of(path)
    if not position.has_debt(Level.INITIAL):
        return line.final_units
    health = assess_health(position, parameters=parameters, prices=prices, level=Level.INITIAL)
    if health.is_below_one:
        return 0
    price_wad = prices.price(path.asset_id).low_wad
    weight_bps = parameters.weight_bps(path, Level.INITIAL)
    if not price_wad or not weight_bps:
        return line.final_units
    unit_value = price_wad * weight_bps
    divisor = BPS * whole_units(parameters.scales[path.asset_id])
    own_wad = mul_div(line.final_units, unit_value, divisor, Rounding.DOWN)
    needed_wad = health.weighted_debt_wad - (health.weighted_collateral_wad - own_wad)
    if needed_wad <= 0:
        return line.final_units
    return line.final_units - mul_div(needed_wad, divisor, unit_value, Rounding.UP)


def unlock_check(
    position: Position,
    path: Path,
    units: int,
    *,
    parameters: RiskParameters,
    prices: PriceBook,
) -> None:
    """
    Refuse an unlock that the account cannot afford; return when it can.

    Raises:
        RefusedError: code amount_invalid, insufficient_collateral or insufficient_margin; the
            detail names weighted collateral and debt afterwards and the most that may leave.
        StalePriceError: the price of a debt, or of the collateral that would leave, was refused.
    """
    line = position.line_of(path)
    if units <= 0:
        raise RefusedError(code="amount_invalid", detail=f"{units} units; ask for 1 or more")
    if units > line.final_units:
        raise RefusedError(
            code="insufficient_collateral",
            detail=f"{units} units asked, {line.final_units} final units are free on {path}; "
            f"{line.soft_units} more are not final yet",
        )
    max_units = max_unlock_units(position, path, parameters=parameters, prices=prices)
    if units <= max_units:
        return
    left = CollateralLine(path, line.final_units - units, line.soft_units)
    after = assess_health(
        position.with_line(left), parameters=parameters, prices=prices, level=Level.INITIAL
    )
    raise RefusedError(
        code="insufficient_margin",
        detail=f"{_sides(after)} after unlocking {units} units; "
        f"at most {max_units} units may leave",
    )


def max_credit_units(
    position: Position, key: DebtKey, *, parameters: RiskParameters, prices: PriceBook
) -> int:
    """
    Return the highest total that one debt may reach, owed and committed together.

    The largest max(owed, committed) of that debt at which weighted collateral >= weighted debt
    at the initial level. It is a total, as a grant's limit is, not an increment.

    Returns:
        Base units, 0 where the other debts use everything.

    Raises:
        StalePriceError: the price of a debt, this one included, was refused.
        NotYetError: the asset is not listed as a debt.

    Source: RISK.md 2.1
    """
    without = position.with_debt(DebtLine(key.asset_id, key.chain_id, key.protocol, owed_units=0))
    health = assess_health(without, parameters=parameters, prices=prices, level=Level.INITIAL)
    free_wad = health.weighted_collateral_wad - health.weighted_debt_wad
    unit_value = prices.price(key.asset_id).high_wad * parameters.debt_weight_bps(key.asset_id)
    if free_wad <= 0:
        return 0
    divisor = BPS * whole_units(parameters.scales[key.asset_id])
    return mul_div(free_wad, divisor, unit_value, Rounding.DOWN)


def credit_check(
    position: Position,
    key: DebtKey,
    limit_units: int,
    *,
    parameters: RiskParameters,
    prices: PriceBook,
) -> None:
    """
    Refuse a grant whose limit the account cannot carry; return when it can.

    A grant still outstanding for the same debt counts up to its own limit as well, so that the
    check holds whichever of the two is drawn first. A limit of 0 hands the grant back.

    Raises:
        RefusedError: code amount_invalid or insufficient_margin; the detail names weighted
            collateral and debt afterwards and the highest limit.
        StalePriceError: the price of a debt, this one included, was refused.
        NotYetError: the asset is not listed as a debt.
    """
    if limit_units < 0:
        raise RefusedError(
            code="amount_invalid", detail=f"a limit of {limit_units} units; ask for 0 or more"
        )
    if limit_units == 0:
        return  # the grant is handed back: nothing can be drawn on it any more
    line = position.debt_of(key)
    max_units = max_credit_units(position, key, parameters=parameters, prices=prices)
    counted_units = max(limit_units, line.counted_units(Level.INITIAL))
    if counted_units <= max_units:
        return
    after = assess_health(
        position.with_debt(
            DebtLine(key.asset_id, key.chain_id, key.protocol, line.owed_units, counted_units)
        ),
        parameters=parameters,
        prices=prices,
        level=Level.INITIAL,
    )
    raise RefusedError(
        code="insufficient_margin",
        detail=f"{_sides(after)} at a limit of {limit_units} units; "
        f"the highest limit is {max_units} units",
    )


def usd_text(value_wad: int) -> str:
    """Return a value as USD with six digits, cut, for people to read."""
    whole, rest = divmod(abs(value_wad), WAD)
    digits = f"{rest:018d}"[:SHOWN_DIGITS]
    return f"{'-' if value_wad < 0 else ''}{whole}.{digits} USD"


def _sides(health: Health) -> str:
    return (
        f"weighted collateral {usd_text(health.weighted_collateral_wad)} would be below "
        f"weighted debt {usd_text(health.weighted_debt_wad)}"
    )
