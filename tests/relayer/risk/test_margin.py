"""Health of positions at the three levels."""

from dataclasses import replace

import pytest

from relayer.errors import NotYetError, StalePriceError
from relayer.money import WAD
from relayer.oracle.price import PriceBook
from relayer.risk.margin import (
    CollateralLine,
    DebtLine,
    Health,
    Position,
    assess_health,
    explain,
    is_flagged,
)
from relayer.risk.parameters import Level
from tests.relayer.risk.example import (
    ACCOUNT,
    CALM,
    DEBT,
    ETH_PATH,
    FALLEN,
    PARAMETERS,
    ROLLUP,
    SOL,
    SOL_PATH,
    SOLANA,
    USDC,
    USDC_PATH,
    WHOLE_ETH,
    WHOLE_USDC,
    book_of,
    example_position,
)


def health_of(position: Position, level: Level, prices: PriceBook = CALM) -> Health:
    """Return the health with the example's parameters."""
    return assess_health(position, parameters=PARAMETERS, prices=prices, level=level)


def test_the_worked_example_at_maintenance() -> None:
    """C = 37,501.50 and the factor 1.153892, soft USDC at half."""
    health = health_of(example_position(), Level.MAINTENANCE)

    assert health.weighted_collateral_wad == 37_501_500 * WAD // 1_000
    assert health.weighted_debt_wad == 32_500 * WAD
    assert health.factor_wad == 1_153_892_307_692_307_692
    assert not health.is_liquidatable


def test_the_worked_example_at_initial() -> None:
    """33,098.5785 at low prices from final collateral only: the factor is 1.018418."""
    health = health_of(example_position(), Level.INITIAL)

    assert health.weighted_collateral_wad == 330_985_785 * WAD // 10_000
    assert health.factor_wad == 1_018_417_800_000_000_000


def test_the_worked_example_after_the_fall() -> None:
    """ETH 2,580 and SOL 123: C = 32,054.91, the factor .986305, liquidatable."""
    health = health_of(example_position(), Level.MAINTENANCE, FALLEN)

    assert health.weighted_collateral_wad == 3_205_491 * WAD // 100
    assert health.factor_wad == 986_304_923_076_923_076
    assert health.is_liquidatable


def test_a_stressed_haircut_flags_nobody_above_one() -> None:
    """Eleven more points on ETH leave 34,081.50, still above the debt, but no unlock of ETH."""
    halted = replace(PARAMETERS.paths[ETH_PATH], haircut_bps={"latency": 118, "halt": 1_140})
    parameters = replace(PARAMETERS, paths={**PARAMETERS.paths, ETH_PATH: halted})

    maintenance = assess_health(
        example_position(), parameters=parameters, prices=CALM, level=Level.MAINTENANCE
    )
    initial = assess_health(
        example_position(), parameters=parameters, prices=CALM, level=Level.INITIAL
    )

    assert maintenance.weighted_collateral_wad == 34_081_500 * WAD // 1_000
    assert not maintenance.is_liquidatable
    assert initial.is_below_one


def test_equality_is_healthy() -> None:
    """A debt of exactly the weighted collateral is not liquidatable, one unit more is."""
    level = Level.MAINTENANCE
    exact_units = 37_501_500_000

    assert health_of(example_position(owed_units=exact_units), level).factor_wad == WAD
    assert not health_of(example_position(owed_units=exact_units), level).is_liquidatable
    assert health_of(example_position(owed_units=exact_units + 1), level).is_liquidatable


def test_without_debt_no_price_is_needed() -> None:
    """The factor is undefined and the account healthy."""
    unpriced = book_of(eth_cents=None, sol_cents=None, usdc_cents=None)

    health = health_of(example_position(owed_units=0), Level.MAINTENANCE, unpriced)

    assert health.factor_wad is None
    assert not health.is_liquidatable


def test_an_outstanding_grant_counts_as_debt_at_the_initial_level_only() -> None:
    """The larger of owed and committed opens less; maintenance sees what is owed."""
    position = example_position(owed_units=10 * WHOLE_USDC, committed_units=50 * WHOLE_USDC)

    assert health_of(position, Level.INITIAL).weighted_debt_wad == 50 * WAD
    assert health_of(position, Level.LIQUIDATION_END).weighted_debt_wad == 10 * WAD
    assert health_of(position, Level.MAINTENANCE).weighted_debt_wad == 10 * WAD


def test_collateral_without_a_price_counts_nothing_at_the_initial_level() -> None:
    """Only less becomes possible."""
    health = health_of(example_position(), Level.INITIAL, book_of(eth_cents=None, sol_cents=15_000))

    assert health.unpriced == (ETH_PATH,)
    assert health.weighted_collateral_wad == 14_955 * 6_745 * WAD // 10_000


