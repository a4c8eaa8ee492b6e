"""Mend: keep the nonces of a sending key free of gaps, and level with the chain."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from chains.errors import FeeAboveCapError, PermanentChainError
from chains.port import ContractCall, Fees, Receipt
from chains.sending import NonceSender
from relayer.outbox.life import WaitReason
from relayer.steps.carrier import (
    URGENT_KIND,
    AnyCarrier,
    Carrier,
    ExpiringCarrier,
    attempt_of,
    fees_of,
    stored_transaction,
    take_lease,
)
from relayer.steps.catalog import Catalog
from relayer.steps.confirm import best_receipt, lose_nonce
from relayer.steps.fence import Fence
from relayer.steps.gate import message_stop
from relayer.steps.mend_attempts import mend_attempts
from relayer.steps.sighting import CARRIED_STATES
from relayer.steps.sign import free, is_stale, record
from relayer.store.leases import Lease
from relayer.store.nonces import MINED_STATES
from relayer.store.send_rows import SendAttempt, SendRow, SendState
from relayer.store.unit_of_work import Store, UnitOfWork

MEND_SECONDS: Final = 5
FILLERS_PER_RUN_MAX: Final = 16
REBROADCASTS_PER_RUN_MAX: Final = 32
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MendOutcome:
    """is_open: nonces of the key may still change, look again later."""

    is_open: bool
    reason: WaitReason


@dataclass(frozen=True, slots=True)
class _Row:
    """A nonce and what was signed for it."""

    row: SendRow
    attempts: tuple[SendAttempt, ...]
    is_stale: bool
    is_held: bool


async def mend(store: Store, catalog: Catalog, carrier: AnyCarrier, *, fence: Fence) -> MendOutcome:
    """
    Bring all that a key has sent level with the chain, and send again what was forgotten.

    Raises:
        TransientChainError: the node failed; ask again.
    """
    if isinstance(carrier, ExpiringCarrier):
        is_open = await mend_attempts(store, catalog, carrier, fence)
        return MendOutcome(is_open, WaitReason.INCLUSION_AWAITED)
    return await _mend_nonces(store, catalog, carrier, fence)


async def _mend_nonces(
    store: Store, catalog: Catalog, carrier: Carrier, fence: Fence
) -> MendOutcome:
    """
    Heal what differs from the chain, and fill the gaps that later transactions wait behind.

    A nonce that a final block used without us is lost: its message gets another one. A nonce that
    nobody signs for, below one that was broadcast, is used up by an empty transfer to ourselves;
    so is the lowest one whose message is not needed any more and that no block takes. What a brake
    stops is not sent again.
    """
    async with carrier.gate:
        lease = await asyncio.to_thread(take_lease, store, carrier)
        if lease is None:
            return MendOutcome(True, WaitReason.SENDER_BUSY)
        final_nonce = await carrier.sender.final_account_nonce()
        pending_nonce = await carrier.sender.pending_account_nonce()
        rows = await asyncio.to_thread(_read, store, catalog, carrier)
        for row in rows:
            await _follow(store, carrier, row, final_nonce, fence)
        await asyncio.to_thread(_lose_freed, store, carrier, final_nonce)
        above = [each for each in rows if each.row.account_nonce >= final_nonce]
        for stale in [each.row for each in above if each.is_stale]:
            await asyncio.to_thread(free, store, stale, lease)
        await _fill(store, carrier, above, pending_nonce, lease)
        await _replace_lowest(store, carrier, above, lease)
    return MendOutcome(bool(rows), WaitReason.INCLUSION_AWAITED)


def _read(store: Store, catalog: Catalog, carrier: Carrier) -> list[_Row]:
    with store.read() as uow:
        rows = uow.send_queue.unfinal(carrier.key)
        if not rows:
            return []
        attempts = uow.send_queue.attempts_from(carrier.key, rows[0].account_nonce)
        return [
            _Row(
                row,
                attempts.get(row.account_nonce, ()),
                is_stale(uow, carrier, row),
                _is_held(uow, catalog, row),
            )
            for row in rows
        ]


def _is_held(uow: UnitOfWork, catalog: Catalog, row: SendRow) -> bool:
    """Return whether a brake stops the message that a nonce is for."""
    stored = uow.outbox.get(row.message_id)
    return stored is not None and message_stop(uow, catalog, stored.message) is not None


async def _follow(
    store: Store, carrier: Carrier, each: _Row, final_nonce: int, fence: Fence
) -> None:
    """Bring a row level with the chain: a filler's always, a message's once its nonce is used."""
    is_used = each.row.account_nonce < final_nonce
    if not is_used and not each.row.is_filler:
        return
    # The receipts are asked for after the final nonce, under all hashes that we ever signed.
    receipt, is_filler = await best_receipt(carrier.sender, each.attempts)
    seen = None if receipt is None else _Seen(receipt, is_filler=is_filler)
    await asyncio.to_thread(_write, store, each, seen, is_used=is_used, fence=fence)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One of our transactions in a block."""

    receipt: Receipt
    is_filler: bool


