"""Factors of the screen."""

from dataclasses import replace

from relayer.money import AssetId
from relayer.oracle.price import PriceBook
from relayer.risk.kernel import INT64_MAX
from relayer.risk.screen import Column, quantum_units, screen_factors
from tests.relayer.risk.example import CALM, DEBT, ETH_PATH, PARAMETERS, USDC_PATH, book_of

COLUMNS = (
    Column(ETH_PATH, is_soft=False, quantum_units=10**9),
    Column(USDC_PATH, is_soft=True, quantum_units=1),
    Column(DEBT, is_soft=False, quantum_units=1),
)


def test_a_quantum_is_at_most_a_billionth_of_a_token() -> None:
    """Tokens of more than nine digits are counted in 1e-9, others in base units."""
    assert quantum_units(18) == 10**9
    assert quantum_units(9) == quantum_units(6) == quantum_units(0) == 1


def test_collateral_is_counted_down_and_debts_up() -> None:
    """A part of a quantum is nothing as collateral and a whole one as debt."""
    collateral = COLUMNS[0]
    debt = replace(COLUMNS[2], quantum_units=10)

    assert collateral.quanta(10**9 - 1) == 0
    assert debt.quanta(1) == 1
    assert (collateral.is_debt, debt.is_debt) == (False, True)


def test_only_a_debt_beyond_int64_is_reported_as_cut() -> None:
    """Collateral cut at the end is on the safe side."""
    collateral, debt = COLUMNS[1], COLUMNS[2]

    assert collateral.quanta(2**200) == debt.quanta(2**200) == INT64_MAX
    assert not collateral.is_cut(2**200)
    assert debt.is_cut(INT64_MAX + 1)
    assert not debt.is_cut(INT64_MAX)


def test_factors_keep_the_ratio_of_the_weighted_prices() -> None:
    """1e-9 ETH at 3,000 and .8182 against 1e-6 USDC at .894 and half, and a debt of 1."""
    screen = screen_factors(COLUMNS, 4, parameters=PARAMETERS, prices=CALM)

    ether, soft, debt, unused = screen.factors
    assert ether * 4_470 // (soft * 24_546) in (0, 1)
    assert abs(ether * 10_000 + debt * 24_546) <= 40_000
    assert unused == 0
    assert screen.blind_factors is None
    assert sum(abs(factor) for factor in screen.factors) <= INT64_MAX
    assert 0 < screen.margin <= INT64_MAX


def test_a_debt_without_a_price_is_blind() -> None:
    """Whoever owes it is found by the second pass."""
    unpriced = book_of(eth_cents=300_000, sol_cents=15_000, usdc_cents=None)

    screen = screen_factors(COLUMNS, 3, parameters=PARAMETERS, prices=unpriced)

    assert screen.blind_factors is not None
    assert list(screen.blind_factors) == [0, 0, -1]
    assert screen.factors[2] == 0


def test_a_debt_that_is_not_listed_is_blind() -> None:
    """Its assessment raises, so it must be visited."""
    columns = (Column(replace(DEBT, asset_id=AssetId("ETH")), is_soft=False, quantum_units=1),)

    screen = screen_factors(columns, 1, parameters=PARAMETERS, prices=CALM)

    assert screen.blind_factors is not None


def test_without_any_price_nothing_counts() -> None:
    """All factors are zero, and every debt is blind."""
    screen = screen_factors(COLUMNS, 3, parameters=PARAMETERS, prices=PriceBook({}))

    assert list(screen.factors) == [0, 0, 0]
    assert screen.blind_factors is not None
