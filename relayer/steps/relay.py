"""Relay: carry an attested message to its target. The nonce and the bytes are stored first."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from chains.attestation import Attestation, assemble_attestation
from chains.errors import (
    CallRevertedError,
    FeeTooLowError,
    GasFundsError,
    PermanentChainError,
)
from chains.port import Bridge, ContractCall, Fees, SignedTransaction, TransactionSender
from relayer.clock import UnixSeconds
from relayer.errors import StateMovedError
from relayer.outbox.life import MessageEvent, MessageState, WaitReason
from relayer.steps.brakes import Stop
from relayer.steps.catalog import Catalog
from relayer.steps.fence import Fence
from relayer.steps.gate import message_stop
from relayer.steps.queues import ATTEST, CONFIRM, relay_queue
from relayer.store.leases import Lease, sender_lease_name
from relayer.store.nonces import SendAttempt, SenderKey, SendRow, SendState
from relayer.store.outbox import StoredMessage
from relayer.store.unit_of_work import Store, UnitOfWork

SENDER_LEASE_SECONDS: Final = 20
FEE_BUMP_SECONDS: Final = 30
DELIVER_ROLE: Final = "deliver"
CARRIED_STATES: Final = (MessageState.ATTESTED, MessageState.SUBMITTED)
REFUSAL_REASONS: Final[dict[type[PermanentChainError], WaitReason]] = {
    FeeTooLowError: WaitReason.FEE_ABOVE_CAP,
    GasFundsError: WaitReason.GAS_FUNDS_LOW,
}
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Carrier:
    """Who carries: the sending key of a chain, its bridge, and the process's unique name."""

    sender: TransactionSender
    bridge: Bridge
    holder: str


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
    lease = await asyncio.to_thread(_lease_unless_stopped, store, catalog, carrier, stored, fence)
    if isinstance(lease, WaitReason):
        return RelayOutcome(stored.state, True, lease)
    try:
        transaction = await _transaction(store, carrier, stored, attestation, lease)
    except CallRevertedError as exc:
        await asyncio.to_thread(_wait, store, stored, WaitReason.TARGET_REVERTS, exc.reason, fence)
        return RelayOutcome(stored.state, True, WaitReason.TARGET_REVERTS)
    if transaction is None:
        return RelayOutcome(stored.state, False, WaitReason.FINALITY_AWAITED)
    return await _send(store, catalog, carrier, (stored, transaction), fence)


async def _send(
    store: Store,
    catalog: Catalog,
    carrier: Carrier,
    signed: tuple[StoredMessage, SignedTransaction],
    fence: Fence,
) -> RelayOutcome:
    """Record and broadcast, unless a brake stops it: nothing is sent that was not recorded."""
    stored, transaction = signed
    state = await asyncio.to_thread(_submitted, store, catalog, stored, transaction, fence)
    if isinstance(state, WaitReason):
        # Signed and stored, not sent: the same bytes go once the brake is off.
        return RelayOutcome(stored.state, True, state)
    try:
        await carrier.sender.broadcast(transaction)
    except PermanentChainError as exc:
        log.error("message.refused", message_id="0x" + stored.message_id.hex(), reason=str(exc))
        reason = REFUSAL_REASONS.get(type(exc), WaitReason.INCLUSION_AWAITED)
        await asyncio.to_thread(_wait, store, stored, reason, str(exc), fence)
        return RelayOutcome(state, True, reason)
    log.info(
        "message.submitted",
        message_id="0x" + stored.message_id.hex(),
        tx_hash="0x" + transaction.tx_hash.hex(),
    )
    return RelayOutcome(state, False, WaitReason.INCLUSION_AWAITED)


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
    key = SenderKey(carrier.sender.chain_id, carrier.sender.address)
    with store.read() as uow:
        rows = uow.nonces.rows_of_message(stored.message_id)
    unused = [row for row in rows if row.sender == key and row.state is SendState.RESERVED]
    if unused:
        lease = _lease(store, carrier)
        if lease is None:
            return RelayOutcome(stored.state, True, WaitReason.SENDER_BUSY)
        for row in unused:
            _free(store, key, row.account_nonce, lease)
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


def _lease(store: Store, carrier: Carrier) -> Lease | None:
    name = sender_lease_name(carrier.sender.chain_id, carrier.sender.address)
    with store.unit_of_work() as uow:
        held = uow.leases.lease(name)
        is_ours = held is not None and held.holder == carrier.holder
        if held is not None and is_ours and held.expires_at > uow.clock.now():
            return uow.leases.renew(held, SENDER_LEASE_SECONDS)
        return uow.leases.acquire(name, carrier.holder, SENDER_LEASE_SECONDS)


