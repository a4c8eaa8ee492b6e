"""What a journal lacks or still has at the end of an audit, when every entry was derived."""

from collections.abc import Set
from dataclasses import dataclass

from chains.events import CreditGranted
from relayer.steps.audit_entries import Derivation
from relayer.steps.audit_evidence import Evidence
from relayer.steps.audit_report import AuditReport, EntryFinding, EventFinding, Verdict
from relayer.steps.catalog import Catalog
from relayer.steps.correct import CorrectionRule
from relayer.steps.reconcile import ParkedError, book_event
from relayer.store.claims import ClaimTable
from relayer.store.observed_rows import Booked, EventState, StoredEvent
from relayer.store.scratch import ScratchEvents
from relayer.store.unit_of_work import Store

ENTRIES_OF_EVENT_MAX = 100


@dataclass(frozen=True, slots=True)
class Leftovers:
    """The ends of an audit: the live database, the audit's own, and where findings go."""

    live: Store
    scratch: Store
    catalog: Catalog
    corrections: CorrectionRule
    report: AuditReport

    def derived_count(self) -> int:
        """Return how many entries the audit's own journal has."""
        with self.scratch.read() as uow:
            return uow.ledger.head().seq

    def find_unclaimed(self, limit: int) -> None:
        """Name what was derived together with other entries and is not in the live journal."""
        after_seq = 0
        while True:
            with self.scratch.read() as uow:
                page = uow.ledger.entries(after_seq=after_seq, limit=limit)
            if not page:
                return
            with self.live.read() as uow:
                ids = [booked.entry.entry_id for booked in page]
                known = ClaimTable(uow.connection).known_ids(ids, self.report.last_seq)
            for booked in page:
                if booked.entry.entry_id not in known:
                    detail = "it follows from the entries before it and is not in the journal"
                    self._missing(booked.entry.entry_id, booked.entry.kind, detail)
            after_seq = page[-1].seq

    def find_missing(self, limit: int) -> None:
        """Book what the chains have as final and the live journal does not."""
        while True:
            with self.scratch.unit_of_work() as uow:
                derivation = Derivation(
                    uow, self.catalog, Evidence(), frozenset(), self.corrections
                )
                events = ScratchEvents(uow.connection, uow.clock)
                waiting = events.waiting(limit)
                with self.live.read() as live:
                    claimed = {one.event_id: live.chains.event(one.event_id) for one in waiting}
                for found in waiting:
                    if found.booked is Booked.VOID:
                        events.revive(found.event_id)
                    stored = events.set_state(found.event_id, EventState.FINAL)
                    live_event = claimed[found.event_id]
                    if isinstance(found.event, CreditGranted):
                        continue  # it moves no unit
                    if live_event is not None and live_event.booked is Booked.PARKED:
                        self.report.parked += 1
                        continue
                    self._book_missing(derivation, stored)
            if not waiting:
                return

    def find_standing(self, dead: Set[bytes], final: Set[bytes]) -> None:
        """
        Name what was booked of gone blocks and never taken back.

        Args:
            dead: events whose block is not on the chain.
            final: events that were booked as final though no final block read has them.
        """
        with self.scratch.read() as uow:
            for event_id in sorted(dead | final):
                stored = uow.chains.event(event_id)
                if stored is None or stored.final_at is not None:
                    continue
                if stored.booked is Booked.FINAL or (
                    event_id in dead and stored.booked is Booked.SOFT
                ):
                    detail = "its block is not on the chain, and its entry was never taken back"
                    self.report.event(event_finding(Verdict.EXTRA, stored, detail))

    def _book_missing(self, derivation: Derivation, stored: StoredEvent) -> None:
        uow = derivation.uow
        before = uow.ledger.head().seq
        try:
            with uow.connection.begin_nested():
                book_event(uow, self.catalog, stored)
        except ParkedError as exc:
            detail = f"not booked: {exc.reason}"
            self.report.event(event_finding(Verdict.MISSING, stored, detail))
            return
        for booked in uow.ledger.entries(after_seq=before, limit=ENTRIES_OF_EVENT_MAX):
            detail = f"event 0x{stored.event_id.hex()} is on the chain and not in the journal"
            self._missing(booked.entry.entry_id, booked.entry.kind, detail)

    def _missing(self, entry_id: bytes, kind: str, detail: str) -> None:
        self.report.entry(EntryFinding(Verdict.MISSING, None, entry_id, kind, "entry_id", detail))


def event_finding(verdict: Verdict, stored: StoredEvent, detail: str) -> EventFinding:
    """Return what is to be said about an observed event."""
    position = stored.event.position
    return EventFinding(
        verdict,
        position.chain_id,
        position.block.height,
        stored.event_id,
        type(stored.event).__name__,
        detail,
    )
