"""Types of the compiled kernel."""

from collections.abc import Iterable
from typing import Any

def admit_into(
    entries: list[Any],
    start: int,
    seq: int,
    known: dict[bytes, Any],
    counters: dict[Any, Any],
    plan: tuple[Any, ...],
    results: list[Any],
) -> tuple[int, int]:
    """Admit entries in order, up to the first one that the plain rules must look at."""

def lines_of(entries: Iterable[Any]) -> tuple[set[Any], bool]:
    """Return every line that entries move, and whether one of them ends or cancels another."""
