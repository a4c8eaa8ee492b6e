"""The journal as records: reading one back, and checking the hash chain over stored columns."""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.chart import AccountCode
from relayer.ledger.journal import (
    GENESIS_HASH,
    RECORD_VERSION,
    WORD_BYTES,
    JournalEntry,
    Phase,
    Posting,
    record_of,
)
from relayer.ledger.verify import FAULTS_MAX, EntryFault
from relayer.money import AssetId

DEBIT: Final = b"\x01"
CREDIT: Final = b"\x02"
SIDES: Final = {1: DEBIT, 2: CREDIT}
NO_WORD: Final = bytes(1 + WORD_BYTES)
VERSIONED: Final = {phase.value: bytes((RECORD_VERSION, phase.value)) for phase in Phase}
LENGTH: Final = struct.Struct(">H").pack
TIME_AND_LENGTH: Final = struct.Struct(">QH").pack
MALFORMED: Final = "record: {reason} at byte {place}"

# seq, entry id, kind, cause, phase, resolves, reversal of, correlation id, booked at, count, hash
EntryColumns = tuple[
    int, bytes, bytes, bytes, int, bytes | None, bytes | None, bytes, int, int, bytes
]
# seq, position, line key, phase, side, units of 32 bytes
PostingColumns = tuple[int, int, bytes, int, int, bytes]


def entry_of_record(record: bytes) -> JournalEntry:
    """
    Return the entry that a record describes; the reverse of journal.record_of.

    Raises:
        ValueError: the bytes are no record, or more than one.
    """
    reader = _Reader(record)
    if reader.number(1) != RECORD_VERSION:
        raise ValueError(MALFORMED.format(reason="unknown version", place=0))
    phase = Phase(reader.number(1))
    entry_id = reader.take(WORD_BYTES)
    resolves, reversal_of = reader.optional(), reader.optional()
    booked_at = UnixSeconds(reader.number(8))
    kind, cause, correlation_id = reader.sized(), reader.sized(), reader.sized()
    postings = tuple(_posting(reader) for _ in range(reader.number(2)))
    entry = JournalEntry(
        entry_id=entry_id,
        kind=kind.decode(),
        cause=cause,
        phase=phase,
        postings=postings,
        resolves=resolves,
        reversal_of=reversal_of,
        correlation_id=correlation_id,
        booked_at=booked_at,
    )
    if record_of(entry) != record:
        raise ValueError(MALFORMED.format(reason="not in canonical form", place=reader.place))
    return entry


@dataclass(slots=True)
class _Reader:
    record: bytes
    place: int = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        found = self.record[self.place : self.place + count]
        if len(found) != count:
            raise ValueError(MALFORMED.format(reason="the end is missing", place=self.place))
        self.place += count
        return found

    def number(self, count: int) -> int:
        """Return the next big-endian number."""
        return int.from_bytes(self.take(count), "big")

    def sized(self) -> bytes:
        """Return the next bytes whose length comes first."""
        return self.take(self.number(2))

    def optional(self) -> bytes | None:
        """Return the next word, or None."""
        flag, word = self.number(1), self.take(WORD_BYTES)
        return word if flag else None


def _posting(reader: _Reader) -> Posting:
    side, units = reader.take(1), reader.number(WORD_BYTES)
    if side not in (DEBIT, CREDIT):
        raise ValueError(MALFORMED.format(reason="no side", place=reader.place))
    return Posting(
        AccountCode(reader.sized().decode()),
        AssetId(reader.sized().decode()),
        ChainId(reader.sized().decode()),
        units if side == DEBIT else -units,
    )


class LineNames:
    """
    What postings on each line say in a record, by line key.

    A line whose key is not that of its names is left out, so its postings are faults.
    """

    def __init__(self, lines: Iterable[tuple[bytes, bytes, bytes, bytes]] = ()) -> None:
        self.tails: dict[bytes, bytes] = {}
        self.learn(lines)

    def learn(self, lines: Iterable[tuple[bytes, bytes, bytes, bytes]]) -> None:
        """Add lines: key, and code, asset and chain as UTF-8."""
        for line_key, *names in lines:
            # The preimage of a line's key is what its postings say in a record: see line_key_of.
            tail = b"".join(struct.pack(">H", len(name)) + name for name in names)
            if hashlib.sha256(tail).digest() == line_key:
                self.tails[line_key] = tail


