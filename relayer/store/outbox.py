"""Outbox messages: stored with their hold, moved by the transition table, never forgotten."""

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, tuple_, update

from chains.command import SignedCommand, command_fields, command_of_fields
from chains.message import decode_message
from chains.types import ChainId
from relayer.clock import Clock, UnixSeconds
from relayer.errors import StateMovedError
from relayer.outbox.life import MessageEvent, MessageState, WaitReason, next_state
from relayer.outbox.message import OutboxMessage
from relayer.store.fleet_tables import (
    MESSAGE_SIGNATURE,
    MESSAGE_TRANSACTION,
    MESSAGE_TRANSITION,
    OUTBOX_MESSAGE,
    OUTBOX_NONCE,
)
from relayer.store.statements import insert_into, rows_changed, stores_row

MESSAGES_PER_QUERY_MAX: Final = 1_000
COMPOSE: Final = "COMPOSE"
WAIT: Final = "WAIT"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message and where it is. next_attempt_at and deadline_at survive restarts."""

    message: OutboxMessage
    state: MessageState
    reason: WaitReason
    attempts: int
    next_attempt_at: UnixSeconds
    deadline_at: UnixSeconds

    @property
    def message_id(self) -> bytes:
        """keccak256 of the canonical bytes."""
        return self.message.message_id


@dataclass(frozen=True, slots=True)
class LifeEntry:
    """One line of a message's life; event is a MessageEvent, COMPOSE or WAIT."""

    seq: int
    before: MessageState | None
    after: MessageState
    event: str
    reason: WaitReason
    detail: str
    at: UnixSeconds


@dataclass(frozen=True, slots=True)
class MessageTransaction:
    """A transaction broadcast for a message; role says what for, for example deliver."""

    chain_id: ChainId
    tx_hash: bytes
    role: str
    at: UnixSeconds


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """What to list, oldest first; None and () mean any. after pages on from a message."""

    states: tuple[MessageState, ...] = ()
    target_chain: ChainId | None = None
    account: bytes | None = None
    correlation_id: bytes | None = None
    attempt_due_by: UnixSeconds | None = None
    after: StoredMessage | None = None
    limit: int = MESSAGES_PER_QUERY_MAX


