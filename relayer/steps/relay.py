"""Relay: carry an attested message to its target. The nonce and the bytes are stored first."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from chains.attestation import assemble_attestation
from chains.errors import (
    CallRevertedError,
    FeeTooLowError,
    GasFundsError,
    PermanentChainError,
)
from relayer.clock import UnixSeconds
from relayer.errors import StateMovedError
from relayer.outbox.life import MessageEvent, MessageState, WaitReason
from relayer.steps.carrier import Carrier, take_lease
from relayer.steps.catalog import Catalog
from relayer.steps.fence import Fence
from relayer.steps.queues import ATTEST, CONFIRM, relay_queue
from relayer.steps.sign import Intent, Signed, Unsigned, free, sign
from relayer.steps.tell import tell
from relayer.store.leases import Lease
from relayer.store.outbox import StoredMessage
from relayer.store.send_rows import SendState
from relayer.store.unit_of_work import Store

DELIVER_ROLE: Final = "deliver"
CARRIED_STATES: Final = (MessageState.ATTESTED, MessageState.SUBMITTED)
REFUSAL_REASONS: Final[dict[type[PermanentChainError], WaitReason]] = {
    GasFundsError: WaitReason.GAS_FUNDS_LOW,
}
QUEUE_REASONS: Final = (WaitReason.SENDS_IN_FLIGHT, WaitReason.SENDER_QUEUE_FULL)
# Reasons that a broadcast which the node takes does away with.
PASSING_REASONS: Final = (WaitReason.FEE_ABOVE_CAP, WaitReason.GAS_FUNDS_LOW)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RelayOutcome:
    """Where the message stands; is_open: try again later, for the reason."""

    state: MessageState
    is_open: bool
    reason: WaitReason


async def relay(
    store: Store, catalog: Catalog, carrier: Carrier, message_id: bytes, *, fence: Fence
) -> RelayOutcome:
    """
    Submit a message, or broadcast again what was signed for it before.

    A message that the target has executed already counts as done: its event settles it.

    Raises:
        TransientChainError: the node failed; nothing is lost, the same bytes go again.
        StateMovedError: the message is unknown.
    """
    stored, signatures = await asyncio.to_thread(_read, store, catalog, message_id)
    if stored.state not in CARRIED_STATES:
        return await asyncio.to_thread(_unneeded, store, carrier, stored, stored.reason)
    if await carrier.bridge.status(stored.message.message, None):
        reason = WaitReason.FINALITY_AWAITED
        return await asyncio.to_thread(_unneeded, store, carrier, stored, reason)
    if len(signatures) < catalog.guardian_set.threshold:
        await asyncio.to_thread(_attest_again, store, stored, fence)
        return RelayOutcome(stored.state, True, WaitReason.SIGNATURES_MISSING)
    attestation = assemble_attestation(message_id, catalog.guardian_set, signatures)
    call = carrier.bridge.deliver(stored.message.message, attestation)[0]
    try:
        return await _carry(store, carrier, Intent(stored, call), fence=fence)
    except CallRevertedError as exc:
        await asyncio.to_thread(_wait, store, stored, WaitReason.TARGET_REVERTS, exc.reason, fence)
        return RelayOutcome(stored.state, True, WaitReason.TARGET_REVERTS)


async def _carry(store: Store, carrier: Carrier, intent: Intent, *, fence: Fence) -> RelayOutcome:
    """Sign and broadcast; what the node finds too cheap is replaced and broadcast once more."""
    try:
        return await _send(store, carrier, intent, is_refused=False, fence=fence)
    except FeeTooLowError:
        stored = await asyncio.to_thread(_again, store, intent.stored)
        intent = Intent(stored, intent.call)
    try:
        return await _send(store, carrier, intent, is_refused=True, fence=fence)
    except FeeTooLowError as exc:
        return await _refused(store, intent.stored, exc, fence=fence)


def _again(store: Store, stored: StoredMessage) -> StoredMessage:
    with store.read() as uow:
        return uow.outbox.get(stored.message_id) or stored


async def _send(
    store: Store,
    carrier: Carrier,
    intent: Intent,
    *,
    is_refused: bool,
    fence: Fence,
) -> RelayOutcome:
    stored = intent.stored
    async with carrier.gate:
        lease = await asyncio.to_thread(take_lease, store, carrier)
        if lease is None:
            return RelayOutcome(stored.state, True, WaitReason.SENDER_BUSY)
        signed = await sign(store, carrier, intent, lease, is_refused=is_refused)
    if isinstance(signed, Unsigned):
        await asyncio.to_thread(_queued, store, stored, signed.reason, fence)
        is_open = signed.reason is not WaitReason.FINALITY_AWAITED
        return RelayOutcome(stored.state, is_open, signed.reason)
    state = await asyncio.to_thread(_submitted, store, stored, signed, lease, fence=fence)
    if signed.is_capped:
        await asyncio.to_thread(_capped, store, stored, state, fence)
    try:
        await carrier.sender.broadcast(signed.transaction)
    except FeeTooLowError:
        if signed.is_capped:
            return RelayOutcome(state, True, WaitReason.FEE_ABOVE_CAP)
        raise
    except PermanentChainError as exc:
        return await _refused(store, stored, exc, fence=fence)
    if signed.is_capped:
        return RelayOutcome(state, True, WaitReason.FEE_ABOVE_CAP)
    log.info(
        "message.submitted",
        message_id="0x" + stored.message_id.hex(),
        tx_hash="0x" + signed.transaction.tx_hash.hex(),
    )
    if state is stored.state and stored.reason in PASSING_REASONS:
        reason = WaitReason.INCLUSION_AWAITED
        await asyncio.to_thread(_wait, store, stored, reason, "sent again", fence)
    return RelayOutcome(state, False, WaitReason.INCLUSION_AWAITED)


async def _refused(
    store: Store,
    stored: StoredMessage,
    error: PermanentChainError,
    *,
    fence: Fence,
) -> RelayOutcome:
    message_id = "0x" + stored.message_id.hex()
    # A fee that the market overtook while it was signed is raised again by itself.
    say = log.warning if isinstance(error, FeeTooLowError) else log.error
    say("message.refused", message_id=message_id, reason=str(error))
    reason = REFUSAL_REASONS.get(type(error), WaitReason.INCLUSION_AWAITED)
    await asyncio.to_thread(_wait, store, stored, reason, str(error), fence)
    return RelayOutcome(MessageState.SUBMITTED, True, reason)


def _queued(store: Store, stored: StoredMessage, reason: WaitReason, fence: Fence) -> None:
    """Say once that the message waits for earlier ones of the same key."""
    if reason in QUEUE_REASONS and stored.reason is not reason:
        _wait(store, stored, reason, "earlier messages use the sending key", fence)


def _capped(store: Store, stored: StoredMessage, state: MessageState, fence: Fence) -> None:
    """Say once that only a person, or a cheaper market, lets the message go on."""
    if stored.reason is not WaitReason.FEE_ABOVE_CAP:
        message_id = "0x" + stored.message_id.hex()
        reason = WaitReason.FEE_ABOVE_CAP.value
        log.error("message.waited", message_id=message_id, reason=reason)
        with store.unit_of_work() as uow:
            fence(uow)
            tell(
                uow,
                "message.state",
                {"message_id": message_id, "state": state.value, "reason": reason},
                account=stored.message.message.account,
                correlation_id=stored.message.correlation_id,
            )
    detail = "its fees are at the cap of the sending key"
    _wait(store, stored, WaitReason.FEE_ABOVE_CAP, detail, fence)


def _read(
    store: Store, catalog: Catalog, message_id: bytes
) -> tuple[StoredMessage, dict[bytes, bytes]]:
    with store.read() as uow:
        stored = uow.outbox.get(message_id)
        if stored is None:
            raise StateMovedError(what=f"message 0x{message_id.hex()}", expected="stored")
        return stored, uow.outbox.signatures(message_id, catalog.guardian_set.index)


def _unneeded(
    store: Store, carrier: Carrier, stored: StoredMessage, reason: WaitReason
) -> RelayOutcome:
    """Nothing is to be sent any more: a nonce kept for it would hold up all later ones."""
    key = carrier.key
    with store.read() as uow:
        rows = uow.nonces.rows_of_message(stored.message_id)
    unused = [row for row in rows if row.sender == key and row.state is SendState.RESERVED]
    if unused:
        lease = take_lease(store, carrier)
        if lease is None:
            return RelayOutcome(stored.state, True, WaitReason.SENDER_BUSY)
        for row in unused:
            free(store, row, lease)
    return RelayOutcome(stored.state, False, reason)


def _attest_again(store: Store, stored: StoredMessage, fence: Fence) -> None:
    """Ask the guardians again: their set changed after the quorum."""
    with store.unit_of_work() as uow:
        fence(uow)
        uow.jobs.ring(
            ATTEST,
            stored.message_id.hex(),
            ATTEST,
            uow.clock.now(),
            stored.message.correlation_id,
        )


def _submitted(
    store: Store, stored: StoredMessage, signed: Signed, lease: Lease, *, fence: Fence
) -> MessageState:
    """Keep the hash with the message; nobody broadcasts who lost the key since it signed."""
    transaction = signed.transaction
    with store.unit_of_work() as uow:
        fence(uow)
        uow.leases.check(lease.name, lease.token)
        now = uow.clock.now()
        uow.outbox.add_transaction(
            stored.message_id, transaction.chain_id, transaction.tx_hash, DELIVER_ROLE
        )
        current = uow.outbox.get(stored.message_id)
        state = stored.state if current is None else current.state
        if state is MessageState.ATTESTED:
            state = uow.outbox.move(
                stored.message_id,
                MessageEvent.SUBMIT,
                WaitReason.INCLUSION_AWAITED,
                "0x" + transaction.tx_hash.hex(),
                now,
            )
        uow.jobs.ring(
            CONFIRM,
            stored.message_id.hex(),
            relay_queue(stored.message.target_chain),
            UnixSeconds(now + 1),
            stored.message.correlation_id,
        )
        return state


def _wait(
    store: Store, stored: StoredMessage, reason: WaitReason, detail: str, fence: Fence
) -> None:
    with store.unit_of_work() as uow:
        fence(uow)
        now = uow.clock.now()
        uow.outbox.wait(
            stored.message_id, reason, next_attempt_at=UnixSeconds(now + 1), detail=detail
        )
        uow.jobs.ring(
            CONFIRM,
            stored.message_id.hex(),
            relay_queue(stored.message.target_chain),
            UnixSeconds(now + 1),
            stored.message.correlation_id,
        )
