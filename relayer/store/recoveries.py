"""Recoveries: a chain is taken back below its final block, because a person ordered it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select, update

from chains.types import BlockRef, ChainId
from relayer.clock import UnixSeconds
from relayer.errors import InvariantError, StateMovedError
from relayer.store.chain_tables import CHAIN, CHECKPOINT, OBSERVED_EVENT
from relayer.store.chains import BranchError, ChainTable, CheckpointState, Cursor
from relayer.store.credit_lines import CREDIT_LINES
from relayer.store.leases import Lease
from relayer.store.marks import lower_mark
from relayer.store.observed import unparked_values
from relayer.store.observed_rows import Booked, EventState, StoredEvent, stored_of
from relayer.store.recovery_tables import CHAIN_RECOVERY
from relayer.store.statements import rows_changed

NO_HEIGHT = -1
LIVING = (EventState.SEEN.value, EventState.FINAL.value)


@dataclass(frozen=True, slots=True)
class Order:
    """Who ordered a recovery, and why; both are kept for good."""

    reason: str
    by: str

    def __post_init__(self) -> None:
        if not self.reason.strip() or not self.by.strip():
            raise ValueError("a recovery needs a reason and a name")


@dataclass(frozen=True, slots=True)
class Recovery:
    """
    One recovery: from which final block back to which block.

    target is None when no stored block was on the chain any more. Time is a Unix second.
    """

    chain_id: ChainId
    target: BlockRef | None
    finalized: BlockRef | None
    checkpoints_count: int
    events_count: int
    order: Order
    recovered_at: UnixSeconds


class RecoveryTable(ChainTable):
    """Chains taken back below their final block, inside one transaction."""

    def recover(
        self, cursor: Cursor, target: BlockRef | None, lease: Lease, order: Order
    ) -> Recovery:
        """
        Declare every stored block above the target gone, final ones too; nothing is deleted.

        The chain stays halted. reconcile then takes back what was booked of the events.

        Args:
            target: a living checkpoint; None takes back everything.

        Raises:
            StateMovedError: the chain is not halted, or nothing is stored of it.
            BranchError: the target is not a living checkpoint.
            InvariantError: the target is above the final block.
        """
        self._guard(cursor, lease)
        if not self.is_halted(cursor.chain_id) or cursor.head is None:
            raise StateMovedError(what=cursor.chain_id, expected="halted with stored blocks")
        if (
            target is not None
            and cursor.finalized is not None
            and (target.height > cursor.finalized.height)
        ):
            raise InvariantError(f"{cursor.chain_id}: a recovery goes to the final block or below")
        if target is not None and not self._is_living(cursor.chain_id, target):
            raise BranchError(chain_id=cursor.chain_id, block=target)
        height = NO_HEIGHT if target is None else target.height
        recovery = Recovery(
            chain_id=cursor.chain_id,
            target=target,
            finalized=cursor.finalized,
            checkpoints_count=self._orphan_checkpoints(cursor.chain_id, height),
            events_count=self._orphan_events(cursor.chain_id, height),
            order=order,
            recovered_at=self._clock.now(),
        )
        lower_mark(self._connection, cursor.chain_id, height + 1)
        self._go_to(cursor, target)
        self._keep(recovery, cursor.head)
        return recovery

    def living_events_above(
        self, chain_id: ChainId, height: int, limit: int
    ) -> tuple[StoredEvent, ...]:
        """Return the events that a recovery would take back, newest first."""
        table = OBSERVED_EVENT.c
        rows = self._connection.execute(
            select(OBSERVED_EVENT)
            .where(table.chain_id == chain_id, table.height > height, table.state.in_(LIVING))
            .order_by(table.height.desc(), table.log_index.desc())
            .limit(limit)
        )
        return tuple(stored_of(row) for row in rows)

    def count_living_above(self, chain_id: ChainId, height: int) -> tuple[int, int]:
        """Return how many stored blocks and events a recovery would take back."""
        blocks = self._connection.execute(
            select(func.count())
            .select_from(CHECKPOINT)
            .where(CHECKPOINT.c.chain_id == chain_id, CHECKPOINT.c.height > height)
            .where(CHECKPOINT.c.state != CheckpointState.ORPHANED.value)
        ).scalar_one()
        events = self._connection.execute(
            select(func.count())
            .select_from(OBSERVED_EVENT)
            .where(OBSERVED_EVENT.c.chain_id == chain_id, OBSERVED_EVENT.c.height > height)
            .where(OBSERVED_EVENT.c.state.in_(LIVING))
        ).scalar_one()
        return blocks, events

    def waits_to_be_taken_back(self, chain_id: ChainId) -> bool:
        """Return whether the journal still holds entries of gone blocks."""
        table = OBSERVED_EVENT.c
        row = self._connection.execute(
            select(table.event_id)
            .where(table.chain_id == chain_id, table.state == EventState.ORPHANED.value)
            .where(table.booked.in_([Booked.SOFT.value, Booked.FINAL.value]))
            .limit(1)
        ).one_or_none()
        return row is not None

    def recoveries(self, chain_id: ChainId) -> tuple[Recovery, ...]:
        """Return every recovery of a chain, oldest first."""
        rows = self._connection.execute(
            select(CHAIN_RECOVERY)
            .where(CHAIN_RECOVERY.c.chain_id == chain_id)
            .order_by(CHAIN_RECOVERY.c.seq)
        )
        return tuple(_recovery(row) for row in rows)

    def _orphan_checkpoints(self, chain_id: ChainId, height: int) -> int:
        return rows_changed(
            self._connection,
            update(CHECKPOINT)
            .where(CHECKPOINT.c.chain_id == chain_id, CHECKPOINT.c.height > height)
            .where(CHECKPOINT.c.state != CheckpointState.ORPHANED.value)
            .values(state=CheckpointState.ORPHANED.value),
        )

    def _orphan_events(self, chain_id: ChainId, height: int) -> int:
        table = OBSERVED_EVENT.c
        above = (table.chain_id == chain_id, table.height > height, table.state.in_(LIVING))
        # A parked event of a gone block is unparked: what was booked of it must be taken back.
        is_parked = table.booked == Booked.PARKED.value
        self._connection.execute(
            update(OBSERVED_EVENT).where(*above, is_parked).values(unparked_values())
        )
        return rows_changed(
            self._connection,
            update(OBSERVED_EVENT).where(*above).values(state=EventState.ORPHANED.value),
        )

    def _go_to(self, cursor: Cursor, target: BlockRef | None) -> None:
        height = None if target is None else target.height
        block_hash = None if target is None else target.block_hash
        reread = cursor.reread_height
        if reread is not None:
            reread = None if height is None else min(reread, height)
        self._connection.execute(
            update(CHAIN)
            .where(CHAIN.c.chain_id == cursor.chain_id)
            .values(
                head_height=height,
                head_hash=block_hash,
                finalized_height=height,
                finalized_hash=block_hash,
                reread_height=reread,
                version=cursor.version + 1,
            )
        )
        # What a credit line said on the gone branch gives way to its next word, whatever height.
        newest = 0 if height is None else height
        self._connection.execute(
            update(CREDIT_LINES)
            .where(CREDIT_LINES.c.chain_id == cursor.chain_id, CREDIT_LINES.c.height > newest)
            .values(height=newest)
        )

    def _keep(self, recovery: Recovery, head: BlockRef) -> None:
        target, finalized, order = recovery.target, recovery.finalized, recovery.order
        self._connection.execute(
            CHAIN_RECOVERY.insert().values(
                chain_id=recovery.chain_id,
                target_height=None if target is None else target.height,
                target_hash=None if target is None else target.block_hash,
                head_height=head.height,
                finalized_height=None if finalized is None else finalized.height,
                finalized_hash=None if finalized is None else finalized.block_hash,
                checkpoints_count=recovery.checkpoints_count,
                events_count=recovery.events_count,
                reason=order.reason,
                recovered_by=order.by,
                recovered_at=recovery.recovered_at,
            )
        )
        place = "before its first block" if target is None else f"to block {target.height}"
        kept = f"recovered {place} by {order.by}: {order.reason}"
        self._log(recovery.chain_id, "halt", kept)
        self._connection.execute(
            update(CHAIN).where(CHAIN.c.chain_id == recovery.chain_id).values(halted_reason=kept)
        )


def _recovery(row: Row[Any]) -> Recovery:
    return Recovery(
        chain_id=ChainId(row.chain_id),
        target=_block(row.target_height, row.target_hash),
        finalized=_block(row.finalized_height, row.finalized_hash),
        checkpoints_count=row.checkpoints_count,
        events_count=row.events_count,
        order=Order(row.reason, row.recovered_by),
        recovered_at=UnixSeconds(row.recovered_at),
    )


def _block(height: int | None, block_hash: bytes | None) -> BlockRef | None:
    return None if height is None or block_hash is None else BlockRef(height, block_hash)
