"""Holes: what two readings of final blocks differ in, and how a missed event is stored late."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import and_, func, or_, select

from chains.events import ObservedEvent
from chains.types import BlockRef, ChainId
from relayer.clock import UnixSeconds
from relayer.errors import InvariantError
from relayer.store.chain_tables import CHECKPOINT, OBSERVED_EVENT
from relayer.store.chains import ChainTable, CheckpointState, Cursor
from relayer.store.hole_tables import HOLE
from relayer.store.leases import Lease
from relayer.store.observed import LOCK_KIND
from relayer.store.observed_rows import Booked, EventState
from relayer.store.statements import insert_into, stores_row


class HoleKind(Enum):
    """
    What became of an event that two readings differ in.

    MISSED: not stored by the first reading; stored now. UNCONFIRMED: stored, and a quorum denies
    it. DISPUTED: one node said otherwise than the quorum, whose word stays.
    """

    MISSED = "MISSED"
    UNCONFIRMED = "UNCONFIRMED"
    DISPUTED = "DISPUTED"


class HoleSource(Enum):
    """What showed the difference: the second reading, or the vault's own count of its locks."""

    REREAD = "REREAD"
    LOCK_COUNT = "LOCK_COUNT"


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """Where a stored final event stands."""

    event_id: bytes
    block: BlockRef


@dataclass(frozen=True, slots=True)
class LockIds:
    """How many locks of a vault are stored, and the highest of their ids; 0 when there is none."""

    count: int
    highest: int

    def is_exactly(self, lock_count: int) -> bool:
        """Return whether the stored ids are 1..lock_count; no id is ever stored twice."""
        return self.count == lock_count and self.highest <= lock_count


@dataclass(frozen=True, slots=True)
class LockGap:
    """
    Lock ids that a vault has given and that are not stored, both ends included.

    The heights are those of the stored locks around it, None where there is none.
    """

    first_id: int
    last_id: int
    height_before: int | None
    height_after: int | None


