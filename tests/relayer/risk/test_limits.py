"""What may be unlocked and owed."""

import pytest

from relayer.errors import RefusedError, StalePriceError
from relayer.money import WAD
from relayer.risk.limits import (
    credit_check,
    max_credit_units,
    max_unlock_units,
    unlock_check,
    usd_text,
)
from tests.relayer.risk.example import (
    CALM,
    DEBT,
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


def test_the_worked_example_lets_a_quarter_of_an_ether_go() -> None:
    """.260122 ETH, although the maintenance factor looks comfortable."""
    units = max_unlock_units(example_position(), ETH_PATH, parameters=PARAMETERS, prices=CALM)

    assert units == 260_122_240_985_360_710
    unlock_check(example_position(), ETH_PATH, units, parameters=PARAMETERS, prices=CALM)
    with pytest.raises(RefusedError) as caught:
        unlock_check(example_position(), ETH_PATH, units + 1, parameters=PARAMETERS, prices=CALM)
    assert caught.value.code == "insufficient_margin"
    assert "32499.999999 USD" in caught.value.detail
    assert "32500.000000 USD" in caught.value.detail
    assert f"at most {units} units" in caught.value.detail


def test_without_debt_everything_final_may_go_without_any_price() -> None:
    """Owners without debts do not wait for feeds."""
    unpriced = book_of(eth_cents=None, sol_cents=None, usdc_cents=None)
    position = example_position(owed_units=0)

    unlock_check(position, ETH_PATH, 10 * WHOLE_ETH, parameters=PARAMETERS, prices=unpriced)
    unlock_check(position, SOL_PATH, 100 * WHOLE_SOL, parameters=PARAMETERS, prices=unpriced)


def test_an_outstanding_grant_holds_collateral_back() -> None:
    """A limit that may still be drawn counts as debt."""
    position = example_position(owed_units=0, committed_units=32_500 * WHOLE_USDC)

    units = max_unlock_units(position, ETH_PATH, parameters=PARAMETERS, prices=CALM)

    assert units == 260_122_240_985_360_710


def test_a_short_account_unlocks_nothing() -> None:
    """Below one at the initial level nothing leaves, whatever its weight."""
    assert not max_unlock_units(example_position(), SOL_PATH, parameters=PARAMETERS, prices=FALLEN)


def test_a_small_debt_lets_a_whole_path_go() -> None:
    """Where the other collateral carries the debt, the path is free."""
    position = example_position(owed_units=1_000 * WHOLE_USDC)

    units = max_unlock_units(position, SOL_PATH, parameters=PARAMETERS, prices=CALM)

    assert units == 100 * WHOLE_SOL


def test_soft_collateral_is_not_unlocked() -> None:
    """The refusal says how much is not final yet."""
    with pytest.raises(RefusedError, match="4000000000 more are not final yet"):
        unlock_check(example_position(), USDC_PATH, 1, parameters=PARAMETERS, prices=CALM)


@pytest.mark.parametrize("units", [0, -1])
def test_an_unlock_of_nothing_is_refused(units: int) -> None:
    """Amounts start at one unit."""
    with pytest.raises(RefusedError, match="amount_invalid"):
        unlock_check(example_position(), ETH_PATH, units, parameters=PARAMETERS, prices=CALM)


def test_collateral_without_a_price_stays_while_there_is_a_debt() -> None:
    """Unlocking needs a valid price of what leaves."""
    position = example_position(owed_units=1_000 * WHOLE_USDC)

    with pytest.raises(StalePriceError, match="SOL"):
        unlock_check(
            position,
            SOL_PATH,
            1,
            parameters=PARAMETERS,
            prices=book_of(eth_cents=300_000, sol_cents=None),
        )


def test_the_highest_limit_is_exact() -> None:
    """33,098.5785 USDC may be owed in total; one unit more is refused with the numbers."""
    position = example_position()
    units = max_credit_units(position, DEBT, parameters=PARAMETERS, prices=CALM)

    assert units == 33_098_578_500
    credit_check(position, DEBT, units, parameters=PARAMETERS, prices=CALM)
    with pytest.raises(RefusedError) as caught:
        credit_check(position, DEBT, units + 1, parameters=PARAMETERS, prices=CALM)
    assert "33098.578500 USD" in caught.value.detail
    assert f"the highest limit is {units} units" in caught.value.detail


def test_a_lower_limit_does_not_hide_an_outstanding_higher_one() -> None:
    """Both may still be drawn, so the higher one counts."""
    position = example_position(owed_units=0, committed_units=40_000 * WHOLE_USDC)

    with pytest.raises(RefusedError, match="insufficient_margin"):
        credit_check(position, DEBT, WHOLE_USDC, parameters=PARAMETERS, prices=CALM)


def test_a_negative_limit_is_refused() -> None:
    """Limits start at zero."""
    with pytest.raises(RefusedError, match="amount_invalid"):
        credit_check(example_position(), DEBT, -5, parameters=PARAMETERS, prices=CALM)


def test_a_grant_can_always_be_handed_back() -> None:
    """A limit of zero is accepted from a short account too, and without any price."""
    unpriced = book_of(eth_cents=None, sol_cents=None, usdc_cents=None)

    credit_check(example_position(), DEBT, 0, parameters=PARAMETERS, prices=FALLEN)
    credit_check(example_position(), DEBT, 0, parameters=PARAMETERS, prices=unpriced)


def test_without_collateral_there_is_no_credit() -> None:
    """Nothing to secure it, nothing to draw."""
    unpriced = book_of(eth_cents=None, sol_cents=None)

    assert not max_credit_units(example_position(), DEBT, parameters=PARAMETERS, prices=unpriced)


def test_values_are_shown_cut_to_six_digits() -> None:
    """Enough digits for people, and never rounded up."""
    assert usd_text(1_999_999_999_999_999_999) == "1.999999 USD"
    assert usd_text(-5 * WAD // 2) == "-2.500000 USD"