@dataclass(slots=True)
class ChainCheck:
    """
    The hash chain over stored columns, page after page, without making entries of them.

    It finds each changed byte of the journal, but not a booking that was wrong from the start:
    sums, resolutions and counters are looked at by relayer.ledger.verify.

    Args:
        last_seq: newest entry checked.
        last_hash: its hash as it is stored.
        faults: in order of seq, at most FAULTS_MAX.
    """

    last_seq: int = 0
    last_hash: bytes = GENESIS_HASH
    faults: list[EntryFault] = field(default_factory=list)

    def check(
        self,
        entries: Sequence[EntryColumns],
        postings: Sequence[PostingColumns],
        names: LineNames,
    ) -> None:
        """Check the next page: its entries by seq, and their postings by (seq, position)."""
        sha256 = hashlib.sha256
        previous, expected_seq = self.last_hash, self.last_seq + 1
        pieces = pieces_of(entries, postings, names)
        for columns, piece in zip(entries, pieces, strict=True):
            seq, entry_hash = columns[0], columns[10]
            if seq != expected_seq:
                self.fault(expected_seq, f"seq {expected_seq} is missing")
            elif type(piece) is str:
                self.fault(seq, piece)
            elif sha256(previous + piece).digest() != entry_hash:  # type: ignore[operator]
                self.fault(seq, "hash differs from that of its content")
            previous, expected_seq = entry_hash, seq + 1
        self.last_hash, self.last_seq = previous, expected_seq - 1

    def end(self, head_seq: int, head_hash: bytes) -> None:
        """Compare the newest entry with the head."""
        if (self.last_seq, self.last_hash) != (head_seq, head_hash):
            self.fault(self.last_seq + 1, "the head names another newest entry")

    def fault(self, seq: int, reason: str) -> None:
        """Note what is wrong at a seq."""
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(EntryFault(seq, reason))


def pieces_of(
    entries: Sequence[EntryColumns], postings: Sequence[PostingColumns], names: LineNames
) -> Iterator[bytes | str]:
    """
    Yield the record of each entry, or why its columns make none.

    Postings of no entry of the page are passed over: their entry's page finds them missing.
    """
    tails = names.tails
    at, end = 0, len(postings)
    for columns in entries:
        seq, phase, count = columns[0], columns[4], columns[9]
        while at < end and postings[at][0] < seq:
            at += 1
        parts: list[bytes] = []
        expected, fault = 0, None
        while at < end:
            found_seq, position, line_key, posting_phase, side, units = postings[at]
            if found_seq != seq:
                break
            tail, mark = tails.get(line_key), SIDES.get(side)
            if (
                tail is None
                or mark is None
                or position != expected
                or posting_phase != phase
                or len(units) != WORD_BYTES
            ):
                fault = fault or _posting_fault(tail, position == expected, posting_phase == phase)
            else:
                parts += (mark, units, tail)
            expected += 1
            at += 1
        if fault is None and expected != count:
            fault = f"{expected} postings stored, {count} announced"
        yield fault or _record_of_columns(columns, parts)


def _posting_fault(tail: bytes | None, is_in_place: bool, has_phase: bool) -> str:
    if tail is None:
        return "a posting is on a line whose names are not those of its key"
    if not is_in_place:
        return "positions of its postings have gaps"
    if not has_phase:
        return "a posting has another phase than its entry"
    return "a posting is neither debit nor credit, or its units are not 32 bytes"


def _record_of_columns(columns: EntryColumns, postings: list[bytes]) -> bytes | str:
    (_, entry_id, kind, cause, phase, resolves, reversal_of, flow, booked_at, count, _) = columns
    try:
        return b"".join(
            (
                VERSIONED[phase],
                entry_id,
                NO_WORD if resolves is None else DEBIT + resolves,
                NO_WORD if reversal_of is None else DEBIT + reversal_of,
                TIME_AND_LENGTH(booked_at, len(kind)),
                kind,
                LENGTH(len(cause)),
                cause,
                LENGTH(len(flow)),
                flow,
                LENGTH(count),
                *postings,
            )
        )
    except (KeyError, TypeError, struct.error) as exc:
        return f"columns make no record: {exc}"
