"""Tests of priority fees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.sending import PriorityFee
from chains.solana.fees import PriorityLimits, bumped_fee, fee_lamports, suggested_fee

LIMITS = PriorityLimits(price_max=1_000_000, price_min=1_000)
PRICES = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ([], 1_000),
        ([0] * 150, 1_000),
        ([5_000], 5_000),
        ([1_000, 2_000, 3_000, 4_000, 9_000], 4_000),
        ([2**60] * 3, 1_000_000),
    ],
)
def test_three_of_four_recent_prices_are_met(prices: list[int], expected: int) -> None:
    """Within the limits, whatever was paid."""
    assert suggested_fee(prices, LIMITS) == PriorityFee(expected)


@pytest.mark.parametrize(
    ("old", "suggested", "expected"),
    [
        (1_000, 1_000, 1_500),
        (1_001, 1_000, 1_502),
        (1_000, 9_000, 9_000),
        (900_000, 1_000, 1_000_000),
        (1_000_000, 1_000, 1_000_000),
        (0, 0, 1),
    ],
)
def test_the_next_attempt_offers_half_as_much_again(
    old: int, suggested: int, expected: int
) -> None:
    """Or what the market asks; at the cap it stays there."""
    assert bumped_fee(PriorityFee(old), PriorityFee(suggested), LIMITS) == PriorityFee(expected)


@given(old=PRICES, suggested=PRICES)
def test_nothing_is_ever_offered_above_the_cap(old: int, suggested: int) -> None:
    """And below it each attempt is dearer than the one before."""
    fee = bumped_fee(PriorityFee(old), PriorityFee(suggested), LIMITS)

    assert fee.micro_lamports <= LIMITS.price_max
    assert fee.micro_lamports > old or fee.micro_lamports == LIMITS.price_max


def test_a_price_becomes_lamports() -> None:
    """The signature's fee, and the price of all units, rounded up."""
    assert fee_lamports(PriorityFee(1), 1) == 5_001
    assert fee_lamports(PriorityFee(1_000_000), 300_000) == 305_000


def test_limits_that_contradict_each_other_are_refused() -> None:
    """So is a fee below zero."""
    with pytest.raises(ValueError, match="price_min"):
        PriorityLimits(price_max=1, price_min=2)
    with pytest.raises(ValueError, match="below zero"):
        PriorityFee(-1)