class HoleTable(ChainTable):
    """Second readings, inside one transaction; fenced like every other move of the cursor."""

    def store_second_reading(
        self, cursor: Cursor, events: Sequence[ObservedEvent], last_height: int, lease: Lease
    ) -> tuple[ObservedEvent, ...]:
        """
        Store the second reading of the final blocks up to a height.

        Returns:
            The events that the first reading had missed.

        Raises:
            InvariantError: the range is not final yet.
        """
        missed = self._missed(cursor.chain_id, events)
        self.store_reread_range(cursor, events, last_height, lease)
        self.record(missed, HoleKind.MISSED, HoleSource.REREAD)
        return missed

    def fill(
        self, cursor: Cursor, events: Sequence[ObservedEvent], source: HoleSource, lease: Lease
    ) -> tuple[ObservedEvent, ...]:
        """
        Store events of final blocks wherever they stand; the height of the rereading stays.

        Returns:
            The events that were missing.

        Raises:
            InvariantError: an event is not in a final block.
        """
        self._guard(cursor, lease)
        final_height = -1 if cursor.finalized is None else cursor.finalized.height
        if any(event.position.block.height > final_height for event in events):
            raise InvariantError(f"{cursor.chain_id}: only holes below the final block are filled")
        missed = self._missed(cursor.chain_id, events)
        self._store_late(cursor.chain_id, events)
        self._move(cursor)
        self.record(missed, HoleKind.MISSED, source)
        return missed

    def record(
        self, events: Iterable[ObservedEvent], kind: HoleKind, source: HoleSource
    ) -> tuple[ObservedEvent, ...]:
        """Count differences; return those that were not counted before."""
        now = self._clock.now()
        new = []
        for event in events:
            position = event.position
            statement = insert_into(self._connection, HOLE).values(
                event_id=position.event_id,
                kind=kind.value,
                chain_id=position.chain_id,
                source=source.value,
                height=position.block.height,
                found_at=now,
            )
            if stores_row(self._connection, statement.on_conflict_do_nothing()):
                new.append(event)
        return tuple(new)

    def counts(self, chain_id: ChainId) -> dict[HoleKind, int]:
        """Return how many differences of each kind a chain ever had."""
        rows = self._connection.execute(
            select(HOLE.c.kind, func.count())
            .where(HOLE.c.chain_id == chain_id)
            .group_by(HOLE.c.kind)
        )
        found = {HoleKind(kind): count for kind, count in rows}
        return {kind: found.get(kind, 0) for kind in HoleKind}

    def final_places(
        self, chain_id: ChainId, first_height: int, last_height: int
    ) -> tuple[StoredPlace, ...]:
        """
        Return where the stored final events of a range stand, both ends included.

        Those that a quorum has denied are left out: an operator has been told of each.
        """
        table = OBSERVED_EVENT.c
        rows = self._connection.execute(
            select(table.event_id, table.height, table.block_hash)
            .where(table.chain_id == chain_id, table.state == EventState.FINAL.value)
            .where(table.height >= first_height, table.height <= last_height)
            .where(table.event_id.not_in(_denied(chain_id)))
            .order_by(table.height, table.log_index)
        )
        return tuple(
            StoredPlace(row.event_id, BlockRef(row.height, row.block_hash)) for row in rows
        )

    def first_height(self, chain_id: ChainId) -> int | None:
        """Return the height of the oldest checkpoint, None before the first range."""
        height: int | None = self._connection.scalar(
            select(func.min(CHECKPOINT.c.height)).where(_living(chain_id))
        )
        return height

    def height_read_by(self, chain_id: ChainId, at: UnixSeconds) -> int | None:
        """Return up to which height blocks were stored by a time, None when none were."""
        # From the newest down: the first one that is old enough is near, a maximum would be far.
        height: int | None = self._connection.scalar(
            select(CHECKPOINT.c.height)
            .where(_living(chain_id), CHECKPOINT.c.stored_at <= at)
            .order_by(CHECKPOINT.c.height.desc())
            .limit(1)
        )
        return height

    def count_lock_ids(self, chain_id: ChainId, vault: bytes, *, height: int) -> LockIds:
        """Return which final locks of a vault are stored up to a height, without denied ones."""
        table = OBSERVED_EVENT.c
        row = self._connection.execute(
            select(func.count(), func.max(table.lock_id)).where(
                _of_vault(chain_id, vault, height), table.event_id.not_in(_denied(chain_id))
            )
        ).one()
        return LockIds(row[0], row[1] or 0)

    def lock_gaps(
        self, chain_id: ChainId, vault: bytes, *, height: int, lock_count: int
    ) -> tuple[LockGap, ...]:
        """
        Return which of the locks 1..lock_count of a vault are not stored as final.

        Args:
            height: up to which the vault has counted.
        """
        table = OBSERVED_EVENT.c
        neighbours = (
            select(
                table.lock_id,
                table.height,
                func.lag(table.lock_id).over(order_by=table.lock_id).label("id_before"),
                func.lag(table.height).over(order_by=table.lock_id).label("height_before"),
                func.lead(table.lock_id).over(order_by=table.lock_id).label("id_after"),
            )
            .where(_of_vault(chain_id, vault, height))
            .subquery()
        )
        found = neighbours.c
        is_beside_gap = or_(
            found.id_after.is_(None),
            found.lock_id > func.coalesce(found.id_before, 0) + 1,
        )
        rows = self._connection.execute(
            select(neighbours).where(is_beside_gap).order_by(found.lock_id)
        ).all()
        return tuple(_gaps(rows, lock_count))

    def _missed(
        self, chain_id: ChainId, events: Sequence[ObservedEvent]
    ) -> tuple[ObservedEvent, ...]:
        known = self._known(chain_id, events)
        return tuple(event for event in events if not known.get(event.position.event_id))


def _of_vault(chain_id: ChainId, vault: bytes, height: int) -> Any:
    table = OBSERVED_EVENT.c
    return and_(
        table.chain_id == chain_id,
        table.contract == vault,
        table.kind == LOCK_KIND,
        table.state == EventState.FINAL.value,
        table.height <= height,
    )


def _living(chain_id: ChainId) -> Any:
    # As in the index: an orphaned checkpoint stands for no block of the chain.
    is_living = CHECKPOINT.c.state != CheckpointState.ORPHANED.value
    return and_(CHECKPOINT.c.chain_id == chain_id, is_living)


def _denied(chain_id: ChainId) -> Any:
    # While it is set aside: one that was found after all counts, and can be denied, again.
    return (
        select(HOLE.c.event_id)
        .join(OBSERVED_EVENT, OBSERVED_EVENT.c.event_id == HOLE.c.event_id)
        .where(HOLE.c.chain_id == chain_id, HOLE.c.kind == HoleKind.UNCONFIRMED.value)
        .where(OBSERVED_EVENT.c.booked == Booked.PARKED.value)
    )


def _gaps(rows: Sequence[Any], lock_count: int) -> Iterable[LockGap]:
    """Turn the locks that stand beside a gap into the gaps between them."""
    for row in rows:
        first_id = 1 if row.id_before is None else row.id_before + 1
        if first_id <= min(row.lock_id - 1, lock_count):
            last_id = min(row.lock_id - 1, lock_count)
            yield LockGap(first_id, last_id, row.height_before, row.height)
    last = rows[-1] if rows else None
    last_id = 0 if last is None else last.lock_id
    if last_id < lock_count:
        yield LockGap(last_id + 1, lock_count, None if last is None else last.height, None)
