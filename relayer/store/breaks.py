"""Breaks: ledger and chain disagree. Shown until a person clears them, never repaired."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from chains.types import BlockRef, ChainId
from relayer.clock import Clock, UnixSeconds
from relayer.errors import StateMovedError
from relayer.money import AssetId
from relayer.store.chain_tables import BREAK_CLEARANCE, CUSTODY_BREAK
from relayer.store.statements import insert_into, stores_row


@dataclass(frozen=True, slots=True)
class CustodyDifference:
    """Custody of one contract in base units of one asset, by ledger and by chain, at a block."""

    chain_id: ChainId
    asset_id: AssetId
    contract: bytes
    ledger_units: int
    chain_units: int
    block: BlockRef


@dataclass(frozen=True, slots=True)
class StoredBreak:
    """A difference and its fate. Times are Unix seconds; cleared_at is None while it is open."""

    break_id: int
    difference: CustodyDifference
    found_at: UnixSeconds
    cleared_at: UnixSeconds | None
    cleared_by: str | None
    reason: str | None


class BreakTable:
    """Breaks, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def record(self, difference: CustodyDifference) -> StoredBreak:
        """Store a difference; an open break with the same units is returned instead."""
        for known in self.open_breaks(difference.chain_id):
            theirs = known.difference
            if (theirs.asset_id, theirs.contract, theirs.ledger_units, theirs.chain_units) == (
                difference.asset_id,
                difference.contract,
                difference.ledger_units,
                difference.chain_units,
            ):
                return known
        found_at = self._clock.now()
        break_id = self._connection.execute(
            CUSTODY_BREAK.insert()
            .values(
                chain_id=difference.chain_id,
                asset_id=difference.asset_id,
                contract=difference.contract,
                ledger_units=difference.ledger_units,
                chain_units=difference.chain_units,
                height=difference.block.height,
                block_hash=difference.block.block_hash,
                found_at=found_at,
            )
            .returning(CUSTODY_BREAK.c.break_id)
        ).scalar_one()
        return StoredBreak(break_id, difference, found_at, None, None, None)

    def clear(self, break_id: int, reason: str, cleared_by: str) -> None:
        """
        Close a break; who and why are kept for good.

        Raises:
            ValueError: no reason or no name.
            StateMovedError: it is closed already, or does not exist.
        """
        if not reason.strip() or not cleared_by.strip():
            raise ValueError("clearing a break needs a reason and a name")
        if break_id not in {known.break_id for known in self.open_breaks()}:
            raise StateMovedError(what=f"break {break_id}", expected="open")
        statement = insert_into(self._connection, BREAK_CLEARANCE).values(
            break_id=break_id,
            reason=reason,
            cleared_by=cleared_by,
            cleared_at=self._clock.now(),
        )
        if not stores_row(self._connection, statement.on_conflict_do_nothing()):
            raise StateMovedError(what=f"break {break_id}", expected="open")

    def open_breaks(self, chain_id: ChainId | None = None) -> tuple[StoredBreak, ...]:
        """Return the breaks that nobody has cleared, oldest first."""
        is_open = BREAK_CLEARANCE.c.break_id.is_(None)
        return self._select(chain_id, is_open)

    def all_breaks(self, chain_id: ChainId | None = None) -> tuple[StoredBreak, ...]:
        """Return every break ever found, oldest first."""
        return self._select(chain_id)

    def _select(self, chain_id: ChainId | None, *conditions: Any) -> tuple[StoredBreak, ...]:
        statement = (
            select(
                CUSTODY_BREAK,
                BREAK_CLEARANCE.c.reason,
                BREAK_CLEARANCE.c.cleared_by,
                BREAK_CLEARANCE.c.cleared_at,
            )
            .join(
                BREAK_CLEARANCE,
                BREAK_CLEARANCE.c.break_id == CUSTODY_BREAK.c.break_id,
                isouter=True,
            )
            .where(*conditions)
            .order_by(CUSTODY_BREAK.c.break_id)
        )
        if chain_id is not None:
            statement = statement.where(CUSTODY_BREAK.c.chain_id == chain_id)
        return tuple(_break(row) for row in self._connection.execute(statement))


def _break(row: Row[Any]) -> StoredBreak:
    return StoredBreak(
        break_id=row.break_id,
        difference=CustodyDifference(
            chain_id=ChainId(row.chain_id),
            asset_id=AssetId(row.asset_id),
            contract=row.contract,
            ledger_units=row.ledger_units,
            chain_units=row.chain_units,
            block=BlockRef(row.height, row.block_hash),
        ),
        found_at=UnixSeconds(row.found_at),
        cleared_at=row.cleared_at,
        cleared_by=row.cleared_by,
        reason=row.reason,
    )
