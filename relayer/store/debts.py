"""Debts as credit lines report them: a projection of Borrowed and Repaid events."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Row, delete, select, tuple_

from chains.types import ChainId
from relayer.clock import Clock
from relayer.money import RAY, Rounding, mul_div
from relayer.store.chain_tables import DEBT_POSITION
from relayer.store.statements import excluded_of, insert_into, stores_row


class DebtView(Enum):
    """SOFT: every event seen. FINAL: events of final blocks only."""

    SOFT = "SOFT"
    FINAL = "FINAL"


@dataclass(frozen=True, slots=True)
class DebtPosition:
    """
    An account's debt at its last event: ceil(scaled * index_ray / 1e27) debt token base units.

    seen_height and log_index are the place of that event.
    """

    chain_id: ChainId
    credit_line: bytes
    account: bytes
    scaled: int
    index_ray: int
    seen_height: int
    log_index: int

    def debt_units(self, index_ray: int) -> int:
        """Return the debt at an index of the credit line. [base units, rounded up]"""
        return mul_div(self.scaled, index_ray, RAY, Rounding.UP)


class DebtTable:
    """Debt positions, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def upsert(self, view: DebtView, position: DebtPosition) -> bool:
        """Store a position; False when the stored one is from the same event or a later one."""
        statement = self._insert(view, position)
        stored = tuple_(DEBT_POSITION.c.seen_height, DEBT_POSITION.c.log_index)
        new = excluded_of(DEBT_POSITION)
        given = tuple_(new.seen_height, new.log_index)
        newer = statement.on_conflict_do_update(
            index_elements=list(DEBT_POSITION.primary_key),
            set_=_changed(),
            where=stored < given,
        )
        return stores_row(self._connection, newer)

    def replace(self, view: DebtView, position: DebtPosition) -> None:
        """Store a position whatever is stored: after a rewind the place goes back."""
        statement = self._insert(view, position)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=list(DEBT_POSITION.primary_key), set_=_changed()
            )
        )

    def drop(self, view: DebtView, chain_id: ChainId, credit_line: bytes, account: bytes) -> None:
        """Forget a position: after a rewind no event of it is left."""
        table = DEBT_POSITION.c
        self._connection.execute(
            delete(DEBT_POSITION)
            .where(table.view == view.value, table.chain_id == chain_id)
            .where(table.credit_line == credit_line, table.account == account)
        )

    def of_account(self, view: DebtView, account: bytes) -> tuple[DebtPosition, ...]:
        """Return an account's positions, by chain and credit line."""
        return self._select(view, DEBT_POSITION.c.account == account)

    def all(self, view: DebtView) -> tuple[DebtPosition, ...]:
        """Return every position, by chain, credit line and account."""
        return self._select(view)

    def _insert(self, view: DebtView, position: DebtPosition) -> Any:
        return insert_into(self._connection, DEBT_POSITION).values(
            view=view.value,
            chain_id=position.chain_id,
            credit_line=position.credit_line,
            account=position.account,
            scaled=position.scaled,
            index_ray=position.index_ray,
            seen_height=position.seen_height,
            log_index=position.log_index,
        )

    def _select(self, view: DebtView, *conditions: Any) -> tuple[DebtPosition, ...]:
        table = DEBT_POSITION.c
        rows = self._connection.execute(
            select(DEBT_POSITION)
            .where(table.view == view.value, *conditions)
            .order_by(table.chain_id, table.credit_line, table.account)
        )
        return tuple(_position(row) for row in rows)


def _changed() -> dict[str, Any]:
    names = ("scaled", "index_ray", "seen_height", "log_index")
    given = excluded_of(DEBT_POSITION)
    return {name: given[name] for name in names}


def _position(row: Row[Any]) -> DebtPosition:
    return DebtPosition(
        chain_id=ChainId(row.chain_id),
        credit_line=row.credit_line,
        account=row.account,
        scaled=row.scaled,
        index_ray=row.index_ray,
        seen_height=row.seen_height,
        log_index=row.log_index,
    )
