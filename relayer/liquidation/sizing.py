"""How much of which debt is repaid for which collateral; exact, round against the liquidator."""

from dataclasses import dataclass, replace
from enum import Enum

from relayer.assets import Path, whole_units
from relayer.errors import InvariantError, NotYetError, RefusedError
from relayer.liquidation.insolvency import Insolvent, close_insolvent, raw_sides
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


class SizedBy(Enum):
    """Which rule decided the amount."""

    TARGET = "target"
    CLOSE_FACTOR = "close_factor"
    DEBT = "debt"
    COLLATERAL = "collateral"
    LEFTOVER = "leftover"


@dataclass(frozen=True, slots=True)
class LiquidationPlan:
    """
    One liquidation: repaid_units of a debt against units of one path.

    seized_units go to the liquidator, insured_units to the insurance fund; both leave the
    debtor. Factors are at maintenance; factor_after_wad is None when no debt is left.
    """

    account: bytes
    debt: DebtKey
    path: Path
    repaid_units: int
    seized_units: int
    insured_units: int
    bonus_wad: int
    factor_before_wad: int
    factor_after_wad: int | None
    sized_by: SizedBy

    @property
    def taken_units(self) -> int:
        """Return the collateral that leaves the debtor."""
        return self.seized_units + self.insured_units

    @property
    def bonus_bps(self) -> int:
        """Return the bonus in basis points, rounded down, for display."""
        return self.bonus_wad // (WAD // BPS)


@dataclass(frozen=True, slots=True)
class Pair:
    """A debt and a path to pay it from, with the numbers that sizing needs."""

    debt: DebtLine
    line: CollateralLine
    debt_price_wad: int
    price_wad: int
    debt_whole_units: int
    whole_units: int
    debt_weight_bps: int
    weight_bps: int
    bonus_wad: int

    @property
    def cost_wad(self) -> int:
        """Return weighted collateral given up per USD repaid: weight * (1 + bonus), in wad*bps."""
        return self.weight_bps * (WAD + self.bonus_wad)

    def taken_units(self, repaid_units: int, bonus_wad: int) -> int:
        """Return the collateral that a repayment buys at a bonus, rounded down."""
        return mul_div(
            repaid_units * self.debt_price_wad * self.whole_units,
            WAD + bonus_wad,
            self.debt_whole_units * self.price_wad * WAD,
            Rounding.DOWN,
        )

    def payable_units(self) -> int:
        """Return the repayment that the whole line pays for, rounded up."""
        return mul_div(
            self.line.final_units * self.price_wad * self.debt_whole_units,
            WAD,
            self.whole_units * self.debt_price_wad * (WAD + self.bonus_wad),
            Rounding.UP,
        )

    def debt_value_wad(self, units: int) -> int:
        """Return the unweighted value of debt units, rounded up."""
        return mul_div(units, self.debt_price_wad, self.debt_whole_units, Rounding.UP)

    def line_value_wad(self, units: int) -> int:
        """Return the unweighted value of collateral units, rounded down."""
        return mul_div(units, self.price_wad, self.whole_units, Rounding.DOWN)


def size_liquidation(
    position: Position, *, parameters: RiskParameters, prices: PriceBook
) -> LiquidationPlan | Insolvent:
    """
    Return the next liquidation of an account, or how it closes where nothing can heal it.

    repaid = (target * B - C) / (target * debt_weight - weight * (1 + bonus)), in USD

    One plan moves one debt against one path: the debt of the highest weight, then value, and the
    path with the smallest weight * (1 + bonus), which heals most per USD; dust comes last. After
    it is booked the account is assessed again; the sequence ends at the target. Only final
    collateral is taken.

    Raises:
        RefusedError: code not_liquidatable, the account is healthy at maintenance.
        NotYetError: only collateral that is not final yet could heal it.
        StalePriceError: a price that decides was refused.

    Source: RISK.md 2.7, 2.8, R-13, R-14
    """
    health = assess_health(position, parameters=parameters, prices=prices, level=Level.MAINTENANCE)
    if not health.is_liquidatable or health.factor_wad is None:
        raise RefusedError(
            code="not_liquidatable",
            detail=f"factor {health.factor_wad} is not below {WAD} at maintenance",
        )
    if raw_sides(position, parameters=parameters, prices=prices, soft_bps=BPS).is_short:
        return close_insolvent(position, parameters=parameters, prices=prices)
    for pair in ranked_pairs(position, health, parameters=parameters, prices=prices):
        plan = plan_of(pair, position, health, parameters=parameters, prices=prices)
        if plan is not None:
            return plan
    raise NotYetError(
        reason="collateral_not_final",
        detail="no final collateral heals the account; wait until soft collateral is final",
    )


