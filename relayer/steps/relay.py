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
from chains.port import ContractCall, ProgramCall
from relayer.clock import UnixSeconds
from relayer.errors import InvariantError, StateMovedError
from relayer.outbox.life import MessageEvent, MessageState, WaitReason
from relayer.steps.brakes import Stop
from relayer.steps.carrier import AnyCarrier, Carrier, ExpiringCarrier, take_lease
from relayer.steps.catalog import Catalog
from relayer.steps.fence import Fence
from relayer.steps.gate import message_stop
from relayer.steps.queues import ATTEST, ring_confirm
from relayer.steps.sign import Intent, Signed, Unsigned, free, sign
from relayer.steps.sign_expiring import sign_expiring
from relayer.steps.tell import tell
from relayer.store.leases import Lease
from relayer.store.outbox import StoredMessage
from relayer.store.send_rows import SendState
from relayer.store.unit_of_work import Store, UnitOfWork

DELIVER_ROLE: Final = "deliver"
PREPARE_ROLE: Final = "prepare"
CARRIED_STATES: Final = (MessageState.ATTESTED, MessageState.SUBMITTED)
REFUSAL_REASONS: Final[dict[type[PermanentChainError], WaitReason]] = {
    GasFundsError: WaitReason.GAS_FUNDS_LOW,
}
QUEUE_REASONS: Final = (WaitReason.SENDS_IN_FLIGHT, WaitReason.SENDER_QUEUE_FULL)
# Reasons that a broadcast which the node takes does away with.
PASSING_REASONS: Final = (WaitReason.FEE_ABOVE_CAP, WaitReason.GAS_FUNDS_LOW)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Way:
    """What every part of the step needs."""

    store: Store
    catalog: Catalog
    carrier: AnyCarrier
    fence: Fence


@dataclass(frozen=True, slots=True)
class RelayOutcome:
    """Where the message stands; is_open: try again later, for the reason."""

    state: MessageState
    is_open: bool
    reason: WaitReason


