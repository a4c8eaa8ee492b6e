"""Take back: undo what the journal holds of an event whose block is gone, final entries too."""

from collections.abc import Callable

from chains.events import CollateralReleased, CollateralSeized, CreditGranted
from relayer.ledger.journal import JournalEntry, Phase
from relayer.outbox.life import MessageEvent, MessageState, WaitReason
from relayer.reconcile.reversal import final_entry_ids, reversal_of_final
from relayer.reconcile.rules import resolve, seen_entry_id
from relayer.steps.catalog import Catalog
from relayer.steps.deficits import lend_shortfall
from relayer.steps.queues import ring_confirm
from relayer.store.grants import GrantState
from relayer.store.observed_rows import Booked, EventFilter, EventState, StoredEvent
from relayer.store.unit_of_work import UnitOfWork

Post = Callable[[UnitOfWork, JournalEntry], None]


def take_back(uow: UnitOfWork, catalog: Catalog, stored: StoredEvent, *, post: Post) -> None:
    """
    End the pending entry of an event, or reverse its final ones; nothing is deleted.

    What the journal holds decides, not what the event's row says of it.

    Args:
        post: books an entry, or raises what sets the event aside.
    """
    final_ids = final_entry_ids(stored.event, stored.revivals)
    finals = [booked for entry_id in final_ids if (booked := uow.ledger.entry(entry_id))]
    if not finals:
        pending = uow.ledger.entry(seen_entry_id(stored.event, stored.revivals))
        if pending is not None:
            now = uow.clock.now()
            void = resolve(pending.entry, phase=Phase.VOID, revivals=stored.revivals, booked_at=now)
            post(uow, void)
    for booked in finals:
        _reverse(uow, booked.entry, post)
    was_final = bool(finals) or stored.booked is Booked.FINAL  # a grant has no entry
    if was_final and isinstance(
        stored.event, CollateralReleased | CollateralSeized | CreditGranted
    ):
        _recall(uow, catalog, stored.event)


def _reverse(uow: UnitOfWork, entry: JournalEntry, post: Post) -> None:
    """Cancel a final entry; what its margin account no longer has, the hub bears for now."""
    reversal = reversal_of_final(entry, booked_at=uow.clock.now())
    lent = lend_shortfall(uow, reversal)
    if lent is not None:
        post(uow, lent)
    post(uow, reversal)


def _recall(
    uow: UnitOfWork,
    catalog: Catalog,
    event: CollateralReleased | CollateralSeized | CreditGranted,
) -> None:
    """
    Let a message whose final effect is gone wait for another effect, or for the proof of none.

    Its signatures exist, so it may execute again on the new branch; nothing is given back.
    """
    stored = uow.outbox.get(event.message_id)
    if stored is not None and stored.state is MessageState.CONFIRMED:
        place = f"{event.position.chain_id} {event.position.block.height}"
        now = uow.clock.now()
        uow.outbox.move(
            event.message_id, MessageEvent.RECOVER, WaitReason.BLOCK_REORGED, place, now
        )
        if not catalog.is_replica:
            ring_confirm(uow, stored.message, uow.clock.now())
    if isinstance(event, CreditGranted):
        _recall_grant(uow, event)


def _recall_grant(uow: UnitOfWork, event: CreditGranted) -> None:
    """
    Count a grant as signed again, and those that it had replaced as they were without it.

    The newest one that is still final on the chain is in force; those after it may arrive yet.
    """
    grant = uow.grants.get(event.message_id)
    if grant is None or grant.state is not GrantState.GRANTED:
        return
    uow.grants.set_state(grant.message_id, GrantState.GRANTED, GrantState.SIGNED)
    replaced = [
        other
        for other in uow.grants.of_account(grant.account)
        if (other.chain_id, other.credit_line) == (grant.chain_id, grant.credit_line)
        and other.state is GrantState.REPLACED
        and other.nonce < grant.nonce
    ]
    for other in sorted(replaced, key=lambda found: found.nonce, reverse=True):
        is_final = bool(uow.chains.events(_final_effects(other.message_id)))
        state = GrantState.GRANTED if is_final else GrantState.SIGNED
        uow.grants.set_state(other.message_id, GrantState.REPLACED, state)
        if is_final:
            return


def _final_effects(message_id: bytes) -> EventFilter:
    return EventFilter(message_id=message_id, states=(EventState.FINAL,), limit=1)
