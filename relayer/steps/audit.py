"""Audit: derive the whole ledger again from the chains, and compare it with the live one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from structlog.contextvars import bound_contextvars

from chains.errors import FinalityViolationError
from chains.port import ChainReader
from chains.types import WORD_BYTES, BlockRef, ChainId
from relayer.clock import UnixSeconds
from relayer.errors import NotYetError
from relayer.ledger.admission import different_field
from relayer.ledger.balances import ZERO
from relayer.steps.audit_entries import (
    EVENT_STEMS,
    Derivation,
    UnderivableError,
    learn_account,
)
from relayer.steps.audit_evidence import (
    EVENT_STAGES,
    AuditedChain,
    Evidence,
    EvidenceSource,
)
from relayer.steps.audit_missing import Leftovers, event_finding
from relayer.steps.audit_report import AuditReport, BalanceFinding, EntryFinding, Verdict
from relayer.steps.catalog import Catalog
from relayer.steps.correct import CorrectionRule
from relayer.steps.observe import ObserveLimits, read_range
from relayer.store.claims import ClaimedEntry, ClaimTable
from relayer.store.commands import StoredCommand
from relayer.store.observed_rows import Booked, EventState, StoredEvent
from relayer.store.scratch import ScratchEvents
from relayer.store.unit_of_work import Store

ENTRIES_PER_PAGE: Final = 500
EVENTS_PER_PAGE: Final = 500
LINES_PER_PAGE: Final = 1_000
COMMANDS_PER_PAGE: Final = 200
ACCOUNT_KINDS: Final = ("LinkOwner", "OpenAccount")
Progress = Callable[[str, int, int], None]


class AuditClock:
    """The clock of the audit's own database: the time at which the live entry was booked."""

    def __init__(self) -> None:
        self.seconds = UnixSeconds(0)

    def now(self) -> UnixSeconds:
        """Return that time."""
        return self.seconds


@dataclass(frozen=True, slots=True)
class Audit:
    """
    What an audit works with.

    Args:
        live: the database that is doubted; it is only read.
        scratch: an empty, migrated database of the audit's own, on the clock given here.
        readers: of the chains that are read again; the events of others are taken as stored.
        progress: called with what is done, how much of it, and of how much.
        corrections: who may sign corrections; their signatures are verified again.
    """

    live: Store
    scratch: Store
    clock: AuditClock
    catalog: Catalog
    readers: Mapping[ChainId, tuple[ChainReader, ObserveLimits]]
    progress: Progress
    corrections: CorrectionRule


@dataclass(slots=True)
class _Walk:
    """Where an audit is."""

    audit: Audit
    chains: Mapping[ChainId, AuditedChain]
    report: AuditReport
    commands: Iterator[StoredCommand]
    next_command: StoredCommand | None = None
    seen_dead: set[bytes] = field(default_factory=set)
    seen_final: set[bytes] = field(default_factory=set)
    derived: int = 0


async def audit(asked: Audit) -> AuditReport:
    """
    Compare the live ledger with what chains and signatures prove, up to pinned final blocks.

    Raises:
        NotYetError: a chain has no final block yet, or its events wait to be booked.
        FinalityViolationError: a node has another block where the live database has a final one.
        TransientChainError: a node failed.
    """
    asked = replace(asked, catalog=replace(asked.catalog, is_replica=False))
    report = _pin(asked)
    chains = await _chains(asked, report.pinned)
    for chain_id, block in report.pinned.items():
        if block is None:
            continue
        if chain_id in chains:
            await _read_chain(asked, chains[chain_id], report)
        else:
            _take_events(asked, chain_id, block)
    walk = _Walk(asked, chains, report, _commands(asked))
    walk.next_command = next(walk.commands, None)
    await _walk(walk)
    _check_ends(walk)
    _compare_lines(asked, report)
    return report


def _pin(asked: Audit) -> AuditReport:
    """Fix, in one snapshot, how far the live ledger is compared."""
    with asked.live.read() as uow:
        pinned: dict[ChainId, BlockRef | None] = {}
        for chain_id in asked.catalog.chain_ids:
            pinned[chain_id] = uow.chains.cursor(chain_id).finalized
            if pinned[chain_id] is None and chain_id in asked.readers:
                detail = f"{chain_id} has no final block yet"
                raise NotYetError(reason="chain_unread", detail=detail)
            if uow.chains.unbooked_events(chain_id, 1):
                detail = f"{chain_id}: events wait to be booked; ask again"
                raise NotYetError(reason="events_unbooked", detail=detail)
        return AuditReport(pinned, uow.ledger.head().seq)


