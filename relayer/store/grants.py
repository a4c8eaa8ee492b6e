"""Credit grants: what an account may still draw counts as debt up to its limit."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from chains.types import ChainId
from relayer.clock import Clock, UnixSeconds
from relayer.errors import StateMovedError
from relayer.store.chain_tables import CREDIT_GRANT
from relayer.store.statements import excluded_of, insert_into, rows_changed


class GrantState(Enum):
    """SIGNED: composed, may arrive. GRANTED: arrived. LAPSED: over. REPLACED: by a newer one."""

    SIGNED = "SIGNED"
    GRANTED = "GRANTED"
    LAPSED = "LAPSED"
    REPLACED = "REPLACED"


ACTIVE_STATES: Final = (GrantState.SIGNED.value, GrantState.GRANTED.value)


@dataclass(frozen=True, slots=True)
class CreditGrant:
    """A cap on an account's debt, in debt token base units, usable up to expiry_seconds."""

    message_id: bytes
    chain_id: ChainId
    credit_line: bytes
    account: bytes
    borrower: bytes
    limit_units: int
    expiry_seconds: UnixSeconds
    nonce: int
    state: GrantState


class GrantTable:
    """Credit grants, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def upsert(self, grant: CreditGrant) -> None:
        """Store a grant, or its state when it is stored; its other fields never change."""
        statement = insert_into(self._connection, CREDIT_GRANT).values(
            message_id=grant.message_id,
            chain_id=grant.chain_id,
            credit_line=grant.credit_line,
            account=grant.account,
            borrower=grant.borrower,
            limit_units=grant.limit_units,
            expiry_seconds=grant.expiry_seconds,
            nonce=grant.nonce,
            state=grant.state.value,
        )
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[CREDIT_GRANT.c.message_id],
                set_={"state": excluded_of(CREDIT_GRANT).state},
            )
        )

    def get(self, message_id: bytes) -> CreditGrant | None:
        """Return the grant of a message; None when there is none."""
        grants = self._select(CREDIT_GRANT.c.message_id == message_id)
        return grants[0] if grants else None

    def active(self, account: bytes) -> tuple[CreditGrant, ...]:
        """
        Return an account's grants that are signed or granted, expired ones too.

        Who has seen a final block later than the expiry sets them LAPSED.
        """
        states = CREDIT_GRANT.c.state.in_(ACTIVE_STATES)
        return self._select(CREDIT_GRANT.c.account == account, states)

    def of_account(self, account: bytes) -> tuple[CreditGrant, ...]:
        """Return all grants that an account ever had, whatever their state."""
        return self._select(CREDIT_GRANT.c.account == account)

    def expired(self, now: UnixSeconds) -> tuple[CreditGrant, ...]:
        """Return all grants that are signed or granted and past their last second."""
        states = CREDIT_GRANT.c.state.in_(ACTIVE_STATES)
        return self._select(CREDIT_GRANT.c.expiry_seconds < now, states)

    def set_state(self, message_id: bytes, before: GrantState, after: GrantState) -> None:
        """
        Move a grant.

        Raises:
            StateMovedError: it is unknown or not in the state before.
        """
        statement = update(CREDIT_GRANT).where(
            CREDIT_GRANT.c.message_id == message_id, CREDIT_GRANT.c.state == before.value
        )
        if not rows_changed(self._connection, statement.values(state=after.value)):
            raise StateMovedError(what=f"grant 0x{message_id.hex()}", expected=before.value)

    def _select(self, *conditions: Any) -> tuple[CreditGrant, ...]:
        table = CREDIT_GRANT.c
        rows = self._connection.execute(
            select(CREDIT_GRANT)
            .where(*conditions)
            .order_by(table.account, table.chain_id, table.credit_line, table.nonce)
        )
        return tuple(_grant(row) for row in rows)


def _grant(row: Row[Any]) -> CreditGrant:
    return CreditGrant(
        message_id=row.message_id,
        chain_id=ChainId(row.chain_id),
        credit_line=row.credit_line,
        account=row.account,
        borrower=row.borrower,
        limit_units=row.limit_units,
        expiry_seconds=UnixSeconds(row.expiry_seconds),
        nonce=row.nonce,
        state=GrantState(row.state),
    )
