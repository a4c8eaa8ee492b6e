"""Sighting: bring a transaction that expires level with what its chain says of it."""

import asyncio
from typing import Final, assert_never

import structlog

from chains.sending import Expired, ExpiringSender, Landed, Sighting, Waiting
from chains.types import BlockRef
from relayer.clock import UnixSeconds
from relayer.outbox.life import MessageState, WaitReason
from relayer.steps.fence import Fence
from relayer.steps.queues import ring_relay
from relayer.store.attempt_rows import Attempt, AttemptState, Purpose
from relayer.store.outbox import StoredMessage
from relayer.store.unit_of_work import Store, UnitOfWork

CARRIED_STATES: Final = (MessageState.ATTESTED, MessageState.SUBMITTED)
log = structlog.get_logger(__name__)


async def sight_all(
    store: Store, sender: ExpiringSender, attempts: tuple[Attempt, ...], fence: Fence
) -> tuple[Attempt, ...]:
    """
    Return attempts as they are now; what changed is stored.

    Raises:
        TransientChainError: the node cannot know; nothing is stored of that attempt.
        StateMovedError: another process was faster; the next look starts from what it wrote.
    """
    return tuple([await _sighted(store, sender, attempt, fence) for attempt in attempts])


async def _sighted(store: Store, sender: ExpiringSender, attempt: Attempt, fence: Fence) -> Attempt:
    if not attempt.is_open:
        return attempt
    seen = await sender.sighting(attempt.transaction)
    state, block, reason = _meaning(seen)
    if (state, block) == (attempt.state, attempt.block):
        return attempt
    return await asyncio.to_thread(_write, store, attempt, (state, block, reason), fence)


def _meaning(seen: Sighting) -> tuple[AttemptState, BlockRef | None, str]:
    match seen:
        case Landed(receipt, is_final) if receipt.is_success:
            state = AttemptState.FINAL if is_final else AttemptState.LANDED
            return state, receipt.block, ""
        case Landed(receipt, is_final):
            state = AttemptState.SPENT if is_final else AttemptState.FAILED
            return state, receipt.block, receipt.reason
        case Waiting():
            return AttemptState.LIVE, None, ""
        case Expired():
            return AttemptState.EXPIRED, None, ""
        case _:
            assert_never(seen)


def _write(
    store: Store,
    attempt: Attempt,
    found: tuple[AttemptState, BlockRef | None, str],
    fence: Fence,
) -> Attempt:
    state, block, reason = found
    with store.unit_of_work() as uow:
        fence(uow)
        uow.attempts.mark(attempt, state, block, reason)
        stored = uow.outbox.get(attempt.message_id)
        if stored is not None and stored.state in CARRIED_STATES:
            _tell_relay(uow, stored, attempt, state, reason)
        (now,) = (
            one
            for one in uow.attempts.of_message(attempt.message_id)
            if one.transaction.tx_hash == attempt.transaction.tx_hash
        )
    return now


def _tell_relay(
    uow: UnitOfWork, stored: StoredMessage, attempt: Attempt, state: AttemptState, reason: str
) -> None:
    """Let the message be relayed again where this attempt does not deliver it."""
    names = {
        "message_id": "0x" + attempt.message_id.hex(),
        "tx_hash": "0x" + attempt.transaction.tx_hash.hex(),
    }
    if state is AttemptState.FAILED and attempt.state is AttemptState.LIVE:
        uow.outbox.wait(
            stored.message_id,
            WaitReason.TARGET_REVERTS,
            next_attempt_at=UnixSeconds(uow.clock.now() + 1),
            detail=f"a transaction failed: {reason}",
        )
        log.error("message.reverted", **names, reason=reason)
    elif state is AttemptState.EXPIRED:
        log.warning("attempt.expired", **names, attempt=attempt.seq)
    elif attempt.state is not AttemptState.LIVE and state is AttemptState.LIVE:
        log.warning("attempt.rolled_back", **names)
    is_delivered = attempt.purpose is Purpose.DELIVER and state in (
        AttemptState.LANDED,
        AttemptState.FINAL,
    )
    if not is_delivered:
        ring_relay(uow, stored.message)