def test_nobody_is_liquidated_on_a_missing_price() -> None:
    """Where the collateral without a price decides, nothing is decided; the asset is named."""
    with pytest.raises(StalePriceError, match="ETH"):
        health_of(example_position(), Level.MAINTENANCE, book_of(eth_cents=None, sol_cents=15_000))


def test_an_account_healthy_without_the_missing_price_stays_healthy() -> None:
    """The factor is then a lower bound and names what was left out."""
    position = example_position(owed_units=10_000 * WHOLE_USDC)

    health = health_of(position, Level.MAINTENANCE, book_of(eth_cents=None, sol_cents=15_000))

    assert not health.is_liquidatable
    assert health.unpriced == (ETH_PATH,)


@pytest.mark.parametrize("level", list(Level))
def test_a_debt_without_a_price_stops_every_assessment(level: Level) -> None:
    """I-15: a debt is never skipped."""
    unpriced = book_of(eth_cents=300_000, sol_cents=15_000, usdc_cents=None)

    with pytest.raises(StalePriceError, match="USDC"):
        health_of(example_position(), level, unpriced)


def test_a_debt_in_an_unlisted_asset_stops_the_assessment() -> None:
    """The remedy is to list it."""
    position = replace(example_position(), debts=(DebtLine(SOL, SOLANA, "credit", owed_units=1),))

    with pytest.raises(NotYetError, match="list it"):
        health_of(position, Level.MAINTENANCE)


def test_lines_of_one_path_are_one_line() -> None:
    """Splitting a balance, and the order of lines, change nothing."""
    whole = example_position()
    split = Position(
        ACCOUNT,
        (
            CollateralLine(USDC_PATH, 0, 4_000 * WHOLE_USDC),
            CollateralLine(ETH_PATH, 3 * WHOLE_ETH),
            *(line for line in whole.collateral if line.path == SOL_PATH),
            CollateralLine(ETH_PATH, 7 * WHOLE_ETH),
        ),
        (
            DebtLine(USDC, ROLLUP, "credit", 500 * WHOLE_USDC),
            DebtLine(USDC, ROLLUP, "credit", 32_000 * WHOLE_USDC),
        ),
    )

    assert split == whole


def test_a_line_that_is_not_there_is_empty() -> None:
    """Asking for an unknown path or debt gives zero units."""
    empty = Position(ACCOUNT, (), ())

    assert empty.line_of(ETH_PATH).final_units == 0
    assert empty.debt_of(DEBT).owed_units == 0


@pytest.mark.parametrize("units", [{"final_units": -1}, {"final_units": 0, "soft_units": -1}])
def test_negative_collateral_is_refused(units: dict[str, int]) -> None:
    """Lines are checked when they are made."""
    with pytest.raises(ValueError, match="0 or more"):
        CollateralLine(ETH_PATH, **units)


def test_a_negative_debt_is_refused() -> None:
    """Lines are checked when they are made."""
    with pytest.raises(ValueError, match="0 or more"):
        DebtLine(USDC, ROLLUP, "credit", owed_units=-1)


@pytest.mark.parametrize("level", list(Level))
def test_the_explanation_adds_up_to_the_health(level: Level) -> None:
    """Every line is shown with units, price, weight and value, and nothing is left out."""
    lines = explain(example_position(), parameters=PARAMETERS, prices=CALM, level=level)
    health = health_of(example_position(), level)

    total = sum(line.weighted_value_wad for line in lines)
    assert total == health.weighted_collateral_wad + health.weighted_debt_wad
    assert [line.line for line in lines] == [ETH_PATH, SOL_PATH, USDC_PATH, DEBT]


def test_the_flag_sticks_until_the_liquidation_end_level_is_healthy() -> None:
    """Entered below one at maintenance; left only at the stricter level."""
    fallen = health_of(example_position(), Level.MAINTENANCE, FALLEN)
    calm = health_of(example_position(), Level.MAINTENANCE)
    end_short = health_of(example_position(), Level.LIQUIDATION_END, FALLEN)
    end_healthy = health_of(example_position(), Level.LIQUIDATION_END)

    assert is_flagged(was_flagged=False, maintenance=fallen, liquidation_end=end_short)
    assert is_flagged(was_flagged=True, maintenance=calm, liquidation_end=end_short)
    assert not is_flagged(was_flagged=True, maintenance=calm, liquidation_end=end_healthy)
    assert not is_flagged(was_flagged=False, maintenance=calm, liquidation_end=end_short)
