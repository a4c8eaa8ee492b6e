"""The newest state seen of each credit line, to accrue interest between its events."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from relayer.clock import Clock, UnixSeconds
from relayer.money import RAY, Rounding, mul_div
from relayer.store.columns import table_of
from relayer.store.request_tables import CreditLineRow
from relayer.store.statements import excluded_of, insert_into

CREDIT_LINES = table_of(CreditLineRow)


@dataclass(frozen=True, slots=True)
class CreditLineState:
    """Index and rate of a credit line at a block; both x 1e27, time as the chain says."""

    chain_id: str
    credit_line: bytes
    index_ray: int
    accrued_at: UnixSeconds
    rate_per_second_ray: int
    height: int

    def index_at(self, now: UnixSeconds) -> int:
        """
        Return the debt index at a second, as the contract computes it. [x 1e27, rounded up]

        index + index * rate * elapsed / 1e27; a moment before the reading counts as the reading.
        """
        elapsed_seconds = max(0, now - self.accrued_at)
        return self.index_ray + mul_div(
            self.index_ray, self.rate_per_second_ray * elapsed_seconds, RAY, Rounding.UP
        )


class CreditLineTable:
    """States of credit lines, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def record(self, state: CreditLineState) -> None:
        """Keep a state unless a newer one is stored."""
        values = {
            "chain_id": state.chain_id,
            "credit_line": state.credit_line,
            "index_ray": state.index_ray,
            "accrued_at": state.accrued_at,
            "rate_per_second_ray": state.rate_per_second_ray,
            "height": state.height,
        }
        statement = insert_into(self._connection, CREDIT_LINES).values(values)
        given = excluded_of(CREDIT_LINES)
        changed = {name: given[name] for name in values}
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["chain_id", "credit_line"],
                set_=changed,
                where=CREDIT_LINES.c.height <= given.height,
            )
        )

    def get(self, chain_id: str, credit_line: bytes) -> CreditLineState | None:
        """Return the newest state seen, or None before the first."""
        row = self._connection.execute(
            select(CREDIT_LINES).where(
                CREDIT_LINES.c.chain_id == chain_id, CREDIT_LINES.c.credit_line == credit_line
            )
        ).one_or_none()
        if row is None:
            return None
        return CreditLineState(
            chain_id=row.chain_id,
            credit_line=row.credit_line,
            index_ray=row.index_ray,
            accrued_at=UnixSeconds(row.accrued_at),
            rate_per_second_ray=row.rate_per_second_ray,
            height=row.height,
        )
