"""What waits for a sending key, seen as a whole: how much, in which order, and for what."""

from itertools import groupby
from operator import attrgetter
from typing import Final

from sqlalchemy import ColumnElement, Connection, exists, func, select, tuple_

from relayer.clock import Clock
from relayer.outbox.life import MessageState
from relayer.store.fleet_tables import OUTBOX_MESSAGE, SEND, SEND_ATTEMPT
from relayer.store.nonces import OPEN_STATES, UNFINAL_STATES
from relayer.store.outbox import StoredMessage
from relayer.store.send_rows import (
    SendAttempt,
    SenderKey,
    SendRow,
    SendState,
    send_attempt_of,
    send_row_of,
)

ROWS_PER_QUERY_MAX: Final = 1_000


class SendQueueTable:
    """The queue of a key, inside one transaction; nothing is written here."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def unfinal(self, sender: SenderKey) -> tuple[SendRow, ...]:
        """Return the nonces that may still change, lowest first: reserved to mined, not final."""
        rows = self._connection.execute(
            select(SEND)
            .where(*_of(sender), SEND.c.state.in_(UNFINAL_STATES))
            .order_by(SEND.c.account_nonce)
            .limit(ROWS_PER_QUERY_MAX)
        )
        return tuple(send_row_of(row) for row in rows)

    def free_below(self, sender: SenderKey, account_nonce: int) -> tuple[SendRow, ...]:
        """Return the freed nonces below another, lowest first."""
        rows = self._connection.execute(
            select(SEND)
            .where(*_of(sender), SEND.c.state == SendState.FREED.value)
            .where(SEND.c.account_nonce < account_nonce)
            .order_by(SEND.c.account_nonce)
            .limit(ROWS_PER_QUERY_MAX)
        )
        return tuple(send_row_of(row) for row in rows)

    def attempts_from(
        self, sender: SenderKey, account_nonce: int
    ) -> dict[int, tuple[SendAttempt, ...]]:
        """Return what was signed with a nonce and each later one, oldest first."""
        table = SEND_ATTEMPT.c
        rows = self._connection.execute(
            select(SEND_ATTEMPT)
            .where(table.chain_id == sender.chain_id, table.key_address == sender.address)
            .where(table.account_nonce >= account_nonce)
            .order_by(table.account_nonce, table.seq)
        )
        return {
            nonce: tuple(send_attempt_of(row) for row in group)
            for nonce, group in groupby(rows, key=attrgetter("account_nonce"))
        }

    def has_kind_from(self, sender: SenderKey, account_nonce: int, kind: str) -> bool:
        """Return whether a message of a kind waits at a nonce or behind it."""
        return bool(
            self._connection.execute(
                select(
                    exists()
                    .where(*_of(sender), SEND.c.state.in_(OPEN_STATES))
                    .where(SEND.c.account_nonce >= account_nonce)
                    .where(OUTBOX_MESSAGE.c.message_id == SEND.c.message_id)
                    .where(OUTBOX_MESSAGE.c.kind == kind)
                )
            ).scalar_one()
        )

    def place_of(self, stored: StoredMessage, limit: int) -> int:
        """
        Return how many attested messages wait for the same chain before this one.

        Args:
            limit: it is counted no further than to this number.
        """
        table = OUTBOX_MESSAGE.c
        place = tuple_(stored.message.created_at, stored.message_id)
        before = (
            select(table.message_id)
            .where(table.state == MessageState.ATTESTED.value)
            .where(table.target_chain == stored.message.target_chain)
            .where(tuple_(table.created_at, table.message_id) < place)
            .limit(limit)
        )
        count: int = self._connection.execute(
            select(func.count()).select_from(before.subquery())
        ).scalar_one()
        return count


def _of(sender: SenderKey) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return SEND.c.chain_id == sender.chain_id, SEND.c.key_address == sender.address
