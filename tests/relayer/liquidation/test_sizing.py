"""How much is repaid and seized."""

from dataclasses import replace

import pytest

from relayer.errors import NotYetError, RefusedError, StalePriceError
from relayer.liquidation.insolvency import Insolvent
from relayer.liquidation.sizing import (
    LiquidationPlan,
    SizedBy,
    bonus_cap_wad,
    plan_of,
    ranked_pairs,
    size_liquidation,
)
from relayer.money import WAD
from relayer.oracle.price import PriceBook
from relayer.risk.margin import CollateralLine, DebtLine, Position, assess_health
from relayer.risk.parameters import Level, RiskParameters
from tests.relayer.risk.example import (
    ACCOUNT,
    CALM,
    DEBT,
    ETH_PATH,
    FALLEN,
    PARAMETERS,
    ROLLUP,
    SOL_PATH,
    USDC,
    USDC_PATH,
    WHOLE_ETH,
    WHOLE_SOL,
    WHOLE_USDC,
    book_of,
    example_position,
)


def plan_for(
    position: Position, prices: PriceBook = FALLEN, parameters: RiskParameters = PARAMETERS
) -> LiquidationPlan:
    """Return the plan of an account that can be healed."""
    plan = size_liquidation(position, parameters=parameters, prices=prices)
    assert isinstance(plan, LiquidationPlan)
    return plan


def with_rules(**changes: int) -> RiskParameters:
    """Return the example's parameters with other liquidation rules."""
    return replace(PARAMETERS, liquidation=replace(PARAMETERS.liquidation, **changes))


def sol_position(*, sol_units: int, owed_units: int) -> Position:
    """Return an account with SOL only."""
    return Position(
        ACCOUNT,
        (CollateralLine(SOL_PATH, sol_units),),
        (DebtLine(USDC, ROLLUP, "credit", owed_units),),
    )


def test_the_worked_example_repays_with_the_cheapest_collateral() -> None:
    """7,455.40 USDC for 62.87937 SOL at a bonus of 3.7390 %, a tenth of it to the fund."""
    plan = plan_for(example_position())

    assert (plan.debt, plan.path) == (DEBT, SOL_PATH)
    assert plan.repaid_units == 7_455_403_756
    assert plan.taken_units == 62_879_369_507
    assert plan.bonus_wad == 37_390_153_846_153_848
    assert plan.bonus_bps == 373
    assert plan.factor_before_wad == 986_304_923_076_923_076
    assert plan.factor_after_wad is not None
    assert 0 <= plan.factor_after_wad - 1_050_000_000_000_000_000 < 10**11
    assert plan.sized_by is SizedBy.TARGET
    bonus_usd_cents = plan.taken_units * 12_300 // WHOLE_SOL - plan.repaid_units // 10_000
    assert bonus_usd_cents == 27_876
    assert plan.insured_units == 226_633_085


def test_the_worked_example_with_ether_moves_more_debt_for_the_same_health() -> None:
    """10,288.34 USDC and 4.136831 ETH: 38 % more."""
    position = example_position()
    health = assess_health(position, parameters=PARAMETERS, prices=FALLEN, level=Level.MAINTENANCE)
    pairs = ranked_pairs(position, health, parameters=PARAMETERS, prices=FALLEN)
    assert [pair.line.path for pair in pairs] == [SOL_PATH, ETH_PATH]
    assert pairs[0].cost_wad // 10**16 == 772_336
    assert pairs[1].cost_wad // 10**16 == 848_792

    plan = plan_of(pairs[1], position, health, parameters=PARAMETERS, prices=FALLEN)

    assert plan is not None
    assert plan.repaid_units // 10_000 == 1_028_834
    assert plan.taken_units == 4_136_830_678_973_739_542


def test_the_account_affords_what_it_has_beyond_its_debts() -> None:
    """40,100 against 32,500 with soft USDC at half: 23.38 %."""
    cap_wad = bonus_cap_wad(example_position(), parameters=PARAMETERS, prices=FALLEN)

    assert cap_wad == 7_600 * WAD // 32_500


def test_a_healthy_account_is_refused() -> None:
    """I-21: at one or above nothing is liquidated."""
    with pytest.raises(RefusedError, match="not_liquidatable"):
        size_liquidation(example_position(), parameters=PARAMETERS, prices=CALM)


def test_a_missing_price_sizes_nothing() -> None:
    """The asset is named."""
    with pytest.raises(StalePriceError, match="SOL"):
        size_liquidation(
            example_position(),
            parameters=PARAMETERS,
            prices=book_of(eth_cents=258_000, sol_cents=None),
        )


def test_the_bonus_is_cut_to_what_the_account_affords() -> None:
    """With collateral only a percent above the debt, the bonus is that percent less the guard."""
    position = sol_position(sol_units=100 * WHOLE_SOL, owed_units=12_178 * WHOLE_USDC)

    plan = plan_for(position)

    assert plan.bonus_wad <= 122 * WAD // 12_178
    assert plan.taken_units * 123 * WHOLE_USDC <= 12_300 * WHOLE_SOL * WHOLE_USDC


