"""Sign: reserve a nonce for a message and store the signed bytes, before anything is sent."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chains.errors import ChainError, FeeAboveCapError
from chains.port import Call, ContractCall, Fees, SignedTransaction
from relayer.clock import UnixSeconds
from relayer.outbox.life import WaitReason
from relayer.steps.carrier import (
    URGENT_FACTOR,
    URGENT_KIND,
    AnyCarrier,
    Carrier,
    attempt_of,
    fees_of,
    stored_transaction,
)
from relayer.steps.queues import MEND, relay_queue
from relayer.store.leases import Lease
from relayer.store.outbox import StoredMessage
from relayer.store.send_rows import SendAttempt, SendRow, SendState
from relayer.store.unit_of_work import Store, UnitOfWork


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to land once: a message, and the call that delivers it."""

    stored: StoredMessage
    call: Call


@dataclass(frozen=True, slots=True)
class Signed:
    """
    What is stored to be broadcast, and what does it.

    is_capped: it should be dearer, and the cap forbids it.
    """

    tx_hash: bytes
    broadcast: Callable[[], Awaitable[None]]
    is_capped: bool = False


@dataclass(frozen=True, slots=True)
class Unsigned:
    """Why nothing is to be broadcast now."""

    reason: WaitReason


@dataclass(frozen=True, slots=True)
class Held:
    """A nonce of a message. is_lowest: no earlier one is open. is_urgent: a seizure waits."""

    row: SendRow
    attempts: tuple[SendAttempt, ...]
    is_lowest: bool
    is_urgent: bool


async def sign(
    store: Store,
    carrier: Carrier,
    intent: tuple[StoredMessage, ContractCall],
    lease: Lease,
    *,
    is_refused: bool = False,
) -> Signed | Unsigned:
    """
    Return what is stored to be broadcast: the last attempt, a dearer one, or the first.

    Only the lowest open nonce of a key is replaced: a higher one cannot be included before it.

    Args:
        is_refused: the node found the last attempt too cheap; it is replaced at once.

    Raises:
        CallRevertedError: the contract refuses, and nothing was broadcast; the nonce is free.
    """
    stored, call = intent
    first_account_nonce = await carrier.sender.pending_account_nonce()
    held = await asyncio.to_thread(_hold, store, carrier, stored, first_account_nonce, lease)
    if isinstance(held, Unsigned):
        return held
    if held.row.state is SendState.MINED:
        return Unsigned(WaitReason.FINALITY_AWAITED)
    if not held.attempts:
        return _signed(carrier, await _sign_first(store, carrier, held, call, lease))
    last = held.attempts[-1]
    known = stored_transaction(held.row, last)
    is_old = store.clock.now() - last.at >= carrier.limits.fee_bump_seconds
    if last.is_filler or not held.is_lowest or not (is_old or is_refused):
        return _signed(carrier, known)
    pricer = carrier.pricer(is_urgent=held.is_urgent)
    try:
        fees = pricer.bump_fees(fees_of(last), await pricer.suggest_fees())
    except FeeAboveCapError:
        return _signed(carrier, known, is_capped=True)
    if fees == fees_of(last):
        return _signed(carrier, known)
    return _signed(carrier, await _sign(store, carrier, held.row, (call, fees), lease))


def _signed(carrier: Carrier, transaction: SignedTransaction, *, is_capped: bool = False) -> Signed:
    return Signed(
        transaction.tx_hash, lambda: carrier.sender.broadcast(transaction), is_capped=is_capped
    )


async def _sign_first(
    store: Store, carrier: Carrier, held: Held, call: ContractCall, lease: Lease
) -> SignedTransaction:
    """Sign for a nonce that nothing was broadcast with; where that fails, others may have it."""
    try:
        fees = await carrier.pricer(is_urgent=held.is_urgent).suggest_fees()
        return await _sign(store, carrier, held.row, (call, fees), lease)
    except ChainError:
        await asyncio.to_thread(free, store, held.row, lease)
        raise