def _write(store: Store, each: _Row, seen: _Seen | None, *, is_used: bool, fence: Fence) -> None:
    sender, account_nonce = each.row.sender, each.row.account_nonce
    with store.unit_of_work() as uow:
        fence(uow)
        if uow.nonces.row(sender, account_nonce) != each.row:
            return  # somebody was faster; the next look starts from what it wrote
        if seen is None:
            if is_used:
                _lose(uow, each, "a transaction that is not ours used it")
            elif each.row.state in MINED_STATES:
                uow.nonces.mark_unmined(sender, account_nonce)
            return
        uow.nonces.mark_mined(
            sender,
            account_nonce,
            seen.receipt.tx_hash,
            seen.receipt.block,
            is_reverted=not seen.receipt.is_success,
        )
        if is_used and seen.is_filler and not each.row.is_filler:
            _lose(uow, each, "an empty transaction used it")
        elif is_used:
            uow.nonces.mark_final(sender, account_nonce)


def _lose(uow: UnitOfWork, each: _Row, reason: str) -> None:
    lose_nonce(uow, uow.outbox.get(each.row.message_id), each.row, reason)


def _lose_freed(store: Store, carrier: Carrier, final_nonce: int) -> None:
    """Keep what was given back and then used by somebody else from being handed out again."""
    with store.read() as uow:
        freed = uow.send_queue.free_below(carrier.key, final_nonce)
    if freed:
        with store.unit_of_work() as uow:
            for row in freed:
                uow.nonces.mark_lost(row.sender, row.account_nonce)


async def _fill(
    store: Store, carrier: Carrier, rows: list[_Row], pending_nonce: int, lease: Lease
) -> None:
    """Send again what the node forgot; use up what nobody signs for below the highest nonce."""
    broadcast = [each for each in rows if each.row.state is SendState.BROADCAST]
    if not broadcast:
        return
    for each in broadcast[:REBROADCASTS_PER_RUN_MAX]:
        if each.row.account_nonce >= pending_nonce and not each.is_held:
            await _broadcast(carrier, each.row, each.attempts[-1])
    highest = broadcast[-1].row.account_nonce
    for _ in range(FILLERS_PER_RUN_MAX):
        row = await asyncio.to_thread(
            _reserve_filler, store, carrier, pending_nonce, highest, lease
        )
        if row is None:
            return
        pricer = await asyncio.to_thread(_pricer, store, carrier, row)
        fees = await pricer.suggest_fees()
        await _send_filler(store, carrier, row, fees, lease)


def _reserve_filler(
    store: Store, carrier: Carrier, pending_nonce: int, highest: int, lease: Lease
) -> SendRow | None:
    with store.unit_of_work() as uow:
        return uow.nonces.fill(carrier.key, pending_nonce, highest, lease)


async def _replace_lowest(store: Store, carrier: Carrier, rows: list[_Row], lease: Lease) -> None:
    """Replace the lowest open nonce by an empty transfer, if it is stuck and nobody needs it."""
    waiting = [each for each in rows if each.row.state is SendState.BROADCAST]
    if not waiting:
        return
    lowest = waiting[0]
    newest = lowest.attempts[-1]
    is_alone = len(waiting) == 1 and not lowest.row.is_filler
    if is_alone or store.clock.now() - newest.at < carrier.limits.fee_bump_seconds:
        return
    if not await asyncio.to_thread(_is_unneeded, store, lowest.row):
        return
    pricer = await asyncio.to_thread(_pricer, store, carrier, lowest.row)
    try:
        fees = pricer.bump_fees(fees_of(newest), await pricer.suggest_fees())
    except FeeAboveCapError as exc:
        log.error("message.waited", account_nonce=lowest.row.account_nonce, reason=str(exc))
        return
    if fees != fees_of(newest):
        await _send_filler(store, carrier, lowest.row, fees, lease)


def _is_unneeded(store: Store, row: SendRow) -> bool:
    """Return whether no message is sent with the nonce: it has ended, or the contract refuses."""
    with store.read() as uow:
        stored = uow.outbox.get(row.message_id)
    if stored is None or stored.state not in CARRIED_STATES:
        return True
    return stored.reason is WaitReason.TARGET_REVERTS


def _pricer(store: Store, carrier: Carrier, row: SendRow) -> NonceSender:
    """Return whose limits hold: a seizure behind a nonce pays for it too."""
    with store.read() as uow:
        is_urgent = uow.send_queue.has_kind_from(carrier.key, row.account_nonce, URGENT_KIND.name)
    return carrier.pricer(is_urgent=is_urgent)


async def _send_filler(
    store: Store, carrier: Carrier, row: SendRow, fees: Fees, lease: Lease
) -> None:
    """Sign, store and broadcast a transfer of nothing to ourselves."""
    sender = carrier.sender
    call = ContractCall(sender.chain_id, sender.address, function="", arguments=())
    transaction = await sender.prepare(call, row.account_nonce, fees)
    attempt = attempt_of(transaction, is_filler=True)
    await asyncio.to_thread(record, store, row, attempt, lease)
    log.warning("nonce.filled", chain_id=sender.chain_id, account_nonce=row.account_nonce)
    await _broadcast(carrier, row, attempt)


async def _broadcast(carrier: Carrier, row: SendRow, attempt: SendAttempt) -> None:
    try:
        await carrier.sender.broadcast(stored_transaction(row, attempt))
    except PermanentChainError as exc:
        # Used meanwhile, too cheap or unpaid: the next looks heal, replace, or send again.
        log.warning(
            "message.refused",
            chain_id=row.sender.chain_id,
            account_nonce=row.account_nonce,
            reason=str(exc),
        )