def test_a_whole_line_is_taken_when_it_pays_less_than_the_target_needs() -> None:
    """The next plan goes on with the next path."""
    position = example_position()
    small = position.with_line(CollateralLine(SOL_PATH, 10 * WHOLE_SOL)).with_debt(
        DebtLine(USDC, ROLLUP, "credit", 24_500 * WHOLE_USDC)
    )

    plan = plan_for(small)

    assert plan.sized_by is SizedBy.COLLATERAL
    assert plan.path == SOL_PATH
    assert plan.taken_units == 10 * WHOLE_SOL
    assert plan.factor_after_wad is not None
    assert plan.factor_after_wad > plan.factor_before_wad


def test_a_small_debt_is_repaid_whole() -> None:
    """Less than the minimum would be left, so nothing is."""
    position = sol_position(sol_units=1_300_000_000, owed_units=120 * WHOLE_USDC)

    plan = plan_for(position)

    assert plan.sized_by is SizedBy.LEFTOVER
    assert plan.repaid_units == 120 * WHOLE_USDC
    assert plan.factor_after_wad is None


def test_dust_is_not_seized_first() -> None:
    """A path worth less than the minimum waits, however low its weight."""
    dust = CollateralLine(USDC_PATH, final_units=99 * WHOLE_USDC)
    cheap = replace(PARAMETERS.paths[USDC_PATH], initial_weight_bps=0, maintenance_weight_bps=100)
    parameters = replace(PARAMETERS, paths={**PARAMETERS.paths, USDC_PATH: cheap})

    assert plan_for(example_position().with_line(dust), parameters=parameters).path == SOL_PATH


def test_the_close_factor_bounds_a_plan() -> None:
    """At one percent of the debt, no more than that is repaid."""
    plan = plan_for(example_position(), parameters=with_rules(close_factor_bps=100))

    assert plan.sized_by is SizedBy.CLOSE_FACTOR
    assert plan.repaid_units == 325 * WHOLE_USDC


def test_soft_collateral_is_not_seized() -> None:
    """Where only collateral that is not final could heal, the answer is to wait."""
    position = Position(
        ACCOUNT,
        (CollateralLine(USDC_PATH, 0, 10_000 * WHOLE_USDC),),
        (DebtLine(USDC, ROLLUP, "credit", 4_600 * WHOLE_USDC),),
    )

    with pytest.raises(NotYetError, match="collateral_not_final"):
        size_liquidation(position, parameters=PARAMETERS, prices=CALM)


def test_an_account_worth_less_than_its_debts_closes_as_insolvent() -> None:
    """No repayment heals it, so it is not sized."""
    position = sol_position(sol_units=WHOLE_SOL, owed_units=1_000 * WHOLE_USDC)

    outcome = size_liquidation(position, parameters=PARAMETERS, prices=FALLEN)

    assert isinstance(outcome, Insolvent)


def test_a_path_that_is_not_listed_is_not_seized() -> None:
    """It counts nothing and cannot be moved."""
    position = example_position().with_line(
        CollateralLine(replace(ETH_PATH, bridge="unlisted"), 100 * WHOLE_ETH)
    )

    assert plan_for(position).path == SOL_PATH


def test_a_sequence_of_plans_ends_at_the_target() -> None:
    """I-26: each plan heals, and the last leaves the account at the target or without debt."""
    position = (
        example_position()
        .with_line(CollateralLine(SOL_PATH, 10 * WHOLE_SOL))
        .with_debt(DebtLine(USDC, ROLLUP, "credit", 24_500 * WHOLE_USDC))
    )
    factors = []
    for _ in range(4):
        health = assess_health(
            position, parameters=PARAMETERS, prices=FALLEN, level=Level.MAINTENANCE
        )
        factors.append(health.factor_wad or 0)
        if not health.is_liquidatable:
            break
        plan = plan_for(position)
        line, debt = position.line_of(plan.path), position.debt_of(plan.debt)
        position = position.with_line(
            replace(line, final_units=line.final_units - plan.taken_units)
        ).with_debt(replace(debt, owed_units=debt.owed_units - plan.repaid_units))

    assert len(factors) >= 2
    assert factors == sorted(factors)
    assert factors[-1] >= WAD


def test_many_small_liquidations_pay_no_more_than_one() -> None:
    """I-26: the bonus falls as the account heals, so cutting a liquidation up gains nothing."""
    whole = plan_for(example_position())
    position, repaid_units, taken_units = example_position(), 0, 0
    for _ in range(2):
        part = plan_for(position, parameters=with_rules(close_factor_bps=500))
        line, debt = position.line_of(part.path), position.debt_of(part.debt)
        position = position.with_line(
            replace(line, final_units=line.final_units - part.taken_units)
        ).with_debt(replace(debt, owed_units=debt.owed_units - part.repaid_units))
        repaid_units += part.repaid_units
        taken_units += part.taken_units

    assert repaid_units < whole.repaid_units
    assert taken_units * whole.repaid_units <= whole.taken_units * repaid_units
