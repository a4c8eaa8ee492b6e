"""The compiled screen equals its plain reference."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.risk.kernel import INT64_MAX, IS_COMPILED, near_rows, near_rows_reference

INT64_MIN = -INT64_MAX - 1
ENDS = st.sampled_from([INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX])
VALUES = ENDS | st.integers(INT64_MIN, INT64_MAX)


@st.composite
def tables(draw: st.DrawFn) -> tuple["array[int]", "array[int]"]:
    """Return rows of any int64, and factors that add up to what is allowed."""
    width = draw(st.integers(1, 6))
    rows = draw(st.integers(0, 5))
    quanta = array("q", draw(st.lists(VALUES, min_size=rows * width, max_size=rows * width)))
    left = INT64_MAX
    factors = array("q")
    for _ in range(width):
        size = draw(st.sampled_from([0, min(1, left), left]) | st.integers(0, left))
        left -= size
        factors.append(draw(st.sampled_from([size, -size])))
    return quanta, factors


@given(table=tables(), margin=st.integers(-INT64_MAX, INT64_MAX))
def test_the_kernel_equals_the_reference_bit_for_bit(
    table: tuple["array[int]", "array[int]"], margin: int
) -> None:
    """To the ends of int64 in every argument."""
    quanta, factors = table

    assert near_rows(quanta, factors, margin) == near_rows_reference(quanta, factors, margin)


@given(table=tables(), offset=st.sampled_from([-1, 0, 1]))
def test_the_kernel_is_exact_at_the_margin_itself(
    table: tuple["array[int]", "array[int]"], offset: int
) -> None:
    """A sum equal to the margin is not near, one below is."""
    quanta, factors = table
    total = sum(quanta[column] * factors[column] for column in range(len(factors))) if quanta else 0
    margin = max(-INT64_MAX, min(INT64_MAX, total + offset))

    assert near_rows(quanta, factors, margin) == near_rows_reference(quanta, factors, margin)


def test_the_largest_sum_does_not_overflow() -> None:
    """2^63 * (2^63 - 1) in both signs stays inside 128 bits."""
    quanta = array("q", [INT64_MIN, INT64_MAX])

    assert near_rows(quanta, array("q", [INT64_MAX]), 0) == bytearray([1, 0])
    assert near_rows(quanta, array("q", [-INT64_MAX]), 0) == bytearray([0, 1])


@pytest.mark.parametrize(
    ("quanta", "factors", "margin", "message"),
    [
        (array("i", [1]), array("q", [1]), 0, "quanta: array of 'i'"),
        (array("q", [1]), array("d", [1]), 0, "factors: array of 'd'"),
        (array("q", [1, 2, 3]), array("q", [1, 2]), 0, "not rows of 2"),
        (array("q", [1]), array("q"), 0, "not rows of 0"),
        (array("q", [1, 1]), array("q", [INT64_MAX, 1]), 0, "scale them down"),
        (array("q", [1]), array("q", [1]), INT64_MAX + 1, "outside 64 bits"),
    ],
)
def test_arguments_outside_the_contract_are_refused(
    quanta: "array[int]", factors: "array[int]", margin: int, message: str
) -> None:
    """Type, shape and range are checked before the loop runs."""
    with pytest.raises(ValueError, match=message):
        near_rows(quanta, factors, margin)


def test_the_kernel_is_compiled_here() -> None:
    """A build without the kernel still works, but is not what is released."""
    if not IS_COMPILED:
        pytest.skip("the Cython kernel is not built; run make setup")
    assert near_rows(array("q", [1]), array("q", [1]), 2) == bytearray([1])
