"""Gate: what a message passes before any guardian is asked about it."""

from dataclasses import dataclass
from typing import Final

import structlog

from relayer.clock import UnixSeconds
from relayer.errors import StateMovedError
from relayer.outbox.life import MessageEvent, MessageState, WaitReason
from relayer.outbox.message import OutboxMessage
from relayer.steps.brakes import Stop, leaving_of_message, stop_of
from relayer.steps.catalog import Catalog
from relayer.steps.fence import Fence
from relayer.steps.govern import abandon, govern
from relayer.steps.queues import ring_confirm
from relayer.store.outbox import StoredMessage
from relayer.store.unit_of_work import Store, UnitOfWork

UNASKED_STATES: Final = (MessageState.PENDING, MessageState.DISPATCHED)
LOOK_SECONDS_MAX: Final = 60
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Why no guardian is asked now. delay_seconds: when to look again, None for the usual time."""

    state: MessageState
    is_open: bool
    reason: WaitReason
    delay_seconds: int | None = None


def pass_gate(store: Store, catalog: Catalog, message_id: bytes, fence: Fence) -> HeldBack | None:
    """
    Return what holds a message back, None where guardians may be asked.

    A message that no guardian was shown is judged by the governor too, and is DISPATCHED before
    anybody is asked: whoever finds it PENDING knows that nobody can have signed it.

    Raises:
        StateMovedError: the message is unknown.
    """
    with store.read() as uow:
        stored = _stored(uow, message_id)
        stop = message_stop(uow, catalog, stored.message)
    if stored.state is not MessageState.PENDING and stop is None:
        return None
    if stored.state not in UNASKED_STATES and stop is not None:
        return HeldBack(stored.state, True, stop.reason)
    with store.unit_of_work() as uow:
        fence(uow)
        uow.ledger.lock()
        return _pass(uow, catalog, _stored(uow, message_id))


def message_stop(uow: UnitOfWork, catalog: Catalog, message: OutboxMessage) -> Stop | None:
    """Return what stops a stored message now, values aside; it may have no command."""
    command = None if message.command is None else message.command.command
    return stop_of(uow, leaving_of_message(catalog, message.message, command))


def expire_unattested(uow: UnitOfWork, message: OutboxMessage) -> MessageState:
    """No quorum in time: what is held comes back once a final block proves that nothing ran."""
    now = uow.clock.now()
    state = uow.outbox.move(
        message.message_id, MessageEvent.EXPIRE, WaitReason.EXPIRY_PASSED, "no quorum in time", now
    )
    ring_confirm(uow, message, now)
    return state


def _pass(uow: UnitOfWork, catalog: Catalog, stored: StoredMessage) -> HeldBack | None:
    now = uow.clock.now()
    message = stored.message
    is_over = now > message.message.expiry_seconds
    if is_over and stored.state is MessageState.PENDING and abandon(uow, message.message_id):
        # Nobody was shown it, so nobody must learn of it; the proof gives back what it holds.
        return HeldBack(expire_unattested(uow, message), False, WaitReason.EXPIRY_PASSED)
    stop = message_stop(uow, catalog, message)
    if stop is None and stored.state is MessageState.PENDING and not is_over:
        stop = govern(uow, catalog, message)
    if stop is None:
        if stored.state is MessageState.PENDING:
            uow.outbox.move(
                message.message_id, MessageEvent.DISPATCH, WaitReason.SIGNATURES_MISSING, "", now
            )
        return None
    if stored.state not in UNASKED_STATES:
        return HeldBack(stored.state, True, stop.reason)
    if is_over:
        return HeldBack(expire_unattested(uow, message), True, WaitReason.EXPIRY_PASSED)
    delay_seconds = _delay_seconds(stop, now)
    uow.outbox.wait(
        message.message_id,
        stop.reason,
        next_attempt_at=UnixSeconds(now + (delay_seconds or 1)),
        detail=stop.detail,
    )
    if stored.reason is not stop.reason:
        log.warning(
            "message.waited",
            message_id="0x" + message.message_id.hex(),
            reason=stop.reason.value,
            detail=stop.detail,
        )
    return HeldBack(stored.state, True, stop.reason, delay_seconds)


def _delay_seconds(stop: Stop, now: UnixSeconds) -> int | None:
    """Return when to look again: when there may be room, and each minute at least."""
    if stop.reason is WaitReason.GOVERNOR_HELD:
        return LOOK_SECONDS_MAX  # its price may change; who releases it rings for it
    if stop.until is None:
        return None
    return max(1, min(LOOK_SECONDS_MAX, stop.until - now))


def _stored(uow: UnitOfWork, message_id: bytes) -> StoredMessage:
    stored = uow.outbox.get(message_id)
    if stored is None:
        raise StateMovedError(what=f"message 0x{message_id.hex()}", expected="stored")
    return stored
