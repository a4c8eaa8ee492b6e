"""One journal entry of an audit: derive it again from its evidence, in the audit's own ledger."""

from dataclasses import dataclass
from typing import Final

from chains.command import LinkOwner, Liquidation, OpenAccount, RequestUnlock, SignedCommand
from chains.errors import AttestationError, ChainError
from chains.events import Borrowed, Repaid
from chains.types import ChainId, chain_id_of, check_wallet
from relayer.errors import InvariantError, RefusedError
from relayer.ledger.admission import different_field
from relayer.ledger.correction import CORRECTION
from relayer.ledger.journal import JournalEntry
from relayer.outbox.life import MessageState
from relayer.reconcile.reversal import REVERSED
from relayer.steps.audit_evidence import (
    DEFICIT_BOOKED,
    EVENT_STAGES,
    HOLD_STAGES,
    HOLD_STEMS,
    LIQUIDATION,
    MOVED,
    Evidence,
    MessageEvidence,
    message_objection,
)
from relayer.steps.audit_report import Source
from relayer.steps.catalog import Catalog
from relayer.steps.compose import held_entry, hold, liquidation_of, moved_entry
from relayer.steps.correct import CorrectionRule, check_signers, entry_of
from relayer.steps.deficits import cause_of_cure, cure_deficit, cure_deficits, lend_shortfall
from relayer.steps.ending import (
    DROPPED,
    RETURNED,
    end_hold,
    must_post,
    reverse_liquidation,
    settle_hold,
)
from relayer.steps.reconcile import ParkedError, book_event
from relayer.steps.standing import height_of, keep_standing
from relayer.store.claims import ClaimedEntry
from relayer.store.commands import StoredCommand
from relayer.store.observed_rows import (
    Booked,
    EventFilter,
    EventState,
    LockConflictError,
    StoredEvent,
)
from relayer.store.scratch import ScratchEvents
from relayer.store.unit_of_work import UnitOfWork

DEFICIT_CURED: Final = "deficit.cured"
EVENT_STEMS: Final = frozenset({"lock", "release", "seize", "exit", "grant", "borrow", "repay"})


