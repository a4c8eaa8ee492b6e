"""Whole numbers of base units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.money import UNITS_MAX, Amount, AssetId, Rounding, mul_div

FACTORS = st.integers(min_value=0, max_value=UNITS_MAX)
DIVISORS = st.integers(min_value=1, max_value=UNITS_MAX)


@given(left=FACTORS, right=FACTORS, divisor=DIVISORS)
def test_the_two_roundings_enclose_the_exact_quotient(left: int, right: int, divisor: int) -> None:
    """Down is at or below the quotient, up at or above, and they differ by one at most."""
    down = mul_div(left, right, divisor, Rounding.DOWN)
    up = mul_div(left, right, divisor, Rounding.UP)

    assert down * divisor <= left * right <= up * divisor
    assert up - down == (1 if left * right % divisor else 0)


@pytest.mark.parametrize(
    ("left", "right", "divisor"), [(-1, 1, 1), (1, -1, 1), (1, 1, 0), (1, 1, -2)]
)
def test_a_sign_or_divisor_that_makes_no_sense_is_refused(
    left: int, right: int, divisor: int
) -> None:
    """Negative factors and divisors below one raise."""
    with pytest.raises(ValueError, match="mul_div"):
        mul_div(left, right, divisor, Rounding.DOWN)


@pytest.mark.parametrize("units", [0, 1, UNITS_MAX])
def test_an_amount_holds_any_unsigned_256_bit_number(units: int) -> None:
    """Both ends of the range are amounts."""
    assert Amount(AssetId("ETH"), units).units == units


@pytest.mark.parametrize("units", [-1, UNITS_MAX + 1])
def test_an_amount_outside_256_bits_is_refused(units: int) -> None:
    """One below and one above the range raise and name the asset."""
    with pytest.raises(ValueError, match="ETH"):
        Amount(AssetId("ETH"), units)
