"""Rows of the tables that sort the refusals of nodes: by code and by text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chains.agreement.faults import FaultClass

TEXT_LENGTH_MAX: Final = 2_000  # of a refusal; what stands behind it changes no class


@dataclass(frozen=True, slots=True)
class Row:
    """
    One row: it fits when one of its texts stands in the refusal, or its code is one of its codes.

    is_of_ranges: the row counts only for a query over a range of blocks.
    """

    fault: FaultClass
    texts: re.Pattern[str] | None = None
    codes: frozenset[int] = frozenset()
    is_of_ranges: bool = False

    def fits(self, code: int, text: str, *, is_range: bool) -> bool:
        """Return whether the row decides a refusal."""
        if self.is_of_ranges and not is_range:
            return False
        if code in self.codes:
            return True
        return self.texts is not None and self.texts.search(text) is not None


def row(fault: FaultClass, *texts: str, codes: tuple[int, ...] = (), ranges: bool = False) -> Row:
    """Return a row of texts, each a pattern, and of codes."""
    pattern = re.compile("|".join(texts), re.IGNORECASE) if texts else None
    return Row(fault, pattern, frozenset(codes), ranges)


def first_fit(rows: Sequence[Row], code: int, text: str, *, is_range: bool) -> FaultClass:
    """Return the class of the first row that fits; our mistake where none does."""
    shortened = text[:TEXT_LENGTH_MAX]
    for one in rows:
        if one.fits(code, shortened, is_range=is_range):
            return one.fault
    return FaultClass.OUR_MISTAKE