class UnderivableError(Exception):
    """Nothing that proves an entry was found; reason is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Derivation:
    """
    One entry's derivation, inside a transaction of the audit's own database.

    The live journal says only when something was booked, and which rule; what was booked follows
    from the evidence.
    """

    uow: UnitOfWork
    catalog: Catalog
    evidence: Evidence
    read_chains: frozenset[ChainId]
    corrections: CorrectionRule

    @property
    def events(self) -> ScratchEvents:
        """The audit's own observed events."""
        return ScratchEvents(self.uow.connection, self.uow.clock)

    def derive(self, claimed: ClaimedEntry) -> Source:
        """
        Book what the evidence of a claimed entry makes, and say what it is worth.

        Raises:
            UnderivableError: the evidence is missing or says something else.
        """
        stem, _, stage = claimed.kind.rpartition(".")
        try:
            if stem in EVENT_STEMS and stage in EVENT_STAGES:
                return self._event(claimed.cause, stage)
            if stem in HOLD_STEMS and stage in HOLD_STAGES:
                return self._hold(claimed.cause, stage)
            if claimed.kind == MOVED:
                return self._liquidation(claimed)
            if stem == LIQUIDATION and stage in (DROPPED, RETURNED):
                return self._ended_liquidation(claimed)
            if claimed.kind == DEFICIT_BOOKED:
                return self._deficit(claimed)
            if claimed.kind == DEFICIT_CURED:
                return self._cure(claimed)
            if claimed.kind == CORRECTION:
                return self._correction(claimed.cause)
        except ParkedError as exc:
            raise UnderivableError(exc.reason) from exc
        except (RefusedError, InvariantError, ChainError, LockConflictError) as exc:
            raise UnderivableError(str(exc)) from exc
        raise UnderivableError(f"no chain event or signed document makes an entry {claimed.kind}")

    def source_of_event(self, stored: StoredEvent) -> Source:
        """Return what an event of the audit's own database was taken from."""
        if stored.final_at is not None:
            is_read = stored.event.position.chain_id in self.read_chains
            return Source.CHAIN if is_read else Source.DATABASE
        if stored.event_id in self.evidence.dead:
            return Source.DEAD_BRANCH
        return Source.UNFINAL

    def _event(self, event_id: bytes, stage: str) -> Source:
        stored = self._known_event(event_id)
        source = self.source_of_event(stored)
        is_final = source in (Source.CHAIN, Source.DATABASE)
        is_recovered = event_id in self.evidence.recovered
        if not is_final and not is_recovered and stage in ("final", "rest"):
            raise UnderivableError("no final block of the chain has this event")
        if stage == "rest":
            if stored.booked is Booked.FINAL:
                return source  # booked together with the final entry
            self.events.set_state(event_id, EventState.SEEN)  # and nothing of it was reserved
            self.uow.chains.mark_booked([event_id], Booked.SOFT)
        if stage == REVERSED:
            # Of a debt also what was learned later and stands before it; it must be booked again.
            if not is_recovered and not (is_final and isinstance(stored.event, Borrowed | Repaid)):
                raise UnderivableError("no recovery of its chain took this event back")
            if stored.booked is Booked.VOID:
                return source  # booked together with the deficit or the entry before it
            if stored.booked is not Booked.FINAL:
                raise UnderivableError("the event was never booked as final")
        if is_final and stage == "reverted" and stored.booked is Booked.FINAL:
            raise UnderivableError("the event is final; it was never taken back")
        if stored.booked is Booked.VOID:
            stored = self.events.revive(event_id)
        state = {
            "seen": EventState.SEEN,
            "final": EventState.FINAL,
            "rest": EventState.FINAL,
            "reverted": EventState.ORPHANED,
            REVERSED: EventState.ORPHANED,
        }[stage]
        stored = self.events.set_state(event_id, state)
        book_event(self.uow, self.catalog, stored)
        return source

    def _known_event(self, event_id: bytes) -> StoredEvent:
        stored = self.events.event(event_id)
        if stored is not None:
            return stored
        claimed = self.evidence.events.get(event_id)
        if claimed is None:
            raise UnderivableError("neither chain nor database has an event with this id")
        position = claimed.event.position
        is_dead = event_id in self.evidence.dead
        is_below = not is_dead and event_id not in self.evidence.above
        if is_below and claimed.state is EventState.FINAL:
            raise UnderivableError(
                f"{position.chain_id} block {position.block.height} has no such event"
            )
        self.events.keep([claimed.event], is_final=False)
        stored = self.events.event(event_id)
        if stored is None:
            raise UnderivableError("the event's id is not that of its place")
        return stored

    def _hold(self, message_id: bytes, stage: str) -> Source:
        found = self.evidence.messages.get(message_id)
        if found is None:
            raise UnderivableError("the outbox has no message with this id")
        message = found.stored.message
        match stage:
            case "held":
                objection = message_objection(message, self.catalog.hub)
                if objection is not None or message.command is None:
                    raise UnderivableError(objection or "the message has no command")
                source = self._authority(message.command, found)
                asked = (message.message, message.command, message.correlation_id)
                self._lend(found, held_entry(self.uow, self.catalog, *asked))
                hold(self.uow, self.catalog, *asked)
                return source
            case "sent":
                settle_hold(self.uow, message)
                return self._worth(found)
            case _:
                return self._give_back(found)

    def _give_back(self, found: MessageEvidence) -> Source:
        """Book the end of a message without effect, as the hub did; say whether it is proven."""
        if self._has_effect(found):
            raise UnderivableError("the target has executed the message")
        message = found.stored.message
        stage = RETURNED if found.stored.state is MessageState.RETURNED else DROPPED
        if stage == DROPPED and found.has_quorum:
            raise UnderivableError("a quorum signed the message, so it may still be executed")
        end_hold(self.uow, message, stage=stage)
        if message.command is not None and isinstance(message.command.command, Liquidation):
            # What stands behind it on the chain is taken back and booked again as it is claimed.
            reverse_liquidation(self.uow, message.message.evidence, stage=stage)
        cure_deficits(self.uow, message.target_chain)
        return Source.CHAIN if found.is_proven_unexecuted else Source.UNPROVEN

    def _authority(self, signed: SignedCommand, found: MessageEvidence) -> Source:
        """Return who stands for a hold: an owner's signature, or the guardians' for a seizure."""
        command = signed.command
        if isinstance(command, Liquidation):
            return self._worth(found)
        if not isinstance(command, RequestUnlock):
            raise UnderivableError(f"{type(command).__name__} holds nothing")
        signers = _signers(signed, self.catalog)
        if not any(self.uow.accounts.is_owner(command.account, None, one) for one in signers):
            raise UnderivableError("no owner of the account signed the request")
        return Source.SIGNED

    def _worth(self, found: MessageEvidence) -> Source:
        if found.has_quorum or self._has_effect(found):
            return Source.SIGNED
        return Source.UNPROVEN

    def _has_effect(self, found: MessageEvidence) -> bool:
        events = self.events.events(EventFilter(message_id=found.stored.message_id))
        return any(stored.final_at is not None for stored in events)

    def _liquidation(self, claimed: ClaimedEntry) -> Source:
        """Book a liquidation with the interest that one state of the credit line explains."""
        signed = self.evidence.liquidations.get(claimed.cause)
        if signed is None or signed.command.digest(self.catalog.hub) != claimed.cause:
            raise UnderivableError("no liquidation with this id is stored")
        found = self.evidence.seizures.get(claimed.cause)
        command = liquidation_of(signed)
        debt_chain = ChainId(command.debt_chain)
        height = height_of(self.evidence.standings.get(claimed.cause), debt_chain)
        if found is not None and height is not None:
            message = found.stored.message.message
            keep_standing(self.uow, command, message, chain_id=debt_chain, height=height)
        entry: JournalEntry | None = None
        for state in self.evidence.lines.get(claimed.cause, ()):
            self.uow.credit_lines.record(state)
            entry = moved_entry(self.uow, self.catalog, signed, claimed.cause, height=height)
            if claimed.entry is not None and different_field(entry, claimed.entry) is None:
                break
        if entry is None:
            entry = moved_entry(self.uow, self.catalog, signed, claimed.cause, height=height)
        self._lend(found, entry)
        must_post(self.uow, entry)
        return Source.UNPROVEN if found is None else self._worth(found)

    def _ended_liquidation(self, claimed: ClaimedEntry) -> Source:
        """Its entry is booked with the end of the hold behind it, which comes first."""
        found = self.evidence.seizures.get(claimed.cause)
        if found is None:
            raise UnderivableError("no seizure of this liquidation is stored")
        return Source.CHAIN if found.is_proven_unexecuted else Source.UNPROVEN

    def _deficit(self, claimed: ClaimedEntry) -> Source:
        """Book what a deficit lets through; the deficit is booked with it."""
        taking = self.evidence.takings.get(claimed.cause)
        if taking is None or taking.kind in (DEFICIT_BOOKED, DEFICIT_CURED):
            raise UnderivableError("the journal has no entry that this deficit lets through")
        source = self.derive(taking)
        if self.uow.ledger.entry(claimed.entry_id) is None:
            raise UnderivableError(f"{taking.kind} leaves no account without units")
        return source

    def _lend(self, found: MessageEvidence | None, taking: JournalEntry) -> None:
        """Let what the target has executed take what the account has not, as a guardian does."""
        if found is None or not self._has_effect(found):
            return
        lent = lend_shortfall(self.uow, taking)
        if lent is not None:
            must_post(self.uow, lent)

    def _cure(self, claimed: ClaimedEntry) -> Source:
        """Book a cure as the rule does: what is owed, as far as the account has it now."""
        for owed in self.uow.deficits.open():
            if cause_of_cure(owed) == claimed.cause:
                cure_deficit(self.uow, owed)
        cured = self.uow.ledger.entry(claimed.entry_id)
        if cured is None:
            raise UnderivableError("no account owes this, or it has nothing yet")
        return self._source_of_debt(cured.entry.correlation_id)

    def _source_of_debt(self, account: bytes) -> Source:
        """Return what made an account owe what it pays: a recovery, or only what the chain has."""
        ledger = self.uow.ledger
        lent = ledger.entries_by_id(self.uow.deficits.booked_ids(account))
        takings = ledger.entries_by_id([entry.cause for entry in lent.values()])
        is_recovered = any(entry.reversal_of is not None for entry in takings.values())
        return Source.DEAD_BRANCH if is_recovered else Source.CHAIN

    def _correction(self, correction_id: bytes) -> Source:
        signed = self.evidence.corrections.get(correction_id)
        if signed is None or signed.correction.digest(self.catalog.hub) != correction_id:
            raise UnderivableError("no correction with this id is stored")
        check_signers(self.catalog.hub, self.corrections, signed)
        must_post(self.uow, entry_of(self.uow, self.catalog, signed.correction, correction_id))
        return Source.SIGNED