async def relay(
    store: Store, catalog: Catalog, carrier: AnyCarrier, message_id: bytes, *, fence: Fence
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
        done = WaitReason.FINALITY_AWAITED
        return await asyncio.to_thread(_unneeded, store, carrier, stored, done)
    if len(signatures) < catalog.guardian_set.threshold:
        await asyncio.to_thread(_attest_again, store, stored, fence)
        return RelayOutcome(stored.state, True, WaitReason.SIGNATURES_MISSING)
    attestation = assemble_attestation(message_id, catalog.guardian_set, signatures)
    way = _Way(store, catalog, carrier, fence)
    reason = await asyncio.to_thread(_stopped, way, stored)
    if reason is not None:
        return RelayOutcome(stored.state, True, reason)
    calls = await carrier.bridge.deliver(stored.message.message, attestation)
    try:
        return await _carry(way, Intent(stored, calls[0]))
    except CallRevertedError as exc:
        await asyncio.to_thread(_wait, store, stored, WaitReason.TARGET_REVERTS, exc.reason, fence)
        return RelayOutcome(stored.state, True, WaitReason.TARGET_REVERTS)
    except GasFundsError as exc:  # while it was signed; nothing was sent
        return await _refused(way, stored, exc, stored.state)


async def _carry(way: _Way, intent: Intent) -> RelayOutcome:
    """Sign and broadcast; what the node finds too cheap is replaced and broadcast once more."""
    try:
        return await _send(way, intent, is_refused=False)
    except FeeTooLowError:
        stored = await asyncio.to_thread(_again, way.store, intent.stored)
        intent = Intent(stored, intent.call)
    try:
        return await _send(way, intent, is_refused=True)
    except FeeTooLowError as exc:
        return await _refused(way, intent.stored, exc)


def _again(store: Store, stored: StoredMessage) -> StoredMessage:
    with store.read() as uow:
        return uow.outbox.get(stored.message_id) or stored


async def _send(way: _Way, intent: Intent, *, is_refused: bool) -> RelayOutcome:
    stored, carrier = intent.stored, way.carrier
    async with carrier.gate:
        lease = await asyncio.to_thread(take_lease, way.store, carrier)
        if lease is None:
            return RelayOutcome(stored.state, True, WaitReason.SENDER_BUSY)
        signed = await _sign(way, intent, lease, is_refused=is_refused)
    if isinstance(signed, Unsigned):
        await asyncio.to_thread(_queued, way.store, stored, signed.reason, way.fence)
        is_open = signed.reason is not WaitReason.FINALITY_AWAITED
        return RelayOutcome(stored.state, is_open, signed.reason)
    state = await asyncio.to_thread(_submitted, way, intent, signed, lease)
    if isinstance(state, WaitReason):
        # Signed and stored, not sent: the same bytes go once the brake is off.
        return RelayOutcome(stored.state, True, state)
    return await _broadcast(way, stored, signed, state)


async def _sign(way: _Way, intent: Intent, lease: Lease, *, is_refused: bool) -> Signed | Unsigned:
    match way.carrier, intent.call:
        case Carrier() as carrier, ContractCall() as call:
            what = (intent.stored, call)
            return await sign(way.store, carrier, what, lease, is_refused=is_refused)
        case ExpiringCarrier() as expiring, ProgramCall() as program_call:
            return await sign_expiring(
                way.store, expiring, (intent.stored, program_call), lease, way.fence
            )
        case _:
            raise InvariantError("the bridge's calls are not for the family of its chain")


async def _broadcast(
    way: _Way, stored: StoredMessage, signed: Signed, state: MessageState
) -> RelayOutcome:
    if signed.is_capped:
        await asyncio.to_thread(_capped, way.store, stored, state, way.fence)
    try:
        await signed.broadcast()
    except FeeTooLowError:
        if signed.is_capped:
            return RelayOutcome(state, True, WaitReason.FEE_ABOVE_CAP)
        raise
    except PermanentChainError as exc:
        return await _refused(way, stored, exc)
    if signed.is_capped:
        return RelayOutcome(state, True, WaitReason.FEE_ABOVE_CAP)
    log.info(
        "message.submitted",
        message_id="0x" + stored.message_id.hex(),
        tx_hash="0x" + signed.tx_hash.hex(),
    )
    if state is stored.state and stored.reason in PASSING_REASONS:
        reason = WaitReason.INCLUSION_AWAITED
        await asyncio.to_thread(_wait, way.store, stored, reason, "sent again", way.fence)
    return RelayOutcome(state, False, WaitReason.INCLUSION_AWAITED)


def _stopped(way: _Way, stored: StoredMessage) -> WaitReason | None:
    """Return why nothing may be signed for a message now; None where nothing stops it."""
    with way.store.read() as uow:
        stop = message_stop(uow, way.catalog, stored.message)
    if stop is None:
        return None
    with way.store.unit_of_work() as uow:
        way.fence(uow)
        return _held_back(uow, stored, stop)


def _held_back(uow: UnitOfWork, stored: StoredMessage, stop: Stop) -> WaitReason:
    uow.outbox.wait(
        stored.message_id,
        stop.reason,
        next_attempt_at=UnixSeconds(uow.clock.now() + 1),
        detail=stop.detail,
    )
    return stop.reason


async def _refused(
    way: _Way,
    stored: StoredMessage,
    error: PermanentChainError,
    state: MessageState = MessageState.SUBMITTED,
) -> RelayOutcome:
    message_id = "0x" + stored.message_id.hex()
    # A fee that the market overtook while it was signed is raised again by itself.
    say = log.warning if isinstance(error, FeeTooLowError) else log.error
    say("message.refused", message_id=message_id, reason=str(error))
    reason = REFUSAL_REASONS.get(type(error), WaitReason.INCLUSION_AWAITED)
    await asyncio.to_thread(_wait, way.store, stored, reason, str(error), way.fence)
    return RelayOutcome(state, True, reason)


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
    store: Store, carrier: AnyCarrier, stored: StoredMessage, reason: WaitReason
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
    way: _Way, intent: Intent, signed: Signed, lease: Lease
) -> MessageState | WaitReason:
    """
    Keep the hash with the message, unless a brake stops it.

    Nobody broadcasts who lost the key since it signed.
    """
    stored, chain_id = intent.stored, way.carrier.sender.chain_id
    is_preparation = isinstance(intent.call, ProgramCall) and intent.call.is_preparation
    role = PREPARE_ROLE if is_preparation else DELIVER_ROLE
    with way.store.unit_of_work() as uow:
        way.fence(uow)
        stop = message_stop(uow, way.catalog, stored.message)
        if stop is not None:
            return _held_back(uow, stored, stop)
        uow.leases.check(lease.name, lease.token)
        now = uow.clock.now()
        uow.outbox.add_transaction(stored.message_id, chain_id, signed.tx_hash, role)
        current = uow.outbox.get(stored.message_id)
        state = stored.state if current is None else current.state
        if state is MessageState.ATTESTED:
            state = uow.outbox.move(
                stored.message_id,
                MessageEvent.SUBMIT,
                WaitReason.INCLUSION_AWAITED,
                "0x" + signed.tx_hash.hex(),
                now,
            )
        ring_confirm(uow, stored.message, UnixSeconds(now + 1))
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
        ring_confirm(uow, stored.message, UnixSeconds(now + 1))
