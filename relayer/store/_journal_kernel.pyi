"""Types of the compiled kernel."""

from typing import Any

from relayer.ledger.journal import JournalEntry, Line

def rows_into(
    created: list[tuple[int, JournalEntry]],
    previous: bytes,
    lines: dict[Line, tuple[bytes, bytes]],
    entries: list[tuple[Any, ...]],
    postings: list[tuple[Any, ...]],
    counts: dict[Line, int],
) -> bytes:
    """Append rows of entries and postings, count postings by line; return the last hash."""
