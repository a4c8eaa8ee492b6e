"""Confirm: follow what was submitted to its end; give back only on proof."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from chains.errors import PermanentChainError
from chains.port import Bridge, ChainReader, Receipt
from chains.sending import ExpiringSender, NonceSender, TransactionSender
from chains.types import BlockRef, raw_text
from relayer.clock import UnixSeconds
from relayer.errors import StateMovedError
from relayer.outbox.life import FINAL_STATES, MessageEvent, MessageState, WaitReason
from relayer.steps.carrier import AnyCarrier, Carrier, stored_transaction
from relayer.steps.catalog import Catalog
from relayer.steps.fence import Fence
from relayer.steps.give_back import return_hold
from relayer.steps.queues import ring_relay
from relayer.steps.sighting import CARRIED_STATES, sight_all
from relayer.steps.tell import tell
from relayer.store.attempt_rows import Attempt, AttemptState, Purpose
from relayer.store.outbox import StoredMessage
from relayer.store.send_rows import SendAttempt, SendRow, SendState
from relayer.store.unit_of_work import Store, UnitOfWork

WAITING_STATES: Final = (MessageState.ATTESTED, MessageState.SUBMITTED, MessageState.DISPUTED)
FOLLOWED_STATES: Final = (SendState.BROADCAST, SendState.MINED, SendState.REVERTED)
_Followed = tuple[SendRow, tuple[SendAttempt, ...]]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Follower:
    """
    What is asked about a message's fate: the chain, its bridge, the key that sent it.

    catalog: what the debt behind a seizure that never runs is booked with again.
    """

    reader: ChainReader
    bridge: Bridge
    sender: NonceSender
    catalog: Catalog


@dataclass(frozen=True, slots=True)
class ExpiringFollower:
    """The same, of a chain whose transactions expire."""

    reader: ChainReader
    bridge: Bridge
    sender: ExpiringSender
    catalog: Catalog


AnyFollower = Follower | ExpiringFollower


def follower_of(reader: ChainReader, carrier: AnyCarrier, catalog: Catalog) -> AnyFollower:
    """Return what follows that which a carrier sent."""
    if isinstance(carrier, Carrier):
        return Follower(reader, carrier.bridge, carrier.sender, catalog)
    return ExpiringFollower(reader, carrier.bridge, carrier.sender, catalog)


@dataclass(frozen=True, slots=True)
class ConfirmOutcome:
    """Where the message stands; is_open: look again later."""

    state: MessageState
    is_open: bool
    reason: WaitReason


async def confirm(
    store: Store, follower: AnyFollower, message_id: bytes, *, fence: Fence
) -> ConfirmOutcome:
    """
    Look after one message: its transactions, its expiry, and the proof that it did not execute.

    Delivery and confirmation come from the observed event; a time that passes gives nothing back.

    Raises:
        TransientChainError: the node failed; ask again.
        StateMovedError: the message is unknown.
    """
    if isinstance(follower, ExpiringFollower):
        stored, is_open = await _follow_attempts(store, follower, message_id, fence)
    else:
        stored, followed = await asyncio.to_thread(_read, store, message_id)
        is_open = await _follow_rows(store, follower, stored, followed, fence)
    if stored.state in FINAL_STATES:
        return ConfirmOutcome(stored.state, is_open, stored.reason)
    if stored.state in WAITING_STATES:
        await _follow_expiry(store, follower, stored, fence)
    return ConfirmOutcome(stored.state, True, stored.reason)


async def _follow_attempts(
    store: Store, follower: ExpiringFollower, message_id: bytes, fence: Fence
) -> tuple[StoredMessage, bool]:
    """Bring a message's attempts level with the chain; return whether one may still change."""
    stored, known = await asyncio.to_thread(_read_attempts, store, message_id)
    attempts = await sight_all(store, follower.sender, known, fence)
    if stored.state in CARRIED_STATES and not any(map(_delivers, attempts)):
        await asyncio.to_thread(_ring, store, stored, fence)
    return stored, any(attempt.is_open for attempt in attempts)


def _read_attempts(store: Store, message_id: bytes) -> tuple[StoredMessage, tuple[Attempt, ...]]:
    with store.read() as uow:
        return _stored(uow, message_id), uow.attempts.of_message(message_id)


def _delivers(attempt: Attempt) -> bool:
    """Return whether an attempt has delivered its message, as far as one can see."""
    is_done = attempt.state in (AttemptState.LANDED, AttemptState.FINAL)
    return is_done and attempt.purpose is Purpose.DELIVER


def _ring(store: Store, stored: StoredMessage, fence: Fence) -> None:
    with store.unit_of_work() as uow:
        fence(uow)
        ring_relay(uow, stored.message)


def _stored(uow: UnitOfWork, message_id: bytes) -> StoredMessage:
    stored = uow.outbox.get(message_id)
    if stored is None:
        raise StateMovedError(what=f"message 0x{message_id.hex()}", expected="stored")
    return stored


def _read(store: Store, message_id: bytes) -> tuple[StoredMessage, list[_Followed]]:
    with store.read() as uow:
        return _stored(uow, message_id), [
            (row, uow.nonces.attempts_of(row.sender, row.account_nonce))
            for row in uow.nonces.rows_of_message(message_id)
            if row.state in FOLLOWED_STATES
        ]


async def _follow_rows(
    store: Store,
    follower: Follower,
    stored: StoredMessage,
    followed: list[_Followed],
    fence: Fence,
) -> bool:
    """Bring nonces level with their transactions; return whether one must be followed further."""
    if not followed:
        return False
    final_height = (await follower.reader.heads()).finalized.block.height
    is_open = False
    for row, attempts in followed:
        found, is_filler = await best_receipt(follower.sender, attempts)
        sighting = _Sighting(stored, row, found, is_filler, final_height)
        await asyncio.to_thread(_write_sighting, store, sighting, fence)
        if found is not None:
            is_open = True
        elif stored.state not in WAITING_STATES:
            is_open = await _fill_gap(follower, row, attempts) or is_open
    return is_open


