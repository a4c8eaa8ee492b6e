"""Account nonces of sending keys: the row is stored before anything is broadcast."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, select, update
from sqlalchemy.sql.dml import Update

from chains.types import BlockRef
from relayer.clock import Clock
from relayer.errors import InvariantError, LeaseLostError, StateMovedError
from relayer.store.fleet_tables import SEND, SEND_ATTEMPT
from relayer.store.leases import Lease, LeaseTable, sender_lease_name
from relayer.store.send_rows import (
    SendAttempt,
    SenderKey,
    SendRow,
    SendState,
    filler_id,
    send_attempt_of,
    send_row_of,
)
from relayer.store.statements import insert_into, rows_changed, stores_row

OPEN_STATES: Final = (SendState.RESERVED.value, SendState.BROADCAST.value)
IN_PROGRESS_STATES: Final = (*OPEN_STATES, SendState.MINED.value)
MINED_STATES: Final = (SendState.MINED, SendState.REVERTED)
UNFINAL_STATES: Final = (*OPEN_STATES, *(state.value for state in MINED_STATES))
USED_STATES: Final = (
    *(state.value for state in MINED_STATES),
    SendState.FINAL.value,
    SendState.LOST.value,
)


class NonceTable:
    """Nonces, inside one transaction; what reserves or broadcasts needs the key's lease."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def reserve(
        self, sender: SenderKey, message_id: bytes, first_account_nonce: int, lease: Lease
    ) -> SendRow:
        """
        Reserve the lowest free nonce for a message; commit before broadcasting.

        Asked again while the message's nonce is in progress (reserved, broadcast or mined), the
        answer is the same row; after REVERTED or FINAL it is a new one.

        Args:
            message_id: a message; for a gap's filler see fill.
            first_account_nonce: the key's transaction count on the chain, at its latest block.

        Raises:
            LeaseLostError: another process uses the key now.
        """
        self._fence(sender, lease)
        mine = self._connection.execute(
            _rows_of(sender)
            .where(SEND.c.message_id == message_id, SEND.c.state.in_(IN_PROGRESS_STATES))
            .order_by(SEND.c.account_nonce.desc())
            .limit(1)
        ).one_or_none()
        if mine is not None:
            return send_row_of(mine)
        nonce = self._lowest_free(sender, first_account_nonce)
        return self._take(sender, message_id, nonce)

    def fill(
        self, sender: SenderKey, account_nonce: int, highest_account_nonce: int, lease: Lease
    ) -> SendRow | None:
        """
        Reserve the lowest free nonce for a filler, where a later one waits behind it.

        Args:
            account_nonce: the first nonce that the node has no transaction for.
            highest_account_nonce: the highest one that was broadcast.

        Returns:
            None where nothing is free below the highest one.

        Raises:
            LeaseLostError: another process uses the key now.
        """
        self._fence(sender, lease)
        nonce = self._lowest_free(sender, account_nonce)
        if nonce >= highest_account_nonce:
            return None
        return self._take(sender, filler_id(sender, nonce), nonce)

    def _take(self, sender: SenderKey, message_id: bytes, nonce: int) -> SendRow:
        values = {
            "message_id": message_id,
            "state": SendState.RESERVED.value,
            "reserved_at": self._clock.now(),
        }
        statement = insert_into(self._connection, SEND).values(
            chain_id=sender.chain_id, key_address=sender.address, account_nonce=nonce, **values
        )
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[SEND.c.chain_id, SEND.c.key_address, SEND.c.account_nonce],
                set_=values,
                where=SEND.c.state == SendState.FREED.value,
            )
        )
        return self.row(sender, nonce)

    def free(self, sender: SenderKey, account_nonce: int, lease: Lease) -> None:
        """
        Give back a nonce that nothing was broadcast with.

        Raises:
            LeaseLostError: another process uses the key now.
            StateMovedError: it is not RESERVED.
        """
        self._fence(sender, lease)
        self._change(sender, account_nonce, (SendState.RESERVED,), state=SendState.FREED.value)

    def record_attempt(self, row: SendRow, attempt: SendAttempt, lease: Lease) -> bool:
        """
        Store a signed transaction before its broadcast; all hashes are kept.

        Args:
            row: as it was when the transaction was signed; a nonce that went to another message
                meanwhile is refused, so no two messages are ever signed for one nonce.

        Returns:
            False when the same transaction is stored already.

        Raises:
            LeaseLostError: another process uses the key now.
            StateMovedError: the nonce is mined, final or freed, or another message's.
        """
        sender, account_nonce = row.sender, row.account_nonce
        self._fence(sender, lease)
        statement = self._update(sender, account_nonce, (SendState.RESERVED, SendState.BROADCAST))
        if not rows_changed(
            self._connection,
            statement.where(SEND.c.message_id == row.message_id).values(
                state=SendState.BROADCAST.value
            ),
        ):
            what = f"{sender.chain_id} nonce {account_nonce}"
            raise StateMovedError(what=what, expected="RESERVED or BROADCAST for the same message")
        attempts = self._connection.execute(
            select(func.count()).where(
                SEND_ATTEMPT.c.chain_id == sender.chain_id,
                SEND_ATTEMPT.c.key_address == sender.address,
                SEND_ATTEMPT.c.account_nonce == account_nonce,
            )
        ).scalar_one()
        purpose = filler_id(sender, account_nonce) if attempt.is_filler else row.message_id
        insert = insert_into(self._connection, SEND_ATTEMPT).values(
            chain_id=sender.chain_id,
            tx_hash=attempt.tx_hash,
            key_address=sender.address,
            account_nonce=account_nonce,
            message_id=purpose,
            seq=attempts + 1,
            raw=attempt.raw,
            fee_max_wei=attempt.fee_max_wei,
            fee_priority_wei=attempt.fee_priority_wei,
            at=self._clock.now(),
        )
        return stores_row(self._connection, insert.on_conflict_do_nothing())

    def mark_mined(
        self,
        sender: SenderKey,
        account_nonce: int,
        tx_hash: bytes,
        block: BlockRef,
        *,
        is_reverted: bool = False,
    ) -> None:
        """
        Say which attempt is in which block; also when the block changed.

        Args:
            is_reverted: the transaction failed; the nonce is used up without effect.

        Raises:
            StateMovedError: nothing was broadcast with the nonce, or it is final.
        """
        self._change(
            sender,
            account_nonce,
            (SendState.BROADCAST, *MINED_STATES),
            state=(SendState.REVERTED if is_reverted else SendState.MINED).value,
            mined_tx_hash=tx_hash,
            mined_height=block.height,
            mined_hash=block.block_hash,
        )

    def mark_unmined(self, sender: SenderKey, account_nonce: int) -> None:
        """
        Say that the block of a mined transaction is gone.

        Raises:
            StateMovedError: it is neither MINED nor REVERTED.
        """
        self._change(
            sender,
            account_nonce,
            MINED_STATES,
            state=SendState.BROADCAST.value,
            mined_tx_hash=None,
            mined_height=None,
            mined_hash=None,
        )

    def mark_final(self, sender: SenderKey, account_nonce: int) -> None:
        """
        Say that the block of a mined transaction is final.

        Raises:
            StateMovedError: it is neither MINED nor REVERTED.
        """
        self._change(sender, account_nonce, MINED_STATES, state=SendState.FINAL.value)

    def mark_lost(self, sender: SenderKey, account_nonce: int) -> None:
        """
        Say that a final block used the nonce for something else than its message.

        Raises:
            StateMovedError: it is FINAL, REVERTED or LOST already.
        """
        before = (SendState.RESERVED, SendState.BROADCAST, SendState.MINED, SendState.FREED)
        self._change(sender, account_nonce, before, state=SendState.LOST.value)

    def row(self, sender: SenderKey, account_nonce: int) -> SendRow:
        """
        Return one nonce.

        Raises:
            InvariantError: it was never reserved.
        """
        row = self._connection.execute(
            _rows_of(sender).where(SEND.c.account_nonce == account_nonce)
        ).one_or_none()
        if row is None:
            raise InvariantError(f"{sender.chain_id}: nonce {account_nonce} was never reserved")
        return send_row_of(row)

    def rows_of_message(self, message_id: bytes) -> tuple[SendRow, ...]:
        """Return every nonce that a message uses, on any chain."""
        rows = self._connection.execute(
            select(SEND)
            .where(SEND.c.message_id == message_id)
            .order_by(SEND.c.chain_id, SEND.c.key_address, SEND.c.account_nonce)
        )
        return tuple(send_row_of(row) for row in rows)

    def pending(self, sender: SenderKey) -> tuple[SendRow, ...]:
        """Return what is reserved or broadcast and not mined, lowest nonce first."""
        rows = self._connection.execute(
            _rows_of(sender).where(SEND.c.state.in_(OPEN_STATES)).order_by(SEND.c.account_nonce)
        )
        return tuple(send_row_of(row) for row in rows)

    def mined(self, sender: SenderKey) -> tuple[SendRow, ...]:
        """Return what is in a block, with effect or not, and not final; lowest nonce first."""
        rows = self._connection.execute(
            _rows_of(sender)
            .where(SEND.c.state.in_([state.value for state in MINED_STATES]))
            .order_by(SEND.c.account_nonce)
        )
        return tuple(send_row_of(row) for row in rows)

    def attempts(self, message_id: bytes) -> tuple[SendAttempt, ...]:
        """Return every signed transaction that carries a message, oldest first."""
        return self._attempts(SEND_ATTEMPT.c.message_id == message_id)

    def _attempts(self, *conditions: ColumnElement[bool]) -> tuple[SendAttempt, ...]:
        table = SEND_ATTEMPT.c
        rows = self._connection.execute(
            select(SEND_ATTEMPT)
            .where(*conditions)
            .order_by(table.chain_id, table.key_address, table.account_nonce, table.seq)
        )
        return tuple(send_attempt_of(row) for row in rows)

    def attempts_of(self, sender: SenderKey, account_nonce: int) -> tuple[SendAttempt, ...]:
        """Return every signed transaction with one nonce of a key, oldest first."""
        return self._attempts(
            SEND_ATTEMPT.c.chain_id == sender.chain_id,
            SEND_ATTEMPT.c.key_address == sender.address,
            SEND_ATTEMPT.c.account_nonce == account_nonce,
        )

    def _fence(self, sender: SenderKey, lease: Lease) -> None:
        name = sender_lease_name(sender.chain_id, sender.address)
        if lease.name != name:
            raise LeaseLostError(name=name, holder="another name")
        LeaseTable(self._connection, self._clock).check(name, lease.token)

    def _lowest_free(self, sender: SenderKey, first_account_nonce: int) -> int:
        mine = (SEND.c.chain_id == sender.chain_id, SEND.c.key_address == sender.address)
        # A node that lags names a nonce that is used up: what we know of the chain is a floor.
        used = self._connection.execute(
            select(func.max(SEND.c.account_nonce)).where(*mine, SEND.c.state.in_(USED_STATES))
        ).scalar_one()
        nonce: int = first_account_nonce if used is None else max(first_account_nonce, used + 1)
        taken = self._connection.scalars(
            select(SEND.c.account_nonce)
            .where(*mine, SEND.c.account_nonce >= nonce, SEND.c.state != SendState.FREED.value)
            .order_by(SEND.c.account_nonce)
        )
        for other in taken:
            if other != nonce:
                break
            nonce += 1
        return nonce

    def _update(
        self, sender: SenderKey, account_nonce: int, before: tuple[SendState, ...]
    ) -> Update:
        return (
            update(SEND)
            .where(SEND.c.chain_id == sender.chain_id, SEND.c.key_address == sender.address)
            .where(SEND.c.account_nonce == account_nonce)
            .where(SEND.c.state.in_([state.value for state in before]))
        )

    def _change(
        self, sender: SenderKey, account_nonce: int, before: tuple[SendState, ...], **values: Any
    ) -> None:
        statement = self._update(sender, account_nonce, before)
        if not rows_changed(self._connection, statement.values(**values)):
            expected = " or ".join(state.value for state in before)
            raise StateMovedError(
                what=f"{sender.chain_id} nonce {account_nonce}", expected=expected
            )


def _rows_of(sender: SenderKey) -> Any:
    return select(SEND).where(
        SEND.c.chain_id == sender.chain_id, SEND.c.key_address == sender.address
    )
