"""Confirm: follow what was submitted to its end; give back only on proof."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from chains.port import Bridge, ChainReader, TransactionSender
from chains.types import BlockRef
from relayer.clock import UnixSeconds
from relayer.errors import StateMovedError
from relayer.outbox.life import FINAL_STATES, MessageEvent, MessageState, WaitReason
from relayer.steps.ending import return_hold
from relayer.steps.fence import Fence
from relayer.steps.queues import RELAY, relay_queue
from relayer.steps.tell import tell
from relayer.store.nonces import SendRow, SendState
from relayer.store.outbox import StoredMessage
from relayer.store.unit_of_work import Store, UnitOfWork

WAITING_STATES: Final = (MessageState.ATTESTED, MessageState.SUBMITTED, MessageState.DISPUTED)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Follower:
    """What is asked about a message's fate: the chain, its bridge, the key that sent it."""

    reader: ChainReader
    bridge: Bridge
    sender: TransactionSender


@dataclass(frozen=True, slots=True)
class ConfirmOutcome:
    """Where the message stands; is_open: look again later."""

    state: MessageState
    is_open: bool
    reason: WaitReason


async def confirm(
    store: Store, follower: Follower, message_id: bytes, *, fence: Fence
) -> ConfirmOutcome:
    """
    Look after one message: its transactions, its expiry, and the proof that it did not execute.

    Delivery and confirmation come from the observed event; a time that passes gives nothing back.

    Raises:
        TransientChainError: the node failed; ask again.
        StateMovedError: the message is unknown.
    """
    stored, rows = await asyncio.to_thread(_read, store, message_id)
    await _follow_rows(store, follower, stored, rows, fence)
    if stored.state in FINAL_STATES:
        is_open = any(row.state is SendState.MINED for row in rows)
        return ConfirmOutcome(stored.state, is_open, stored.reason)
    if stored.state in WAITING_STATES:
        await _follow_expiry(store, follower, stored, fence)
    return ConfirmOutcome(stored.state, True, stored.reason)


def _read(store: Store, message_id: bytes) -> tuple[StoredMessage, tuple[SendRow, ...]]:
    with store.read() as uow:
        stored = uow.outbox.get(message_id)
        if stored is None:
            raise StateMovedError(what=f"message 0x{message_id.hex()}", expected="stored")
        return stored, uow.nonces.rows_of_message(message_id)


async def _follow_rows(
    store: Store,
    follower: Follower,
    stored: StoredMessage,
    rows: tuple[SendRow, ...],
    fence: Fence,
) -> None:
    heads = await follower.reader.heads()
    for row in rows:
        if row.state not in (SendState.BROADCAST, SendState.MINED):
            continue
        attempts = await asyncio.to_thread(_hashes, store, row.message_id)
        receipts = [await follower.sender.receipt(tx_hash) for tx_hash in attempts]
        found = next((receipt for receipt in receipts if receipt is not None), None)
        final_height = heads.finalized.block.height

        def _write(row: SendRow = row) -> None:
            with store.unit_of_work() as uow:
                fence(uow)
                if found is None:
                    if row.state is SendState.MINED:
                        uow.nonces.mark_unmined(row.sender, row.account_nonce)
                    _relay_again(uow, stored)
                    return
                uow.nonces.mark_mined(
                    row.sender,
                    row.account_nonce,
                    found.tx_hash,
                    found.block,
                    is_reverted=not found.is_success,
                )
                if found.is_success and found.block.height <= final_height:
                    uow.nonces.mark_final(row.sender, row.account_nonce)
                if not found.is_success and row.state is SendState.BROADCAST:
                    _reverted(uow, stored, found.block)

        await asyncio.to_thread(_write)


def _hashes(store: Store, identity: bytes) -> tuple[bytes, ...]:
    with store.read() as uow:
        return tuple(attempt.tx_hash for attempt in uow.nonces.attempts(identity))


def _relay_again(uow: UnitOfWork, stored: StoredMessage) -> None:
    if stored.state in (MessageState.ATTESTED, MessageState.SUBMITTED):
        _ring_relay(uow, stored)


def _ring_relay(uow: UnitOfWork, stored: StoredMessage) -> None:
    uow.jobs.ring(
        RELAY,
        stored.message_id.hex(),
        relay_queue(stored.message.target_chain),
        UnixSeconds(uow.clock.now() + 1),
        stored.message.correlation_id,
    )


def _reverted(uow: UnitOfWork, stored: StoredMessage, block: BlockRef) -> None:
    """A broadcast transaction failed in a block: try again under a new nonce, loudly."""
    uow.outbox.wait(
        stored.message_id,
        WaitReason.TARGET_REVERTS,
        next_attempt_at=UnixSeconds(uow.clock.now() + 1),
        detail=f"a transaction failed in block {block.height}",
    )
    _ring_relay(uow, stored)
    log.error("message.reverted", message_id="0x" + stored.message_id.hex(), height=block.height)


async def _follow_expiry(
    store: Store, follower: Follower, stored: StoredMessage, fence: Fence
) -> None:
    expiry_seconds = stored.message.message.expiry_seconds
    if store.clock.now() <= expiry_seconds:
        return
    if stored.state is not MessageState.DISPUTED:
        await asyncio.to_thread(_dispute, store, stored, fence)
    heads = await follower.reader.heads()
    if heads.finalized.timestamp_seconds <= expiry_seconds:
        return
    final = heads.finalized.block
    if await follower.bridge.status(stored.message.message, final):
        return  # its event is on the way
    await asyncio.to_thread(_prove_unexecuted, store, stored, final, fence)


def _dispute(store: Store, stored: StoredMessage, fence: Fence) -> None:
    with store.unit_of_work() as uow:
        fence(uow)
        uow.outbox.move(
            stored.message_id,
            MessageEvent.EXPIRE,
            WaitReason.EXPIRY_PASSED,
            f"expired at {stored.message.message.expiry_seconds}",
            uow.clock.now(),
        )


def _prove_unexecuted(store: Store, stored: StoredMessage, final: BlockRef, fence: Fence) -> None:
    """The newest final block is past the expiry and has not executed it: it never will be."""
    with store.unit_of_work() as uow:
        fence(uow)
        return_hold(uow, stored.message)
        uow.outbox.move(
            stored.message_id,
            MessageEvent.PROVE_UNEXECUTED,
            WaitReason.PROVEN_UNEXECUTED,
            f"not executed at final block {final.height} 0x{final.block_hash.hex()}",
            uow.clock.now(),
        )
        tell(
            uow,
            "message.state",
            {"message_id": "0x" + stored.message_id.hex(), "state": "RETURNED"},
            account=stored.message.message.account,
            correlation_id=stored.message.correlation_id,
        )
    log.warning("message.returned", message_id="0x" + stored.message_id.hex())
