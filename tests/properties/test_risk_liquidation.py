"""Invariants of liquidations: I-21 to I-23, I-25, I-26."""

from dataclasses import replace

from hypothesis import assume, event, given
from hypothesis import strategies as st

from relayer.errors import NotYetError, RefusedError
from relayer.liquidation.insolvency import Insolvent, raw_sides
from relayer.liquidation.review import plan_objections
from relayer.liquidation.sizing import LiquidationPlan, SizedBy, size_liquidation
from relayer.money import BPS, WAD
from relayer.risk.margin import Health, Position, assess_health
from relayer.risk.parameters import Level
from tests.properties.risk_worlds import World, debt_at_weight, positions, worlds

PLANS_MAX = 40


def maintenance_health(world: World, position: Position) -> Health:
    """Return the health at maintenance."""
    return assess_health(
        position, parameters=world.parameters, prices=world.prices, level=Level.MAINTENANCE
    )


def outcome_of(world: World, position: Position) -> LiquidationPlan | Insolvent | None:
    """Return what is decided, None where the account is healthy or waits."""
    try:
        return size_liquidation(position, parameters=world.parameters, prices=world.prices)
    except (NotYetError, RefusedError):
        return None


def booked(position: Position, plan: LiquidationPlan) -> Position:
    """Return the position once a plan is booked."""
    line, debt = position.line_of(plan.path), position.debt_of(plan.debt)
    return position.with_line(
        replace(line, final_units=line.final_units - plan.taken_units)
    ).with_debt(replace(debt, owed_units=debt.owed_units - plan.repaid_units))


@st.composite
def cases(draw: st.DrawFn, *, share_bps_max: int = 14_000) -> tuple[World, Position]:
    """Return a world and an account that is short, or nearly."""
    world = draw(worlds(is_complete=True))
    share_bps = draw(st.integers(9_900, share_bps_max))
    near = debt_at_weight(world, draw(positions(lines_min=1)), share_bps=share_bps)
    assume(near is not None)
    assert near is not None
    return world, near


@given(case=cases())
def test_only_a_short_account_is_liquidated_and_it_heals(case: tuple[World, Position]) -> None:
    """I-21: below one before; higher afterwards, or without debt."""
    world, position = case
    outcome = outcome_of(world, position)
    health = maintenance_health(world, position)
    event(type(outcome).__name__)

    if outcome is None:
        return
    assert health.is_liquidatable
    if isinstance(outcome, LiquidationPlan):
        after = maintenance_health(world, booked(position, outcome))
        assert after.factor_wad == outcome.factor_after_wad
        assert after.factor_wad is None or after.factor_wad > outcome.factor_before_wad


@given(case=cases())
def test_nobody_is_liquidated_beyond_the_target(case: tuple[World, Position]) -> None:
    """I-22: with one unit less repaid and one unit more kept, the factor is at most the target."""
    world, position = case
    plan = outcome_of(world, position)
    event(type(plan).__name__)
    if not isinstance(plan, LiquidationPlan):
        return
    event(plan.sized_by.value)
    if plan.sized_by is SizedBy.LEFTOVER or plan.factor_after_wad is None:
        return

    less = replace(plan, repaid_units=plan.repaid_units - 1)
    given_back = position.line_of(plan.path)
    debt = position.debt_of(plan.debt)
    pays = world.parameters, world.prices
    price_wad = pays[1].price(plan.path.asset_id).price_wad
    debt_price_wad = pays[1].price(plan.debt.asset_id).price_wad
    whole = 10 ** pays[0].scales[plan.path.asset_id]
    debt_whole = 10 ** pays[0].scales[plan.debt.asset_id]
    taken = (
        less.repaid_units
        * debt_price_wad
        * whole
        * (WAD + plan.bonus_wad)
        // (debt_whole * price_wad * WAD)
    )
    smaller = position.with_line(
        replace(given_back, final_units=given_back.final_units - (taken + 1))
    ).with_debt(replace(debt, owed_units=debt.owed_units - less.repaid_units))
    factor_wad = maintenance_health(world, smaller).factor_wad
    lines = len(position.collateral) + len(position.debts) + 1
    target_wad = pays[0].liquidation.target_factor_wad
    weighted_debt_wad = maintenance_health(world, smaller).weighted_debt_wad
    assert factor_wad is not None
    assert (factor_wad - target_wad) * weighted_debt_wad <= 3 * lines * WAD


