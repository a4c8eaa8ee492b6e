"""Chains: the cursor, checkpoints; and the only writers of observed events."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from sqlalchemy import Row, Select, select, update

from chains.errors import FinalityViolationError
from chains.events import ObservedEvent
from chains.types import BlockHeader, BlockRef, ChainId, raw_text
from relayer.errors import CursorMovedError, InvariantError, LeaseLostError, RelayerError
from relayer.store.chain_tables import CHAIN, CHECKPOINT, OBSERVED_EVENT
from relayer.store.halts import HaltTable
from relayer.store.leases import Lease, LeaseTable, watch_lease_name
from relayer.store.marks import lower_mark
from relayer.store.observed import ObservedEventTable, unparked_values
from relayer.store.observed_rows import Booked, EventState
from relayer.store.statements import excluded_of, insert_into, rows_changed

CHECKPOINTS_PER_QUERY_MAX: Final = 1_000


class CheckpointState(Enum):
    """CANONICAL: on our branch. FINAL: cannot go. ORPHANED: another branch replaced it."""

    CANONICAL = "CANONICAL"
    FINAL = "FINAL"
    ORPHANED = "ORPHANED"


class BranchError(RelayerError):
    """A block does not follow the cursor's block; find the rewind target and rewind."""

    def __init__(self, *, chain_id: ChainId, block: BlockRef) -> None:
        super().__init__(
            f"{chain_id}: block {block.height} {raw_text(chain_id, block.block_hash)} is not on "
            f"the stored branch; rewind to the newest checkpoint that the chain still has"
        )
        self.chain_id = chain_id
        self.block = block


