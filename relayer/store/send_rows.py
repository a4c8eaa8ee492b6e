"""Rows of sending keys: a nonce, who uses it, and what was signed for it."""

import hashlib
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from sqlalchemy import Row

from chains.types import BlockRef, ChainId
from relayer.clock import UnixSeconds

FILLER: Final = b"relayer.filler"


class SendState(Enum):
    """
    Where a nonce is.

    RESERVED: nothing was broadcast. BROADCAST: at least one attempt. MINED: in a block.
    REVERTED: in a block without effect. FINAL: that block is final. FREED: given up before any
    broadcast, so the nonce may be used again. LOST: finally used, but not by the message: by a
    stranger's transaction or by an empty one of ours, so the message needs another nonce.
    """

    RESERVED = "RESERVED"
    BROADCAST = "BROADCAST"
    MINED = "MINED"
    REVERTED = "REVERTED"
    FINAL = "FINAL"
    FREED = "FREED"
    LOST = "LOST"


@dataclass(frozen=True, slots=True)
class SenderKey:
    """A gas key on one chain; address is a 32-byte word."""

    chain_id: ChainId
    address: bytes


@dataclass(frozen=True, slots=True)
class SendRow:
    """One nonce of a key and the message that uses it."""

    sender: SenderKey
    account_nonce: int
    message_id: bytes
    state: SendState
    reserved_at: UnixSeconds
    mined_tx_hash: bytes | None
    mined_block: BlockRef | None

    @property
    def is_filler(self) -> bool:
        """Whether no message uses the nonce: it is only filled."""
        return self.message_id == filler_id(self.sender, self.account_nonce)


@dataclass(frozen=True, slots=True)
class SendAttempt:
    """
    A signed transaction, stored before its broadcast. Fees in wei per gas.

    is_filler: it does nothing but use the nonce up. at: Unix second of storing, set by the store.
    """

    tx_hash: bytes
    raw: bytes
    fee_max_wei: int
    fee_priority_wei: int
    is_filler: bool = False
    at: UnixSeconds = field(default=UnixSeconds(0), compare=False)


def filler_id(sender: SenderKey, account_nonce: int) -> bytes:
    """Return the made-up message id of a transaction that only uses a nonce up. 32 bytes."""
    named = f"{sender.chain_id} 0x{sender.address.hex()} {account_nonce}"
    return hashlib.sha256(FILLER + named.encode()).digest()


def send_row_of(row: Row[Any]) -> SendRow:
    """Return the value of a row of send."""
    block = None
    if row.mined_height is not None and row.mined_hash is not None:
        block = BlockRef(row.mined_height, row.mined_hash)
    return SendRow(
        sender=SenderKey(ChainId(row.chain_id), row.key_address),
        account_nonce=row.account_nonce,
        message_id=row.message_id,
        state=SendState(row.state),
        reserved_at=UnixSeconds(row.reserved_at),
        mined_tx_hash=None if row.mined_tx_hash is None else bytes(row.mined_tx_hash),
        mined_block=block,
    )


def send_attempt_of(row: Row[Any]) -> SendAttempt:
    """Return the value of a row of send_attempt."""
    sender = SenderKey(ChainId(row.chain_id), bytes(row.key_address))
    return SendAttempt(
        tx_hash=bytes(row.tx_hash),
        raw=bytes(row.raw),
        fee_max_wei=row.fee_max_wei,
        fee_priority_wei=row.fee_priority_wei,
        is_filler=bool(row.message_id == filler_id(sender, row.account_nonce)),
        at=UnixSeconds(row.at),
    )