@given(case=cases())
def test_value_is_conserved_and_rounded_against_the_liquidator(
    case: tuple[World, Position],
) -> None:
    """I-23: taken <= repaid * (1 + bonus), the fund gets its share, and caps hold."""
    world, position = case
    plan = outcome_of(world, position)
    event(type(plan).__name__)
    if not isinstance(plan, LiquidationPlan):
        return
    line, debt = position.line_of(plan.path), position.debt_of(plan.debt)
    rules = world.parameters.liquidation

    assert 0 < plan.repaid_units <= debt.owed_units
    assert 0 <= plan.taken_units <= line.final_units
    assert plan.seized_units >= 0
    taken_value = (
        plan.taken_units
        * world.prices.price(plan.path.asset_id).price_wad
        * 10 ** world.parameters.scales[plan.debt.asset_id]
    )
    repaid_value = (
        plan.repaid_units
        * world.prices.price(plan.debt.asset_id).price_wad
        * 10 ** world.parameters.scales[plan.path.asset_id]
    )
    assert taken_value * WAD <= repaid_value * (WAD + plan.bonus_wad)
    bonus_units = plan.taken_units - plan.taken_units * WAD // (WAD + plan.bonus_wad)
    share_bps = rules.insurance_share_bps
    assert plan.insured_units * BPS <= (bonus_units + 1) * share_bps + BPS
    assert plan.bonus_wad <= rules.bonus_bps_max * WAD // BPS
    sides = raw_sides(
        position,
        parameters=world.parameters,
        prices=world.prices,
        soft_bps=world.parameters.soft_credit_bps,
    )
    assert plan.bonus_wad * sides.debt_wad <= max(0, sides.collateral_wad - sides.debt_wad) * WAD


@given(case=cases())
def test_what_is_left_is_nothing_or_enough(case: tuple[World, Position]) -> None:
    """I-25: a rest below the minimum stays only where the other side was used up."""
    world, position = case
    plan = outcome_of(world, position)
    event(type(plan).__name__)
    if not isinstance(plan, LiquidationPlan):
        return
    after = booked(position, plan)
    left_line, left_debt = after.line_of(plan.path), after.debt_of(plan.debt)
    minimum_wad = world.parameters.liquidation.leftover_value_wad_min

    def value_wad(asset_units: int, asset_id: str) -> int:
        price_wad = world.prices.price(plan.path.asset_id).price_wad
        scale = world.parameters.scales[plan.path.asset_id]
        if asset_id == plan.debt.asset_id and asset_id != plan.path.asset_id:
            price_wad = world.prices.price(plan.debt.asset_id).price_wad
            scale = world.parameters.scales[plan.debt.asset_id]
        return int(asset_units * price_wad // 10**scale)

    if left_debt.owed_units and left_line.final_units:
        assert value_wad(left_line.final_units, plan.path.asset_id) >= minimum_wad
        assert value_wad(left_debt.owed_units, plan.debt.asset_id) >= minimum_wad - 1


@given(case=cases(share_bps_max=1_000_000))
def test_an_insolvent_account_closes_in_one_step(case: tuple[World, Position]) -> None:
    """I-25: all listed final collateral goes, and the rest of the debt is named as bad."""
    world, position = case
    outcome = outcome_of(world, position)
    event(type(outcome).__name__)
    if not isinstance(outcome, Insolvent):
        return

    for line in position.collateral:
        taken = sum(part.seized_units for part in outcome.seizures if part.path == line.path)
        assert taken == (line.final_units if line.path in world.parameters.paths else 0)
    has_soft = any(line.soft_units for line in position.collateral)
    for debt in position.debts:
        repaid = sum(part.repaid_units for part in outcome.seizures if part.debt == debt.key)
        bad = sum(bad.units for bad in outcome.bad_debts if bad.debt == debt.key)
        assert repaid + bad == debt.owed_units or has_soft
        assert repaid <= debt.owed_units
    assert outcome.shortfall_wad > 0


@given(case=cases())
def test_a_sequence_of_plans_ends(case: tuple[World, Position]) -> None:
    """I-26: it ends healthy, insolvent or waiting, with a factor that only rises."""
    world, position = case
    for _ in range(PLANS_MAX):
        outcome = outcome_of(world, position)
        if not isinstance(outcome, LiquidationPlan):
            event(type(outcome).__name__)
            return
        position = booked(position, outcome)
    raise AssertionError(f"still liquidating after {PLANS_MAX} plans")


@given(case=cases(), tolerance_bps=st.integers(0, 100))
def test_a_guardian_with_equal_prices_accepts_every_plan(
    case: tuple[World, Position], tolerance_bps: int
) -> None:
    """What is derived twice from the same facts is never objected to."""
    world, position = case
    plan = outcome_of(world, position)
    event(type(plan).__name__)
    if not isinstance(plan, LiquidationPlan):
        return

    assert not plan_objections(
        plan,
        position,
        parameters=world.parameters,
        prices=world.prices,
        tolerance_bps=tolerance_bps,
    )
