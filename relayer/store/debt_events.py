"""Events of debts: what stands behind a place, who repaid, and what is booked again."""

from typing import Final

from sqlalchemy import Connection, and_, or_, select, update

from chains.types import ChainId
from relayer.clock import Clock
from relayer.errors import StateMovedError
from relayer.store.chain_tables import OBSERVED_EVENT
from relayer.store.marks import is_behind, is_gone
from relayer.store.observed_rows import Booked, EventState, StoredEvent, stored_of
from relayer.store.statements import rows_changed

REPAID_KIND: Final = "Repaid"
DEBT_KINDS: Final = ("Borrowed", REPAID_KIND)


class DebtEventTable:
    """Borrowings and repayments among the observed events, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def behind(
        self, chain_id: ChainId, *, contract: bytes, account: bytes, place: tuple[int, int]
    ) -> tuple[StoredEvent, ...]:
        """Return all events of one debt behind a place (height, log_index), in order."""
        table = OBSERVED_EVENT.c
        height, log_index = place
        rows = self._connection.execute(
            select(OBSERVED_EVENT)
            .where(table.chain_id == chain_id, table.contract == contract)
            .where(table.account == account, table.kind.in_(DEBT_KINDS))
            .where(
                or_(
                    table.height > height, and_(table.height == height, table.log_index > log_index)
                )
            )
            .order_by(table.height, table.log_index)
        )
        return tuple(stored_of(row) for row in rows)

    def waits_before(
        self, chain_id: ChainId, *, contract: bytes, account: bytes, place: tuple[int, int]
    ) -> bool:
        """
        Return whether an event of one debt up to a place (height, log_index) waits to be booked.

        A final one that is booked as seen waits for nothing that changes the debt.
        """
        table = OBSERVED_EVENT.c
        height, log_index = place
        row = self._connection.execute(
            select(table.event_id)
            .where(table.chain_id == chain_id, table.contract == contract)
            .where(table.account == account, table.kind.in_(DEBT_KINDS))
            .where(
                or_(
                    table.height < height,
                    and_(table.height == height, table.log_index <= log_index),
                )
            )
            .where(or_(is_behind(), is_gone()), table.booked != Booked.SOFT.value)
            .limit(1)
        ).one_or_none()
        return row is not None

    def repayments_by(self, payer: bytes) -> tuple[StoredEvent, ...]:
        """Return all living repayments that an address made, in the order of the chains."""
        table = OBSERVED_EVENT.c
        rows = self._connection.execute(
            select(OBSERVED_EVENT)
            .where(table.kind == REPAID_KIND, table.payload.contains(payer.hex()))
            .where(table.state != EventState.ORPHANED.value)
            .order_by(table.chain_id, table.height, table.log_index)
        )
        found = (stored_of(row) for row in rows)
        return tuple(stored for stored in found if getattr(stored.event, "payer", b"") == payer)

    def reopen(self, event_id: bytes) -> StoredEvent:
        """
        Let a living event be booked again, in the transaction that took its entries back.

        Raises:
            StateMovedError: it is not booked, or its block is gone.
        """
        table = OBSERVED_EVENT.c
        statement = update(OBSERVED_EVENT).where(
            table.event_id == event_id,
            table.state != EventState.ORPHANED.value,
            table.booked.in_([Booked.SOFT.value, Booked.FINAL.value]),
        )
        if not rows_changed(
            self._connection,
            statement.values(booked=Booked.NONE.value, revivals=table.revivals + 1),
        ):
            raise StateMovedError(what=f"event 0x{event_id.hex()}", expected="booked")
        row = self._connection.execute(
            select(OBSERVED_EVENT).where(table.event_id == event_id)
        ).one()
        return stored_of(row)
