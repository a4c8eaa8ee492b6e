"""The log of dead letters: who put what back, or closed it, and why; append-only."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select

from relayer.clock import Clock, UnixSeconds
from relayer.store.root_tables import DEAD_LETTER_LOG


@dataclass(frozen=True, slots=True)
class Handling:
    """One thing that a person did with a dead letter, at a Unix second; before says why it was."""

    letter_id: str
    action: str
    before: str
    reason: str
    taken_by: str
    at: UnixSeconds


class DeadLetterTable:
    """The log, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def record(self, handling: Handling) -> None:
        """Append what a person did, in the transaction in which it is done."""
        self._connection.execute(
            DEAD_LETTER_LOG.insert().values(
                letter_id=handling.letter_id,
                action=handling.action,
                before=handling.before,
                reason=handling.reason,
                taken_by=handling.taken_by,
                at=handling.at,
            )
        )

    def history(self, letter_id: str) -> tuple[Handling, ...]:
        """Return what was done with a dead letter, oldest first."""
        rows = self._connection.execute(
            select(DEAD_LETTER_LOG)
            .where(DEAD_LETTER_LOG.c.letter_id == letter_id)
            .order_by(DEAD_LETTER_LOG.c.seq)
        )
        return tuple(
            Handling(
                row.letter_id,
                row.action,
                row.before,
                row.reason,
                row.taken_by,
                UnixSeconds(row.at),
            )
            for row in rows
        )

    def among(self, letter_ids: Collection[str], action: str) -> frozenset[str]:
        """Return those of some letters with which this was done."""
        return frozenset(
            self._connection.scalars(
                select(DEAD_LETTER_LOG.c.letter_id)
                .where(DEAD_LETTER_LOG.c.letter_id.in_(letter_ids))
                .where(DEAD_LETTER_LOG.c.action == action)
            )
        )
