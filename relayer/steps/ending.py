"""How a hold ends, together with what hangs on it: sent, dropped, or returned on proof."""

from chains.command import Liquidation
from relayer.errors import InvariantError
from relayer.ledger.journal import JournalEntry, Phase, entry_id_of
from relayer.outbox.holds import dropped_entry, returned_entry, reversal_entry, sent_entry
from relayer.outbox.message import OutboxMessage
from relayer.steps.deficits import cure_deficits
from relayer.steps.overpaid import overpaid_entry
from relayer.store.grants import GrantState
from relayer.store.unit_of_work import UnitOfWork


def settle_hold(uow: UnitOfWork, message: OutboxMessage) -> bool:
    """Move what a message holds in flight; False when it was already or holds nothing."""
    hold = open_hold(uow, message)
    if hold is None:
        return False
    must_post(uow, sent_entry(hold, booked_at=uow.clock.now()))
    return True


def drop_hold(uow: UnitOfWork, message: OutboxMessage) -> None:
    """Give a hold back before any quorum existed, and undo the liquidation behind a seize."""
    hold = open_hold(uow, message)
    if hold is not None:
        must_post(uow, dropped_entry(hold, booked_at=uow.clock.now()))
    _undo(uow, message, stage="dropped")
    cure_deficits(uow, message.target_chain)


def return_hold(uow: UnitOfWork, message: OutboxMessage) -> None:
    """Give back what was in flight, after proof that the message can never be executed."""
    hold = _hold(uow, message)
    if hold is not None:
        settled = uow.ledger.resolution(hold.entry_id)
        now = uow.clock.now()
        if settled is None:
            must_post(uow, dropped_entry(hold, booked_at=now))
        elif settled.entry.phase is Phase.SETTLE:
            must_post(uow, returned_entry(hold, booked_at=now))
    _undo(uow, message, stage="returned")
    cure_deficits(uow, message.target_chain)


def open_hold(uow: UnitOfWork, message: OutboxMessage) -> JournalEntry | None:
    """Return the pending entry of a message while nothing ended it."""
    hold = _hold(uow, message)
    if hold is None or uow.ledger.resolution(hold.entry_id) is not None:
        return None
    return hold


def must_post(uow: UnitOfWork, entry: JournalEntry) -> None:
    """
    Post an entry that nothing but a bug can refuse.

    Raises:
        InvariantError: it was refused.
    """
    result = uow.ledger.post(entry)
    if not result.is_booked:
        raise InvariantError(f"{entry.kind} 0x{entry.entry_id.hex()}: {result}")


def _hold(uow: UnitOfWork, message: OutboxMessage) -> JournalEntry | None:
    if message.hold_entry_id is None:
        return None
    booked = uow.ledger.entry(message.hold_entry_id)
    if booked is None:
        raise InvariantError(f"message 0x{message.message_id.hex()} has no hold in the journal")
    return booked.entry


def _undo(uow: UnitOfWork, message: OutboxMessage, *, stage: str) -> None:
    grant = uow.grants.get(message.message_id)
    if grant is not None and grant.state is GrantState.SIGNED:
        uow.grants.set_state(message.message_id, GrantState.SIGNED, GrantState.LAPSED)
    if message.command is None or not isinstance(message.command.command, Liquidation):
        return
    moved = uow.ledger.entry(entry_id_of("liquidation.moved", message.message.evidence))
    if moved is not None:
        must_post(uow, reversal_entry(moved.entry, stage=stage, booked_at=uow.clock.now()))
        overpaid = overpaid_entry(uow, moved.entry)
        if overpaid is not None:
            must_post(uow, overpaid)
