"""Who a price move reaches."""

from dataclasses import replace

from relayer.risk.reach import ReachIndex
from tests.relayer.risk.example import (
    ACCOUNT,
    CALM,
    FALLEN,
    PARAMETERS,
    WHOLE_USDC,
    book_of,
    example_position,
)

SAFE = replace(example_position(owed_units=15_000 * WHOLE_USDC), account=b"\x02" * 32)
WITHOUT_DEBT = replace(example_position(owed_units=0), account=b"\x03" * 32)


def index_of_all() -> ReachIndex:
    """Return an index of a near, a safe and a debt-free account."""
    return ReachIndex((example_position(), SAFE, WITHOUT_DEBT), parameters=PARAMETERS, anchor=CALM)


def test_prices_at_the_anchor_reach_nobody() -> None:
    """Nothing moved, nobody is visited; accounts without debt are not even kept."""
    assert index_of_all().reached(CALM) == ()
    assert len(index_of_all()) == 2


def test_a_fall_reaches_the_near_account_only() -> None:
    """18 % down on the worst collateral reaches a factor of 1.15, not one of 2.5."""
    assert index_of_all().reached(FALLEN) == (ACCOUNT,)


def test_a_rise_of_the_debt_reaches_the_near_account() -> None:
    """The price of what is owed counts the other way."""
    dearer = book_of(eth_cents=300_000, sol_cents=15_000, usdc_cents=120)

    assert index_of_all().reached(dearer) == (ACCOUNT,)


def test_a_missing_price_reaches_everybody_with_a_debt() -> None:
    """What cannot be told is visited."""
    unpriced = book_of(eth_cents=300_000, sol_cents=15_000, usdc_cents=None)

    assert index_of_all().reached(unpriced) == (ACCOUNT, SAFE.account)


def test_an_anchor_without_the_price_of_a_debt_keeps_the_account_always_visited() -> None:
    """Nothing is known about its distance."""
    unpriced = book_of(eth_cents=300_000, sol_cents=15_000, usdc_cents=None)
    index = ReachIndex((SAFE,), parameters=PARAMETERS, anchor=unpriced)

    assert index.reached(CALM) == (SAFE.account,)
    index.remove(SAFE.account)
    assert index.reached(CALM) == ()


def test_a_move_beyond_a_thousandfold_reaches_everybody() -> None:
    """There the rounding of the lines is no longer covered."""
    crashed = book_of(eth_cents=299, sol_cents=15_000)

    assert index_of_all().reached(crashed) == (ACCOUNT, SAFE.account)


def test_a_changed_position_is_placed_anew() -> None:
    """A repayment moves the account out of reach, a new debt into it."""
    index = index_of_all()

    index.put(example_position(owed_units=WHOLE_USDC))
    index.put(replace(WITHOUT_DEBT, debts=example_position().debts))

    assert index.reached(FALLEN) == (WITHOUT_DEBT.account,)
    assert len(index) == 3
