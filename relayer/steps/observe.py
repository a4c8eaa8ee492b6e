"""Observe: bring one chain's blocks and events into the store, each block in one transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from chains.errors import (
    FinalityViolationError,
    RangeTooLargeError,
    RpcContradictionError,
    RpcUnavailableError,
)
from chains.finality import Heads
from chains.port import ChainReader, EventRead
from chains.types import BlockHeader, BlockRef, ChainId
from relayer.clock import UnixSeconds
from relayer.steps.ascend import headers_after
from relayer.steps.prove import set_unproven_aside
from relayer.steps.queues import ASSESS, RECONCILE, reconcile_queue
from relayer.store.chains import BranchError, Cursor
from relayer.store.leases import Lease
from relayer.store.observed_rows import MalformedLog
from relayer.store.unit_of_work import Store, UnitOfWork

NO_CORRELATION: Final = bytes(32)
# A run of several ranges must end well within its lease, and news of it must not be late.
FINAL_RANGES_PER_RUN_MAX: Final = 4
RUN_SECONDS_MAX: Final = 2.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ObserveLimits:
    """
    How much one run takes.

    is_movement_enforced: a lock whose tokens did not come in is parked and its chain halted;
    otherwise it is only reported.
    """

    start_height: int
    blocks_per_run_max: int
    finalized_span_max: int
    is_movement_enforced: bool = True


@dataclass(frozen=True, slots=True)
class _Run:
    """What one run works with."""

    store: Store
    reader: ChainReader
    limits: ObserveLimits
    lease: Lease


@dataclass(frozen=True, slots=True)
class Observation:
    """What one run brought: whether it is level with the heads, and how much it stored."""

    heads: Heads
    cursor: Cursor
    events: int
    is_level: bool


async def remember_chain(store: Store, reader: ChainReader) -> None:
    """
    Compare the node with the stored chain, or store its identity at the first start.

    Raises:
        WrongChainError: the node serves another chain.
    """
    identity = await reader.identity()

    def _remember() -> None:
        with store.unit_of_work() as uow:
            uow.chains.remember_identity(
                reader.chain_id, identity.chain_reference, identity.genesis.block_hash
            )

    await asyncio.to_thread(_remember)


async def observe(
    store: Store, reader: ChainReader, *, limits: ObserveLimits, lease: Lease
) -> Observation:
    """
    Bring the chain up to its heads, at most limits.blocks_per_run_max single blocks.

    Final blocks come by range, newer ones one by one by hash. The caller rewinds on BranchError.
    A node that is only behind what is stored is no reorg: it is asked again later.

    Raises:
        BranchError: the chain left the stored branch.
        FinalityViolationError: a final block was replaced; the chain must be halted.
        TransientChainError: the node failed or is behind; what was stored stays.
    """
    heads = await reader.heads()
    cursor = await asyncio.to_thread(_cursor, store, reader.chain_id)
    await _check_ahead(store, reader, cursor, heads)
    run = _Run(store, reader, limits, lease)
    stored = 0
    if cursor.head == cursor.finalized:
        cursor, count = await _observe_final(run, cursor, heads)
        stored += count
        if cursor.head is None or cursor.head.height < heads.finalized.block.height:
            return Observation(heads, cursor, stored, is_level=False)
    cursor, count = await _observe_newest(run, cursor, heads)
    cursor = await _finalize(store, reader, cursor, heads, lease)
    is_level = cursor.head is not None and cursor.head.height >= heads.latest.block.height
    return Observation(heads, cursor, stored + count, is_level=is_level)


def _cursor(store: Store, chain_id: ChainId) -> Cursor:
    with store.read() as uow:
        return uow.chains.cursor(chain_id)


async def _check_ahead(store: Store, reader: ChainReader, cursor: Cursor, heads: Heads) -> None:
    """
    Tell a node that lags behind the stored head from one that is on another branch.

    Above the final block every block is stored, so a node's head there that is not is of another
    branch, whether or not our own has a block at that height.
    """
    latest_height = heads.latest.block.height
    if cursor.head is None or latest_height >= cursor.head.height:
        return

    def _newest_common() -> BlockRef | None:
        with store.read() as uow:
            checkpoint = uow.chains.canonical_checkpoint(reader.chain_id, latest_height)
            return None if checkpoint is None else checkpoint.header.block

    block = await asyncio.to_thread(_newest_common)
    if block is not None:
        await _check_branch(reader, block)
        is_unfinal = cursor.finalized is not None and latest_height > cursor.finalized.height
        if is_unfinal and block.height < latest_height:
            raise BranchError(chain_id=reader.chain_id, block=cursor.head)
    raise RpcUnavailableError(
        chain_id=reader.chain_id,
        method="heads",
        reason=f"the node's head {latest_height} is behind the stored head {cursor.head.height}",
    )


async def _observe_final(run: _Run, cursor: Cursor, heads: Heads) -> tuple[Cursor, int]:
    """Take ranges of final blocks, a few of them before the heads are asked for again."""
    final_height = heads.finalized.block.height
    if cursor.head is None:
        first_height = min(run.limits.start_height, final_height)
    else:
        first_height = cursor.head.height + 1
    clock = run.store.clock
    ends_at, stored = clock.now() + RUN_SECONDS_MAX, 0
    for _ in range(FINAL_RANGES_PER_RUN_MAX):
        if first_height > final_height:
            break
        cursor, count = await _observe_range(run, cursor, first_height, final_height)
        stored += count
        if cursor.head is None or clock.now() >= ends_at:
            break
        first_height = cursor.head.height + 1
    return cursor, stored


async def _observe_range(
    run: _Run, cursor: Cursor, first_height: int, final_height: int
) -> tuple[Cursor, int]:
    """Take one range of final blocks, halving it as often as the node refuses it."""
    span = min(run.limits.finalized_span_max, max(1, run.reader.suggested_span))
    last_height = min(final_height, first_height + span - 1)
    read, last_height = await read_range(run.reader, first_height, last_height)
    await _check_final_parent(run.reader, cursor)
    last_header = await run.reader.header_at(last_height)
    _check_within(run.reader, read, last_header)
    if last_header.block.height < first_height:  # no block in the whole range
        read, last_header = await _next_final(run.reader, last_header.block, final_height)

    def _store() -> Cursor:
        with run.store.unit_of_work() as uow:
            keep(uow, run.reader.chain_id, read)
            after = uow.chains.store_finalized_range(cursor, read.events, last_header, run.lease)
            set_unproven_aside(uow, read, is_enforced=run.limits.is_movement_enforced)
            return after

    after = await asyncio.to_thread(_store)
    log.debug("range.observed", chain_id=run.reader.chain_id, height=last_header.block.height)
    return after, len(read.events)


async def _next_final(
    reader: ChainReader, block: BlockRef, final_height: int
) -> tuple[EventRead, BlockHeader]:
    """Return the first final block after one that many heights without a block follow."""
    headers = await headers_after(reader, block, final_height)
    if not headers:
        raise RpcContradictionError(
            chain_id=reader.chain_id,
            method="header_at",
            reason=f"no block follows {block.height} up to final block {final_height}",
        )
    height = headers[0].block.height
    read = await reader.events_in_range(height, height)
    _check_within(reader, read, headers[0])
    return read, headers[0]


def _check_within(reader: ChainReader, read: EventRead, newest: BlockHeader) -> None:
    """Refuse events above the newest block of their range: they stand at heights without one."""
    heights = [event.position.block.height for event in read.events]
    if max(heights, default=0) > newest.block.height:
        raise RpcContradictionError(
            chain_id=reader.chain_id,
            method="events_in_range",
            reason=f"an event stands at {max(heights)}, and the newest block up to there is "
            f"{newest.block.height}",
        )


async def read_range(
    reader: ChainReader, first_height: int, last_height: int
) -> tuple[EventRead, int]:
    """
    Return the events of as much of a range as the node gives, and where that ends.

    Raises:
        RangeTooLargeError: the node refuses even one block.
        TransientChainError: the node failed.
    """
    while True:
        try:
            return await reader.events_in_range(first_height, last_height), last_height
        except RangeTooLargeError:
            if last_height == first_height:
                raise
            last_height = first_height + (last_height - first_height) // 2


async def _check_final_parent(reader: ChainReader, cursor: Cursor) -> None:
    """Refuse to go on where the block that was final is no longer on the chain."""
    if cursor.finalized is None:
        return
    header = await reader.header_at(cursor.finalized.height)
    if header.block != cursor.finalized:
        raise FinalityViolationError(chain_id=reader.chain_id, block=cursor.finalized)


async def _observe_newest(run: _Run, cursor: Cursor, heads: Heads) -> tuple[Cursor, int]:
    """Take the blocks above the final ones one by one, each by its hash."""
    if cursor.head is None:
        return cursor, 0
    await _check_branch(run.reader, cursor.head)
    stored = 0
    left = run.limits.blocks_per_run_max
    while left > 0 and cursor.head is not None:
        headers = await headers_after(run.reader, cursor.head, heads.latest.block.height)
        if not headers:
            break
        for header in headers[:left]:
            read = await run.reader.events_in_block(header.block)
            cursor = await asyncio.to_thread(_store_block, run, cursor, header, read)
            stored += len(read.events)
        left -= len(headers)
    return cursor, stored


async def _check_branch(reader: ChainReader, block: BlockRef) -> None:
    """Notice a replaced block even when no block follows it; a missing one is asked again."""
    header = await reader.header_at(block.height)
    if header.block != block:
        raise BranchError(chain_id=reader.chain_id, block=block)


def _store_block(run: _Run, cursor: Cursor, header: BlockHeader, read: EventRead) -> Cursor:
    with run.store.unit_of_work() as uow:
        keep(uow, cursor.chain_id, read)
        after = uow.chains.store_block(cursor, header, read.events, run.lease)
        set_unproven_aside(uow, read, is_enforced=run.limits.is_movement_enforced)
        return after


async def _finalize(
    store: Store, reader: ChainReader, cursor: Cursor, heads: Heads, lease: Lease
) -> Cursor:
    """Declare final what the chain calls final, as far as it is stored."""
    if cursor.head is None or cursor.finalized is None:
        return cursor
    final = heads.finalized.block
    if final.height > cursor.head.height:
        await _check_branch(reader, cursor.head)
        final = cursor.head
    if final.height <= cursor.finalized.height:
        return cursor

    def _advance() -> Cursor:
        with store.unit_of_work() as uow:
            ring_reconcile(uow, reader.chain_id)
            return uow.chains.advance_finalized(cursor, final, lease)

    return await asyncio.to_thread(_advance)


def ring_reconcile(uow: UnitOfWork, chain_id: ChainId) -> None:
    """
    Wish that the chain's events are booked. Call before the events are touched.

    The reconciler holds the job's row before it takes those of the events; who takes them in the
    other order can block it for good.
    """
    uow.jobs.ring(RECONCILE, chain_id, reconcile_queue(chain_id), uow.clock.now(), NO_CORRELATION)


def ring_assess(uow: UnitOfWork) -> None:
    """Wish that all accounts are assessed."""
    uow.jobs.ring(ASSESS, "all", ASSESS, UnixSeconds(uow.clock.now()), NO_CORRELATION)


def keep(uow: UnitOfWork, chain_id: ChainId, read: EventRead) -> None:
    """Store what could not be read, and ring for what could."""
    if read.events:
        ring_reconcile(uow, chain_id)
    if read.unreadable:
        uow.chains.add_malformed(_malformed(chain_id, read))
        for error in read.unreadable:
            log.error("log.malformed", chain_id=chain_id, reason=str(error))


def _malformed(chain_id: ChainId, read: EventRead) -> Sequence[MalformedLog]:
    return [
        MalformedLog(
            chain_id=chain_id,
            block=error.block,
            tx_hash=error.tx_hash,
            log_index=error.log_index,
            contract=error.contract,
            reason=error.reason,
        )
        for error in read.unreadable
    ]