async def _chains(
    asked: Audit, pinned: Mapping[ChainId, BlockRef | None]
) -> dict[ChainId, AuditedChain]:
    chains = {}
    for chain_id, (reader, limits) in asked.readers.items():
        block = pinned.get(chain_id)
        if block is None:
            continue
        header = await reader.header_at(block.height)
        if header.block != block:
            raise FinalityViolationError(chain_id=chain_id, block=block)
        chains[chain_id] = AuditedChain(reader, block, min(limits.start_height, block.height))
    return chains


async def _read_chain(asked: Audit, chain: AuditedChain, report: AuditReport) -> None:
    """Read every final block again, and compare its events with those stored."""
    chain_id = chain.reader.chain_id
    span_max = asked.readers[chain_id][1].finalized_span_max
    first = chain.start_height
    total = chain.pinned.height - first + 1
    while first <= chain.pinned.height:
        span = min(span_max, max(1, chain.reader.suggested_span))
        read, last = await read_range(
            chain.reader, first, min(first + span - 1, chain.pinned.height)
        )
        unproven = read.unproven if asked.readers[chain_id][1].is_movement_enforced else {}
        with asked.scratch.unit_of_work() as uow:
            proven = [one for one in read.events if one.position.event_id not in unproven]
            ScratchEvents(uow.connection, uow.clock).keep(proven, is_final=True)
        with asked.live.read() as uow:
            stored = ClaimTable(uow.connection).final_events(chain_id, first, last)
        report.events_read += len(read.events)
        found = {event.position.event_id: event for event in read.events}
        claimed = {event.event_id: event for event in stored}
        for event_id, event in found.items():
            if event_id not in claimed:
                finding = StoredEvent(event, EventState.FINAL, Booked.NONE, 0, None, *_NO_TIMES)
                detail = "the chain has it; it is not stored as final"
                report.event(event_finding(Verdict.MISSING, finding, detail))
            elif claimed[event_id].event != event:
                detail = "it is stored with other contents"
                report.event(event_finding(Verdict.DIFFERENT, claimed[event_id], detail))
            elif event_id in unproven and claimed[event_id].booked is Booked.FINAL:
                detail = f"it is booked, but {unproven[event_id]}"
                report.event(event_finding(Verdict.DIFFERENT, claimed[event_id], detail))
            elif event_id in unproven:
                report.parked += 1
        for event_id, extra in claimed.items():
            if event_id not in found:
                detail = "it is stored as final; the chain does not have it"
                report.event(event_finding(Verdict.EXTRA, extra, detail))
        first = last + 1
        asked.progress(f"reading {chain_id}", first - chain.start_height, total)


def _take_events(asked: Audit, chain_id: ChainId, block: BlockRef) -> None:
    """Take the events of a chain that is not read as they are stored."""
    with asked.live.read() as uow:
        stored = ClaimTable(uow.connection).final_events(chain_id, 0, block.height)
    with asked.scratch.unit_of_work() as uow:
        events = ScratchEvents(uow.connection, uow.clock)
        events.keep([found.event for found in stored], is_final=True)


async def _walk(walk: _Walk) -> None:
    """Derive the live entries one by one, in the order in which they were booked."""
    asked, report = walk.audit, walk.report
    source = EvidenceSource(asked.live, asked.catalog, walk.chains)
    last_seq = 0
    while last_seq < report.last_seq:
        with asked.live.read() as uow:
            page = ClaimTable(uow.connection).entries(last_seq, report.last_seq, ENTRIES_PER_PAGE)
        if not page:
            _gap(report, last_seq + 1, report.last_seq)
            return
        with asked.scratch.read() as uow:
            unread = [claimed.cause for claimed in page if _is_unread(uow.chains.event, claimed)]
        evidence = await source.gather(page, unread)
        with asked.scratch.unit_of_work() as uow, bound_contextvars(audit=True):
            derivation = Derivation(
                uow, asked.catalog, evidence, frozenset(walk.chains), asked.corrections
            )
            for claimed in page:
                if claimed.seq > last_seq + 1:
                    _gap(report, last_seq + 1, claimed.seq - 1)
                _compare_entry(walk, derivation, claimed)
                last_seq = claimed.seq
        _note_dead(walk, page, evidence)
        asked.progress("deriving entries", last_seq, report.last_seq)


def _is_unread(event_of: Callable[[bytes], StoredEvent | None], claimed: ClaimedEntry) -> bool:
    stem, _, stage = claimed.kind.rpartition(".")
    if stem not in EVENT_STEMS or stage not in EVENT_STAGES:
        return False
    stored = event_of(claimed.cause)
    return stored is None or stored.final_at is None


