"""Types of the compiled kernel."""

from typing import Any

def stored_into(
    rows: list[tuple[Any, ...]],
    plan: tuple[Any, ...],
    fast_event_of: Any,
    event_of: Any,
    block_of: Any,
    made: list[Any],
) -> None:
    """Append the stored event of each row."""
