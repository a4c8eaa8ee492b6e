"""The screen over all rows: checks its arguments, then runs compiled or as plain reference."""

from array import array
from typing import Final

try:
    from relayer.risk._health_kernel import screen_into
except ImportError:  # no compiler when the package was built: same answers, slower
    screen_into = None  # type: ignore[assignment]

INT64_MAX: Final = 2**63 - 1
INT64_BYTES: Final = 8
IS_COMPILED: Final = screen_into is not None


def near_rows(quanta: "array[int]", factors: "array[int]", margin: int) -> bytearray:
    """
    Return one byte per row: 1 where the row's weighted sum is below the margin.

    near = sum(quanta[row, column] * factors[column]) < margin

    Args:
        quanta: int64 [n_rows * n_columns], row after row.
        factors: int64 [n_columns], the absolute values add up to less than 2^63, so that no sum
            leaves 128 bits.
        margin: int64.

    Raises:
        ValueError: an array of another type or length, or a sum that could leave 128 bits.
    """
    _check(quanta, factors, margin)
    if not IS_COMPILED:
        return near_rows_reference(quanta, factors, margin)
    row_count = len(quanta) // len(factors)
    is_near = bytearray(row_count)
    if row_count:
        table = memoryview(quanta).cast("B").cast("q", (row_count, len(factors)))
        screen_into(table, memoryview(factors), margin, memoryview(is_near))
    return is_near


def near_rows_reference(quanta: "array[int]", factors: "array[int]", margin: int) -> bytearray:
    """Return what near_rows returns, in plain Python."""
    width = len(factors)
    return bytearray(
        sum(quanta[start + column] * factors[column] for column in range(width)) < margin
        for start in range(0, len(quanta), width)
    )


def _check(quanta: "array[int]", factors: "array[int]", margin: int) -> None:
    for name, values in (("quanta", quanta), ("factors", factors)):
        if values.typecode != "q" or values.itemsize != INT64_BYTES:
            raise ValueError(f"{name}: array of {values.typecode!r}; 64-bit 'q' is needed")
    if not factors or len(quanta) % len(factors):
        raise ValueError(f"quanta: {len(quanta)} values are not rows of {len(factors)}")
    if sum(abs(factor) for factor in factors) > INT64_MAX:
        raise ValueError("factors: absolute values add up beyond 2^63 - 1; scale them down")
    if abs(margin) > INT64_MAX:
        raise ValueError(f"margin {margin} is outside 64 bits")
