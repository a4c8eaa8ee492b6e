"""Transactions that expire: stored before they are sent, and one at a time for each purpose."""

from typing import Any, Final

from sqlalchemy import Connection, exists, func, select, update

from chains.types import BlockRef, ChainId
from relayer.clock import Clock
from relayer.errors import LeaseLostError, StateMovedError
from relayer.store.attempt_rows import (
    OPEN_STATES,
    Attempt,
    AttemptState,
    Purpose,
    attempt_of_row,
)
from relayer.store.attempt_tables import EXPIRING_ATTEMPT
from relayer.store.leases import Lease, LeaseTable, sender_lease_name
from relayer.store.send_rows import SenderKey
from relayer.store.statements import insert_into, rows_changed

ROWS_PER_QUERY_MAX: Final = 1_000
LIVE_SECONDS_MAX: Final = 3_600  # far beyond the life of any; what is older holds up no others
OPEN: Final = tuple(state.value for state in OPEN_STATES)
_T: Final = EXPIRING_ATTEMPT.c


class AttemptTable:
    """Attempts, inside one transaction; what signs a new one needs the key's lease."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def record(self, attempt: Attempt, lease: Lease) -> Attempt:
        """
        Store a signed transaction before its broadcast and return it with its number.

        Raises:
            LeaseLostError: another process uses the key now.
            StateMovedError: an earlier one for the same purpose may still land, whoever signed it,
                or has delivered the message for good.
        """
        name = sender_lease_name(attempt.sender.chain_id, attempt.sender.address)
        if lease.name != name:
            raise LeaseLostError(name=name, holder="another name")
        LeaseTable(self._connection, self._clock).check(name, lease.token)
        if self._is_taken(attempt):
            what = f"{attempt.purpose.value} of message 0x{attempt.message_id.hex()}"
            raise StateMovedError(what=what, expected="without a transaction that may land")
        transaction = attempt.transaction
        seq = self._count(attempt) + 1
        self._connection.execute(
            insert_into(self._connection, EXPIRING_ATTEMPT).values(
                chain_id=attempt.sender.chain_id,
                tx_hash=transaction.tx_hash,
                key_address=attempt.sender.address,
                message_id=attempt.message_id,
                purpose=attempt.purpose.value,
                seq=seq,
                raw=transaction.raw,
                fee_micro_lamports=transaction.fee.micro_lamports,
                last_block_number=transaction.last_block_number,
                signed_height=transaction.signed_height,
                at=self._clock.now(),
                state=AttemptState.LIVE.value,
                reason="",
            )
        )
        (found,) = self._found(_T.tx_hash == transaction.tx_hash)
        return found

    def mark(
        self, attempt: Attempt, state: AttemptState, block: BlockRef | None, reason: str = ""
    ) -> None:
        """
        Say what became of a transaction.

        Args:
            attempt: as it was read; what somebody else changed meanwhile is refused.
            block: where it is in a block, None elsewhere.

        Raises:
            StateMovedError: it is no longer as it was read, or has ended.
        """
        before = attempt.state.value if attempt.is_open else None
        statement = (
            update(EXPIRING_ATTEMPT)
            .where(_T.chain_id == attempt.sender.chain_id)
            .where(_T.tx_hash == attempt.transaction.tx_hash, _T.state == before)
            .values(
                state=state.value,
                landed_height=None if block is None else block.height,
                landed_hash=None if block is None else block.block_hash,
                reason=reason,
            )
        )
        if not rows_changed(self._connection, statement):
            what = f"transaction 0x{attempt.transaction.tx_hash.hex()}"
            raise StateMovedError(what=what, expected=str(before or "LIVE, LANDED or FAILED"))

    def of_message(self, message_id: bytes) -> tuple[Attempt, ...]:
        """Return all that was ever signed for a message, oldest first."""
        return self._found(_T.message_id == message_id)

    def unfinal(self, chain_id: ChainId) -> tuple[Attempt, ...]:
        """Return what may still change on a chain, whatever key signed it; oldest first."""
        return self._found(_T.chain_id == chain_id, _T.state.in_(OPEN))

    def live_count(self, sender: SenderKey) -> int:
        """
        Return how many of a key's transactions are in no block and may yet land.

        One that is LIVE for longer than any can be is one whose end no node tells any more.
        """
        count: int = self._connection.execute(
            select(func.count()).where(
                _T.chain_id == sender.chain_id,
                _T.key_address == sender.address,
                _T.state == AttemptState.LIVE.value,
                _T.at >= self._clock.now() - LIVE_SECONDS_MAX,
            )
        ).scalar_one()
        return count

    def _is_taken(self, attempt: Attempt) -> bool:
        taken = OPEN
        if attempt.purpose is Purpose.DELIVER:
            taken = (*OPEN, AttemptState.FINAL.value)
        found = select(exists().where(*_same(attempt), _T.state.in_(taken)))
        return bool(self._connection.execute(found).scalar_one())

    def _count(self, attempt: Attempt) -> int:
        count: int = self._connection.execute(
            select(func.count()).where(*_same(attempt))
        ).scalar_one()
        return count

    def _found(self, *conditions: Any) -> tuple[Attempt, ...]:
        rows = self._connection.execute(
            select(EXPIRING_ATTEMPT)
            .where(*conditions)
            .order_by(_T.at, _T.message_id, _T.purpose, _T.seq)
            .limit(ROWS_PER_QUERY_MAX)
        )
        return tuple(attempt_of_row(row) for row in rows)


def _same(attempt: Attempt) -> tuple[Any, ...]:
    """Return the conditions for what does the same, whichever key signed it."""
    return (
        _T.chain_id == attempt.sender.chain_id,
        _T.message_id == attempt.message_id,
        _T.purpose == attempt.purpose.value,
    )
