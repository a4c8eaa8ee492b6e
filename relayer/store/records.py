"""The journal's columns in bulk, as the drivers give them: for the chain check and for proofs."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection

from relayer.ledger.records import (
    ChainCheck,
    EntryColumns,
    LineNames,
    PostingColumns,
    pieces_of,
)
from relayer.store.bulk import slices
from relayer.store.engine import POSTGRESQL

ENTRIES_PER_PAGE: Final = 10_000
LINES_KEPT_MAX: Final = 200_000
# Texts as bytes: a damaged one must be found, not raise.
_SQLITE: Final = {
    "entries": "SELECT seq, entry_id, CAST(kind AS BLOB), cause, phase, resolves, reversal_of,"
    " correlation_id, booked_at, postings_count, entry_hash FROM journal_entry"
    " WHERE seq > ? AND seq <= ? ORDER BY seq",
    "postings": "SELECT seq, position, line_key, phase, side, units FROM posting"
    " WHERE seq > ? AND seq <= ? ORDER BY seq, position",
    "hashes": "SELECT seq, entry_hash FROM journal_entry WHERE seq > ? AND seq <= ? ORDER BY seq",
    "head": "SELECT last_seq, last_hash FROM ledger_head",
}
_POSTGRESQL: Final = {
    "entries": "SELECT seq, entry_id, convert_to(kind, 'UTF8'), cause, phase, resolves,"
    " reversal_of, correlation_id, booked_at, postings_count, entry_hash FROM journal_entry"
    " WHERE seq > %s AND seq <= %s ORDER BY seq",
    "postings": "SELECT seq, position, line_key, phase, side, units::text FROM posting"
    " WHERE seq > %s AND seq <= %s ORDER BY seq, position",
    "hashes": "SELECT seq, entry_hash FROM journal_entry WHERE seq > %s AND seq <= %s ORDER BY seq",
    "head": "SELECT last_seq, last_hash FROM ledger_head",
}
_LINES_SQLITE: Final = (
    "SELECT line_key, CAST(code AS BLOB), CAST(asset_id AS BLOB), CAST(chain_id AS BLOB)"
    " FROM ledger_line WHERE line_key IN ({marks})"
)
_LINES_POSTGRESQL: Final = (
    "SELECT line_key, convert_to(code, 'UTF8'), convert_to(asset_id, 'UTF8'),"
    " convert_to(chain_id, 'UTF8') FROM ledger_line WHERE line_key = ANY(%s)"
)
UNITS_BYTES: Final = 32

Page = tuple[list[EntryColumns], list[PostingColumns]]


class RecordReader:
    """
    The journal page by page, inside one transaction.

    The driver is used directly: rows of the ORM would cost more than the check itself.
    """

    def __init__(self, connection: Connection) -> None:
        self._driver: Any = connection.connection.driver_connection
        self._is_postgresql = connection.dialect.name == POSTGRESQL
        self._statements = _POSTGRESQL if self._is_postgresql else _SQLITE
        self.names = LineNames()

    def head(self) -> tuple[int, bytes]:
        """Return seq and hash of the newest entry, as the head says."""
        ((seq, entry_hash),) = self._all("head")
        return seq, entry_hash

    def pages(self, after_seq: int, last_seq: int) -> Iterator[Page]:
        """Yield the entries and postings of (after_seq, last_seq], so many entries at a time."""
        for first in range(after_seq, last_seq, ENTRIES_PER_PAGE):
            span = (first, min(first + ENTRIES_PER_PAGE, last_seq))
            entries = self._all("entries", span)
            postings = self._all("postings", span)
            if self._is_postgresql:
                postings = [
                    (*row[:5], int(row[5]).to_bytes(UNITS_BYTES, "big")) for row in postings
                ]
            self._learn(postings)
            yield entries, postings

    def hashes(self, after_seq: int, last_seq: int) -> list[tuple[int, bytes]]:
        """Return (seq, entry hash) of the entries in (after_seq, last_seq], by seq."""
        return self._all("hashes", (after_seq, last_seq))

    def record(self, seq: int) -> bytes | None:
        """Return the record of the entry at a seq; None where its columns make none."""
        for entries, postings in self.pages(seq - 1, seq):
            for piece in pieces_of(entries, postings, self.names):
                return piece if isinstance(piece, bytes) else None
        return None

    def check_chain(self) -> ChainCheck:
        """Check the hash chain from the first entry to the head."""
        head_seq, head_hash = self.head()
        chain = ChainCheck()
        for entries, postings in self.pages(0, head_seq):
            chain.check(entries, postings, self.names)
        chain.end(head_seq, head_hash)
        return chain

    def _learn(self, postings: list[PostingColumns]) -> None:
        known = self.names.tails
        if len(known) > LINES_KEPT_MAX:
            known.clear()
        missing = {row[2] for row in postings} - known.keys()
        for keys in slices(missing):
            if self._is_postgresql:
                with self._driver.cursor(binary=True) as cursor:
                    self.names.learn(cursor.execute(_LINES_POSTGRESQL, (keys,)).fetchall())
            else:
                statement = _LINES_SQLITE.format(marks=", ".join("?" * len(keys)))
                self.names.learn(self._driver.execute(statement, keys).fetchall())

    def _all(self, name: str, parameters: tuple[int, int] | tuple[()] = ()) -> list[Any]:
        statement = self._statements[name]
        if self._is_postgresql:
            with self._driver.cursor(binary=True) as cursor:
                found: list[Any] = cursor.execute(statement, parameters or None).fetchall()
                return found
        rows: list[Any] = self._driver.execute(statement, parameters).fetchall()
        return rows