async def _sign(
    store: Store, carrier: Carrier, row: SendRow, what: tuple[ContractCall, Fees], lease: Lease
) -> SignedTransaction:
    call, fees = what
    transaction = await carrier.sender.prepare(call, row.account_nonce, fees)
    await asyncio.to_thread(record, store, row, attempt_of(transaction), lease)
    return transaction


def record(store: Store, row: SendRow, attempt: SendAttempt, lease: Lease) -> None:
    """Store an attempt in a transaction of its own: only afterwards may it be broadcast."""
    with store.unit_of_work() as uow:
        uow.nonces.record_attempt(row, attempt, lease)


def free(store: Store, row: SendRow, lease: Lease) -> None:
    """Give a nonce back that nothing was broadcast with."""
    with store.unit_of_work() as uow:
        uow.nonces.free(row.sender, row.account_nonce, lease)


def _hold(
    store: Store,
    carrier: Carrier,
    stored: StoredMessage,
    first_account_nonce: int,
    lease: Lease,
) -> Held | Unsigned:
    """Reserve a nonce, or find the one that is reserved, if the limits of the key allow it."""
    with store.unit_of_work() as uow:
        waiting = uow.nonces.pending(carrier.key)
        if all(row.message_id != stored.message_id for row in waiting):
            reason = _refusal(uow, carrier, stored, waiting)
            if reason is not None:
                return Unsigned(reason)
            waiting = _without_stale(uow, carrier, waiting, lease)
        row = uow.nonces.reserve(carrier.key, stored.message_id, first_account_nonce, lease)
        if row.state is SendState.RESERVED:
            ring_mend(uow, carrier)
        return Held(
            row=row,
            attempts=uow.nonces.attempts_of(carrier.key, row.account_nonce),
            is_lowest=all(other.account_nonce >= row.account_nonce for other in waiting),
            is_urgent=uow.send_queue.has_kind_from(
                carrier.key, row.account_nonce, URGENT_KIND.name
            ),
        )


def _refusal(
    uow: UnitOfWork, carrier: Carrier, stored: StoredMessage, waiting: tuple[SendRow, ...]
) -> WaitReason | None:
    limits = carrier.limits
    is_urgent = stored.message.message.kind is URGENT_KIND
    if any(row.state is SendState.RESERVED and not is_stale(uow, carrier, row) for row in waiting):
        return WaitReason.SENDER_BUSY
    if len(waiting) < limits.in_flight_max * (URGENT_FACTOR if is_urgent else 1):
        return None
    if not is_urgent and uow.send_queue.place_of(stored, limits.queued_max) >= limits.queued_max:
        return WaitReason.SENDER_QUEUE_FULL
    return WaitReason.SENDS_IN_FLIGHT


def _without_stale(
    uow: UnitOfWork, carrier: Carrier, waiting: tuple[SendRow, ...], lease: Lease
) -> tuple[SendRow, ...]:
    stale = [row for row in waiting if row.state is SendState.RESERVED]
    for row in stale:
        uow.nonces.free(carrier.key, row.account_nonce, lease)
    return tuple(row for row in waiting if row not in stale)


def is_stale(uow: UnitOfWork, carrier: Carrier, row: SendRow) -> bool:
    """Return whether a nonce is reserved for so long that nobody signs for it any more."""
    age_seconds = uow.clock.now() - row.reserved_at
    return row.state is SendState.RESERVED and age_seconds >= carrier.limits.lease_seconds


def ring_mend(uow: UnitOfWork, carrier: AnyCarrier) -> None:
    """Let the key's nonces be looked at until all of them are final."""
    chain_id = carrier.sender.chain_id
    due_at = UnixSeconds(uow.clock.now() + 1)
    uow.jobs.ring(MEND, chain_id, relay_queue(chain_id), due_at, bytes(32))
