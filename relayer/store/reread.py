"""Final blocks read once more: what was missed is stored, nothing else is touched."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from chains.events import ObservedEvent
from chains.types import ChainId
from relayer.errors import InvariantError, RefusedError
from relayer.store.bulk import is_among, slices
from relayer.store.chain_tables import CHAIN, OBSERVED_EVENT
from relayer.store.marks import lower_mark
from relayer.store.observed import ObservedEventTable, unparked_values
from relayer.store.observed_rows import Booked
from relayer.store.statements import present, rows_changed


@dataclass(frozen=True, slots=True)
class Reread:
    """How many events a reading brought that were not stored, and how many it unparked."""

    new: int
    unparked: int


class RereadTable(ObservedEventTable):
    """
    A second writer of final events beside the watcher, inside one transaction.

    It needs no lease: blocks above the final one, and the cursor, are the watcher's alone, and
    what is written here follows from final blocks only, so doing it twice or late changes nothing.
    The chain's row is locked as the watcher locks it, so both come one after the other.
    """

    def store_final(
        self, chain_id: ChainId, events: Sequence[ObservedEvent], span: tuple[int, int]
    ) -> Reread:
        """
        Store the events of final blocks again, and let those that were parked be tried again.

        A parked event that this reading does not have stays parked: nobody speaks for it now.

        Args:
            span: first and last height of the reading.

        Raises:
            RefusedError: the chain is halted, or the range is not final.
            InvariantError: an event lies outside the range.
        """
        row = self._connection.execute(
            select(CHAIN).where(CHAIN.c.chain_id == chain_id).with_for_update()
        ).one_or_none()
        if row is None or row.finalized_height is None or row.finalized_height < span[1]:
            raise RefusedError(code="not_final", detail=f"{chain_id}: {span[1]} is not final yet")
        if row.halted_at is not None:
            reason = present(row.halted_reason, "halted_reason")
            raise RefusedError(code="chain_halted", detail=f"{chain_id} is halted: {reason}")
        if any(not span[0] <= event.position.block.height <= span[1] for event in events):
            raise InvariantError(f"{chain_id}: an event lies outside the range")
        new = self._store_late(chain_id, events)
        table = OBSERVED_EVENT.c
        unparked = 0
        for words in slices(event.position.event_id for event in events):
            parked = (
                OBSERVED_EVENT.update()
                .where(table.chain_id == chain_id, table.booked == Booked.PARKED.value)
                .where(is_among(self._connection, table.event_id, words))
            )
            unparked += rows_changed(self._connection, parked.values(unparked_values()))
        if unparked:
            lower_mark(self._connection, chain_id, span[0])
        return Reread(new, unparked)
