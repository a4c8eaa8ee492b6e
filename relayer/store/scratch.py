"""Observed events in an audit's own database: read first, then scheduled one by one."""

from collections.abc import Sequence

from sqlalchemy import select, update

from chains.events import ObservedEvent
from relayer.store.chain_tables import OBSERVED_EVENT
from relayer.store.observed import ObservedEventTable
from relayer.store.observed_rows import (
    EVENT_COLUMNS,
    Booked,
    EventState,
    LockConflictError,
    StoredEvent,
    row_of,
    stored_of,
)
from relayer.store.statements import insert_into, present


class ScratchEvents(ObservedEventTable):
    """
    Events of an audit, inside one transaction of its own database.

    An event that waits for its turn is ORPHANED and NONE, so it is no living one yet: two events
    of different branches may claim one lock. final_at is set for what was read from final blocks.
    """

    def keep(self, events: Sequence[ObservedEvent], *, is_final: bool) -> None:
        """Store events that wait for their turn; one that is there stays as it is."""
        now = self._clock.now()
        rows = [
            dict(zip(EVENT_COLUMNS, row_of(event, EventState.ORPHANED, now), strict=True))
            | {"final_at": now if is_final else None}
            for event in events
        ]
        if rows:
            statement = insert_into(self._connection, OBSERVED_EVENT)
            self._connection.execute(statement.on_conflict_do_nothing(), rows)

    def set_state(self, event_id: bytes, state: EventState) -> StoredEvent:
        """
        Give an event the state in which it is booked next, and return it.

        A lock that the chain has takes its number from one that it does not have.
        """
        if state is not EventState.ORPHANED:
            self._take_lock(event_id)
        self._connection.execute(
            update(OBSERVED_EVENT)
            .where(OBSERVED_EVENT.c.event_id == event_id)
            .values(state=state.value)
        )
        return present(self.event(event_id), "event")

    def _take_lock(self, event_id: bytes) -> None:
        table = OBSERVED_EVENT.c
        row = self._connection.execute(
            select(OBSERVED_EVENT).where(table.event_id == event_id)
        ).one()
        if row.lock_id is None:
            return
        holders = (
            select(table.event_id, table.final_at)
            .where(table.chain_id == row.chain_id, table.contract == row.contract)
            .where(table.lock_id == row.lock_id, table.event_id != event_id)
            .where(table.state != EventState.ORPHANED.value)
        )
        for holder in self._connection.execute(holders).all():
            if holder.final_at is not None or row.final_at is None:
                raise LockConflictError(
                    chain_id=row.chain_id, lock_id=row.lock_id, event_id=holder.event_id
                )
            self.set_state(holder.event_id, EventState.ORPHANED)

    def revive(self, event_id: bytes) -> StoredEvent:
        """Let an event that was taken back be seen again, as when its block comes back."""
        self._take_lock(event_id)
        self._connection.execute(
            update(OBSERVED_EVENT)
            .where(OBSERVED_EVENT.c.event_id == event_id)
            .values(
                state=EventState.SEEN.value,
                booked=Booked.NONE.value,
                revivals=OBSERVED_EVENT.c.revivals + 1,
            )
        )
        return present(self.event(event_id), "event")

    def waiting(self, limit: int) -> tuple[StoredEvent, ...]:
        """
        Return events of final blocks that are not booked as final, in the order of the chains.

        Their turn never came, or they are only reserved, or were taken back and not booked again.
        """
        table = OBSERVED_EVENT.c
        rows = self._connection.execute(
            select(OBSERVED_EVENT)
            .where(table.state != EventState.FINAL.value, table.final_at.is_not(None))
            .order_by(table.chain_id, table.height, table.log_index)
            .limit(limit)
        )
        return tuple(stored_of(row) for row in rows)
