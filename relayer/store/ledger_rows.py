"""Rows of the journal in bulk: few statements per batch, whatever its size."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    select,
)

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.balances import Counters
from relayer.ledger.chart import AccountCode
from relayer.ledger.journal import JournalEntry, Line, Phase, Posting
from relayer.money import AssetId
from relayer.store.bulk import COUNTER_NAMES, driver_cursor, with_blobs
from relayer.store.copy_rows import StoredRow
from relayer.store.engine import POSTGRESQL
from relayer.store.ledger_tables import ENTRY, LINE, POSTING

DEBIT: Final = 1
CREDIT: Final = 2

# Columns in the order of the rows below, each with its type on PostgreSQL.
ENTRY_COLUMNS: Final = {
    "seq": "int8",
    "entry_id": "bytea",
    "kind": "text",
    "cause": "bytea",
    "phase": "int2",
    "resolves": "bytea",
    "reversal_of": "bytea",
    "correlation_id": "bytea",
    "booked_at": "int8",
    "postings_count": "int2",
    "entry_hash": "bytea",
}
POSTING_COLUMNS: Final = {
    "seq": "int8",
    "position": "int2",
    "line_key": "bytea",
    "phase": "int2",
    "side": "int2",
    "units": "numeric",
}
COUNTER_COLUMNS: Final = dict.fromkeys(COUNTER_NAMES, "numeric")
LINE_COLUMNS: Final = {
    **COUNTER_COLUMNS,
    "postings_count": "int8",
    "line_key": "bytea",
    "code": "text",
    "asset_id": "text",
    "chain_id": "text",
}
CHECKPOINT_COLUMNS: Final = {**COUNTER_COLUMNS, "seq": "int8", "line_key": "bytea"}
MOVED_NAMES: Final = (*COUNTER_NAMES, "postings_count")
MOVE_LINES_SQLITE: Final = (
    "UPDATE ledger_line SET debits_pending = ?, debits_posted = ?, credits_pending = ?,"
    " credits_posted = ?, postings_count = ? WHERE line_key = ?"
)
MOVE_LINES_POSTGRESQL: Final = (
    "UPDATE ledger_line SET debits_pending = moved.debits_pending,"
    " debits_posted = moved.debits_posted, credits_pending = moved.credits_pending,"
    " credits_posted = moved.credits_posted, postings_count = moved.postings_count FROM"
    " unnest(%b::numeric[], %b::numeric[], %b::numeric[], %b::numeric[], %b::bigint[],"
    " %b::bytea[]) AS moved (debits_pending, debits_posted, credits_pending, credits_posted,"
    " postings_count, line_key) WHERE ledger_line.line_key = moved.line_key"
)


def entry_of_rows(row: Row[Any], postings: Sequence[Posting]) -> JournalEntry:
    """
    Return the entry behind a row of journal_entry and its postings in order.

    Raises:
        ValueError: the stored rows make no valid entry.
    """
    return JournalEntry(
        entry_id=row.entry_id,
        kind=row.kind,
        cause=bytes(row.cause),
        phase=Phase(row.phase),
        postings=tuple(postings),
        resolves=row.resolves,
        reversal_of=row.reversal_of,
        correlation_id=bytes(row.correlation_id),
        booked_at=UnixSeconds(row.booked_at),
    )


def line_of(row: Row[Any]) -> Line:
    """Return the line that a row names."""
    return Line(AccountCode(row.code), AssetId(row.asset_id), ChainId(row.chain_id))


def counters_of(row: Row[Any]) -> Counters:
    """Return the counters that a row holds."""
    return Counters(row.debits_pending, row.debits_posted, row.credits_pending, row.credits_posted)


def posting_of(row: Row[Any]) -> Posting:
    """Return the posting that a row of posting joined with its line holds."""
    units = row.units if row.side == DEBIT else -row.units
    return Posting(AccountCode(row.code), AssetId(row.asset_id), ChainId(row.chain_id), units)


def entries_where(
    connection: Connection, condition: ColumnElement[bool], limit: int | None = None
) -> list[tuple[Row[Any], list[Row[Any]]]]:
    """Return rows of journal_entry in order of seq, each with the rows of its postings."""
    chosen = select(ENTRY).where(condition).order_by(ENTRY.c.seq)
    if limit is not None:
        chosen = chosen.limit(limit)
    rows = connection.execute(chosen).all()
    if not rows:
        return []
    inner = select(ENTRY.c.seq).where(condition)
    if limit is not None:
        inner = select(ENTRY.c.seq).where(condition, ENTRY.c.seq <= rows[-1].seq)
    postings = connection.execute(
        select(POSTING, LINE.c.code, LINE.c.asset_id, LINE.c.chain_id)
        .join_from(POSTING, LINE, POSTING.c.line_key == LINE.c.line_key, isouter=True)
        .where(POSTING.c.seq.in_(inner))
        .order_by(POSTING.c.seq, POSTING.c.position)
    )
    by_seq: dict[int, list[Row[Any]]] = {}
    for posting in postings:
        by_seq.setdefault(posting.seq, []).append(posting)
    return [(row, by_seq.get(row.seq, [])) for row in rows]


def entry_row(seq: int, entry: JournalEntry, entry_hash: bytes) -> StoredRow:
    """Return the row of journal_entry for an entry."""
    return (
        seq,
        entry.entry_id,
        entry.kind,
        entry.cause,
        entry.phase.value,
        entry.resolves,
        entry.reversal_of,
        entry.correlation_id,
        entry.booked_at,
        len(entry.postings),
        entry_hash,
    )


def posting_rows(seq: int, entry: JournalEntry, keys: Mapping[Line, bytes]) -> list[StoredRow]:
    """Return the rows of posting for an entry."""
    phase = entry.phase.value
    return [
        (
            seq,
            position,
            keys[posting.line],
            phase,
            DEBIT if posting.units > 0 else CREDIT,
            abs(posting.units),
        )
        for position, posting in enumerate(entry.postings)
    ]


def counters_row(counters: Counters) -> StoredRow:
    """Return counters in the order of their columns."""
    return (
        counters.debits_pending,
        counters.debits_posted,
        counters.credits_pending,
        counters.credits_posted,
    )


def move_lines(connection: Connection, rows: Sequence[StoredRow]) -> None:
    """Set the counters of lines that exist: four counters, count of postings, key of the line."""
    if not rows:
        return
    if connection.dialect.name == POSTGRESQL:
        columns = [list(column) for column in zip(*rows, strict=True)]
        with driver_cursor(connection) as cursor:
            cursor.execute(MOVE_LINES_POSTGRESQL, columns)
        return
    connection.exec_driver_sql(MOVE_LINES_SQLITE, with_blobs((*MOVED_NAMES, "line_key"), rows))
