"""Whether an entry may be booked: a pure decision over what the ledger already knows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from relayer.ledger.balances import ZERO, Counters, apply
from relayer.ledger.chart import ChartAccount, Side, parse_code
from relayer.ledger.journal import JournalEntry, Line, Phase, Posting

try:
    from relayer.ledger import _admission_kernel as kernel
except ImportError:  # no compiler when the package was built: same decisions, slower
    kernel = None  # type: ignore[assignment]

IS_COMPILED: Final = kernel is not None


class PostStatus(Enum):
    """What became of an entry: data, not an exception."""

    CREATED = "created"
    EXISTS = "exists"
    EXISTS_WITH_DIFFERENT = "exists_with_different"
    EXCEEDS_AVAILABLE = "exceeds_available"
    PENDING_NOT_FOUND = "pending_not_found"
    PENDING_HAS_DIFFERENT = "pending_has_different"
    PENDING_ALREADY_SETTLED = "pending_already_settled"
    PENDING_ALREADY_VOIDED = "pending_already_voided"
    REVERSED_NOT_FOUND = "reversed_not_found"
    REVERSED_HAS_DIFFERENT = "reversed_has_different"
    ALREADY_REVERSED = "already_reversed"


@dataclass(frozen=True, slots=True)
class PostResult:
    """
    What became of one entry.

    seq is its place in the journal when it is there. detail names the field that differs
    (*_DIFFERENT) or the account code that would be overdrawn (EXCEEDS_AVAILABLE).
    """

    status: PostStatus
    seq: int | None = None
    detail: str | None = None

    @property
    def is_booked(self) -> bool:
        """Whether the entry is in the journal, now or from before."""
        return self.status in (PostStatus.CREATED, PostStatus.EXISTS)


@dataclass(slots=True)
class KnownLedger:
    """
    The part of the ledger that a batch touches; admit() keeps it up to date as it decides.

    entries holds those of the batch's ids, and of the ids they resolve or reverse, that exist.
    resolutions says how a pending entry ended; reversed_ids holds the entries cancelled.
    """

    last_seq: int
    entries: dict[bytes, tuple[int, JournalEntry]] = field(default_factory=dict)
    resolutions: dict[bytes, Phase] = field(default_factory=dict)
    reversed_ids: set[bytes] = field(default_factory=set)
    counters: dict[Line, Counters] = field(default_factory=dict)


def admit(entry: JournalEntry, known: KnownLedger) -> PostResult:
    """
    Decide about one entry; when CREATED, known has its seq, its postings and its links.

    The id is looked at first: a replay is EXISTS whatever happened since. booked_at is not
    compared, so that a replay at another time is a replay.
    """
    stored = known.entries.get(entry.entry_id)
    if stored is not None:
        different = different_field(stored[1], entry)
        if different is None:
            return PostResult(PostStatus.EXISTS, stored[0])
        return PostResult(PostStatus.EXISTS_WITH_DIFFERENT, stored[0], different)
    refusal = _refused_resolution(entry, known) or _refused_reversal(entry, known)
    if refusal is not None:
        return refusal
    after = apply(known.counters, entry)
    overdrawn = _overdrawn_line(known.counters, after)
    if overdrawn is not None:
        return PostResult(PostStatus.EXCEEDS_AVAILABLE, detail=overdrawn.code)
    known.counters.update(after)
    known.last_seq += 1
    known.entries[entry.entry_id] = (known.last_seq, entry)
    if entry.resolves is not None:
        known.resolutions[entry.resolves] = entry.phase
    if entry.reversal_of is not None:
        known.reversed_ids.add(entry.reversal_of)
    return PostResult(PostStatus.CREATED, known.last_seq)


def admit_all(entries: Sequence[JournalEntry], known: KnownLedger) -> list[PostResult]:
    """Decide about entries in order, each as admit() does after those before it."""
    if not IS_COMPILED:
        return [admit(entry, known) for entry in entries]

    def _facts(line: Line) -> tuple[int, int, int, int, bool, bool, bool]:
        counters = known.counters.get(line, ZERO)
        account = parse_code(line.code)
        return (
            counters.debits_pending,
            counters.debits_posted,
            counters.credits_pending,
            counters.credits_posted,
            account.side is Side.DEBIT,
            account.is_constrained,
            account.is_held_back,
        )

    results: list[PostResult] = []
    plan = (Counters, _facts, PostResult, PostStatus.CREATED)
    waiting, place = list(entries), 0
    while place < len(waiting):
        place, known.last_seq = kernel.admit_into(
            waiting, place, known.last_seq, known.entries, known.counters, plan, results
        )
        if place < len(waiting):
            results.append(admit(waiting[place], known))
            place += 1
    return results


def survey(entries: Sequence[JournalEntry]) -> tuple[set[Line], bool]:
    """Return every line that entries move, and whether one of them ends or cancels another."""
    return kernel.lines_of(entries) if IS_COMPILED else survey_reference(entries)


def survey_reference(entries: Sequence[JournalEntry]) -> tuple[set[Line], bool]:
    """Return what survey returns, in plain Python."""
    lines = {posting.line for entry in entries for posting in entry.postings}
    linked = (word for entry in entries for word in (entry.resolves, entry.reversal_of))
    is_linked = any(word is not None for word in linked)
    return lines, is_linked


def left_units(account: ChartAccount, counters: Counters) -> int:
    """Return what an account has left to move, by its kind. [base units]"""
    if account.is_held_back:
        return counters.available(account.side)
    return counters.posted(account.side)


def different_field(stored: JournalEntry, other: JournalEntry) -> str | None:
    """Return the first field in which two entries of one id differ, or None."""
    for name in ("kind", "cause", "phase", "resolves", "reversal_of", "correlation_id"):
        if getattr(stored, name) != getattr(other, name):
            return name
    return None if _signed(stored.postings) == _signed(other.postings) else "postings"


def _refused_resolution(entry: JournalEntry, known: KnownLedger) -> PostResult | None:
    if entry.resolves is None:
        return None
    stored = known.entries.get(entry.resolves)
    if stored is None or stored[1].phase is not Phase.PENDING:
        return PostResult(PostStatus.PENDING_NOT_FOUND)
    ended = known.resolutions.get(entry.resolves)
    if ended is Phase.SETTLE:
        return PostResult(PostStatus.PENDING_ALREADY_SETTLED)
    if ended is Phase.VOID:
        return PostResult(PostStatus.PENDING_ALREADY_VOIDED)
    if _signed(stored[1].postings) != _signed(entry.postings):
        return PostResult(PostStatus.PENDING_HAS_DIFFERENT, detail="postings")
    return None


def _refused_reversal(entry: JournalEntry, known: KnownLedger) -> PostResult | None:
    if entry.reversal_of is None:
        return None
    stored = known.entries.get(entry.reversal_of)
    if stored is None or stored[1].phase not in (Phase.POSTED, Phase.SETTLE):
        return PostResult(PostStatus.REVERSED_NOT_FOUND)
    if entry.reversal_of in known.reversed_ids:
        return PostResult(PostStatus.ALREADY_REVERSED)
    if _signed(stored[1].postings) != _signed(entry.postings, sign=-1):
        return PostResult(PostStatus.REVERSED_HAS_DIFFERENT, detail="postings")
    return None


def _signed(postings: tuple[Posting, ...], sign: int = 1) -> dict[Line, int]:
    return {posting.line: sign * posting.units for posting in postings}


def _overdrawn_line(before: dict[Line, Counters], after: dict[Line, Counters]) -> Line | None:
    for line, counters in after.items():
        account = parse_code(line.code)
        if account.is_constrained:
            left = left_units(account, counters)
            if left < 0 and left < left_units(account, before.get(line, ZERO)):
                return line
    return None
