"""Evidence of an audit: what chains say and what signatures prove, fetched before it is booked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from chains.attestation import GuardianSet, attestation_digest, recover_signer
from chains.command import Liquidation, SignedCommand
from chains.correction import SignedCorrection
from chains.errors import AttestationError, BlockGoneError, MessageFormatError
from chains.port import ChainReader
from chains.types import BlockRef, ChainId
from relayer.clock import UnixSeconds
from relayer.errors import InvariantError
from relayer.ledger.correction import CORRECTION
from relayer.outbox.message import OutboxMessage
from relayer.reconcile.reversal import REVERSED
from relayer.steps.catalog import Catalog
from relayer.steps.compose import terms_of
from relayer.store.claims import ClaimedEntry, ClaimTable
from relayer.store.credit_lines import CreditLineState
from relayer.store.observed_rows import StoredEvent
from relayer.store.outbox import MessageFilter, StoredMessage
from relayer.store.recoveries import NO_HEIGHT
from relayer.store.requests import Request
from relayer.store.unit_of_work import Store, UnitOfWork

EVENT_STAGES: Final = frozenset({"seen", "final", "reverted", "rest", REVERSED})
HOLD_STAGES: Final = frozenset({"held", "sent", "dropped", "returned"})
HOLD_STEMS: Final = frozenset({"unlock", "seize"})
LIQUIDATION: Final = "liquidation"
MOVED: Final = "liquidation.moved"
DEFICIT_BOOKED: Final = "deficit.booked"
# Around the block of a decision: the hub may have read the credit line a few blocks before it.
LOOK_BACK_BLOCKS: Final = 24
LOOK_AHEAD_BLOCKS: Final = 4


@dataclass(frozen=True, slots=True)
class AuditedChain:
    """A chain that is read again, and the final block up to which it is."""

    reader: ChainReader
    pinned: BlockRef
    start_height: int


@dataclass(frozen=True, slots=True)
class MessageEvidence:
    """A message, whether a quorum signed it, and whether it is proven never to run."""

    stored: StoredMessage
    has_quorum: bool
    is_proven_unexecuted: bool


@dataclass(slots=True)
class Evidence:
    """
    All that the entries of one page need, by cause.

    Args:
        events: events that the live database has and the chains were not read for, or no more.
        dead: those of them whose block is not on the chain.
        messages: by the message id of a hold.
        seizures: by the command id of a liquidation.
        standings: where liquidations stand among the events of their debts, by command id.
        lines: candidate states of the credit line by command id, ascending by height.
        above: those of events whose block is above the pinned one.
        recovered: events that a recovery of their chain, as stored, took back below finality.
        takings: what deficits were booked for, as claimed, by its entry id.
        corrections: signed documents by their claimed id; what cannot be read is left out.
    """

    events: dict[bytes, StoredEvent] = field(default_factory=dict)
    dead: set[bytes] = field(default_factory=set)
    messages: dict[bytes, MessageEvidence] = field(default_factory=dict)
    seizures: dict[bytes, MessageEvidence] = field(default_factory=dict)
    liquidations: dict[bytes, SignedCommand] = field(default_factory=dict)
    standings: dict[bytes, Request] = field(default_factory=dict)
    lines: dict[bytes, tuple[CreditLineState, ...]] = field(default_factory=dict)
    above: set[bytes] = field(default_factory=set)
    recovered: set[bytes] = field(default_factory=set)
    takings: dict[bytes, ClaimedEntry] = field(default_factory=dict)
    corrections: dict[bytes, SignedCorrection] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvidenceSource:
    """Where evidence comes from: the live database's claims and the chains that are read."""

    live: Store
    catalog: Catalog
    chains: Mapping[ChainId, AuditedChain]

    async def gather(self, page: Sequence[ClaimedEntry], unread: Iterable[bytes]) -> Evidence:
        """
        Return what a page needs.

        Args:
            unread: causes of event entries that were not among the events read from the chains.

        Raises:
            TransientChainError: a node failed.
        """
        evidence = Evidence()
        with self.live.read() as uow:
            _note_takings(uow, page, evidence)
            page = (*page, *evidence.takings.values())
            for event_id in {*unread, *(taking.cause for taking in evidence.takings.values())}:
                event = uow.chains.event(event_id)
                if event is not None:
                    evidence.events[event_id] = event
            _note_recovered(uow, page, evidence)
            _note_corrections(uow, page, evidence)
            stored = self._messages(uow, page)
            for claimed in page:
                if claimed.kind == MOVED:
                    _note_liquidation(uow, claimed.cause, evidence)
        for event_id, event in evidence.events.items():
            if self._is_above(event):
                evidence.above.add(event_id)
            elif await self._is_dead(event):
                evidence.dead.add(event_id)
        for cause, (found, signatures) in stored.items():
            judged = await self._judged(found, signatures)
            evidence.messages[found.message_id] = judged
            if cause != found.message_id:
                evidence.seizures[cause] = judged
        for command_id, signed in evidence.liquidations.items():
            evidence.lines[command_id] = await self._line_states(signed.command)
        return evidence

    def _messages(
        self, uow: UnitOfWork, page: Sequence[ClaimedEntry]
    ) -> dict[bytes, tuple[StoredMessage, dict[bytes, bytes]]]:
        found = {}
        for claimed in page:
            stem, _, stage = claimed.kind.rpartition(".")
            stored = None
            if stem in HOLD_STEMS and stage in HOLD_STAGES:
                stored = uow.outbox.get(claimed.cause)
            elif stem == LIQUIDATION:
                listed = uow.outbox.list(MessageFilter(correlation_id=claimed.cause, limit=1))
                stored = listed[0] if listed else None
            if stored is not None:
                index = self.catalog.guardian_set.index
                found[claimed.cause] = (stored, uow.outbox.signatures(stored.message_id, index))
        return found

    def _is_above(self, event: StoredEvent) -> bool:
        position = event.event.position
        chain = self.chains.get(position.chain_id)
        return chain is not None and position.block.height > chain.pinned.height

    async def _is_dead(self, event: StoredEvent) -> bool:
        position = event.event.position
        chain = self.chains.get(position.chain_id)
        if chain is None:
            return False
        header = await chain.reader.header_at(position.block.height)
        return header.block != position.block

    async def _judged(
        self, stored: StoredMessage, signatures: Mapping[bytes, bytes]
    ) -> MessageEvidence:
        message = stored.message
        has_quorum = count_signatures(message, self.catalog.guardian_set, signatures) >= (
            self.catalog.guardian_set.threshold
        )
        chain = self.chains.get(message.target_chain)
        is_unexecuted = False
        if chain is not None:
            header = await chain.reader.header_at(chain.pinned.height)
            if header.timestamp_seconds > message.message.expiry_seconds:
                is_unexecuted = not await chain.reader.is_executed(
                    message.message.vault, stored.message_id, chain.pinned
                )
        return MessageEvidence(stored, has_quorum, is_unexecuted)

    async def _line_states(self, command: object) -> tuple[CreditLineState, ...]:
        """Return the states of the credit line that the hub can have known when it decided."""
        if not isinstance(command, Liquidation):
            return ()
        chain = self.chains.get(ChainId(command.debt_chain))
        if chain is None:
            with self.live.read() as uow:
                known = uow.credit_lines.get(command.debt_chain, command.credit_line)
            return () if known is None else (known,)
        newest = await _height_at(chain, UnixSeconds(command.decided_at))
        first = max(chain.start_height, newest - LOOK_BACK_BLOCKS)
        last = min(chain.pinned.height, newest + LOOK_AHEAD_BLOCKS)
        states: dict[tuple[int, int, int], CreditLineState] = {}
        for height in range(first, last + 1):
            try:
                block = (await chain.reader.header_at(height)).block
                if block.height != height:
                    continue  # no block there
                found = await chain.reader.credit_line_state(command.credit_line, block)
            except BlockGoneError:
                continue
            key = (found.index_ray, found.last_accrued_seconds, found.rate_per_second_ray)
            states[key] = CreditLineState(
                chain_id=command.debt_chain,
                credit_line=command.credit_line,
                index_ray=found.index_ray,
                accrued_at=UnixSeconds(found.last_accrued_seconds),
                rate_per_second_ray=found.rate_per_second_ray,
                height=height,
            )
        return tuple(sorted(states.values(), key=lambda state: state.height))


