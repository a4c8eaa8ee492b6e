"""Reconcile: bring the journal level with the observed events of one chain."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
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
from chains.message import MessageKind
from chains.types import ChainId
from relayer.assets import UnknownTokenError
from relayer.errors import InvariantError, RefusedError
from relayer.ledger.admission import PostStatus
from relayer.ledger.chart import Side, margin_code, vault_code
from relayer.ledger.journal import JournalEntry, Phase, Posting
from relayer.outbox.life import MessageState
from relayer.reconcile.debt import DebtState
from relayer.reconcile.errors import DebtMismatchError
from relayer.reconcile.rules import (
    FINAL,
    REST,
    SEEN,
    EventContext,
    Flow,
    announce,
    postings_of,
    resolve,
    rest_of_exit,
    seen_entry_id,
    seen_postings_of,
)
from relayer.steps import projections
from relayer.steps.catalog import Catalog
from relayer.steps.deficits import cure_deficits, lend_shortfall
from relayer.steps.ending import settle_hold
from relayer.steps.fence import Fence
from relayer.steps.lock_batch import Refused, Sort, book_locks, lock_sort
from relayer.steps.observe import ring_assess
from relayer.steps.standing import debt_before
from relayer.steps.take_back import take_back
from relayer.steps.tell import tell
from relayer.store.observed_rows import Booked, EventFilter, EventState, StoredEvent
from relayer.store.outbox import StoredMessage
from relayer.store.unit_of_work import Store, UnitOfWork

EVENTS_PER_BATCH: Final = 2_000
SINGLES_PER_BATCH: Final = 1_000  # of those that are booked one after the other
MESSAGE_UNKNOWN: Final = "message_unknown"
# After that no liquidation is signed that stands before a repayment: its place is too old.
LIQUIDATION_WAIT_SECONDS: Final = 3_900
KINDS: Final[dict[type[ObservedEvent], MessageKind]] = {
    CollateralReleased: MessageKind.RELEASE,
    CollateralSeized: MessageKind.SEIZE,
    CreditGranted: MessageKind.CREDIT_GRANT,
}
LIVING: Final = (EventState.SEEN, EventState.FINAL)
Neighbours = tuple[StoredEvent, ...]
WITHOUT_EFFECT: Final = frozenset({MessageState.FAILED, MessageState.RETURNED})
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
    store: Store,
    catalog: Catalog,
    chain_id: ChainId,
    *,
    fence: Fence,
    events_max: int = EVENTS_PER_BATCH,
) -> Reconciled:
    """
    Book one batch of a chain's events, in one transaction.

    Seen events become pending entries, final ones are settled, those of a dead branch are taken
    back. An event that no rule can book is parked with its reason, and the chain goes on.
    """
    parked = handled = 0
    with store.unit_of_work() as uow:
        fence(uow)
        uow.ledger.lock()
        mark = uow.chains.booking_mark(chain_id)
        events = uow.chains.unbooked_events(chain_id, events_max)
        for sort, neighbours in _groups(events):
            book = _book_singly if sort is None else book_locks
            for stored, reason in book(uow, catalog, neighbours):
                park(uow, stored, reason)
                parked += 1
            handled += len(neighbours)
        booked = handled - parked
        if handled and events[handled - 1].state is not EventState.ORPHANED:
            uow.chains.raise_mark(mark, events[handled - 1].event.position.block.height)
        cure_deficits(uow, chain_id)
        if booked:
            ring_assess(uow)
    if booked:
        log.info("events.posted", chain_id=chain_id, events=booked)
    has_more = len(events) == events_max or handled < len(events)
    return Reconciled(booked, parked, has_more=has_more)


def _groups(events: tuple[StoredEvent, ...]) -> Iterator[tuple[Sort | None, Neighbours]]:
    """Yield neighbours of one sort, in order, up to the last single event that a batch takes."""
    singles_left = SINGLES_PER_BATCH
    for sort, group in groupby(events, key=lock_sort):
        neighbours = tuple(group)
        if sort is not None:
            yield sort, neighbours
            continue
        yield sort, neighbours[:singles_left]
        singles_left -= len(neighbours)
        if singles_left < 0:
            return


def _book_singly(uow: UnitOfWork, catalog: Catalog, group: Neighbours) -> Iterator[Refused]:
    """Book events one after the other; yield what cannot be booked, each with the reason."""
    for stored in group:
        try:
            book_event(uow, catalog, stored)
        except ParkedError as exc:
            yield stored, exc.reason


def book_event(
    uow: UnitOfWork, catalog: Catalog, stored: StoredEvent, *, told: Booked | None = None
) -> None:
    """
    Bring the journal, and what follows from it, level with the state of one event.

    Args:
        told: what integrators were told of last, where an event is booked again.

    Raises:
        ParkedError: no rule can book it now.
    """
    match stored.state:
        case EventState.SEEN:
            _announce(uow, catalog, stored, SEEN)
            booked = Booked.SOFT
        case EventState.FINAL:
            if stored.booked is Booked.SOFT:
                pending = _resolve(uow, stored, Phase.SETTLE)
                _book_rest(uow, catalog, stored, pending)
            else:
                _announce(uow, catalog, stored, FINAL)
            booked = Booked.FINAL
        case EventState.ORPHANED:
            take_back(uow, catalog, stored, post=post_entry)
            booked = Booked.VOID
        case _:
            assert_never(stored.state)
    uow.chains.mark_booked([stored.event_id], booked)
    projections.follow(uow, stored, booked, told=told)


def _announce(uow: UnitOfWork, catalog: Catalog, stored: StoredEvent, stage: str) -> None:
    message = _message_of(uow, stored)
    postings = _postings(uow, catalog, stored.event, stage)
    correlation_id = stored.event_id
    if message is not None:
        settle_hold(uow, message.message)
        correlation_id = message.message.correlation_id
    _post_first(uow, stored, postings, stage, correlation_id)


def _postings(
    uow: UnitOfWork, catalog: Catalog, event: ObservedEvent, stage: str
) -> tuple[Posting, ...]:
    """
    Return what an event moves at a stage.

    Raises:
        ParkedError: no rule can book it.
    """
    rule = seen_postings_of if stage == SEEN else postings_of
    try:
        return rule(event, _context(uow, catalog, event))
    except (UnknownTokenError, DebtMismatchError, RefusedError) as exc:
        raise ParkedError(str(exc)) from exc
    except ValueError as exc:
        raise ParkedError(f"unbookable: {exc}") from exc


def _post_first(
    uow: UnitOfWork,
    stored: StoredEvent,
    postings: tuple[Posting, ...],
    stage: str,
    correlation_id: bytes,
) -> None:
    if not postings:
        return
    entry = announce(
        stored.event,
        postings,
        stage=stage,
        revivals=stored.revivals,
        flow=Flow(correlation_id, uow.clock.now()),
    )
    if stage != SEEN and isinstance(stored.event, CollateralExited):
        lent = lend_shortfall(uow, entry)
        if lent is not None:
            post_entry(uow, lent)
    post_entry(uow, entry)


def _resolve(uow: UnitOfWork, stored: StoredEvent, phase: Phase) -> JournalEntry | None:
    """End the pending entry of an event and return it; None when the event reserved no unit."""
    pending = uow.ledger.entry(seen_entry_id(stored.event, stored.revivals))
    if pending is None:
        return None
    entry = resolve(pending.entry, phase=phase, revivals=stored.revivals, booked_at=uow.clock.now())
    post_entry(uow, entry)
    return pending.entry


def _book_rest(
    uow: UnitOfWork, catalog: Catalog, stored: StoredEvent, pending: JournalEntry | None
) -> None:
    """Book what a final exit took beyond what could be reserved while it was only seen."""
    if not isinstance(stored.event, CollateralExited):
        return
    rest = rest_of_exit(stored.event, pending)
    if rest.units:
        _post_first(uow, stored, _postings(uow, catalog, rest, REST), REST, stored.event_id)


def post_entry(uow: UnitOfWork, entry: JournalEntry) -> None:
    """
    Post an entry of an event.

    Raises:
        ParkedError: an account has less than it takes.
        InvariantError: a bug made it.
    """
    result = uow.ledger.post(entry)
    if result.is_booked:
        return
    if result.status is PostStatus.EXCEEDS_AVAILABLE:
        raise ParkedError(f"exceeds_available: {result.detail} has less than {entry.kind} takes")
    raise InvariantError(f"{entry.kind} 0x{entry.entry_id.hex()}: {result}")


def _message_of(uow: UnitOfWork, stored: StoredEvent) -> StoredMessage | None:
    """
    Return the message whose effect an event is, None for events of no message.

    Raises:
        ParkedError: the message is not in the outbox, says something else, has ended without an
            effect, or has its effect already.
    """
    event = stored.event
    if not isinstance(event, CollateralReleased | CollateralSeized | CreditGranted):
        return None
    message = uow.outbox.get(event.message_id)
    name = f"message 0x{event.message_id.hex()}"
    if message is None:
        raise ParkedError(f"{MESSAGE_UNKNOWN}: 0x{event.message_id.hex()}")
    if _expected_of(message) != _found_in(event):
        raise ParkedError(f"effect_differs: {name}")
    if message.state in WITHOUT_EFFECT:
        raise ParkedError(f"effect_unexpected: {name} is {message.state.value}")
    for other in uow.chains.events(EventFilter(message_id=event.message_id, states=LIVING)):
        if other.event_id != stored.event_id and other.booked in (Booked.SOFT, Booked.FINAL):
            raise ParkedError(f"effect_twice: {name}, first 0x{other.event_id.hex()}")
    return message


def _expected_of(stored: StoredMessage) -> tuple[object, ...]:
    """Return what the effect of a message must say."""
    message = stored.message.message
    place = (stored.message.target_chain, message.vault, message.kind, message.account)
    moved = (message.recipient, message.amount_units)
    if message.kind is MessageKind.CREDIT_GRANT:
        return (*place, *moved, message.expiry_seconds, message.nonce)
    return (*place, *moved, message.token)


def _found_in(event: CollateralReleased | CollateralSeized | CreditGranted) -> tuple[object, ...]:
    """Return what an effect says, in the order of _expected_of."""
    place = (event.position.chain_id, event.position.contract, KINDS[type(event)], event.account)
    if isinstance(event, CreditGranted):
        return (*place, event.borrower, event.limit_units, event.expiry_seconds, event.nonce)
    return (*place, event.recipient, event.units, event.token)


def _context(uow: UnitOfWork, catalog: Catalog, event: ObservedEvent) -> EventContext:
    chain_id = event.position.chain_id
    match event:
        case CollateralLocked() | CollateralReleased() | CollateralSeized():
            return EventContext(catalog.asset_of(chain_id, event.token).asset_id)
        case CollateralExited():
            asset_id = catalog.asset_of(chain_id, event.token).asset_id
            margin = uow.ledger.counters(margin_code(event.account), asset_id, chain_id)
            vault = uow.ledger.counters(vault_code(event.position.contract), asset_id, chain_id)
            return EventContext(
                asset_id,
                margin_available_units=margin.available(Side.CREDIT),
                vault_available_units=vault.available(Side.DEBIT),
            )
        case CreditGranted() | Borrowed() | Repaid():
            line = catalog.credit_line_at(chain_id, event.position.contract)
            height = event.position.block.height
            debt = debt_before(uow, line, event.account, height=height)
            payer_account = None
            if isinstance(event, Repaid):
                payer_account = payer_account_of(uow, catalog, event)
                if _lacks_liquidation(catalog, event, debt, payer_account):
                    _check_overdue(uow, event)
            return EventContext(
                line.asset_id, protocol=line.protocol, debt=debt, payer_account=payer_account
            )


def _lacks_liquidation(
    catalog: Catalog, event: Repaid, debt: DebtState, payer_account: bytes | None
) -> bool:
    """Return whether a replica was not shown what made a liquidator repay, if it took over any."""
    if not catalog.is_replica or payer_account in (None, event.account):
        return False
    return not any(part.assumer == payer_account and part.units for part in debt.assumed)


def _check_overdue(uow: UnitOfWork, event: Repaid) -> None:
    """
    Keep a liquidator's repayment back in a replica that was not shown the liquidation yet.

    Booked at once it would lower the borrower's own part, and the part that the liquidator took
    over would never end. But a liquidator may repay like anybody else: in the end it is booked so.

    Raises:
        ParkedError: the liquidation is unknown so far.
    """
    stored = uow.chains.event(event.position.event_id)
    if stored is None or not is_overdue(uow, stored):
        raise ParkedError(f"{MESSAGE_UNKNOWN}: the liquidation behind this repayment")


def is_overdue(uow: UnitOfWork, stored: StoredEvent) -> bool:
    """Return whether a repayment has waited so long that no liquidation before it can come."""
    return uow.clock.now() - stored.seen_at > LIQUIDATION_WAIT_SECONDS


def payer_account_of(uow: UnitOfWork, catalog: Catalog, event: Repaid) -> bytes | None:
    """Return the liquidator's account that a payer acts for, if it is one."""
    for liquidator in catalog.liquidators:
        if uow.accounts.is_owner(liquidator.account, event.position.chain_id, event.payer):
            return liquidator.account
    return None


def park(uow: UnitOfWork, stored: StoredEvent, reason: str) -> None:
    """Set an event aside with its reason, and say so."""
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