def bonus_cap_wad(position: Position, *, parameters: RiskParameters, prices: PriceBook) -> int:
    """Return collateral value / debt value - 1, soft at its credit: what the account affords."""
    sides = raw_sides(
        position, parameters=parameters, prices=prices, soft_bps=parameters.soft_credit_bps
    )
    spare_wad = max(0, sides.collateral_wad - sides.debt_wad)
    return mul_div(spare_wad, WAD, sides.debt_wad, Rounding.DOWN)


def ranked_pairs(
    position: Position, health: Health, *, parameters: RiskParameters, prices: PriceBook
) -> tuple[Pair, ...]:
    """
    Return the pairs that raise the factor, best first.

    The improvement guard keeps those with factor * debt_weight > weight * (1 + bonus); where it
    would fail, the bonus is cut until it holds, and the pair is dropped where none is left.

    Source: RISK.md 2.7 improvement theorem
    """
    bonus_wad = min(
        wanted_bonus_wad(health, parameters),
        bonus_cap_wad(position, parameters=parameters, prices=prices),
    )
    found = []
    for debt in position.debts:
        for line in position.collateral:
            price = prices.find(line.path.asset_id)
            if not (debt.owed_units and line.final_units and price):
                continue
            if line.path not in parameters.paths:
                continue
            pair = Pair(
                debt=debt,
                line=line,
                debt_price_wad=prices.price(debt.asset_id).price_wad,
                price_wad=price.price_wad,
                debt_whole_units=whole_units(parameters.scales[debt.asset_id]),
                whole_units=whole_units(parameters.scales[line.path.asset_id]),
                debt_weight_bps=parameters.debt_weight_bps(debt.asset_id),
                weight_bps=parameters.weight_bps(line.path, Level.MAINTENANCE),
                bonus_wad=bonus_wad,
            )
            guarded = _guarded(pair, health)
            if guarded is not None:
                found.append(guarded)
    return tuple(sorted(found, key=lambda pair: _rank(pair, parameters)))


def _rank(pair: Pair, parameters: RiskParameters) -> tuple[int, int, DebtKey, bool, int, int, Path]:
    """Return the sort key; a path below the leftover minimum comes last, it would heal little."""
    line_value_wad = pair.line_value_wad(pair.line.final_units)
    return (
        -pair.debt_weight_bps,
        -pair.debt_value_wad(pair.debt.owed_units),
        pair.debt.key,
        line_value_wad < parameters.liquidation.leftover_value_wad_min,
        pair.cost_wad,
        -line_value_wad,
        pair.line.path,
    )


