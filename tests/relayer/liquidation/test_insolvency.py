"""Closing an insolvent account."""

from dataclasses import replace

import pytest

from relayer.errors import StalePriceError
from relayer.liquidation.insolvency import BadDebt, close_insolvent, raw_sides
from relayer.money import BPS, WAD
from relayer.risk.margin import CollateralLine, DebtKey, DebtLine, Position
from tests.relayer.risk.example import (
    ACCOUNT,
    CALM,
    DEBT,
    ETH_PATH,
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

OTHER = DebtKey(USDC, ROLLUP, "other")


def insolvent_position(*, soft_units: int = 0) -> Position:
    """Return 1 ETH and 10 SOL, worth 4,500 USD, against 4,500 and 1,500 USDC."""
    return Position(
        ACCOUNT,
        (
            CollateralLine(ETH_PATH, WHOLE_ETH),
            CollateralLine(SOL_PATH, 10 * WHOLE_SOL),
            CollateralLine(USDC_PATH, 0, soft_units),
        ),
        (
            DebtLine(USDC, ROLLUP, "credit", 4_500 * WHOLE_USDC),
            DebtLine(USDC, ROLLUP, "other", 1_500 * WHOLE_USDC),
        ),
    )


def test_all_collateral_goes_shared_over_the_debts_by_value() -> None:
    """Three quarters for the first debt, one quarter for the second; the rest is bad debt."""
    outcome = close_insolvent(insolvent_position(), parameters=PARAMETERS, prices=CALM)

    taken = {
        (part.debt, part.path): (part.seized_units, part.repaid_units) for part in outcome.seizures
    }
    assert taken == {
        (DEBT, ETH_PATH): (WHOLE_ETH * 3 // 4, 2_250 * WHOLE_USDC),
        (OTHER, ETH_PATH): (WHOLE_ETH // 4, 750 * WHOLE_USDC),
        (DEBT, SOL_PATH): (10 * WHOLE_SOL * 3 // 4, 1_125 * WHOLE_USDC),
        (OTHER, SOL_PATH): (10 * WHOLE_SOL // 4, 375 * WHOLE_USDC),
    }
    assert outcome.bad_debts == (
        BadDebt(DEBT, 1_125 * WHOLE_USDC),
        BadDebt(OTHER, 375 * WHOLE_USDC),
    )
    assert outcome.shortfall_wad == 1_500 * WAD


def test_bad_debt_waits_while_soft_collateral_is_left() -> None:
    """I-25: it is recognised when the last collateral is gone."""
    outcome = close_insolvent(
        insolvent_position(soft_units=WHOLE_USDC), parameters=PARAMETERS, prices=CALM
    )

    assert outcome.seizures
    assert outcome.bad_debts == ()


def test_without_collateral_the_whole_debt_is_bad() -> None:
    """Nothing is seized, everything is named."""
    position = replace(insolvent_position(), collateral=())

    outcome = close_insolvent(position, parameters=PARAMETERS, prices=CALM)

    assert outcome.seizures == ()
    assert sum(bad.units for bad in outcome.bad_debts) == 6_000 * WHOLE_USDC


def test_nobody_is_closed_on_a_missing_price() -> None:
    """Collateral without a price may be worth enough."""
    with pytest.raises(StalePriceError, match="SOL"):
        close_insolvent(
            insolvent_position(),
            parameters=PARAMETERS,
            prices=book_of(eth_cents=300_000, sol_cents=None),
        )


def test_raw_sides_count_listed_collateral_without_weights() -> None:
    """40,000 plain and 4,000 soft at the asked share; an unlisted path counts nothing."""
    position = example_position().with_line(
        CollateralLine(replace(ETH_PATH, bridge="unlisted"), WHOLE_ETH)
    )

    half = raw_sides(position, parameters=PARAMETERS, prices=CALM, soft_bps=5_000)
    full = raw_sides(position, parameters=PARAMETERS, prices=CALM, soft_bps=BPS)

    assert half.collateral_wad == 47_000 * WAD
    assert full.collateral_wad == 49_000 * WAD
    assert full.debt_wad == 32_500 * WAD
    assert not full.is_short
