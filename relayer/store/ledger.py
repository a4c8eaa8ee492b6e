"""The journal in the database: posting, reading, past balances, verification."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, select, update

from chains.types import ChainId
from relayer.clock import Clock
from relayer.errors import InvariantError
from relayer.ledger.admission import KnownLedger, PostResult, admit_all, survey
from relayer.ledger.balances import ZERO, Counters
from relayer.ledger.chart import AccountCode, margin_code
from relayer.ledger.journal import (
    JournalEntry,
    Line,
    Phase,
    line_key_of,
)
from relayer.ledger.verify import JournalImage, StoredEntry, VerifyReport, verify
from relayer.money import AssetId
from relayer.store.bulk import insert_new_rows, insert_rows, is_among, slices
from relayer.store.journal_rows import journal_rows
from relayer.store.ledger_rows import (
    CHECKPOINT_COLUMNS,
    DEBIT,
    ENTRY_COLUMNS,
    LINE_COLUMNS,
    POSTING_COLUMNS,
    counters_of,
    counters_row,
    entries_where,
    entry_of_rows,
    line_of,
    move_lines,
    posting_of,
)
from relayer.store.ledger_tables import CHECKPOINT, ENTRY, HEAD, LINE, POSTING

ENTRIES_PER_BATCH_MAX: Final = 10_000
ENTRIES_PER_PAGE_MAX: Final = 10_000
ENTRIES_NOT_ASKED_MIN: Final = 10  # to ask whether so few are new is cheaper than to be refused
POSTINGS_PER_CHECKPOINT: Final = 500
SHARD: Final = 1


@dataclass(frozen=True, slots=True)
class BookedEntry:
    """An entry at its place in the journal."""

    seq: int
    entry: JournalEntry
    entry_hash: bytes


@dataclass(frozen=True, slots=True)
class LineCounters:
    """A line with its counters."""

    line: Line
    counters: Counters


@dataclass(frozen=True, slots=True)
class JournalHead:
    """The newest entry: its seq and hash; 0 and zeros when there is none."""

    seq: int
    entry_hash: bytes


class LedgerTable:
    """
    The journal, inside one transaction.

    Posting begins with the lock on ledger_head and holds it to the end of the transaction. So
    entries are numbered in the order they commit, no two batches touch counters at once, and no
    order of locks inside the ledger can deadlock. A step that reads before it posts, or that
    locks other rows as well, calls lock() first.
    """

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def lock(self) -> JournalHead:
        """
        Let nobody else post, or decide, until the transaction ends; return the newest entry.

        What is read after it cannot change before what is decided on it is booked. On PostgreSQL
        each statement sees a state of its own, so without it two decisions could both be right
        alone and wrong together.
        """
        return self._locked_head()

    def post(self, entry: JournalEntry) -> PostResult:
        """Book one entry; see post_many."""
        return self.post_many((entry,))[0]

    def post_many(self, entries: Sequence[JournalEntry]) -> list[PostResult]:
        """
        Book entries in order, each on its own merits, and say what became of each.

        A refused entry leaves no trace and does not stop the others. Nothing is final before the
        unit of work ends without an error.

        Raises:
            ValueError: more than ENTRIES_PER_BATCH_MAX entries.
        """
        if len(entries) > ENTRIES_PER_BATCH_MAX:
            raise ValueError(f"{len(entries)} entries at once; at most {ENTRIES_PER_BATCH_MAX}")
        if not entries:
            return []
        head = self._locked_head()
        lines, is_linked = survey(entries)
        line_keys = {line: line_key_of(line) for line in lines}
        is_new = len(entries) >= ENTRIES_NOT_ASKED_MIN and not is_linked
        results = self._posted(head, entries, line_keys, is_new=is_new)
        if results is None:
            results = self._posted(head, entries, line_keys, is_new=False)
        if results is None:
            raise InvariantError("entries that are booked already were not found")
        return results

    def head(self) -> JournalHead:
        """Return the newest entry's seq and hash."""
        row = self._connection.execute(select(HEAD.c.last_seq, HEAD.c.last_hash)).one()
        return JournalHead(row.last_seq, row.last_hash)

    def entry(self, entry_id: bytes) -> BookedEntry | None:
        """Return an entry by its id, or None when it was never booked."""
        found = self._booked(ENTRY.c.entry_id == entry_id)
        return found[0] if found else None

    def entries_by_id(self, entry_ids: Sequence[bytes]) -> dict[bytes, JournalEntry]:
        """Return those of some entries that are booked."""
        return {
            booked.entry.entry_id: booked.entry
            for words in slices(entry_ids)
            for booked in self._booked(is_among(self._connection, ENTRY.c.entry_id, words))
        }

    def entries(self, *, after_seq: int, limit: int) -> list[BookedEntry]:
        """Return the entries that follow a seq, oldest first, at most limit of them."""
        last_seq = after_seq + min(limit, ENTRIES_PER_PAGE_MAX)
        return self._booked((ENTRY.c.seq > after_seq) & (ENTRY.c.seq <= last_seq))

    def entries_of_account(
        self, code: AccountCode, *, after_seq: int = 0, limit: int = ENTRIES_PER_PAGE_MAX
    ) -> list[BookedEntry]:
        """Return the entries that move an account in any asset, oldest first."""
        seqs = (
            select(POSTING.c.seq)
            .join_from(POSTING, LINE, POSTING.c.line_key == LINE.c.line_key)
            .where(LINE.c.code == code, POSTING.c.seq > after_seq)
            .distinct()
            .order_by(POSTING.c.seq)
            .limit(min(limit, ENTRIES_PER_PAGE_MAX))
        )
        return self._booked(ENTRY.c.seq.in_(seqs))

    def entries_of_correlation(self, correlation_id: bytes) -> list[BookedEntry]:
        """Return everything booked about one cause, oldest first."""
        return self._booked(ENTRY.c.correlation_id == correlation_id)

    def resolution(self, pending_id: bytes) -> BookedEntry | None:
        """Return the entry that settled or voided a pending one, or None while it is open."""
        found = self._booked(ENTRY.c.resolves == pending_id)
        return found[0] if found else None

    def counters(self, code: AccountCode, asset_id: AssetId, chain_id: ChainId) -> Counters:
        """Return the counters of a line; zeros when it was never moved."""
        found = self._lines(LINE.c.line_key == line_key_of(Line(code, asset_id, chain_id)))
        return found[0].counters if found else ZERO

    def counters_of_prefix(self, prefix: str) -> list[LineCounters]:
        """
        Return every line whose code begins with the prefix, ordered by code, asset and chain.

        "margin:" gives all margin lines, an account's code its own, "debt:<protocol>:" all debts.
        """
        if not prefix:
            return self.trial_balance()
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return self._lines((LINE.c.code >= prefix) & (LINE.c.code < end))

    def margin_lines(self, account: bytes) -> list[LineCounters]:
        """Return what a margin account owns, in every asset and chain."""
        return self._lines(LINE.c.code == margin_code(account))

    def trial_balance(self) -> list[LineCounters]:
        """Return every line with its counters."""
        return self._lines(LINE.c.line_key == LINE.c.line_key)

    def as_of(self, line: Line, seq: int) -> Counters:
        """Return the counters of a line right after the entry with this seq."""
        line_key = line_key_of(line)
        checkpoint = self._connection.execute(
            select(CHECKPOINT)
            .where(CHECKPOINT.c.line_key == line_key, CHECKPOINT.c.seq <= seq)
            .order_by(CHECKPOINT.c.seq.desc())
            .limit(1)
        ).one_or_none()
        counters = ZERO if checkpoint is None else counters_of(checkpoint)
        postings = self._connection.execute(
            select(POSTING.c.phase, POSTING.c.side, POSTING.c.units)
            .where(
                POSTING.c.line_key == line_key,
                POSTING.c.seq > (0 if checkpoint is None else checkpoint.seq),
                POSTING.c.seq <= seq,
            )
            .order_by(POSTING.c.seq)
        )
        for phase, side, units in postings:
            counters = counters.plus(units if side == DEBIT else -units, Phase(phase))
        return counters

    def verify(self) -> VerifyReport:
        """
        Re-derive every hash, sum, resolution and counter from the journal alone.

        Run it in Store.read(), so that all of it is one snapshot.
        """
        head = self.head()
        lines = {found.line: found.counters for found in self.trial_balance()}
        return verify(JournalImage(self._stored(head.seq), lines, head.seq, head.entry_hash))

    def _locked_head(self) -> JournalHead:
        row = self._connection.execute(
            select(HEAD.c.last_seq, HEAD.c.last_hash).with_for_update()
        ).one()
        return JournalHead(row.last_seq, row.last_hash)

    def _posted(
        self,
        head: JournalHead,
        entries: Sequence[JournalEntry],
        line_keys: dict[Line, bytes],
        *,
        is_new: bool,
    ) -> list[PostResult] | None:
        """Book entries; None, and nothing is booked, where one was no new one as was said."""
        known, counts = self._known(head, () if is_new else entries, line_keys)
        stored_count = len(known.entries)
        results = admit_all(entries, known)
        created = list(islice(known.entries.values(), stored_count, None))
        if is_new and len(created) < len(entries):
            return None  # what is refused may be there already, and would be no refusal then
        if not created:
            return results
        rows = journal_rows(created, head.entry_hash, line_keys)
        insert = insert_new_rows if is_new else insert_rows
        if insert(self._connection, ENTRY, ENTRY_COLUMNS, rows.entries) is False:
            return None
        self._write_lines(known, rows.counts, line_keys, counts)
        insert_rows(self._connection, POSTING, POSTING_COLUMNS, rows.postings)
        moved = self._connection.execute(
            update(HEAD)
            .where(HEAD.c.shard == SHARD, HEAD.c.last_seq == head.seq)
            .values(last_seq=known.last_seq, last_hash=rows.last_hash)
        )
        if moved.rowcount != 1:
            raise InvariantError(f"ledger head moved from seq {head.seq} under its lock")
        return results

    def _known(
        self,
        head: JournalHead,
        entries: Sequence[JournalEntry],
        line_keys: dict[Line, bytes],
    ) -> tuple[KnownLedger, dict[Line, int]]:
        known = KnownLedger(head.seq)
        counts: dict[Line, int] = {}
        linked = {word for entry in entries for word in (entry.resolves, entry.reversal_of) if word}
        for words in slices(linked | {entry.entry_id for entry in entries}):
            for booked in self._booked(is_among(self._connection, ENTRY.c.entry_id, words)):
                known.entries[booked.entry.entry_id] = (booked.seq, booked.entry)
        for words in slices(linked):
            self._know_links(known, words)
        for words in slices(line_keys.values()):
            for row in self._connection.execute(
                select(LINE).where(is_among(self._connection, LINE.c.line_key, words))
            ):
                known.counters[line_of(row)] = counters_of(row)
                counts[line_of(row)] = row.postings_count
        return known, counts

    def _know_links(self, known: KnownLedger, words: list[bytes]) -> None:
        rows = self._connection.execute(
            select(ENTRY.c.resolves, ENTRY.c.reversal_of, ENTRY.c.phase).where(
                is_among(self._connection, ENTRY.c.resolves, words)
                | is_among(self._connection, ENTRY.c.reversal_of, words)
            )
        )
        for row in rows:
            if row.resolves is not None:
                known.resolutions[row.resolves] = Phase(row.phase)
            if row.reversal_of is not None:
                known.reversed_ids.add(row.reversal_of)

    def _write_lines(
        self,
        known: KnownLedger,
        counts: dict[Line, int],
        line_keys: dict[Line, bytes],
        counts_before: dict[Line, int],
    ) -> None:
        new, moved, checkpoints = [], [], []
        for line in sorted(counts, key=line_keys.__getitem__):
            before = counts_before.get(line, 0)
            after = before + counts[line]
            key, counters = line_keys[line], counters_row(known.counters[line])
            if before == 0:
                new.append((*counters, after, key, *line))
            else:
                moved.append((*counters, after, key))
            if after // POSTINGS_PER_CHECKPOINT > before // POSTINGS_PER_CHECKPOINT:
                checkpoints.append((*counters, known.last_seq, key))
        insert_rows(self._connection, LINE, LINE_COLUMNS, new)
        move_lines(self._connection, moved)
        insert_rows(self._connection, CHECKPOINT, CHECKPOINT_COLUMNS, checkpoints)

    def _booked(self, condition: ColumnElement[bool]) -> list[BookedEntry]:
        return [
            BookedEntry(
                row.seq,
                entry_of_rows(row, [posting_of(found) for found in found_rows]),
                row.entry_hash,
            )
            for row, found_rows in entries_where(self._connection, condition)
        ]

    def _lines(self, condition: ColumnElement[bool]) -> list[LineCounters]:
        rows = self._connection.execute(
            select(LINE).where(condition).order_by(LINE.c.code, LINE.c.asset_id, LINE.c.chain_id)
        )
        return [LineCounters(line_of(row), counters_of(row)) for row in rows]

    def _stored(self, last_seq: int) -> Iterator[StoredEntry]:
        for first in range(0, last_seq + 1, ENTRIES_PER_PAGE_MAX):
            condition = (ENTRY.c.seq > first) & (ENTRY.c.seq <= first + ENTRIES_PER_PAGE_MAX)
            for row, postings in entries_where(self._connection, condition):
                yield stored_entry_of(row, postings)


def stored_entry_of(row: Row[Any], postings: list[Row[Any]]) -> StoredEntry:
    """Return what a row of the journal and those of its postings hold, or why they are no entry."""
    fault = None
    entry = None
    if len(postings) != row.postings_count:
        fault = f"{len(postings)} postings stored, {row.postings_count} announced"
    elif [posting.position for posting in postings] != list(range(len(postings))):
        fault = "positions of its postings have gaps"
    elif any(posting.phase != row.phase for posting in postings):
        fault = "a posting has another phase than its entry"
    else:
        try:
            entry = entry_of_rows(row, [posting_of(posting) for posting in postings])
        except (TypeError, ValueError, AttributeError) as exc:
            fault = str(exc)
    return StoredEntry(row.seq, entry, row.entry_hash, fault)
