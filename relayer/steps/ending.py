"""How a hold ends: sent, dropped, or returned on proof."""

from typing import Final

from relayer.errors import InvariantError
from relayer.ledger.journal import JournalEntry, Phase, entry_id_of
from relayer.outbox.holds import dropped_entry, returned_entry, reversal_entry, sent_entry
from relayer.outbox.message import OutboxMessage
from relayer.store.grants import GrantState
from relayer.store.unit_of_work import UnitOfWork

DROPPED: Final = "dropped"
RETURNED: Final = "returned"
MOVED: Final = "liquidation.moved"


def settle_hold(uow: UnitOfWork, message: OutboxMessage) -> bool:
    """Move what a message holds in flight; False when it was already or holds nothing."""
    hold = open_hold(uow, message)
    if hold is None:
        return False
    must_post(uow, sent_entry(hold, booked_at=uow.clock.now()))
    return True


def end_hold(uow: UnitOfWork, message: OutboxMessage, *, stage: str) -> None:
    """
    Give back what a message holds, and let its grant lapse; see relayer/steps/give_back.py.

    Args:
        stage: DROPPED gives back only what is not in flight; RETURNED that too, on proof.
    """
    hold = _hold(uow, message)
    now = uow.clock.now()
    if hold is not None:
        settled = uow.ledger.resolution(hold.entry_id)
        if settled is None:
            must_post(uow, dropped_entry(hold, booked_at=now))
        elif settled.entry.phase is Phase.SETTLE and stage == RETURNED:
            must_post(uow, returned_entry(hold, booked_at=now))
    grant = uow.grants.get(message.message_id)
    if grant is not None and grant.state is GrantState.SIGNED:
        uow.grants.set_state(message.message_id, GrantState.SIGNED, GrantState.LAPSED)


def reverse_liquidation(uow: UnitOfWork, command_id: bytes, *, stage: str) -> None:
    """Cancel what a liquidation moved, once its hold has ended; nothing where it moved nothing."""
    moved = uow.ledger.entry(entry_id_of(MOVED, command_id))
    if moved is not None:
        must_post(uow, reversal_entry(moved.entry, stage=stage, booked_at=uow.clock.now()))


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
