"""Rows of new journal entries with their hashes, compiled or as plain reference."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from relayer.ledger.journal import JournalEntry, Line, chain_hash, line_record, record_of
from relayer.store.copy_rows import StoredRow
from relayer.store.ledger_rows import entry_row, posting_rows

try:
    from relayer.store._journal_kernel import rows_into
except ImportError:  # no compiler when the package was built: same rows, slower
    rows_into = None  # type: ignore[assignment]

IS_COMPILED: Final = rows_into is not None

Created = list[tuple[int, JournalEntry]]


@dataclass(slots=True)
class JournalRows:
    """
    What some entries store.

    Args:
        last_hash: of the newest entry.
        counts: postings by line.
    """

    last_hash: bytes
    entries: list[StoredRow] = field(default_factory=list)
    postings: list[StoredRow] = field(default_factory=list)
    counts: dict[Line, int] = field(default_factory=dict)


def journal_rows(created: Created, previous: bytes, keys: Mapping[Line, bytes]) -> JournalRows:
    """
    Return the rows of entries and of their postings.

    Args:
        created: seq and entry, in order.
        previous: hash of the entry before the first.
        keys: of every line that they move.
    """
    if not IS_COMPILED:
        return journal_rows_reference(created, previous, keys)
    rows = JournalRows(previous)
    lines = {line: (key, line_record(line)) for line, key in keys.items()}
    rows.last_hash = rows_into(created, previous, lines, rows.entries, rows.postings, rows.counts)
    return rows


def journal_rows_reference(
    created: Created, previous: bytes, keys: Mapping[Line, bytes]
) -> JournalRows:
    """Return what journal_rows returns, in plain Python."""
    rows = JournalRows(previous)
    for seq, entry in created:
        rows.last_hash = chain_hash(rows.last_hash, record_of(entry))
        rows.entries.append(entry_row(seq, entry, rows.last_hash))
        rows.postings += posting_rows(seq, entry, keys)
        for posting in entry.postings:
            rows.counts[posting.line] = rows.counts.get(posting.line, 0) + 1
    return rows
