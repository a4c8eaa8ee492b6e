"""Fees of a first attempt and of its replacements."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.evm.fees import GWEI, FeeLimits, bumped_fees, is_at_cap, suggested_fees
from chains.port import Fees

LIMITS = FeeLimits()
WEI = st.integers(0, 2 * LIMITS.max_fee_wei_max)


@st.composite
def fees(draw: st.DrawFn) -> Fees:
    """Draw fees, above the limits too."""
    max_fee = draw(WEI)
    return Fees(max_fee_wei=max_fee, priority_fee_wei=draw(st.integers(0, max_fee)))


def test_a_suggestion_is_twice_the_base_fee_and_the_median_reward() -> None:
    """Room for the base fee to double."""
    found = suggested_fees(10 * GWEI, [GWEI, 3 * GWEI, 2 * GWEI], LIMITS)

    assert found == Fees(max_fee_wei=22 * GWEI, priority_fee_wei=2 * GWEI)


def test_without_rewards_the_smallest_priority_fee_is_offered() -> None:
    """Empty blocks say nothing about rewards."""
    assert suggested_fees(0, [], LIMITS).priority_fee_wei == LIMITS.priority_fee_wei_min


@given(base_fee_wei=WEI, rewards_wei=st.lists(WEI, max_size=10))
def test_a_suggestion_stays_within_the_limits(base_fee_wei: int, rewards_wei: list[int]) -> None:
    """A lying node cannot make us pay more than the limits."""
    found = suggested_fees(base_fee_wei, rewards_wei, LIMITS)

    assert found.max_fee_wei <= LIMITS.max_fee_wei_max
    assert found.priority_fee_wei <= LIMITS.priority_fee_wei_max


def test_a_bump_adds_an_eighth_to_both_fees() -> None:
    """Times 1.125, rounded up."""
    old = Fees(max_fee_wei=81, priority_fee_wei=9)

    found = bumped_fees(old, Fees(max_fee_wei=50, priority_fee_wei=0), LIMITS)

    assert found == Fees(max_fee_wei=92, priority_fee_wei=11)


def test_a_bump_follows_a_market_that_moved_further() -> None:
    """The suggestion wins where it is higher."""
    old = Fees(max_fee_wei=10 * GWEI, priority_fee_wei=GWEI)
    market = Fees(max_fee_wei=40 * GWEI, priority_fee_wei=5 * GWEI)

    assert bumped_fees(old, market, LIMITS) == market


@given(old=fees(), suggested=fees())
def test_a_bump_replaces_or_changes_nothing(old: Fees, suggested: Fees) -> None:
    """Nodes want a tenth more on both fees; the limits hold for whatever is new."""
    found = bumped_fees(old, suggested, LIMITS)

    if found == old:
        return
    assert found.max_fee_wei * 10 >= old.max_fee_wei * 11
    assert found.priority_fee_wei * 10 >= old.priority_fee_wei * 11
    assert found.max_fee_wei <= LIMITS.max_fee_wei_max
    assert found.priority_fee_wei <= LIMITS.priority_fee_wei_max


def test_at_the_limit_the_old_fees_come_back() -> None:
    """The caller sees that there is nothing to resubmit."""
    old = Fees(max_fee_wei=LIMITS.max_fee_wei_max, priority_fee_wei=LIMITS.priority_fee_wei_max)

    assert bumped_fees(old, old, LIMITS) is old
    assert is_at_cap(old, old, LIMITS)


def test_a_price_far_above_the_market_is_not_raised() -> None:
    """Three times the estimate is no bargain: something else keeps it out of blocks."""
    market = Fees(max_fee_wei=10 * GWEI, priority_fee_wei=GWEI)
    dear = Fees(max_fee_wei=27 * GWEI, priority_fee_wei=GWEI)

    assert bumped_fees(dear, market, LIMITS) is dear
    assert not is_at_cap(dear, market, LIMITS)
    cheaper = Fees(max_fee_wei=26 * GWEI, priority_fee_wei=GWEI)
    assert bumped_fees(cheaper, market, LIMITS).max_fee_wei == 29_250_000_000


@settings(max_examples=1_000)
@given(
    markets=st.lists(fees(), min_size=1, max_size=20),
    cap_wei=st.integers(1, LIMITS.max_fee_wei_max),
)
def test_r10_no_run_of_replacements_passes_a_cap(markets: list[Fees], cap_wei: int) -> None:
    """From suggestion to suggestion; each replacement is one that nodes take."""
    tip_wei = min(LIMITS.priority_fee_wei_max, cap_wei)
    limits = FeeLimits(
        cap_wei, priority_fee_wei_max=tip_wei, priority_fee_wei_min=min(tip_wei, GWEI)
    )
    paid = suggested_fees(markets[0].max_fee_wei, [markets[0].priority_fee_wei], limits)

    for base in markets:
        market = suggested_fees(base.max_fee_wei, [base.priority_fee_wei], limits)
        new = bumped_fees(paid, market, limits)

        assert new.max_fee_wei <= limits.max_fee_wei_max
        assert new.priority_fee_wei <= limits.priority_fee_wei_max
        if new != paid:
            assert new.max_fee_wei * 10 >= paid.max_fee_wei * 11
            assert new.priority_fee_wei * 10 >= paid.priority_fee_wei * 11
            assert new.max_fee_wei <= 3 * market.max_fee_wei
            assert new.max_fee_wei >= market.max_fee_wei
        paid = new


def test_a_bump_that_nodes_refuse_is_no_setting() -> None:
    """They ask for a tenth more."""
    with pytest.raises(ValueError, match="or more"):
        FeeLimits(bump_numerator=109, bump_denominator=100)


def test_limits_out_of_order_are_refused() -> None:
    """The smallest priority fee is below the largest."""
    with pytest.raises(ValueError, match="priority_fee_wei_min"):
        FeeLimits(priority_fee_wei_min=2, priority_fee_wei_max=1)
