"""Recover: take a chain back below its final block, planned first, on an operator's word."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from chains.errors import BlockGoneError
from chains.events import CollateralExited, CollateralLocked
from chains.port import ChainReader
from chains.types import BlockHeader, BlockRef, ChainId, raw_text
from relayer.errors import NotYetError, RefusedError
from relayer.ledger.chart import AccountKind, Side, margin_code, parse_code
from relayer.money import AssetId
from relayer.reconcile.reversal import Shortfall, final_entry_ids
from relayer.reconcile.rules import seen_entry_id
from relayer.steps.observe import remember_chain, ring_reconcile
from relayer.steps.tell import tell
from relayer.store.chains import Cursor
from relayer.store.leases import Lease, watch_lease_name
from relayer.store.observed_rows import Booked, StoredEvent
from relayer.store.recoveries import NO_HEIGHT, Order, Recovery
from relayer.store.unit_of_work import Store, UnitOfWork

EVENTS_PLANNED_MAX: Final = 10_000
LEASE_SECONDS: Final = 60
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """
    What a recovery would take back; nothing is written.

    Args:
        target: the newest block that stays; None when no stored block is on the chain.
        events: newest first, at most EVENTS_PLANNED_MAX of events_count.
        entries: how many of them the journal holds as final, how many as pending.
        shortfalls: accounts that used what would be taken back, among the events listed.
    """

    cursor: Cursor
    target: BlockRef | None
    checkpoints_count: int
    events_count: int
    events: tuple[StoredEvent, ...]
    shortfalls: tuple[Shortfall, ...]

    @property
    def entries(self) -> tuple[int, int]:
        """Return how many final and how many pending entries would be taken back."""
        booked = [stored.booked for stored in self.events]
        return booked.count(Booked.FINAL), booked.count(Booked.SOFT)


async def plan_recovery(
    store: Store, reader: ChainReader, *, to_height: int | None = None
) -> RecoveryPlan:
    """
    Find the newest stored block that the chain still has, below the final one too.

    Where no block is stored at a height (a final range keeps its last), the next lower stored one
    is taken.

    Args:
        to_height: go at least down to here; None goes down only as far as the chain demands.

    Raises:
        WrongChainError: the node serves another chain.
        RefusedError: the chain is not halted, nothing is stored, nothing contradicts what is
            stored, or to_height is above the newest common block or the final one.
        TransientChainError: the node failed; nothing was changed.
    """
    await remember_chain(store, reader)
    cursor = await asyncio.to_thread(_halted_cursor, store, reader.chain_id)
    if cursor.head is None:
        raise RefusedError(code="nothing_stored", detail=f"{reader.chain_id} has no stored block")
    search = _Search(store, reader)
    target = await search.newest_common(cursor.head.height)
    if to_height is None:
        _check_violated(cursor, target, search)
    elif target is not None and to_height > target.height:
        raise RefusedError(
            code="not_on_chain",
            detail=f"--to-height: {to_height} is above block {target.height}, the newest stored "
            "one that the node has",
        )
    elif target is not None:
        target = await asyncio.to_thread(_stored_at, store, reader.chain_id, to_height)
    if target is not None and cursor.finalized is not None:
        _check_below_final(target, cursor.finalized)
    return await asyncio.to_thread(_plan, store, cursor, target)


def recover(store: Store, plan: RecoveryPlan, *, lease: Lease, order: Order) -> Recovery:
    """
    Carry out a plan in one transaction; the chain stays halted, reconcile takes entries back.

    Raises:
        CursorMovedError: the chain moved since it was planned; plan again.
        LeaseLostError: another process watches the chain.
        StateMovedError: the chain was resumed meanwhile.
    """
    chain_id = plan.cursor.chain_id
    with store.unit_of_work() as uow:
        ring_reconcile(uow, chain_id)
        recovery = uow.recoveries.recover(plan.cursor, plan.target, lease, order)
        height = None if plan.target is None else str(plan.target.height)
        tell(
            uow,
            "chain.recovered",
            {
                "chain_id": chain_id,
                "height": height,
                "events": str(recovery.events_count),
                "reason": order.reason,
            },
            account=None,
            correlation_id=bytes(32),
        )
    log.error(
        "chain.recovered",
        chain_id=chain_id,
        height=height,
        events=recovery.events_count,
        reason=order.reason,
    )
    return recovery


def take_watch(store: Store, chain_id: ChainId, holder: str) -> Lease:
    """
    Take the lease that the chain's watcher needs, so that the cursor cannot move meanwhile.

    Raises:
        NotYetError: a watcher still holds it; it lets go within seconds of the halt.
    """
    with store.unit_of_work() as uow:
        lease = uow.leases.acquire(watch_lease_name(chain_id), holder, LEASE_SECONDS)
    if lease is None:
        raise NotYetError(
            reason="watcher_running",
            detail=f"{chain_id}: its watcher still holds the lease; ask again in some seconds",
        )
    return lease


def release_watch(store: Store, lease: Lease) -> None:
    """Let watchers take the lease again."""
    with store.unit_of_work() as uow:
        uow.leases.release(lease)


async def check_resumable(store: Store, reader: ChainReader) -> None:
    """
    Refuse to let a chain go on while its final block is replaced or its entries still stand.

    Raises:
        RefusedError: the remedy is named.
        TransientChainError: the node failed, so nobody knows.
    """
    cursor, is_waiting = await asyncio.to_thread(_standing, store, reader.chain_id)
    if is_waiting:
        raise RefusedError(
            code="entries_waiting",
            detail=f"{reader.chain_id}: entries of gone blocks are still in the ledger; let a "
            "worker book them, then resume",
        )
    if cursor.finalized is None:
        return
    header = await _header_at(reader, cursor.finalized.height)
    if header is None or header.block != cursor.finalized:
        raise RefusedError(
            code="finality_violated",
            detail=f"{reader.chain_id}: final block {cursor.finalized.height} "
            f"{raw_text(reader.chain_id, cursor.finalized.block_hash)} is not on the node's chain; "
            f"if the node is wrong replace it, else run: relayer chain recover {reader.chain_id}",
        )


def _standing(store: Store, chain_id: ChainId) -> tuple[Cursor, bool]:
    with store.read() as uow:
        return uow.chains.cursor(chain_id), uow.recoveries.waits_to_be_taken_back(chain_id)


def _halted_cursor(store: Store, chain_id: ChainId) -> Cursor:
    with store.read() as uow:
        if not uow.chains.is_halted(chain_id):
            raise RefusedError(
                code="not_halted",
                detail=f"{chain_id} is not halted; run: relayer chain halt {chain_id}",
            )
        return uow.chains.cursor(chain_id)


def _stored_at(store: Store, chain_id: ChainId, height: int) -> BlockRef | None:
    with store.read() as uow:
        checkpoint = uow.chains.canonical_checkpoint(chain_id, height)
        return None if checkpoint is None else checkpoint.header.block


async def _header_at(reader: ChainReader, height: int) -> BlockHeader | None:
    try:
        return await reader.header_at(height)
    except BlockGoneError:
        return None


@dataclass(slots=True)
class _Search:
    """
    A search over the stored blocks: one that is on the chain has all below it there too.

    It goes down from the head in growing steps before it halves, so that a node without old blocks
    is not asked for them: how far a chain was replaced does not depend on how long it is.

    is_contradicted: the node has another block, or no block, at the height of a stored one below
    its head. A node that has not come so far is behind and proves nothing.
    """

    store: Store
    reader: ChainReader
    is_contradicted: bool = False

    async def newest_common(self, head_height: int) -> BlockRef | None:
        """
        Return the newest stored block that the node has as well.

        Raises:
            RefusedError: the node does not know blocks as old as those that must be compared.
        """
        node_height = (await self.reader.heads()).latest.block.height
        found: BlockRef | None = None
        low, high = 0, head_height
        step = 1
        while low <= high:
            middle = (low + high) // 2 if found is not None else max(low, high - step + 1)
            step *= 2
            block = await asyncio.to_thread(_stored_at, self.store, self.reader.chain_id, middle)
            if block is None or block.height < low:
                low = middle + 1  # nothing is stored between, or what is there is found already
                continue
            if await self._is_there(block, node_height):
                found, low = block, middle + 1
            else:
                high = block.height - 1
        return found

    async def _is_there(self, block: BlockRef, node_height: int) -> bool:
        """Return whether the node has a stored block; note it where it has another one."""
        header = await _header_at(self.reader, block.height)
        if header is None and block.height <= node_height:
            raise RefusedError(
                code="node_without_history",
                detail=f"{self.reader.chain_id}: the node does not know block {block.height}; use "
                "one that keeps blocks as old",
            )
        self.is_contradicted |= header is not None and header.block != block
        return header is not None and header.block == block


def _check_violated(cursor: Cursor, target: BlockRef | None, search: _Search) -> None:
    """Refuse where the chain demands no recovery."""
    final_height = NO_HEIGHT if cursor.finalized is None else cursor.finalized.height
    if target is not None and target.height >= final_height:
        raise RefusedError(
            code="no_violation",
            detail=f"{cursor.chain_id}: the stored final block is on the node's chain; "
            "run: relayer chain resume, or name a lower block with --to-height",
        )
    if not search.is_contradicted:
        raise RefusedError(
            code="node_behind",
            detail=f"{cursor.chain_id}: the node has no other block than the stored ones, it only "
            "lacks the newest; wait for it, or use another node",
        )


def _check_below_final(target: BlockRef, finalized: BlockRef) -> None:
    if target.height > finalized.height:
        raise RefusedError(
            code="not_below_final",
            detail=f"--to-height: block {target.height} is above final block {finalized.height}; "
            "down to there the watcher rewinds by itself",
        )


def _plan(store: Store, cursor: Cursor, target: BlockRef | None) -> RecoveryPlan:
    height = NO_HEIGHT if target is None else target.height
    with store.read() as uow:
        blocks, events_count = uow.recoveries.count_living_above(cursor.chain_id, height)
        events = uow.recoveries.living_events_above(cursor.chain_id, height, EVENTS_PLANNED_MAX)
        return RecoveryPlan(
            cursor, target, blocks, events_count, events, _shortfalls(uow, cursor.chain_id, events)
        )


def _shortfalls(
    uow: UnitOfWork, chain_id: ChainId, events: tuple[StoredEvent, ...]
) -> tuple[Shortfall, ...]:
    """Return what accounts would lack once the final entries of these events are taken back."""
    taken: dict[tuple[bytes, AssetId], int] = {}
    for stored in events:
        if not isinstance(stored.event, CollateralLocked | CollateralExited):
            continue
        seen_id = seen_entry_id(stored.event, stored.revivals)
        is_held = isinstance(stored.event, CollateralExited) and stored.booked is Booked.SOFT
        final_ids = final_entry_ids(stored.event, stored.revivals)
        for entry_id in (seen_id,) if is_held else final_ids:
            booked = uow.ledger.entry(entry_id)
            for posting in () if booked is None else booked.entry.postings:
                chart = parse_code(posting.code)
                if chart.kind is AccountKind.MARGIN and chart.word is not None:
                    key = (chart.word, posting.asset_id)
                    taken[key] = taken.get(key, 0) - posting.units
    found = []
    for (account, asset_id), units in sorted(taken.items()):
        counters = uow.ledger.counters(margin_code(account), asset_id, chain_id)
        short_units = units - max(0, counters.available(Side.CREDIT))
        if short_units > 0:
            found.append(Shortfall(account, asset_id, chain_id, short_units))
    return tuple(found)
