"""Rows of transactions that expire: what was signed for a message, and what became of it."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from sqlalchemy import Row

from chains.sending import ExpiringTransaction, PriorityFee
from chains.types import BlockRef, ChainId
from relayer.clock import UnixSeconds
from relayer.store.send_rows import SenderKey


class AttemptState(Enum):
    """
    Where a transaction is.

    LIVE: in no confirmed block, it may yet land. LANDED: in a block with its effect. FAILED: in a
    block with its error. These may change; the others are for ever. FINAL: that block of its effect
    is final. SPENT: that block of its error is final. EXPIRED: it never lands.
    """

    LIVE = "LIVE"
    LANDED = "LANDED"
    FAILED = "FAILED"
    FINAL = "FINAL"
    SPENT = "SPENT"
    EXPIRED = "EXPIRED"


class Purpose(Enum):
    """What a transaction does for its message: deliver it, or make room for that."""

    DELIVER = "DELIVER"
    PREPARE = "PREPARE"


OPEN_STATES: Final = (AttemptState.LIVE, AttemptState.LANDED, AttemptState.FAILED)


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One signed transaction of a message, stored before its broadcast.

    seq: its number among those of the same purpose, from 1. reason: why it failed, else empty.
    at: Unix second of storing, set by the store.
    """

    sender: SenderKey
    message_id: bytes
    purpose: Purpose
    transaction: ExpiringTransaction
    seq: int = 0
    state: AttemptState = AttemptState.LIVE
    block: BlockRef | None = None
    reason: str = ""
    at: UnixSeconds = field(default=UnixSeconds(0), compare=False)

    @property
    def is_open(self) -> bool:
        """Whether it may still change."""
        return self.state in OPEN_STATES


def attempt_of_row(row: Row[Any]) -> Attempt:
    """Return the value of a row of expiring_attempt."""
    chain_id = ChainId(row.chain_id)
    block = None
    if row.landed_height is not None and row.landed_hash is not None:
        block = BlockRef(row.landed_height, bytes(row.landed_hash))
    return Attempt(
        sender=SenderKey(chain_id, bytes(row.key_address)),
        message_id=bytes(row.message_id),
        purpose=Purpose(row.purpose),
        transaction=ExpiringTransaction(
            chain_id=chain_id,
            tx_hash=bytes(row.tx_hash),
            raw=bytes(row.raw),
            fee=PriorityFee(row.fee_micro_lamports),
            last_block_number=row.last_block_number,
            signed_height=row.signed_height,
        ),
        seq=row.seq,
        state=AttemptState(row.state),
        block=block,
        reason=row.reason,
        at=UnixSeconds(row.at),
    )