def learn_account(uow: UnitOfWork, catalog: Catalog, stored: StoredCommand) -> str | None:
    """Store an opening or a link whose signatures hold; return why not, or None."""
    signed, command = stored.signed, stored.signed.command
    name = f"command 0x{stored.command_id.hex()}"
    if command.digest(catalog.hub) != stored.command_id:
        return f"{name}: its id is not the digest of its fields"
    try:
        signers = _signers(signed, catalog)
        match command:
            case OpenAccount():
                if signers != (command.opener,):
                    return f"{name}: the opener did not sign"
                uow.accounts.open(
                    command.account,
                    opener=command.opener,
                    salt=command.salt,
                    command_id=stored.command_id,
                    at=stored.received_at,
                )
            case LinkOwner():
                if signers[1:] != (command.owner,):
                    return f"{name}: the linked address did not sign"
                if not uow.accounts.is_owner(command.account, None, signers[0]):
                    return f"{name}: no owner signed the link"
                check_wallet(chain_id_of(command.chain_id), command.owner)
                uow.accounts.link(
                    command.account,
                    chain_id=chain_id_of(command.chain_id),
                    owner=command.owner,
                    command_id=stored.command_id,
                    at=stored.received_at,
                )
            case _:
                return f"{name}: neither opens nor links"
    except (UnderivableError, RefusedError, ValueError) as exc:
        return f"{name}: {exc}"
    return None


def _signers(signed: SignedCommand, catalog: Catalog) -> tuple[bytes, ...]:
    try:
        return signed.signers(catalog.hub)
    except AttestationError as exc:
        raise UnderivableError(f"a signature is malformed: {exc.reason}") from exc