def _note_takings(uow: UnitOfWork, page: Sequence[ClaimedEntry], evidence: Evidence) -> None:
    """Find the entries that deficits were booked for; each stands right behind its deficit."""
    claims = ClaimTable(uow.connection)
    for claimed in page:
        if claimed.kind == DEFICIT_BOOKED:
            taking = claims.entry(claimed.cause)
            if taking is not None:
                evidence.takings[claimed.cause] = taking


def _note_recovered(uow: UnitOfWork, page: Sequence[ClaimedEntry], evidence: Evidence) -> None:
    """Note the events that lay between the block and the final block of a stored recovery."""
    events = dict(evidence.events)
    for claimed in page:
        if claimed.kind.endswith("." + REVERSED) and claimed.cause not in events:
            event = uow.chains.event(claimed.cause)
            if event is not None:
                events[claimed.cause] = event
    chain_ids = {event.event.position.chain_id for event in events.values()}
    recoveries = {chain_id: uow.recoveries.recoveries(chain_id) for chain_id in chain_ids}
    for event_id, event in events.items():
        height = event.event.position.block.height
        for recovery in recoveries[event.event.position.chain_id]:
            target = NO_HEIGHT if recovery.target is None else recovery.target.height
            if recovery.finalized is not None and target < height <= recovery.finalized.height:
                evidence.recovered.add(event_id)


