"""Types of the compiled kernel."""

from typing import Any

def announce_into(
    locks: list[Any],
    plan: tuple[Any, ...],
    lines: dict[Any, Any],
    entries: list[Any],
) -> None:
    """Append the entry of each lock; None where the plain rule must look at it."""