def _compare_entry(walk: _Walk, derivation: Derivation, claimed: ClaimedEntry) -> None:
    report, uow = walk.report, derivation.uow
    walk.audit.clock.seconds = claimed.booked_at
    _learn_accounts(walk, derivation, claimed.booked_at)
    known = uow.ledger.entry(claimed.entry_id)
    try:
        with uow.connection.begin_nested():
            source = derivation.derive(claimed)
    except UnderivableError as exc:
        if known is None:
            report.entry(_finding(Verdict.EXTRA, claimed, "evidence", exc.reason))
            return
        report.entry(_finding(Verdict.DIFFERENT, claimed, "evidence", exc.reason))
        return
    derived = uow.ledger.entry(claimed.entry_id)
    walk.derived += derived is not None
    if derived is None:
        detail = "its evidence makes an entry with another id"
        report.entry(_finding(Verdict.EXTRA, claimed, "entry_id", detail))
    elif claimed.entry is None:
        report.entry(_finding(Verdict.DIFFERENT, claimed, "rows", claimed.fault or "unreadable"))
    else:
        different = different_field(derived.entry, claimed.entry)
        if different is None:
            report.equal(source, derived.entry)
        else:
            detail = f"derived {getattr(derived.entry, different)!r}"
            report.entry(_finding(Verdict.DIFFERENT, claimed, different, detail))


def _learn_accounts(walk: _Walk, derivation: Derivation, until: UnixSeconds) -> None:
    """Accept the openings and links up to a second; those of one second in the order that works."""
    waiting = []
    while walk.next_command is not None and walk.next_command.received_at <= until:
        waiting.append(walk.next_command)
        walk.next_command = next(walk.commands, None)
    refused: list[tuple[StoredCommand, str]] = []
    is_moving = True
    while waiting and is_moving:
        judged = [
            (stored, learn_account(derivation.uow, derivation.catalog, stored))
            for stored in waiting
        ]
        refused = [(stored, reason) for stored, reason in judged if reason is not None]
        is_moving = len(refused) < len(waiting)
        waiting = [stored for stored, _ in refused]
    for _, reason in refused:
        walk.report.command(reason)


def _commands(asked: Audit) -> Iterator[StoredCommand]:
    after = (-1, bytes(WORD_BYTES))
    while True:
        with asked.live.read() as uow:
            claims = ClaimTable(uow.connection)
            page = claims.commands(after, ACCOUNT_KINDS, COMMANDS_PER_PAGE)
        if not page:
            return
        yield from page
        after = (page[-1].received_at, page[-1].command_id)


def _note_dead(walk: _Walk, page: tuple[ClaimedEntry, ...], evidence: Evidence) -> None:
    for claimed in page:
        if claimed.cause in evidence.dead:
            walk.seen_dead.add(claimed.cause)
        if claimed.cause in evidence.events and claimed.kind.endswith(".final"):
            walk.seen_final.add(claimed.cause)


def _gap(report: AuditReport, first_seq: int, last_seq: int) -> None:
    detail = f"the journal has no entry {first_seq}"
    if last_seq > first_seq:
        detail += f" to {last_seq}"
    report.entry(EntryFinding(Verdict.MISSING, first_seq, b"", "", "seq", detail))


def _check_ends(walk: _Walk) -> None:
    """Name what the journal lacks, and what it still has of blocks that are gone."""
    asked, report = walk.audit, walk.report
    rest = Leftovers(asked.live, asked.scratch, asked.catalog, asked.corrections, report)
    if walk.derived < rest.derived_count():
        rest.find_unclaimed(ENTRIES_PER_PAGE)
    rest.find_missing(EVENTS_PER_PAGE)
    rest.find_standing(walk.seen_dead, walk.seen_final)


def _compare_lines(asked: Audit, report: AuditReport) -> None:
    """Compare the counters of every line, in the order of their keys, as of the pinned entry."""
    after = bytes(WORD_BYTES)
    while True:
        with asked.live.read() as live, asked.scratch.read() as derived:
            is_moved = live.ledger.head().seq != report.last_seq
            ours = ClaimTable(live.connection).lines(after, LINES_PER_PAGE)
            theirs = ClaimTable(derived.connection).lines(after, LINES_PER_PAGE)
            ends = [page[-1].line_key for page in (ours, theirs) if len(page) == LINES_PER_PAGE]
            end = min(ends, default=None)
            stored = {c.line: c.counters for c in ours if end is None or c.line_key <= end}
            found = {c.line: c.counters for c in theirs if end is None or c.line_key <= end}
            for line in sorted(stored.keys() | found.keys()):
                claimed = stored.get(line, ZERO)
                if is_moved and claimed != found.get(line, ZERO):
                    claimed = live.ledger.as_of(line, report.last_seq)
                if claimed != found.get(line, ZERO):
                    report.balance(BalanceFinding(line, claimed, found.get(line, ZERO)))
            report.lines_compared += len(stored.keys() | found.keys())
        if end is None:
            return
        after = end


_NO_TIMES: Final = (UnixSeconds(0), None)


def _finding(verdict: Verdict, claimed: ClaimedEntry, name: str, detail: str) -> EntryFinding:
    return EntryFinding(verdict, claimed.seq, claimed.entry_id, claimed.kind, name, detail)
