"""Requests and decisions: what was asked, what was answered, and with which numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from relayer.clock import Clock, UnixSeconds
from relayer.errors import StateMovedError
from relayer.store.columns import table_of
from relayer.store.request_tables import RequestRow

REQUESTS = table_of(RequestRow)
DETAIL_CHARACTERS_MAX = 2_000


class RequestState(Enum):
    """Where a request is; GRANTED and REFUSED are final."""

    PENDING = "PENDING"
    GRANTED = "GRANTED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. numbers are the figures behind the decision, as text."""

    command_id: bytes
    kind: str
    account: bytes
    correlation_id: bytes
    state: RequestState
    code: str
    detail: str
    message_id: bytes | None
    numbers: Mapping[str, str]
    created_at: UnixSeconds
    decided_at: UnixSeconds | None


class RequestTable:
    """Requests, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def open(self, *, command_id: bytes, kind: str, account: bytes, correlation_id: bytes) -> bool:
        """Store a pending request; False when it is there already."""
        values: dict[str, Any] = {
            "command_id": command_id,
            "kind": kind,
            "account": account,
            "correlation_id": correlation_id,
            "state": RequestState.PENDING.value,
            "code": "pending",
            "detail": "the decision is being taken",
            "message_id": None,
            "numbers": {},
            "created_at": self._clock.now(),
            "decided_at": None,
        }
        dialect = self._connection.dialect.name
        insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
        statement = insert(REQUESTS).values(values).on_conflict_do_nothing()
        stored = self._connection.execute(statement.returning(REQUESTS.c.command_id))
        return stored.one_or_none() is not None

    def get(self, command_id: bytes) -> Request | None:
        """Return a request, or None when nobody asked."""
        row = self._connection.execute(
            select(REQUESTS).where(REQUESTS.c.command_id == command_id)
        ).one_or_none()
        return None if row is None else _request_of(row)

    def of_account(self, account: bytes, *, limit: int = 100) -> tuple[Request, ...]:
        """Return the newest requests about an account."""
        rows = self._connection.execute(
            select(REQUESTS)
            .where(REQUESTS.c.account == account)
            .order_by(REQUESTS.c.created_at.desc(), REQUESTS.c.command_id)
            .limit(limit)
        )
        return tuple(_request_of(row) for row in rows)

    def granted(self, account: bytes, kind: str) -> tuple[Request, ...]:
        """Return all granted requests of a kind about an account, the oldest first."""
        rows = self._connection.execute(
            select(REQUESTS)
            .where(REQUESTS.c.account == account, REQUESTS.c.kind == kind)
            .where(REQUESTS.c.state == RequestState.GRANTED.value)
            .order_by(REQUESTS.c.created_at, REQUESTS.c.command_id)
        )
        return tuple(_request_of(row) for row in rows)

    def grant(self, command_id: bytes, *, message_id: bytes, numbers: Mapping[str, str]) -> None:
        """
        Record that a request was granted, and by which message.

        Raises:
            StateMovedError: it was decided already.
        """
        self._decide(
            command_id,
            {
                "state": RequestState.GRANTED.value,
                "code": "granted",
                "detail": "granted",
                "message_id": message_id,
                "numbers": dict(numbers),
            },
        )

    def refuse(
        self, command_id: bytes, *, code: str, detail: str, numbers: Mapping[str, str]
    ) -> None:
        """
        Record that a request was refused, and why.

        Raises:
            StateMovedError: it was decided already.
        """
        self._decide(
            command_id,
            {
                "state": RequestState.REFUSED.value,
                "code": code,
                "detail": detail[:DETAIL_CHARACTERS_MAX],
                "numbers": dict(numbers),
            },
        )

    def _decide(self, command_id: bytes, values: dict[str, Any]) -> None:
        changed = self._connection.execute(
            update(REQUESTS)
            .where(
                REQUESTS.c.command_id == command_id,
                REQUESTS.c.state == RequestState.PENDING.value,
            )
            .values(**values, decided_at=self._clock.now())
        ).rowcount
        if changed != 1:
            raise StateMovedError(what=f"request 0x{command_id.hex()}", expected="PENDING")


def _request_of(row: Any) -> Request:
    return Request(
        command_id=row.command_id,
        kind=row.kind,
        account=row.account,
        correlation_id=row.correlation_id,
        state=RequestState(row.state),
        code=row.code,
        detail=row.detail,
        message_id=row.message_id,
        numbers=row.numbers,
        created_at=UnixSeconds(row.created_at),
        decided_at=None if row.decided_at is None else UnixSeconds(row.decided_at),
    )