class OutboxTable:
    """Messages, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def next_nonce(self, target_chain: ChainId, contract: bytes) -> int:
        """
        Take the next nonce of a lane, from 1; the row stays locked until the transaction ends.

        A transaction that is rolled back gives it back, so nonces have no gaps.
        """
        statement = insert_into(self._connection, OUTBOX_NONCE).values(
            target_chain=target_chain, contract=contract, last_nonce=1
        )
        nonce: int = self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[OUTBOX_NONCE.c.target_chain, OUTBOX_NONCE.c.contract],
                set_={"last_nonce": OUTBOX_NONCE.c.last_nonce + 1},
            ).returning(OUTBOX_NONCE.c.last_nonce)
        ).scalar_one()
        return nonce

    def enqueue(self, message: OutboxMessage) -> bool:
        """
        Store a message as PENDING, in the transaction that books its hold.

        Returns:
            False when the same message is stored already.
        """
        canonical, command = message.message, message.command
        statement = insert_into(self._connection, OUTBOX_MESSAGE).values(
            message_id=message.message_id,
            payload=canonical.encode(),
            kind=canonical.kind.name,
            target_chain=message.target_chain,
            contract=canonical.vault,
            nonce=canonical.nonce,
            account=canonical.account,
            correlation_id=message.correlation_id,
            hold_entry_id=message.hold_entry_id,
            command_kind=None if command is None else type(command.command).__name__,
            command_fields=None if command is None else _text(command_fields(command.command)),
            command_signatures=(
                None if command is None else _text([raw.hex() for raw in command.signatures])
            ),
            created_at=message.created_at,
            state=MessageState.PENDING.value,
            reason=WaitReason.COMPOSED.value,
            attempts=0,
            next_attempt_at=message.created_at,
            deadline_at=message.deadline_at,
        )
        fresh = statement.on_conflict_do_nothing(index_elements=[OUTBOX_MESSAGE.c.message_id])
        if not stores_row(self._connection, fresh):
            return False
        entry = {"event": COMPOSE, "reason": WaitReason.COMPOSED.value, "detail": ""}
        states = {"before": None, "after": MessageState.PENDING.value}
        self._log(message.message_id, {**entry, **states, "at": message.created_at})
        return True

    def get(self, message_id: bytes) -> StoredMessage | None:
        """Return a message; None when it is unknown."""
        row = self._connection.execute(
            select(OUTBOX_MESSAGE).where(OUTBOX_MESSAGE.c.message_id == message_id)
        ).one_or_none()
        return None if row is None else _stored(row)

    def at_nonce(self, target_chain: ChainId, contract: bytes, nonce: int) -> StoredMessage | None:
        """Return the message with a nonce of a lane; None when there is none."""
        table = OUTBOX_MESSAGE.c
        row = self._connection.execute(
            select(OUTBOX_MESSAGE)
            .where(table.target_chain == target_chain, table.contract == contract)
            .where(table.nonce == nonce)
        ).one_or_none()
        return None if row is None else _stored(row)

    def list(self, message_filter: MessageFilter) -> tuple[StoredMessage, ...]:
        """Return messages by (created_at, message_id)."""
        table = OUTBOX_MESSAGE.c
        statement = select(OUTBOX_MESSAGE)
        if message_filter.states:
            states = [state.value for state in message_filter.states]
            statement = statement.where(table.state.in_(states))
        for column, wanted in (
            (table.target_chain, message_filter.target_chain),
            (table.account, message_filter.account),
            (table.correlation_id, message_filter.correlation_id),
        ):
            if wanted is not None:
                statement = statement.where(column == wanted)
        if message_filter.attempt_due_by is not None:
            statement = statement.where(table.next_attempt_at <= message_filter.attempt_due_by)
        if message_filter.after is not None:
            last = message_filter.after
            place = tuple_(last.message.created_at, last.message_id)
            statement = statement.where(tuple_(table.created_at, table.message_id) > place)
        ordered = statement.order_by(table.created_at, table.message_id)
        rows = self._connection.execute(ordered.limit(message_filter.limit))
        return tuple(_stored(row) for row in rows)

    def in_state(
        self, *states: MessageState, limit: int = MESSAGES_PER_QUERY_MAX
    ) -> tuple[StoredMessage, ...]:
        """Return the oldest messages in any of the states."""
        return self.list(MessageFilter(states=states, limit=limit))

    def of_account(
        self, account: bytes, limit: int = MESSAGES_PER_QUERY_MAX
    ) -> tuple[StoredMessage, ...]:
        """Return the oldest messages about an account."""
        return self.list(MessageFilter(account=account, limit=limit))

    def move(
        self,
        message_id: bytes,
        event: MessageEvent,
        reason: WaitReason,
        detail: str,
        at: UnixSeconds,
    ) -> MessageState:
        """
        Move a message along one arrow and write it into its life.

        Raises:
            TransitionError: its state has no such arrow.
            StateMovedError: it is unknown, or another process moved it first.
        """
        before = self._state(message_id)
        after = next_state(before, event)
        changed = rows_changed(
            self._connection,
            update(OUTBOX_MESSAGE)
            .where(OUTBOX_MESSAGE.c.message_id == message_id)
            .where(OUTBOX_MESSAGE.c.state == before.value)
            .values(state=after.value, reason=reason.value, attempts=0, next_attempt_at=at),
        )
        if not changed:
            raise StateMovedError(what=_name(message_id), expected=before.value)
        entry = {"before": before.value, "after": after.value, "event": event.value}
        self._log(message_id, {**entry, "reason": reason.value, "detail": detail, "at": at})
        return after

    def wait(
        self,
        message_id: bytes,
        reason: WaitReason,
        *,
        next_attempt_at: UnixSeconds,
        deadline_at: UnixSeconds | None = None,
        detail: str = "",
    ) -> None:
        """
        Store why a message waits and until when; a new reason becomes a line of its life.

        Args:
            deadline_at: replaces the stored deadline; None keeps it.

        Raises:
            StateMovedError: it is unknown, or another process moved it meanwhile.
        """
        row = self._connection.execute(
            select(OUTBOX_MESSAGE.c.state, OUTBOX_MESSAGE.c.reason)
            .where(OUTBOX_MESSAGE.c.message_id == message_id)
            .with_for_update()
        ).one_or_none()
        if row is None:
            raise StateMovedError(what=_name(message_id), expected="stored")
        values: dict[str, Any] = {"reason": reason.value, "next_attempt_at": next_attempt_at}
        if deadline_at is not None:
            values["deadline_at"] = deadline_at
        self._connection.execute(
            update(OUTBOX_MESSAGE)
            .where(OUTBOX_MESSAGE.c.message_id == message_id)
            .values(**values, attempts=OUTBOX_MESSAGE.c.attempts + 1)
        )
        if row.reason != reason.value:
            entry = {"before": row.state, "after": row.state, "event": WAIT}
            at = self._clock.now()
            self._log(message_id, {**entry, "reason": reason.value, "detail": detail, "at": at})

    def life(self, message_id: bytes) -> tuple[LifeEntry, ...]:
        """Return what happened to a message, in order."""
        rows = self._connection.execute(
            select(MESSAGE_TRANSITION)
            .where(MESSAGE_TRANSITION.c.message_id == message_id)
            .order_by(MESSAGE_TRANSITION.c.seq)
        )
        return tuple(
            LifeEntry(
                seq=row.seq,
                before=None if row.before is None else MessageState(row.before),
                after=MessageState(row.after),
                event=row.event,
                reason=WaitReason(row.reason),
                detail=row.detail,
                at=UnixSeconds(row.at),
            )
            for row in rows
        )

    def add_signature(
        self, message_id: bytes, guardian_set_index: int, signer: bytes, signature: bytes
    ) -> bool:
        """Store a guardian's signature that the caller has checked; False when it was there."""
        statement = insert_into(self._connection, MESSAGE_SIGNATURE).values(
            message_id=message_id,
            guardian_set_index=guardian_set_index,
            signer=signer,
            signature=signature,
            at=self._clock.now(),
        )
        return stores_row(self._connection, statement.on_conflict_do_nothing())

    def signatures(self, message_id: bytes, guardian_set_index: int) -> dict[bytes, bytes]:
        """Return signer to signature of one guardian set, ascending by signer."""
        table = MESSAGE_SIGNATURE.c
        rows = self._connection.execute(
            select(table.signer, table.signature)
            .where(table.message_id == message_id)
            .where(table.guardian_set_index == guardian_set_index)
            .order_by(table.signer)
        )
        return {row.signer: bytes(row.signature) for row in rows}

    def add_transaction(
        self, message_id: bytes, chain_id: ChainId, tx_hash: bytes, role: str
    ) -> bool:
        """Keep the hash of a transaction broadcast for a message; False when it was there."""
        statement = insert_into(self._connection, MESSAGE_TRANSACTION).values(
            message_id=message_id,
            chain_id=chain_id,
            tx_hash=tx_hash,
            role=role,
            at=self._clock.now(),
        )
        return stores_row(self._connection, statement.on_conflict_do_nothing())

    def transactions(self, message_id: bytes) -> tuple[MessageTransaction, ...]:
        """Return every transaction broadcast for a message, oldest first."""
        table = MESSAGE_TRANSACTION.c
        rows = self._connection.execute(
            select(MESSAGE_TRANSACTION)
            .where(table.message_id == message_id)
            .order_by(table.at, table.chain_id, table.tx_hash)
        )
        return tuple(
            MessageTransaction(
                ChainId(row.chain_id), bytes(row.tx_hash), row.role, UnixSeconds(row.at)
            )
            for row in rows
        )

    def _state(self, message_id: bytes) -> MessageState:
        state = self._connection.execute(
            select(OUTBOX_MESSAGE.c.state).where(OUTBOX_MESSAGE.c.message_id == message_id)
        ).scalar_one_or_none()
        if state is None:
            raise StateMovedError(what=_name(message_id), expected="stored")
        return MessageState(state)

    def _log(self, message_id: bytes, entry: dict[str, Any]) -> None:
        # The message's row is locked by the caller's UPDATE, so no two entries take one seq.
        newest = self._connection.execute(
            select(func.max(MESSAGE_TRANSITION.c.seq)).where(
                MESSAGE_TRANSITION.c.message_id == message_id
            )
        ).scalar_one()
        seq = 1 if newest is None else newest + 1
        self._connection.execute(
            MESSAGE_TRANSITION.insert().values(message_id=message_id, seq=seq, **entry)
        )


def _name(message_id: bytes) -> str:
    return f"message 0x{message_id.hex()}"


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _stored(row: Row[Any]) -> StoredMessage:
    command = None
    if row.command_kind is not None:
        command = SignedCommand(
            command=command_of_fields(row.command_kind, json.loads(row.command_fields)),
            signatures=tuple(bytes.fromhex(text) for text in json.loads(row.command_signatures)),
        )
    message = decode_message(bytes(row.payload))
    return StoredMessage(
        message=OutboxMessage(
            message=message,
            target_chain=ChainId(row.target_chain),
            correlation_id=row.correlation_id,
            hold_entry_id=row.hold_entry_id,
            command=command,
            created_at=UnixSeconds(row.created_at),
            # The first deadline cannot pass the expiry; a stored later one is the waiting one's.
            deadline_at=UnixSeconds(min(row.deadline_at, message.expiry_seconds)),
        ),
        state=MessageState(row.state),
        reason=WaitReason(row.reason),
        attempts=row.attempts,
        next_attempt_at=UnixSeconds(row.next_attempt_at),
        deadline_at=UnixSeconds(row.deadline_at),
    )
