"""Reconcile: bring the journal level with the observed events of one chain."""

from dataclasses import dataclass
from typing import Final, assert_never

import structlog

from chains.events import (
    Borrowed,
    CollateralExited,
    CollateralLocked,
    CollateralReleased,
    CollateralSeized,
    CreditGranted,
    ObservedEvent,
    Repaid,
)
from chains.types import ChainId
from relayer.assets import UnknownTokenError
from relayer.errors import InvariantError, RefusedError
from relayer.ledger.admission import PostStatus
from relayer.ledger.chart import Side, margin_code
from relayer.ledger.journal import JournalEntry, Phase
from relayer.money import AssetId
from relayer.reconcile.errors import DebtMismatchError
from relayer.reconcile.rules import (
    EventContext,
    announce,
    postings_of,
    resolve,
    seen_entry_id,
)
from relayer.steps import projections
from relayer.steps.catalog import Catalog
from relayer.steps.ending import settle_hold
from relayer.steps.fence import Fence
from relayer.steps.observe import ring_assess
from relayer.steps.position import debt_state
from relayer.steps.tell import tell
from relayer.store.observed_rows import Booked, EventState, StoredEvent
from relayer.store.outbox import StoredMessage
from relayer.store.unit_of_work import Store, UnitOfWork

EVENTS_PER_BATCH: Final = 200
MESSAGE_UNKNOWN: Final = "message_unknown"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How many events were booked or set aside, and whether there may be more."""

    booked: int
    parked: int
    has_more: bool


class ParkedError(Exception):
    """An event that cannot be booked now; the others go on."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def reconcile(
    store: Store, catalog: Catalog, chain_id: ChainId, *, fence: Fence
) -> Reconciled:
    """
    Book one batch of a chain's events, in one transaction.

    Seen events become pending entries, final ones are settled, those of a dead branch are taken
    back. An event that no rule can book is parked with its reason, and the chain goes on.
    """
    booked = parked = 0
    with store.unit_of_work() as uow:
        fence(uow)
        events = uow.chains.unbooked_events(chain_id, EVENTS_PER_BATCH)
        for stored in events:
            try:
                _book(uow, catalog, stored)
            except ParkedError as exc:
                _park(uow, stored, exc.reason)
                parked += 1
            else:
                booked += 1
        if booked:
            ring_assess(uow)
    if booked:
        log.info("events.posted", chain_id=chain_id, events=booked)
    return Reconciled(booked, parked, has_more=len(events) == EVENTS_PER_BATCH)


def _book(uow: UnitOfWork, catalog: Catalog, stored: StoredEvent) -> None:
    match stored.state:
        case EventState.SEEN:
            _announce(uow, catalog, stored, Phase.PENDING)
            booked = Booked.SOFT
        case EventState.FINAL:
            if stored.booked is Booked.SOFT:
                _resolve(uow, stored, Phase.SETTLE)
            else:
                _announce(uow, catalog, stored, Phase.POSTED)
            booked = Booked.FINAL
        case EventState.ORPHANED:
            _resolve(uow, stored, Phase.VOID)
            booked = Booked.VOID
        case _:
            assert_never(stored.state)
    uow.chains.mark_booked([stored.event_id], booked)
    projections.follow(uow, catalog, stored, booked)


def _announce(uow: UnitOfWork, catalog: Catalog, stored: StoredEvent, phase: Phase) -> None:
    event = stored.event
    message = _message_of(uow, event)
    try:
        postings = postings_of(event, _context(uow, catalog, event))
    except (UnknownTokenError, DebtMismatchError, RefusedError) as exc:
        raise ParkedError(str(exc)) from exc
    if message is not None:
        settle_hold(uow, message.message)
    if not postings:
        return
    entry = announce(
        event,
        postings,
        phase=phase,
        revivals=stored.revivals,
        correlation_id=stored.event_id if message is None else message.message.correlation_id,
        booked_at=uow.clock.now(),
    )
    _post(uow, entry)


def _resolve(uow: UnitOfWork, stored: StoredEvent, phase: Phase) -> None:
    pending = uow.ledger.entry(seen_entry_id(stored.event, stored.revivals))
    if pending is None:
        return  # it moved no unit
    entry = resolve(
        pending.entry, phase=phase, revivals=stored.revivals, booked_at=uow.clock.now()
    )
    _post(uow, entry)


def _post(uow: UnitOfWork, entry: JournalEntry) -> None:
    result = uow.ledger.post(entry)
    if result.is_booked:
        return
    if result.status is PostStatus.EXCEEDS_AVAILABLE:
        raise ParkedError(f"exceeds_available: {result.detail} has less than {entry.kind} takes")
    raise InvariantError(f"{entry.kind} 0x{entry.entry_id.hex()}: {result}")


def _message_of(uow: UnitOfWork, event: ObservedEvent) -> StoredMessage | None:
    """
    Return the message whose effect an event is, None for events of no message.

    Raises:
        ParkedError: the event names a message that is not in the outbox.
    """
    if not isinstance(event, CollateralReleased | CollateralSeized | CreditGranted):
        return None
    message = uow.outbox.get(event.message_id)
    if message is None:
        raise ParkedError(f"{MESSAGE_UNKNOWN}: 0x{event.message_id.hex()}")
    expected = message.message.message
    if isinstance(event, CreditGranted):
        return message
    if (expected.account, expected.token, expected.amount_units, expected.vault) != (
        event.account,
        event.token,
        event.units,
        event.position.contract,
    ):
        raise ParkedError(f"effect_differs: message 0x{event.message_id.hex()}")
    return message


def _context(uow: UnitOfWork, catalog: Catalog, event: ObservedEvent) -> EventContext:
    chain_id = event.position.chain_id
    match event:
        case CollateralLocked() | CollateralReleased() | CollateralSeized():
            return EventContext(catalog.asset_of(chain_id, event.token).asset_id)
        case CollateralExited():
            asset_id = catalog.asset_of(chain_id, event.token).asset_id
            return EventContext(
                asset_id,
                margin_available_units=_margin_units(uow, event.account, asset_id, chain_id),
            )
        case CreditGranted() | Borrowed() | Repaid():
            line = catalog.credit_line_at(chain_id, event.position.contract)
            payer_account = None
            if isinstance(event, Repaid):
                payer_account = _payer_account(uow, catalog, event)
            return EventContext(
                line.asset_id,
                protocol=line.protocol,
                debt=debt_state(uow, line, event.account),
                payer_account=payer_account,
            )


def _margin_units(
    uow: UnitOfWork, account: bytes, asset_id: AssetId, chain_id: ChainId
) -> int:
    counters = uow.ledger.counters(margin_code(account), asset_id, chain_id)
    return counters.available(Side.CREDIT)


def _payer_account(uow: UnitOfWork, catalog: Catalog, event: Repaid) -> bytes | None:
    """Return the liquidator's account that a payer acts for, if it is one."""
    for liquidator in catalog.liquidators:
        if uow.accounts.is_owner(liquidator.account, event.position.chain_id, event.payer):
            return liquidator.account
    return None


def _park(uow: UnitOfWork, stored: StoredEvent, reason: str) -> None:
    event = stored.event
    uow.chains.park(stored.event_id, reason)
    log.error(
        "break.found",
        chain_id=event.position.chain_id,
        event_id="0x" + stored.event_id.hex(),
        reason=reason,
    )
    tell(
        uow,
        "break.found",
        {
            "chain_id": event.position.chain_id,
            "event_id": "0x" + stored.event_id.hex(),
            "reason": reason,
        },
        account=event.account,
        correlation_id=stored.event_id,
    )
