"""What a guardian, with prices of its own, holds against a liquidation plan."""

from dataclasses import replace
from typing import Final

from relayer.liquidation.insolvency import raw_sides
from relayer.liquidation.sizing import (
    LiquidationPlan,
    Pair,
    bonus_cap_wad,
    plan_of,
    ranked_pairs,
    sized,
    wanted_bonus_wad,
)
from relayer.money import BPS, WAD, Rounding, mul_div
from relayer.oracle.price import PriceBook
from relayer.risk.margin import Health, Position, assess_health
from relayer.risk.parameters import Level, RiskParameters

ORDER_OBJECTION: Final = "path: "  # another one comes first


def plan_objections(
    plan: LiquidationPlan,
    position: Position,
    *,
    parameters: RiskParameters,
    prices: PriceBook,
    tolerance_bps: int,
) -> tuple[str, ...]:
    """
    Return what speaks against a plan, nothing when it may be signed.

    The plan is derived again from the guardian's own position and prices. Its factor must be
    below one, its debt and path among the ones that heal and as good as the best, and neither
    the repayment nor the collateral per repayment above the guardian's own maximum: what it
    would size itself if all prices were worse for the account by the tolerance.

    Args:
        tolerance_bps: how far a ratio of two prices may differ between honest views, 0 to 10000.

    Raises:
        StalePriceError: the guardian itself has no usable price; ask again later.
    """
    if not 0 <= tolerance_bps <= BPS:
        raise ValueError(f"tolerance_bps {tolerance_bps} must be 0 to {BPS}")
    if plan.account != position.account:
        return ("account: the plan is for another account",)
    health = assess_health(position, parameters=parameters, prices=prices, level=Level.MAINTENANCE)
    if health.factor_wad is None or _above(health.factor_wad, WAD - 1, tolerance_bps):
        return (f"factor: {health.factor_wad} is not below {WAD} within {tolerance_bps} bps",)
    if raw_sides(position, parameters=parameters, prices=prices, soft_bps=BPS).is_short:
        return ("insolvent: the account is closed as insolvent, without a bonus",)
    pairs = ranked_pairs(position, health, parameters=parameters, prices=prices)
    mine = next(
        (pair for pair in pairs if (pair.debt.key, pair.line.path) == (plan.debt, plan.path)), None
    )
    if mine is None:
        return (f"pair: repaying {plan.debt} from {plan.path} does not heal the account",)
    best = next(
        pair
        for pair in pairs
        if pair == mine
        or (
            pair.debt.key == mine.debt.key
            and plan_of(pair, position, health, parameters=parameters, prices=prices)
        )
    )
    found = []
    if _above(mine.cost_wad, best.cost_wad, tolerance_bps):
        found.append(f"{ORDER_OBJECTION}{best.line.path} heals more per USD than {mine.line.path}")
    worst = _worse(health, tolerance_bps)
    cap_wad = bonus_cap_wad(position, parameters=parameters, prices=prices)
    bonus_wad = min(wanted_bonus_wad(worst, parameters), cap_wad + tolerance_bps * (WAD // BPS))
    repaid_units_max, _ = sized(mine, worst, parameters)
    insured_units_min = mul_div(
        max(
            0,
            plan.taken_units * BPS - mine.taken_units(plan.repaid_units, 0) * (BPS + tolerance_bps),
        ),
        parameters.liquidation.insurance_share_bps,
        BPS * BPS,
        Rounding.DOWN,
    )
    if plan.insured_units < insured_units_min:
        found.append(f"insured_units: {plan.insured_units}, at least {insured_units_min} here")
    return tuple(found) + _amount_objections(
        plan,
        replace(mine, bonus_wad=bonus_wad),
        repaid_units_max=repaid_units_max,
        tolerance_bps=tolerance_bps,
    )


def _above(value: int, limit: int, tolerance_bps: int) -> bool:
    return value * BPS > limit * (BPS + tolerance_bps)


def _worse(health: Health, tolerance_bps: int) -> Health:
    """Return the health with weighted collateral lower by the tolerance."""
    collateral_wad = mul_div(
        health.weighted_collateral_wad, BPS - tolerance_bps, BPS, Rounding.DOWN
    )
    return replace(
        health,
        weighted_collateral_wad=collateral_wad,
        factor_wad=mul_div(collateral_wad, WAD, health.weighted_debt_wad, Rounding.DOWN),
    )


def _amount_objections(
    plan: LiquidationPlan, mine: Pair, *, repaid_units_max: int, tolerance_bps: int
) -> tuple[str, ...]:
    found = []
    if plan.repaid_units > mine.debt.owed_units:
        found.append(f"repaid_units: {plan.repaid_units} of {mine.debt.owed_units} owed")
    if plan.taken_units > mine.line.final_units:
        found.append(f"taken_units: {plan.taken_units} of {mine.line.final_units} final")
    if _above(plan.repaid_units, repaid_units_max, tolerance_bps):
        found.append(f"repaid_units: {plan.repaid_units}, at most {repaid_units_max} here")
    taken_units_max = mine.taken_units(plan.repaid_units, mine.bonus_wad) + 1
    if _above(plan.taken_units, taken_units_max, tolerance_bps):
        found.append(f"taken_units: {plan.taken_units}, at most {taken_units_max} here")
    return tuple(found)
