"""Rebook: what was learned late is booked in its place, and what follows it booked again."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from chains.command import LinkOwner, OpenAccount
from chains.events import Borrowed, Repaid
from relayer.errors import NotYetError, RefusedError
from relayer.steps import projections
from relayer.steps.catalog import Catalog, CreditLine
from relayer.steps.reconcile import (
    MESSAGE_UNKNOWN,
    ParkedError,
    book_event,
    is_overdue,
    park,
    payer_account_of,
    post_entry,
)
from relayer.steps.reread import DENIED
from relayer.steps.take_back import take_back
from relayer.store.observed_rows import Booked, EventState, StoredEvent
from relayer.store.unit_of_work import UnitOfWork

LAST_LOG = 2**63 - 1
STANDING = (Booked.SOFT, Booked.FINAL)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """
    A place among the events of one account's debt at one credit line: behind an event.

    Args:
        behind: (height, log index) of that event.
    """

    line: CreditLine
    account: bytes
    behind: tuple[int, int]


def behind_block(line: CreditLine, account: bytes, height: int) -> Place:
    """Return the place behind all events of a block."""
    return Place(line, account, (height, LAST_LOG))


@contextmanager
def in_place(uow: UnitOfWork, catalog: Catalog, place: Place) -> Iterator[None]:
    """
    Let the caller book at a place of a debt, whatever is booked behind it already.

    What is behind it is taken back before, newest first, and booked again after, in the order of
    the chain, all in the caller's transaction. Nothing is deleted: each entry that is taken back
    is voided or reversed by one that is linked to it. In a replica what was parked behind the
    place is tried again too. Integrators are told of a stage once, unless it is parked meanwhile.

    Raises:
        NotYetError: events of the debt before the place are in no entry yet.
    """
    _check_booked(uow, place)
    with taken_out(uow, catalog, place):
        yield


@contextmanager
def taken_out(uow: UnitOfWork, catalog: Catalog, place: Place) -> Iterator[None]:
    """Do the same for a caller who undoes what stands there: it waits for no event before it."""
    was = _set_aside(uow, catalog, place)
    yield
    _book_again(uow, catalog, place, was)


def _check_booked(uow: UnitOfWork, place: Place) -> None:
    line = place.line
    if uow.debt_events.waits_before(
        line.chain_id, contract=line.contract, account=place.account, place=place.behind
    ):
        raise NotYetError(
            reason="behind", detail=f"{line.chain_id}: events of the debt are not booked"
        )


def _set_aside(uow: UnitOfWork, catalog: Catalog, place: Place) -> dict[bytes, Booked]:
    """Take back what is booked behind a place; return what was booked of each event."""
    was = {}
    for stored in reversed(_events_behind(uow, place)):
        if stored.booked not in STANDING:
            continue
        if stored.state is EventState.ORPHANED:
            book_event(uow, catalog, stored)
            continue
        was[stored.event_id] = stored.booked
        take_back(uow, catalog, stored, post=post_entry)
        uow.debt_events.reopen(stored.event_id)
        if isinstance(stored.event, Borrowed | Repaid):
            projections.follow_debt(uow, stored.event, Booked.VOID)
    return was


def _book_again(uow: UnitOfWork, catalog: Catalog, place: Place, was: dict[bytes, Booked]) -> None:
    for found in _events_behind(uow, place):
        stored = found
        if _is_waiting(catalog, stored):
            uow.chains.unpark(stored.event_id)
            stored = uow.chains.event(stored.event_id) or stored
        if stored.state is EventState.ORPHANED or stored.booked is not Booked.NONE:
            continue
        try:
            book_event(uow, catalog, stored, told=was.get(stored.event_id))
        except ParkedError as exc:
            park(uow, stored, exc.reason)
    if was:
        log.info(
            "events.rebooked",
            chain_id=place.line.chain_id,
            account="0x" + place.account.hex(),
            events=len(was),
        )


def payer_of(command: OpenAccount | LinkOwner) -> bytes:
    """Return the address that a command makes an owner."""
    return command.opener if isinstance(command, OpenAccount) else command.owner


def rebook_payer(uow: UnitOfWork, catalog: Catalog, payer: bytes) -> int:
    """
    Book again what an address repaid that is now known as a liquidator's; return how many debts.

    Call while the ledger is locked, after the address was stored as an owner.
    """
    return _book_from(
        uow,
        catalog,
        (
            stored
            for stored in uow.debt_events.repayments_by(payer)
            if isinstance(stored.event, Repaid)
            and stored.booked in STANDING
            and payer_account_of(uow, catalog, stored.event) not in (None, stored.event.account)
        ),
    )


def book_overdue(uow: UnitOfWork, catalog: Catalog) -> int:
    """
    Book what a replica kept back for a liquidation that can come no more; return how many debts.

    What followed it and was set aside is booked with it. Should an executed liquidation be shown
    after all, it is booked in its place as ever.
    """
    if not catalog.is_replica or not _overdue(uow):
        return 0
    uow.ledger.lock()
    return _book_from(uow, catalog, _overdue(uow))


def _overdue(uow: UnitOfWork) -> list[StoredEvent]:
    waiting = uow.chains.parked_events(reason_prefix=MESSAGE_UNKNOWN)
    return [
        stored
        for stored in waiting
        if isinstance(stored.event, Repaid)
        and stored.state is not EventState.ORPHANED
        and is_overdue(uow, stored)
    ]


def _book_from(uow: UnitOfWork, catalog: Catalog, repayments: Iterable[StoredEvent]) -> int:
    """Book each debt again from the first of its repayments; return how many debts."""
    first: dict[tuple[str, bytes, bytes], Place] = {}
    for stored in repayments:
        event, position = stored.event, stored.event.position
        try:
            line = catalog.credit_line_at(position.chain_id, position.contract)
        except RefusedError:
            continue
        behind = (position.block.height, position.log_index - 1)
        key = (position.chain_id, position.contract, event.account)
        first.setdefault(key, Place(line, event.account, behind))
    for place in first.values():
        with in_place(uow, catalog, place):
            pass
    return len(first)


def _events_behind(uow: UnitOfWork, place: Place) -> tuple[StoredEvent, ...]:
    return uow.debt_events.behind(
        place.line.chain_id,
        contract=place.line.contract,
        account=place.account,
        place=place.behind,
    )


def _is_waiting(catalog: Catalog, stored: StoredEvent) -> bool:
    """Return whether an event was set aside for what a replica may have been shown now."""
    if not catalog.is_replica or stored.booked is not Booked.PARKED:
        return False
    return not (stored.parked_reason or "").startswith(DENIED)
