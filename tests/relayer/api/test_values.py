"""Text of values: cursors, times, bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.api.problems import ProblemError
from relayer.api.values import SEQ_MAX, cursor_text, hex_of, seq_of_cursor, time_text, word_of


@given(scope=st.binary(max_size=64), seq=st.integers(0, SEQ_MAX))
def test_a_cursor_leads_back_to_its_place(scope: bytes, seq: int) -> None:
    """Whatever the list and the place."""
    assert seq_of_cursor(scope, cursor_text(scope, seq)) == seq


@given(seq=st.integers(0, SEQ_MAX), text=st.text(max_size=64))
def test_no_other_text_is_a_cursor(seq: int, text: str) -> None:
    """Refused, never misread, never a fault."""
    right = cursor_text(b"mine", seq)
    for wrong in (text, right + "A", right[:-4], cursor_text(b"others", seq)):
        if wrong == right:
            continue
        with pytest.raises(ProblemError):
            seq_of_cursor(b"mine", wrong)


def test_no_cursor_is_the_beginning() -> None:
    """The first page."""
    assert seq_of_cursor(b"mine", None) == 0


def test_times_are_rfc_3339_in_utc() -> None:
    """As CloudEvents wants them."""
    assert time_text(0) == "1970-01-01T00:00:00Z"


@given(raw=st.binary(max_size=64))
def test_bytes_survive_as_text(raw: bytes) -> None:
    """0x-hex and back."""
    assert word_of(hex_of(raw)) == raw