@dataclass(frozen=True, slots=True)
class Cursor:
    """
    How far a chain is stored; version guards each move.

    head is the newest stored block, finalized the newest stored block that cannot go, reread the
    height up to which final ranges were read a second time. None before the first range.
    """

    chain_id: ChainId
    head: BlockRef | None
    finalized: BlockRef | None
    reread_height: int | None
    version: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A stored block header, kept to notice reorgs."""

    header: BlockHeader
    state: CheckpointState


class ChainTable(HaltTable, ObservedEventTable):
    """
    Chains, inside one transaction.

    Every move of the cursor takes the watcher's lease (watch_lease_name) and the cursor as it was
    read. A lost lease raises LeaseLostError, a moved cursor CursorMovedError; the transaction is
    then dropped as a whole.
    """

    def cursor(self, chain_id: ChainId) -> Cursor:
        """Return how far a chain is stored; of an unknown chain an empty cursor, version 0."""
        row = self._connection.execute(
            select(CHAIN).where(CHAIN.c.chain_id == chain_id)
        ).one_or_none()
        if row is None:
            return Cursor(chain_id, None, None, None, 0)
        return Cursor(
            chain_id=chain_id,
            head=_block(row.head_height, row.head_hash),
            finalized=_block(row.finalized_height, row.finalized_hash),
            reread_height=row.reread_height,
            version=row.version,
        )

    def store_finalized_range(
        self,
        cursor: Cursor,
        events: Sequence[ObservedEvent],
        last_header: BlockHeader,
        lease: Lease,
    ) -> Cursor:
        """
        Store the events of a range of final blocks that ends at last_header.

        The range begins after cursor.head, or anywhere on the first run. Its events are final at
        once. The block before the range cannot be compared here: the caller has read it as final.

        Raises:
            InvariantError: unfinal blocks are stored (advance_finalized or rewind first), or an
                event lies outside the range.
        """
        self._guard(cursor, lease)
        first_height = 0 if cursor.head is None else cursor.head.height + 1
        if cursor.head != cursor.finalized or last_header.block.height < first_height:
            raise InvariantError(
                f"{cursor.chain_id}: a final range must begin at the cursor and end above it"
            )
        for event in events:
            if not first_height <= event.position.block.height <= last_header.block.height:
                raise InvariantError(f"{cursor.chain_id}: an event lies outside the final range")
        self._store_checkpoint(cursor.chain_id, last_header, CheckpointState.FINAL)
        self._store_above(cursor.chain_id, events, EventState.FINAL)
        return self._move(cursor, head=last_header.block, finalized=last_header.block)

    def store_reread_range(
        self, cursor: Cursor, events: Sequence[ObservedEvent], last_height: int, lease: Lease
    ) -> tuple[Cursor, int]:
        """
        Store the second reading of a final range; return how many events the first had missed.

        Raises:
            InvariantError: the range is not final yet.
        """
        self._guard(cursor, lease)
        if cursor.finalized is None or last_height > cursor.finalized.height:
            raise InvariantError(f"{cursor.chain_id}: only final ranges are read a second time")
        if any(event.position.block.height > last_height for event in events):
            raise InvariantError(f"{cursor.chain_id}: an event lies above the range")
        missed = self._store_late(cursor.chain_id, events)
        return self._move(cursor, reread_height=last_height), missed

    def store_block(
        self, cursor: Cursor, header: BlockHeader, events: Sequence[ObservedEvent], lease: Lease
    ) -> Cursor:
        """
        Store the block after the cursor, its events included; empty blocks too.

        Raises:
            BranchError: its parent is not the cursor's block.
            InvariantError: an event is of another block, or nothing final is stored yet.
        """
        self._guard(cursor, lease)
        if cursor.head is None:
            raise InvariantError(f"{cursor.chain_id}: store a final range before single blocks")
        if header.parent_hash != cursor.head.block_hash or (
            header.block.height <= cursor.head.height
        ):
            raise BranchError(chain_id=cursor.chain_id, block=header.block)
        if any(event.position.block != header.block for event in events):
            raise InvariantError(f"{cursor.chain_id}: an event is of another block")
        self._store_checkpoint(cursor.chain_id, header, CheckpointState.CANONICAL)
        self._store_above(cursor.chain_id, events, EventState.SEEN)
        return self._move(cursor, head=header.block)

    def advance_finalized(self, cursor: Cursor, block: BlockRef, lease: Lease) -> Cursor:
        """
        Declare a stored block and everything below it final.

        Raises:
            BranchError: the block is not a living checkpoint.
            FinalityViolationError: it is below what was final already, or another block there.
        """
        self._guard(cursor, lease)
        if cursor.finalized is not None and block.height <= cursor.finalized.height:
            if block == cursor.finalized:
                return cursor
            raise FinalityViolationError(chain_id=cursor.chain_id, block=cursor.finalized)
        if cursor.head is None or not self._is_living(cursor.chain_id, block):
            raise BranchError(chain_id=cursor.chain_id, block=block)
        self._connection.execute(
            update(CHECKPOINT)
            .where(CHECKPOINT.c.chain_id == cursor.chain_id, CHECKPOINT.c.height <= block.height)
            .where(CHECKPOINT.c.state == CheckpointState.CANONICAL.value)
            .values(state=CheckpointState.FINAL.value)
        )
        events = OBSERVED_EVENT.c
        if rows_changed(
            self._connection,
            update(OBSERVED_EVENT)
            .where(events.chain_id == cursor.chain_id, events.height <= block.height)
            .where(events.state == EventState.SEEN.value)
            .values(state=EventState.FINAL.value, final_at=self._clock.now()),
        ):
            first = 0 if cursor.finalized is None else cursor.finalized.height + 1
            lower_mark(self._connection, cursor.chain_id, first)
        return self._move(cursor, finalized=block)

    def rewind(self, cursor: Cursor, target: BlockRef, lease: Lease) -> tuple[Cursor, int]:
        """
        Declare every stored block above the target gone, with its events; nothing is deleted.

        Returns:
            The cursor at the target, and how many events went.

        Raises:
            BranchError: the target is not a living checkpoint.
            FinalityViolationError: the target is below what was final.
        """
        self._guard(cursor, lease)
        if cursor.finalized is not None and target.height < cursor.finalized.height:
            raise FinalityViolationError(chain_id=cursor.chain_id, block=cursor.finalized)
        if not self._is_living(cursor.chain_id, target):
            raise BranchError(chain_id=cursor.chain_id, block=target)
        self._connection.execute(
            update(CHECKPOINT)
            .where(CHECKPOINT.c.chain_id == cursor.chain_id, CHECKPOINT.c.height > target.height)
            .where(CHECKPOINT.c.state == CheckpointState.CANONICAL.value)
            .values(state=CheckpointState.ORPHANED.value)
        )
        events = OBSERVED_EVENT.c
        above = (events.chain_id == cursor.chain_id, events.height > target.height)
        # A parked event of a gone block is unparked: what was booked of it must be taken back.
        self._connection.execute(
            update(OBSERVED_EVENT)
            .where(*above, events.booked == Booked.PARKED.value)
            .where(events.state == EventState.SEEN.value)
            .values(unparked_values())
        )
        gone = rows_changed(
            self._connection,
            update(OBSERVED_EVENT)
            .where(*above, events.state == EventState.SEEN.value)
            .values(state=EventState.ORPHANED.value),
        )
        lower_mark(self._connection, cursor.chain_id, target.height + 1)
        return self._move(cursor, head=target), gone

    def newest_checkpoints(
        self, chain_id: ChainId, limit: int = CHECKPOINTS_PER_QUERY_MAX
    ) -> tuple[Checkpoint, ...]:
        """Return living checkpoints, newest first."""
        rows = self._connection.execute(_living_checkpoints(chain_id).limit(limit))
        return tuple(_checkpoint(row) for row in rows)

    def checkpoints_from(self, chain_id: ChainId, height: int) -> tuple[Checkpoint, ...]:
        """Return living checkpoints from a height on, newest first: where a rewind may end."""
        statement = _living_checkpoints(chain_id).where(CHECKPOINT.c.height >= height)
        return tuple(_checkpoint(row) for row in self._connection.execute(statement))

    def height_under(self, chain_id: ChainId, blocks: int) -> int | None:
        """
        Return the height of the newest block that so many stored ones lie on; None if none does.

        Heights without a block do not count. Exact for blocks that are not final yet: those above
        them are all stored.
        """
        statement = _living_checkpoints(chain_id).with_only_columns(CHECKPOINT.c.height)
        height: int | None = self._connection.scalar(statement.offset(blocks).limit(1))
        return height

    def canonical_checkpoint(self, chain_id: ChainId, height: int) -> Checkpoint | None:
        """Return the newest living checkpoint at or below a height."""
        below = _living_checkpoints(chain_id).where(CHECKPOINT.c.height <= height)
        row = self._connection.execute(below.limit(1)).one_or_none()
        return None if row is None else _checkpoint(row)

    def _guard(self, cursor: Cursor, lease: Lease) -> None:
        """Fence the watcher, then take the cursor's row; both hold until the transaction ends."""
        if lease.name != watch_lease_name(cursor.chain_id):
            raise LeaseLostError(name=watch_lease_name(cursor.chain_id), holder="another name")
        LeaseTable(self._connection, self._clock).check(lease.name, lease.token)
        if cursor.version == 0:
            self._ensure(cursor.chain_id)
        version = self._connection.execute(
            select(CHAIN.c.version).where(CHAIN.c.chain_id == cursor.chain_id).with_for_update()
        ).scalar_one_or_none()
        if version != cursor.version:
            raise CursorMovedError(chain_id=cursor.chain_id)

    def _move(
        self,
        cursor: Cursor,
        *,
        head: BlockRef | None = None,
        finalized: BlockRef | None = None,
        reread_height: int | None = None,
    ) -> Cursor:
        after = replace(
            cursor,
            head=cursor.head if head is None else head,
            finalized=cursor.finalized if finalized is None else finalized,
            reread_height=cursor.reread_height if reread_height is None else reread_height,
            version=cursor.version + 1,
        )
        values: dict[str, Any] = {"version": after.version}
        if head is not None:
            values |= {"head_height": head.height, "head_hash": head.block_hash}
        if finalized is not None:
            values["finalized_height"] = finalized.height
            values["finalized_hash"] = finalized.block_hash
        if reread_height is not None:
            values["reread_height"] = reread_height
        statement = update(CHAIN).where(CHAIN.c.chain_id == cursor.chain_id)
        if not rows_changed(
            self._connection, statement.where(CHAIN.c.version == cursor.version).values(**values)
        ):
            raise CursorMovedError(chain_id=cursor.chain_id)
        return after

    def _store_checkpoint(
        self, chain_id: ChainId, header: BlockHeader, state: CheckpointState
    ) -> None:
        statement = insert_into(self._connection, CHECKPOINT).values(
            chain_id=chain_id,
            block_hash=header.block.block_hash,
            height=header.block.height,
            parent_hash=header.parent_hash,
            timestamp_seconds=header.timestamp_seconds,
            state=state.value,
            stored_at=self._clock.now(),
        )
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[CHECKPOINT.c.chain_id, CHECKPOINT.c.block_hash],
                set_={"state": excluded_of(CHECKPOINT).state},
            )
        )

    def _is_living(self, chain_id: ChainId, block: BlockRef) -> bool:
        checkpoint = self.canonical_checkpoint(chain_id, block.height)
        return checkpoint is not None and checkpoint.header.block == block


def _living_checkpoints(chain_id: ChainId) -> Select[Any]:
    return (
        select(CHECKPOINT)
        .where(CHECKPOINT.c.chain_id == chain_id)
        .where(CHECKPOINT.c.state != CheckpointState.ORPHANED.value)
        .order_by(CHECKPOINT.c.height.desc())
    )


def _block(height: int | None, block_hash: bytes | None) -> BlockRef | None:
    return None if height is None or block_hash is None else BlockRef(height, block_hash)


def _checkpoint(row: Row[Any]) -> Checkpoint:
    return Checkpoint(
        header=BlockHeader(
            block=BlockRef(row.height, row.block_hash),
            parent_hash=row.parent_hash,
            timestamp_seconds=row.timestamp_seconds,
        ),
        state=CheckpointState(row.state),
    )