async def _transaction(
    store: Store,
    carrier: Carrier,
    stored: StoredMessage,
    attestation: Attestation,
    lease: Lease,
) -> SignedTransaction | None:
    """
    Return what is stored to be broadcast: the last attempt, a dearer one, or the first.

    None where one is in a block already: confirm follows it.
    """
    sender = carrier.sender
    calls = carrier.bridge.deliver(stored.message.message, attestation)
    call = calls[0]
    first_account_nonce = await sender.pending_account_nonce()
    row, attempts = await asyncio.to_thread(
        _reserve, store, sender, stored, first_account_nonce, lease
    )
    if row.state is SendState.MINED:
        return None
    if attempts and not _is_stuck(row, attempts, store):
        last = attempts[-1]
        return SignedTransaction(
            chain_id=sender.chain_id,
            tx_hash=last.tx_hash,
            raw=last.raw,
            account_nonce=row.account_nonce,
            fees=Fees(last.fee_max_wei, last.fee_priority_wei),
        )
    return await _sign(store, sender, call, (row, attempts), lease)


async def _sign(
    store: Store,
    sender: TransactionSender,
    call: ContractCall,
    reserved: tuple[SendRow, tuple[SendAttempt, ...]],
    lease: Lease,
) -> SignedTransaction:
    row, attempts = reserved
    fees = await sender.suggest_fees()
    if attempts:
        last = attempts[-1]
        fees = sender.bump_fees(Fees(last.fee_max_wei, last.fee_priority_wei), fees)
    key = SenderKey(sender.chain_id, sender.address)
    try:
        transaction = await sender.prepare(call, row.account_nonce, fees)
    except CallRevertedError:
        if row.state is SendState.RESERVED:
            await asyncio.to_thread(_free, store, key, row.account_nonce, lease)
        raise

    def _record() -> None:
        with store.unit_of_work() as uow:
            uow.nonces.record_attempt(
                key,
                row.account_nonce,
                SendAttempt(
                    tx_hash=transaction.tx_hash,
                    raw=transaction.raw,
                    fee_max_wei=transaction.fees.max_fee_wei,
                    fee_priority_wei=transaction.fees.priority_fee_wei,
                ),
                lease,
            )

    await asyncio.to_thread(_record)
    return transaction


def _free(store: Store, key: SenderKey, account_nonce: int, lease: Lease) -> None:
    with store.unit_of_work() as uow:
        uow.nonces.free(key, account_nonce, lease)


def _reserve(
    store: Store,
    sender: TransactionSender,
    stored: StoredMessage,
    first_account_nonce: int,
    lease: Lease,
) -> tuple[SendRow, tuple[SendAttempt, ...]]:
    with store.unit_of_work() as uow:
        key = SenderKey(sender.chain_id, sender.address)
        row = uow.nonces.reserve(key, stored.message_id, first_account_nonce, lease)
        return row, uow.nonces.attempts_of(key, row.account_nonce)


def _is_stuck(row: SendRow, attempts: tuple[SendAttempt, ...], store: Store) -> bool:
    """Return whether the newest attempt had its time: each gets FEE_BUMP_SECONDS."""
    age_seconds = store.clock.now() - row.reserved_at
    return age_seconds > FEE_BUMP_SECONDS * len(attempts)


def _lease_unless_stopped(
    store: Store, catalog: Catalog, carrier: Carrier, stored: StoredMessage, fence: Fence
) -> Lease | WaitReason:
    """Return the sending key's lease, or why nothing may be signed with it now."""
    with store.read() as uow:
        stop = message_stop(uow, catalog, stored.message)
    if stop is not None:
        with store.unit_of_work() as uow:
            fence(uow)
            return _held_back(uow, stored, stop)
    return _lease(store, carrier) or WaitReason.SENDER_BUSY


def _held_back(uow: UnitOfWork, stored: StoredMessage, stop: Stop) -> WaitReason:
    uow.outbox.wait(
        stored.message_id,
        stop.reason,
        next_attempt_at=UnixSeconds(uow.clock.now() + 1),
        detail=stop.detail,
    )
    return stop.reason


def _submitted(
    store: Store,
    catalog: Catalog,
    stored: StoredMessage,
    transaction: SignedTransaction,
    fence: Fence,
) -> MessageState | WaitReason:
    with store.unit_of_work() as uow:
        fence(uow)
        stop = message_stop(uow, catalog, stored.message)
        if stop is not None:
            return _held_back(uow, stored, stop)
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
