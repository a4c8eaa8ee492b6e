"""Strict readers: what no database could keep is no answer."""

import pytest

from chains.line.shapes import AnswerShapeError
from chains.solana.answers import NUMBER_MAX, number_of


def test_numbers_are_those_that_a_database_keeps() -> None:
    """A slot of 2^63 would else fail far from the node that names it."""
    assert number_of(NUMBER_MAX, "slot") == NUMBER_MAX == 2**63 - 1
    with pytest.raises(AnswerShapeError, match="slot is"):
        number_of(NUMBER_MAX + 1, "slot")
