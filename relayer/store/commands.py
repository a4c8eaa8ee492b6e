"""Signed commands, and idempotency keys of requests that change state."""

import json
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, and_, select, update

from chains.command import SignedCommand, command_fields, command_of_fields
from relayer.clock import Clock, UnixSeconds
from relayer.errors import StateMovedError
from relayer.store.fleet_tables import IDEMPOTENCY, SIGNED_COMMAND
from relayer.store.statements import insert_into, present, rows_changed, stores_row

REQUEST_SECONDS_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class New:
    """Nobody used the key: handle the request, then finish."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The same request was answered before: give the same answer."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class InProgress:
    """The same request is being handled since a Unix second; ask again."""

    begun_at: UnixSeconds


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The key was used for another request: refuse."""


Begun = New | Replay | InProgress | Mismatch


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """A command as it was received, at a Unix second."""

    command_id: bytes
    signed: SignedCommand
    received_at: UnixSeconds


class CommandTable:
    """Commands and keys, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def begin(self, key: str, sender: str, fingerprint: bytes) -> Begun:
        """
        Take an idempotency key, or say what became of it.

        A request that was begun REQUEST_SECONDS_MAX ago and not finished is taken for crashed;
        who asks next handles it again.

        Args:
            sender: whose key it is; two senders may use one key.
            fingerprint: 32-byte hash of the request.
        """
        now = self._clock.now()
        table = IDEMPOTENCY.c
        statement = insert_into(self._connection, IDEMPOTENCY).values(
            sender=sender, key=key, fingerprint=fingerprint, begun_at=now
        )
        crashed = and_(
            table.finished_at.is_(None),
            table.fingerprint == fingerprint,
            table.begun_at <= now - REQUEST_SECONDS_MAX,
        )
        taken = self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[table.sender, table.key],
                set_={"begun_at": now},
                where=crashed,
            ).returning(table.key)
        ).one_or_none()
        if taken is not None:
            return New()
        row = self._connection.execute(
            select(IDEMPOTENCY).where(table.sender == sender, table.key == key)
        ).one()
        if row.fingerprint != fingerprint:
            return Mismatch()
        if row.finished_at is None:
            return InProgress(UnixSeconds(row.begun_at))
        return Replay(present(row.status, "status"), bytes(present(row.body, "body")))

    def finish(self, key: str, sender: str, *, status: int, body: bytes) -> None:
        """
        Store the answer of a request, in the transaction of its effects.

        Raises:
            StateMovedError: the key was not begun, or has an answer.
        """
        table = IDEMPOTENCY.c
        if not rows_changed(
            self._connection,
            update(IDEMPOTENCY)
            .where(table.sender == sender, table.key == key, table.finished_at.is_(None))
            .values(finished_at=self._clock.now(), status=status, body=body),
        ):
            raise StateMovedError(what=f"idempotency key {key}", expected="begun and unanswered")

    def store(self, command_id: bytes, signed: SignedCommand) -> bool:
        """Keep a signed command whose signatures the caller has checked; False when known."""
        statement = insert_into(self._connection, SIGNED_COMMAND).values(
            command_id=command_id,
            kind=type(signed.command).__name__,
            fields=_text(command_fields(signed.command)),
            signatures=_text([raw.hex() for raw in signed.signatures]),
            received_at=self._clock.now(),
        )
        return stores_row(self._connection, statement.on_conflict_do_nothing())

    def command(self, command_id: bytes) -> StoredCommand | None:
        """Return a command; None when it is unknown."""
        row = self._connection.execute(
            select(SIGNED_COMMAND).where(SIGNED_COMMAND.c.command_id == command_id)
        ).one_or_none()
        if row is None:
            return None
        return StoredCommand(
            command_id=command_id,
            signed=SignedCommand(
                command=command_of_fields(row.kind, json.loads(row.fields)),
                signatures=tuple(bytes.fromhex(text) for text in json.loads(row.signatures)),
            ),
            received_at=UnixSeconds(row.received_at),
        )


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
