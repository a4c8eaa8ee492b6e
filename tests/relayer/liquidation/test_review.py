"""A guardian's review of a plan."""

from dataclasses import replace

import pytest

from relayer.errors import StalePriceError
from relayer.liquidation.review import plan_objections
from relayer.liquidation.sizing import LiquidationPlan, size_liquidation
from relayer.risk.margin import CollateralLine
from tests.relayer.risk.example import (
    CALM,
    ETH_PATH,
    FALLEN,
    PARAMETERS,
    SOL_PATH,
    USDC_PATH,
    WHOLE_ETH,
    WHOLE_SOL,
    WHOLE_USDC,
    book_of,
    example_position,
)


def honest_plan() -> LiquidationPlan:
    """Return the plan of the worked example."""
    plan = size_liquidation(example_position(), parameters=PARAMETERS, prices=FALLEN)
    assert isinstance(plan, LiquidationPlan)
    return plan


def objection(plan: LiquidationPlan, *, tolerance_bps: int = 0) -> str:
    """Return the first word of the only objection at the operator's own prices."""
    (only,) = plan_objections(
        plan,
        example_position(),
        parameters=PARAMETERS,
        prices=FALLEN,
        tolerance_bps=tolerance_bps,
    )
    return only.split(":")[0]


def test_the_own_plan_is_acceptable_without_tolerance() -> None:
    """Equal prices give no objection."""
    assert not plan_objections(
        honest_plan(), example_position(), parameters=PARAMETERS, prices=FALLEN, tolerance_bps=0
    )


@pytest.mark.parametrize(
    ("eth_cents", "sol_cents"), [(258_600, 12_330), (257_400, 12_270), (258_000, 12_345)]
)
def test_slightly_different_prices_are_tolerated(eth_cents: int, sol_cents: int) -> None:
    """Within 50 bps on a ratio, honest guardians agree."""
    assert not plan_objections(
        honest_plan(),
        example_position(),
        parameters=PARAMETERS,
        prices=book_of(eth_cents=eth_cents, sol_cents=sol_cents),
        tolerance_bps=50,
    )


def test_a_healthy_account_is_not_liquidated_on_the_operators_word() -> None:
    """The guardian's own factor decides."""
    objections = plan_objections(
        honest_plan(), example_position(), parameters=PARAMETERS, prices=CALM, tolerance_bps=50
    )

    assert objections[0].startswith("factor: 1153892307692307692")


def test_an_insolvent_account_gets_no_bonus() -> None:
    """Its plan is not one of these."""
    crashed = book_of(eth_cents=100_000, sol_cents=5_000)

    objections = plan_objections(
        honest_plan(), example_position(), parameters=PARAMETERS, prices=crashed, tolerance_bps=50
    )

    assert objections[0].startswith("insolvent")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"account": b"\x02" * 32}, "account"),
        ({"repaid_units": 7_455_403_757, "seized_units": 62_652_736_422}, "repaid_units"),
        ({"seized_units": 62_652_736_424}, "taken_units"),
        ({"insured_units": 226_633_087}, "taken_units"),
        ({"path": USDC_PATH}, "pair"),
        ({"path": ETH_PATH, "seized_units": WHOLE_ETH, "insured_units": 0}, "path"),
        ({"path": replace(SOL_PATH, bridge="other")}, "pair"),
    ],
)
def test_each_way_to_take_more_is_named(change: dict[str, object], field: str) -> None:
    """One field altered, one objection that starts with its name."""
    plan = replace(honest_plan(), **change)  # type: ignore[arg-type]

    assert objection(plan) == field


def test_more_than_there_is_is_refused() -> None:
    """Neither debt nor final collateral can be exceeded, whatever the tolerance."""
    plan = replace(honest_plan(), repaid_units=32_501 * WHOLE_USDC, seized_units=101 * WHOLE_SOL)

    objections = plan_objections(
        plan, example_position(), parameters=PARAMETERS, prices=FALLEN, tolerance_bps=10_000
    )

    assert any("32501000000 of 32500000000 owed" in text for text in objections)
    assert any("of 100000000000 final" in text for text in objections)


def test_a_guardian_without_a_price_of_its_own_waits() -> None:
    """It neither signs nor refuses for good."""
    with pytest.raises(StalePriceError, match="SOL"):
        plan_objections(
            honest_plan(),
            example_position(),
            parameters=PARAMETERS,
            prices=book_of(eth_cents=258_000, sol_cents=None),
            tolerance_bps=50,
        )


def test_a_guardian_judges_its_own_position() -> None:
    """Collateral that the guardian saw arrive makes the account healthy."""
    topped_up = example_position().with_line(CollateralLine(ETH_PATH, 11 * WHOLE_ETH))

    objections = plan_objections(
        honest_plan(), topped_up, parameters=PARAMETERS, prices=FALLEN, tolerance_bps=50
    )

    assert objections[0].startswith("factor")


def test_a_tolerance_outside_its_range_is_refused() -> None:
    """Zero to all of it."""
    with pytest.raises(ValueError, match="tolerance_bps"):
        plan_objections(
            honest_plan(),
            example_position(),
            parameters=PARAMETERS,
            prices=FALLEN,
            tolerance_bps=-1,
        )
