"""How many blocks to ask for at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.line.span import SPAN_FIRST, AdaptiveSpan


@pytest.mark.parametrize(
    ("elapsed_seconds", "expected"),
    [(0.1, 100), (1.99, 100), (2.0, 70), (4.9, 70), (5.0, 50), (10.0, 50), (10.1, 30), (31, 25)],
)
def test_a_full_range_teaches_the_next_span(elapsed_seconds: float, expected: int) -> None:
    """Quick answers grow it, slow ones shrink it."""
    span = AdaptiveSpan()

    span.succeeded(blocks=SPAN_FIRST, elapsed_seconds=elapsed_seconds)

    assert span.blocks == expected


def test_a_smaller_range_teaches_nothing() -> None:
    """The last range before the head is short and quick."""
    span = AdaptiveSpan()

    span.succeeded(blocks=SPAN_FIRST - 1, elapsed_seconds=0.1)

    assert span.blocks == SPAN_FIRST


def test_an_error_halves_the_span_down_to_one_block() -> None:
    """50, 25, 12, 6, 3, 1, 1."""
    span = AdaptiveSpan()
    seen = []
    for _ in range(6):
        span.failed()
        seen.append(span.blocks)

    assert seen == [25, 12, 6, 3, 1, 1]


@given(lessons=st.lists(st.none() | st.floats(0, 100), max_size=60), span_max=st.integers(1, 2_000))
def test_the_span_stays_within_its_bounds(lessons: list[float | None], span_max: int) -> None:
    """Whatever happens, 1..span_max."""
    span = AdaptiveSpan(span_max=span_max)
    for elapsed_seconds in lessons:
        if elapsed_seconds is None:
            span.failed()
        else:
            span.succeeded(blocks=span.blocks, elapsed_seconds=elapsed_seconds)

        assert 1 <= span.blocks <= span_max


def test_a_maximum_below_one_block_is_refused() -> None:
    """A range has at least one block."""
    with pytest.raises(ValueError, match="span_max"):
        AdaptiveSpan(span_max=0)