def _note_liquidation(uow: UnitOfWork, command_id: bytes, evidence: Evidence) -> None:
    command, request = uow.commands.command(command_id), uow.requests.get(command_id)
    if command is not None:
        evidence.liquidations[command_id] = command.signed
    if request is not None:
        evidence.standings[command_id] = request


def _note_corrections(uow: UnitOfWork, page: Sequence[ClaimedEntry], evidence: Evidence) -> None:
    for claimed in page:
        if claimed.kind == CORRECTION:
            try:
                stored = uow.corrections.get(claimed.cause)
            except (MessageFormatError, ValueError, TypeError, KeyError):
                continue  # what cannot be read proves nothing
            if stored is not None:
                evidence.corrections[claimed.cause] = stored.signed


async def _height_at(chain: AuditedChain, at: UnixSeconds) -> int:
    """Return the newest final block that is not after a second; the first one if all are."""
    low, high = chain.start_height, chain.pinned.height
    while low < high:
        middle = (low + high + 1) // 2
        header = await chain.reader.header_at(middle)
        if header.timestamp_seconds <= at:
            low = middle
        else:
            high = middle - 1
    return low


def count_signatures(
    message: OutboxMessage, guardian_set: GuardianSet, signatures: Mapping[bytes, bytes]
) -> int:
    """Return how many members of a guardian set really signed a message."""
    digest = attestation_digest(
        chain_id=message.target_chain,
        contract=message.message.vault,
        message_id=message.message_id,
        guardian_set_index=guardian_set.index,
    )
    signers = set()
    for signature in signatures.values():
        try:
            signers.add(recover_signer(digest, signature))
        except AttestationError:
            continue  # a signature of nobody counts for nobody
    return len(signers & set(guardian_set.members))


def message_objection(message: OutboxMessage, hub: ChainId) -> str | None:
    """Return why a message is not the one that its command asks for, or None."""
    signed = message.command
    if signed is None:
        return "the message has no command"
    canonical = message.message
    if signed.command.digest(hub) != canonical.evidence:
        return "the message's evidence is not the digest of its command"
    try:
        terms = terms_of(signed, expiry_seconds=canonical.expiry_seconds)
    except (InvariantError, MessageFormatError, ValueError) as exc:
        return str(exc)
    asked = (
        (terms.kind, terms.target_chain, terms.contract, terms.account, terms.token),
        (terms.amount_units, terms.recipient),
    )
    says = (
        (canonical.kind, message.target_chain, canonical.vault, canonical.account, canonical.token),
        (canonical.amount_units, canonical.recipient),
    )
    return None if asked == says else "the message says something else than its command"
