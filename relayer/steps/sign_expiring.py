"""Sign for a chain whose transactions expire: a new one only where no earlier one can land."""

import asyncio
from typing import Final

from chains.port import ProgramCall
from chains.sending import PriorityFee
from relayer.outbox.life import WaitReason
from relayer.steps.carrier import URGENT_FACTOR, URGENT_KIND, ExpiringCarrier
from relayer.steps.fence import Fence
from relayer.steps.sighting import sight_all
from relayer.steps.sign import Signed, Unsigned, ring_mend
from relayer.store.attempt_rows import Attempt, AttemptState, Purpose
from relayer.store.leases import Lease
from relayer.store.outbox import StoredMessage
from relayer.store.unit_of_work import Store

FAILURE_PAUSE_SECONDS: Final = 30  # after the first that failed in a block; doubles with each
FAILURE_PAUSE_SECONDS_MAX: Final = 3_600
PREPARATIONS_FREE: Final = 3  # of a delivery: opening, staging, room in a table


async def sign_expiring(
    store: Store,
    carrier: ExpiringCarrier,
    intent: tuple[StoredMessage, ProgramCall],
    lease: Lease,
    fence: Fence,
) -> Signed | Unsigned:
    """
    Return what is stored to be broadcast: the attempt that may still land, or a new one.

    While one may land its bytes are the only ones that go out. Where it has expired the next one
    offers more; where it failed in a block, the next one waits until that block is final, and
    longer each time; so does a preparation that was undone too often.

    Raises:
        CallRevertedError: the program refuses; nothing was signed.
        TransientChainError: the node cannot say what became of the earlier one.
        StateMovedError: another process was faster.
    """
    stored, call = intent
    purpose = Purpose.PREPARE if call.is_preparation else Purpose.DELIVER
    known = await asyncio.to_thread(_attempts, store, stored.message_id)
    attempts = await sight_all(store, carrier.sender, known, fence)
    mine = [attempt for attempt in attempts if attempt.purpose is purpose]
    for attempt in mine:
        if attempt.state is AttemptState.LIVE:
            return _signed(carrier, attempt, is_capped=False)
    reason = _reason_to_wait(mine, store.clock.now())
    if reason is None:
        reason = await asyncio.to_thread(_refusal, store, carrier, stored)
    if reason is not None:
        return Unsigned(reason)
    return await _sign_new(store, carrier, intent, mine, lease)


async def _sign_new(
    store: Store,
    carrier: ExpiringCarrier,
    intent: tuple[StoredMessage, ProgramCall],
    mine: list[Attempt],
    lease: Lease,
) -> Signed:
    stored, call = intent
    # Nothing waits behind another here, so the higher cap is for seizures alone.
    pricer = carrier.pricer(is_urgent=stored.message.message.kind is URGENT_KIND)
    suggested = await pricer.suggest_fee(call)
    fee, is_capped = suggested, False
    if mine and mine[-1].state is AttemptState.EXPIRED:
        old = mine[-1].transaction.fee
        fee = pricer.bump_fee(old, suggested)
        is_capped = fee.micro_lamports <= old.micro_lamports
    attempt = Attempt(
        sender=carrier.key,
        message_id=stored.message_id,
        purpose=Purpose.PREPARE if call.is_preparation else Purpose.DELIVER,
        transaction=await carrier.sender.prepare(call, _at_least(fee, mine)),
    )
    recorded = await asyncio.to_thread(_record, store, carrier, attempt, lease)
    return _signed(carrier, recorded, is_capped=is_capped)


def _at_least(fee: PriorityFee, mine: list[Attempt]) -> PriorityFee:
    """Return the fee, never below what an expired attempt offered: that was too little already."""
    expired = [one.transaction.fee for one in mine if one.state is AttemptState.EXPIRED]
    return max([fee, *expired[-1:]], key=lambda one: one.micro_lamports)


def _signed(carrier: ExpiringCarrier, attempt: Attempt, *, is_capped: bool) -> Signed:
    transaction = attempt.transaction
    return Signed(
        transaction.tx_hash, lambda: carrier.sender.broadcast(transaction), is_capped=is_capped
    )


def _attempts(store: Store, message_id: bytes) -> tuple[Attempt, ...]:
    with store.read() as uow:
        return uow.attempts.of_message(message_id)


def _reason_to_wait(mine: list[Attempt], now: int) -> WaitReason | None:
    """Return why no further transaction is signed yet, from what became of the earlier ones."""
    states = {attempt.state for attempt in mine}
    is_delivered = any(attempt.purpose is Purpose.DELIVER for attempt in mine) and states & {
        AttemptState.LANDED,
        AttemptState.FINAL,
    }
    if is_delivered:
        return WaitReason.FINALITY_AWAITED
    if AttemptState.LANDED in states:
        return WaitReason.INCLUSION_AWAITED  # what it made is not seen yet
    if AttemptState.FAILED in states:
        return WaitReason.TARGET_REVERTS
    spent = [attempt for attempt in mine if attempt.state is AttemptState.SPENT]
    if _is_pausing(spent, now):
        return WaitReason.TARGET_REVERTS
    # What was made is gone again: whoever undoes it keeps the rent that the key paid for it.
    made = [attempt for attempt in mine if attempt.state is AttemptState.FINAL]
    return WaitReason.TARGET_REVERTS if _is_pausing(made[PREPARATIONS_FREE:], now) else None


def _is_pausing(counted: list[Attempt], now: int) -> bool:
    """Return whether the pause after the last of these is not over; it doubles with each."""
    if not counted:
        return False
    pause_seconds = FAILURE_PAUSE_SECONDS << min(len(counted) - 1, 16)
    return now - counted[-1].at < min(pause_seconds, FAILURE_PAUSE_SECONDS_MAX)


def _refusal(store: Store, carrier: ExpiringCarrier, stored: StoredMessage) -> WaitReason | None:
    """Return why the limits of the key let no further transaction be signed."""
    limits = carrier.limits
    is_urgent = stored.message.message.kind is URGENT_KIND
    with store.read() as uow:
        if uow.attempts.live_count(carrier.key) < limits.in_flight_max * (
            URGENT_FACTOR if is_urgent else 1
        ):
            return None
        place = uow.send_queue.place_of(stored, limits.queued_max)
    if not is_urgent and place >= limits.queued_max:
        return WaitReason.SENDER_QUEUE_FULL
    return WaitReason.SENDS_IN_FLIGHT


def _record(store: Store, carrier: ExpiringCarrier, attempt: Attempt, lease: Lease) -> Attempt:
    """Store an attempt in a transaction of its own: only afterwards may it be broadcast."""
    with store.unit_of_work() as uow:
        recorded = uow.attempts.record(attempt, lease)
        ring_mend(uow, carrier)
    return recorded