def wanted_bonus_wad(health: Health, parameters: RiskParameters) -> int:
    """Return min(base + slope * (1 - factor), max), before what the account can afford."""
    rules = parameters.liquidation
    if health.factor_wad is None:
        raise InvariantError("a liquidation needs a debt")
    missing_wad = max(0, WAD - health.factor_wad)
    bonus_wad = rules.bonus_base_bps * (WAD // BPS) + mul_div(
        missing_wad, rules.bonus_slope_bps, BPS, Rounding.DOWN
    )
    return min(bonus_wad, rules.bonus_bps_max * (WAD // BPS))


def _guarded(pair: Pair, health: Health) -> Pair | None:
    """Return the pair with a bonus at which it heals, None where there is none."""
    gain = health.weighted_collateral_wad * pair.debt_weight_bps
    base = health.weighted_debt_wad * pair.weight_bps
    if gain <= base:
        return None
    if not pair.weight_bps:
        return pair
    bonus_wad_max = mul_div(gain - base, WAD, base, Rounding.UP) - 1
    bonus_wad = min(pair.bonus_wad, bonus_wad_max)
    return replace(pair, bonus_wad=bonus_wad)


def plan_of(
    pair: Pair,
    position: Position,
    health: Health,
    *,
    parameters: RiskParameters,
    prices: PriceBook,
) -> LiquidationPlan | None:
    """Return the plan of one pair, None where rounding leaves nothing that heals."""
    repaid_units, sized_by = sized(pair, health, parameters)
    taken_units = min(pair.line.final_units, pair.taken_units(repaid_units, pair.bonus_wad))
    plain_units = pair.taken_units(repaid_units, 0)
    insured_units = mul_div(
        max(0, taken_units - plain_units),
        parameters.liquidation.insurance_share_bps,
        BPS,
        Rounding.UP,
    )
    after = assess_health(
        position_after(position, pair, repaid_units=repaid_units, taken_units=taken_units),
        parameters=parameters,
        prices=prices,
        level=Level.MAINTENANCE,
    )
    if not repaid_units or health.factor_wad is None:
        return None
    if after.factor_wad is not None and after.factor_wad <= health.factor_wad:
        return None
    return LiquidationPlan(
        account=position.account,
        debt=pair.debt.key,
        path=pair.line.path,
        repaid_units=repaid_units,
        seized_units=taken_units - insured_units,
        insured_units=insured_units,
        bonus_wad=pair.bonus_wad,
        factor_before_wad=health.factor_wad,
        factor_after_wad=after.factor_wad,
        sized_by=sized_by,
    )


def sized(pair: Pair, health: Health, parameters: RiskParameters) -> tuple[int, SizedBy]:
    """
    Return the repayment and the rule that decided it.

    The leftover rule closes a side rather than leave less than the minimum on it. One case is
    left open: a debt may keep a small rest where the whole path was taken for it and other
    collateral has to pay that rest in the next plan.
    """
    owed_units = pair.debt.owed_units
    payable_units = pair.payable_units()
    close_units = mul_div(owed_units, parameters.liquidation.close_factor_bps, BPS, Rounding.UP)
    limits = (
        (owed_units, SizedBy.DEBT),
        (payable_units, SizedBy.COLLATERAL),
        (_target_units(pair, health, parameters), SizedBy.TARGET),
        (close_units, SizedBy.CLOSE_FACTOR),
    )
    repaid_units, sized_by = min(limits, key=lambda limit: limit[0])
    if sized_by in (SizedBy.DEBT, SizedBy.COLLATERAL):
        return repaid_units, sized_by
    left_units = pair.line.final_units - pair.taken_units(repaid_units, pair.bonus_wad)
    leftover_wad_min = parameters.liquidation.leftover_value_wad_min
    is_debt_small = 0 < pair.debt_value_wad(owed_units - repaid_units) < leftover_wad_min
    is_line_small = left_units > 0 and pair.line_value_wad(left_units) < leftover_wad_min
    if is_debt_small or is_line_small:
        return min(owed_units, payable_units), SizedBy.LEFTOVER
    return repaid_units, sized_by


def _target_units(pair: Pair, health: Health, parameters: RiskParameters) -> int:
    """Return the repayment that brings the factor to its target, rounded up."""
    target_wad = parameters.liquidation.target_factor_wad
    missing = target_wad * health.weighted_debt_wad - health.weighted_collateral_wad * WAD
    gain = target_wad * pair.debt_weight_bps - pair.cost_wad
    return mul_div(missing * BPS, pair.debt_whole_units, gain * pair.debt_price_wad, Rounding.UP)


def position_after(
    position: Position, pair: Pair, *, repaid_units: int, taken_units: int
) -> Position:
    """Return the position once a repayment is booked."""
    line = replace(pair.line, final_units=pair.line.final_units - taken_units)
    debt = replace(pair.debt, owed_units=pair.debt.owed_units - repaid_units)
    return position.with_line(line).with_debt(debt)
