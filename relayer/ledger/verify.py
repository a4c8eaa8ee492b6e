"""Re-derive the ledger from its journal and report every difference."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from relayer.ledger.admission import KnownLedger, PostStatus, admit
from relayer.ledger.balances import ZERO, Counters
from relayer.ledger.journal import (
    GENESIS_HASH,
    JournalEntry,
    Line,
    chain_hash,
    record_of,
)

FAULTS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """What the store holds at a seq; entry is None and fault says why when it makes no entry."""

    seq: int
    entry: JournalEntry | None
    entry_hash: bytes
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class JournalImage:
    """All that the store claims: entries in order, counters, and the head."""

    entries: Iterable[StoredEntry]
    counters: Mapping[Line, Counters]
    last_seq: int
    last_hash: bytes


@dataclass(frozen=True, slots=True)
class EntryFault:
    """What is wrong at one place in the journal."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class CounterDifference:
    """A line whose stored counters are not those of the journal."""

    line: Line
    stored: Counters
    derived: Counters


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The outcome: faults in order of seq (at most FAULTS_MAX), differences by line."""

    entries_count: int
    last_hash: bytes
    faults: tuple[EntryFault, ...]
    differences: tuple[CounterDifference, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults and not self.differences

    @property
    def first_bad_seq(self) -> int | None:
        """The first place that is wrong, or None."""
        return self.faults[0].seq if self.faults else None


def verify(image: JournalImage) -> VerifyReport:
    """
    Re-derive hashes, sums, resolutions and counters from the journal alone.

    After a wrong hash the stored one is taken as the one before, so that every tampered place is
    named and not all that follow. Removing or replacing the newest entries together with the head
    is only seen against a head noted elsewhere.
    """
    faults: list[EntryFault] = []
    known = KnownLedger(0)
    previous, expected_seq, count = GENESIS_HASH, 1, 0
    for stored in image.entries:
        count += 1
        reason = _fault_of(stored, previous, expected_seq, known)
        if reason is not None and len(faults) < FAULTS_MAX:
            faults.append(EntryFault(stored.seq, reason))
        previous, expected_seq = stored.entry_hash, stored.seq + 1
    if (image.last_seq, image.last_hash) != (expected_seq - 1, previous):
        faults.append(EntryFault(expected_seq, "the head names another newest entry"))
    return VerifyReport(
        count, previous, tuple(faults), _differences(image.counters, known.counters)
    )


def _fault_of(
    stored: StoredEntry, previous: bytes, expected_seq: int, known: KnownLedger
) -> str | None:
    if stored.seq != expected_seq:
        known.last_seq = stored.seq - 1
        reason: str | None = f"seq {expected_seq} is missing"
    else:
        reason = None
    if stored.entry is None:
        known.last_seq = stored.seq
        return reason or stored.fault or "no valid entry"
    result = admit(stored.entry, known)
    if result.status is not PostStatus.CREATED:
        known.last_seq = stored.seq
        reason = (
            reason or f"could not be booked: {result.status.value} {result.detail or ''}".strip()
        )
    if chain_hash(previous, record_of(stored.entry)) != stored.entry_hash:
        reason = reason or "hash differs from that of its content"
    return reason


def _differences(
    stored: Mapping[Line, Counters], derived: Mapping[Line, Counters]
) -> tuple[CounterDifference, ...]:
    return tuple(
        CounterDifference(line, stored.get(line, ZERO), derived.get(line, ZERO))
        for line in sorted(stored.keys() | derived.keys())
        if stored.get(line, ZERO) != derived.get(line, ZERO)
    )
