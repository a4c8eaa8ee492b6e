"""Exits: what an owner took beyond the margin is made good by what comes back to the margin."""

from typing import Final

from chains.events import CollateralExited
from relayer.ledger.chart import BAD_DEBT, Side, margin_code
from relayer.ledger.journal import JournalEntry, Phase, Posting, entry_id_of
from relayer.outbox.message import OutboxMessage
from relayer.store.observed_rows import Booked, EventFilter, EventState
from relayer.store.unit_of_work import UnitOfWork

COVERED: Final = "exit.covered"


def covering_entries(uow: UnitOfWork, message: OutboxMessage) -> tuple[JournalEntry, ...]:
    """
    Return what takes a returned hold from the margin again, where its owner exited meanwhile.

    An exit takes from the vault what messages under way were to take too. Such a message can never
    be executed, so its hold comes back; but the vault has nothing behind it any more, and the
    exit was booked beyond the margin, as bad debt. Without this the account would own units that
    no vault holds.
    """
    if message.hold_entry_id is None:
        return ()
    hold = uow.ledger.entry(message.hold_entry_id)
    if hold is None:
        return ()
    asset_id, chain_id = hold.entry.postings[0].asset_id, message.target_chain
    account = message.message.account
    margin = uow.ledger.counters(margin_code(account), asset_id, chain_id)
    available_units = margin.available(Side.CREDIT)
    entries = []
    for leg, event_id in enumerate(_exits(uow, message)):
        units = min(available_units, _uncovered_units(uow, event_id))
        if units <= 0:
            continue
        available_units -= units
        entries.append(
            JournalEntry(
                entry_id=entry_id_of(COVERED, message.message_id, leg),
                kind=COVERED,
                cause=message.message_id,
                phase=Phase.POSTED,
                postings=(
                    Posting(margin_code(account), asset_id, chain_id, units),
                    Posting(BAD_DEBT, asset_id, chain_id, -units),
                ),
                resolves=None,
                reversal_of=None,
                correlation_id=event_id,
                booked_at=uow.clock.now(),
            )
        )
    return tuple(entries)


def covering_of(uow: UnitOfWork, event_id: bytes) -> tuple[JournalEntry, ...]:
    """Return what made an exit good and still stands; it goes with the exit."""
    booked = [found.entry for found in uow.ledger.entries_of_correlation(event_id)]
    reversed_ids = {entry.reversal_of for entry in booked}
    return tuple(
        entry for entry in booked if entry.kind == COVERED and entry.entry_id not in reversed_ids
    )


def _exits(uow: UnitOfWork, message: OutboxMessage) -> list[bytes]:
    """Return the booked final exits of a message's account from its vault, oldest first."""
    event_filter = EventFilter(
        chain_id=message.target_chain,
        account=message.message.account,
        kinds=(CollateralExited.__name__,),
        states=(EventState.FINAL,),
    )
    return [
        stored.event_id
        for stored in uow.chains.events(event_filter)
        if isinstance(stored.event, CollateralExited)
        and stored.booked is Booked.FINAL
        and stored.event.position.contract == message.message.vault
        and stored.event.token == message.message.token
    ]


def _uncovered_units(uow: UnitOfWork, event_id: bytes) -> int:
    """Return what an exit took beyond the margin and nothing made good so far. [base units]"""
    return sum(
        posting.units
        for booked in uow.ledger.entries_of_correlation(event_id)
        for posting in booked.entry.postings
        if posting.code == BAD_DEBT
    )
