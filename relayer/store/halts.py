"""Which chain is which, and which are halted: with reasons that are kept for good."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from chains.errors import WrongChainError
from chains.types import ChainId
from relayer.clock import Clock, UnixSeconds
from relayer.store.chain_tables import CHAIN, CHAIN_LOG
from relayer.store.statements import insert_into, rows_changed


@dataclass(frozen=True, slots=True)
class Halt:
    """Why and since when (Unix second) a chain is halted."""

    chain_id: ChainId
    reason: str
    halted_at: UnixSeconds


class HaltTable:
    """Identity and halts of chains, inside one transaction; a part of ChainTable."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def remember_identity(self, chain_id: ChainId, reference: str, genesis_hash: bytes) -> None:
        """
        Store what tells this chain from others, or compare it.

        Raises:
            WrongChainError: another reference or genesis is stored.
        """
        self._ensure(chain_id)
        row = self._row(chain_id)
        if row.genesis_hash is None:
            self._connection.execute(
                update(CHAIN)
                .where(CHAIN.c.chain_id == chain_id)
                .values(reference=reference, genesis_hash=genesis_hash)
            )
            return
        for field, expected, found in (
            ("reference", row.reference, reference),
            ("genesis hash", "0x" + row.genesis_hash.hex(), "0x" + genesis_hash.hex()),
        ):
            if expected != found:
                values = {"field": field, "expected": expected, "found": found}
                raise WrongChainError(chain_id=chain_id, **values)

    def halt(self, chain_id: ChainId, reason: str) -> None:
        """Halt a chain until an operator resumes it; the first reason stays."""
        self._ensure(chain_id)
        statement = update(CHAIN).where(CHAIN.c.chain_id == chain_id, CHAIN.c.halted_at.is_(None))
        now = self._clock.now()
        values = {"halted_at": now, "halted_reason": reason}
        if rows_changed(self._connection, statement.values(**values)):
            self._log(chain_id, "halt", reason)

    def resume(self, chain_id: ChainId, reason: str) -> None:
        """Let a chain go on; the reason is kept."""
        statement = update(CHAIN).where(
            CHAIN.c.chain_id == chain_id, CHAIN.c.halted_at.is_not(None)
        )
        values = {"halted_at": None, "halted_reason": None}
        if rows_changed(self._connection, statement.values(**values)):
            self._log(chain_id, "resume", reason)

    def is_halted(self, chain_id: ChainId) -> bool:
        """Return whether a chain is halted."""
        return any(halt.chain_id == chain_id for halt in self.halts())

    def halts(self) -> tuple[Halt, ...]:
        """Return the halted chains."""
        rows = self._connection.execute(
            select(CHAIN).where(CHAIN.c.halted_at.is_not(None)).order_by(CHAIN.c.chain_id)
        )
        return tuple(
            Halt(ChainId(row.chain_id), row.halted_reason, UnixSeconds(row.halted_at))
            for row in rows
        )

    def _ensure(self, chain_id: ChainId) -> None:
        statement = insert_into(self._connection, CHAIN).values(chain_id=chain_id, version=0)
        self._connection.execute(statement.on_conflict_do_nothing())

    def _row(self, chain_id: ChainId) -> Row[Any]:
        return self._connection.execute(select(CHAIN).where(CHAIN.c.chain_id == chain_id)).one()

    def _log(self, chain_id: ChainId, action: str, reason: str) -> None:
        row = {"chain_id": chain_id, "action": action, "reason": reason, "at": self._clock.now()}
        self._connection.execute(CHAIN_LOG.insert().values(row))