@dataclass(frozen=True, slots=True)
class _Sighting:
    """Where the transaction of one nonce was seen, if anywhere."""

    stored: StoredMessage
    row: SendRow
    receipt: Receipt | None
    is_filler: bool
    final_height: int


async def best_receipt(
    sender: TransactionSender, attempts: tuple[SendAttempt, ...]
) -> tuple[Receipt | None, bool]:
    """Look for any attempt in a block; return its receipt and whether it is a filler's."""
    for attempt in attempts:
        receipt = await sender.receipt(attempt.tx_hash)
        if receipt is not None:
            return receipt, attempt.is_filler
    return None, False


def _write_sighting(store: Store, sighting: _Sighting, fence: Fence) -> None:
    row, receipt = sighting.row, sighting.receipt
    is_carried = sighting.stored.state in CARRIED_STATES
    with store.unit_of_work() as uow:
        fence(uow)
        if receipt is None:
            if row.state is not SendState.BROADCAST:
                uow.nonces.mark_unmined(row.sender, row.account_nonce)
            if is_carried:
                ring_relay(uow, sighting.stored.message)
            return
        uow.nonces.mark_mined(
            row.sender,
            row.account_nonce,
            receipt.tx_hash,
            receipt.block,
            is_reverted=not receipt.is_success,
        )
        is_final = receipt.block.height <= sighting.final_height
        if sighting.is_filler:
            if is_final:
                lose_nonce(uow, sighting.stored, row, "an empty transaction used it")
            return
        if is_final:
            uow.nonces.mark_final(row.sender, row.account_nonce)
        if is_carried and not receipt.is_success and row.state is SendState.BROADCAST:
            _reverted(uow, sighting.stored, receipt.block)


async def _fill_gap(follower: Follower, row: SendRow, attempts: tuple[SendAttempt, ...]) -> bool:
    """
    Send a transaction again that is not needed any more; return whether it is worth following.

    Somebody else delivered the message, and until this nonce is used no later one can be. Not of a
    message past its expiry: it may yet be in time by its target's clock, and a brake may stop it;
    mend uses its nonce up instead.
    """
    if not attempts or await follower.sender.final_account_nonce() > row.account_nonce:
        return False
    try:
        await follower.sender.broadcast(stored_transaction(row, attempts[-1]))
    except PermanentChainError as exc:
        log.warning("message.refused", message_id="0x" + row.message_id.hex(), reason=str(exc))
    return True


def lose_nonce(uow: UnitOfWork, stored: StoredMessage | None, row: SendRow, reason: str) -> None:
    """Say that a final block used a nonce without its message, which then goes to the front."""
    uow.nonces.mark_lost(row.sender, row.account_nonce)
    log.warning(
        "nonce.healed",
        chain_id=row.sender.chain_id,
        account_nonce=row.account_nonce,
        message_id="0x" + row.message_id.hex(),
        reason=reason,
    )
    if stored is not None and stored.state in CARRIED_STATES:
        ring_relay(uow, stored.message)


def _reverted(uow: UnitOfWork, stored: StoredMessage, block: BlockRef) -> None:
    """Try again under a new nonce, loudly: a broadcast transaction failed in a block."""
    uow.outbox.wait(
        stored.message_id,
        WaitReason.TARGET_REVERTS,
        next_attempt_at=UnixSeconds(uow.clock.now() + 1),
        detail=f"a transaction failed in block {block.height}",
    )
    ring_relay(uow, stored.message)
    log.error("message.reverted", message_id="0x" + stored.message_id.hex(), height=block.height)


async def _follow_expiry(
    store: Store, follower: AnyFollower, stored: StoredMessage, fence: Fence
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
    await asyncio.to_thread(_prove_unexecuted, (store, follower.catalog), stored, final, fence)


def _is_still(uow: UnitOfWork, stored: StoredMessage, states: tuple[MessageState, ...]) -> bool:
    """Return whether the message's effect was not seen since it was read."""
    current = uow.outbox.get(stored.message_id)
    return current is not None and current.state in states


def _dispute(store: Store, stored: StoredMessage, fence: Fence) -> None:
    with store.unit_of_work() as uow:
        fence(uow)
        uow.ledger.lock()
        if not _is_still(uow, stored, CARRIED_STATES):
            return
        uow.outbox.move(
            stored.message_id,
            MessageEvent.EXPIRE,
            WaitReason.EXPIRY_PASSED,
            f"expired at {stored.message.message.expiry_seconds}",
            uow.clock.now(),
        )


def _prove_unexecuted(
    ledger: tuple[Store, Catalog], stored: StoredMessage, final: BlockRef, fence: Fence
) -> None:
    """Give back what is held: a final block past the expiry has not executed it, so none will."""
    store, catalog = ledger
    with store.unit_of_work() as uow:
        fence(uow)
        uow.ledger.lock()
        if not _is_still(uow, stored, (MessageState.DISPUTED,)):
            return
        if uow.chains.is_halted(stored.message.target_chain):
            return  # its final blocks are in doubt, so none of them proves anything
        return_hold(uow, catalog, stored.message)
        uow.outbox.move(
            stored.message_id,
            MessageEvent.PROVE_UNEXECUTED,
            WaitReason.PROVEN_UNEXECUTED,
            f"not executed at final block {final.height} "
            + raw_text(stored.message.target_chain, final.block_hash),
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
