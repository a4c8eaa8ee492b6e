"""Expire: a guardian gives back what it held for messages that can never be executed any more."""

from typing import Final

import structlog

from relayer.outbox.life import MessageEvent, MessageState, WaitReason
from relayer.steps.catalog import Catalog
from relayer.steps.give_back import return_hold
from relayer.store.observed_rows import EventFilter, EventState
from relayer.store.outbox import StoredMessage
from relayer.store.unit_of_work import UnitOfWork

# SUBMITTED too: that is where an effect leaves a message whose block was replaced.
WAITING_STATES: Final = (MessageState.DISPATCHED, MessageState.SUBMITTED, MessageState.DISPUTED)
log = structlog.get_logger(__name__)


def return_expired(uow: UnitOfWork, catalog: Catalog) -> int:
    """
    Return the holds of messages that expired without effect; return how many.

    The proof is this process's own: its newest final block of the target is later than the
    expiry, all events up to it are booked, and none of them is the message's effect. The hub asks
    the target contract itself (relayer/steps/confirm.py).
    """
    now = uow.clock.now()
    waiting = uow.outbox.in_state(*WAITING_STATES)
    expired = [stored for stored in waiting if stored.message.message.expiry_seconds < now]
    if not expired:
        return 0
    uow.ledger.lock()
    returned = 0
    for stored in expired:
        if not _is_proven(uow, catalog, stored):
            continue
        if stored.state is not MessageState.DISPUTED:
            _move(uow, stored, MessageEvent.EXPIRE, WaitReason.EXPIRY_PASSED)
        return_hold(uow, catalog, stored.message)
        _move(uow, stored, MessageEvent.PROVE_UNEXECUTED, WaitReason.PROVEN_UNEXECUTED)
        log.warning("message.returned", message_id="0x" + stored.message_id.hex())
        returned += 1
    return returned


def _is_proven(uow: UnitOfWork, catalog: Catalog, stored: StoredMessage) -> bool:
    chain_id = stored.message.target_chain
    if chain_id not in catalog.chain_ids or uow.chains.is_halted(chain_id):
        return False
    final = uow.chains.cursor(chain_id).finalized
    if final is None or uow.chains.unbooked_events(chain_id, 1):
        return False
    checkpoint = uow.chains.canonical_checkpoint(chain_id, final.height)
    if checkpoint is None or checkpoint.header.block != final:
        return False
    if checkpoint.header.timestamp_seconds <= stored.message.message.expiry_seconds:
        return False
    effects = uow.chains.events(
        EventFilter(message_id=stored.message_id, states=(EventState.SEEN, EventState.FINAL))
    )
    return not effects


def _move(uow: UnitOfWork, stored: StoredMessage, event: MessageEvent, reason: WaitReason) -> None:
    uow.outbox.move(stored.message_id, event, reason, "", uow.clock.now())
