"""Types of the compiled kernel."""

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
