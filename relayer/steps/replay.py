"""Replay: read final blocks again through the normal reader, and book what was missed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from chains.errors import FinalityViolationError
from chains.port import ChainReader, EventRead
from relayer.errors import RefusedError
from relayer.steps.catalog import Catalog
from relayer.steps.fence import open_fence
from relayer.steps.observe import keep, read_range
from relayer.steps.prove import set_unproven_aside
from relayer.steps.reconcile import reconcile
from relayer.store.reread import Reread, RereadTable
from relayer.store.unit_of_work import Store

log = structlog.get_logger(__name__)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Span:
    """
    Heights to read again, both included, and how many blocks at a time.

    is_movement_enforced: a lock whose tokens did not come in is parked, as while observing.
    """

    first_height: int
    last_height: int
    blocks_max: int
    is_movement_enforced: bool = True


@dataclass(frozen=True, slots=True)
class Replayed:
    """
    What a replay brought.

    Args:
        seen: events in the blocks.
        new: of them, those that were not stored.
        unparked: events that waited for a person and were tried again.
        booked: events that were booked afterwards, parked those that no rule could book.
    """

    first_height: int
    last_height: int
    seen: int
    new: int
    unparked: int
    booked: int
    parked: int

    @property
    def known(self) -> int:
        """Events that were stored before."""
        return self.seen - self.new


async def replay(
    store: Store, catalog: Catalog, reader: ChainReader, span: Span, *, progress: Progress
) -> Replayed:
    """
    Read a range of final blocks again and book what follows; doing it twice changes nothing.

    Nothing is deleted, no cursor moves, and the chain's watcher may go on meanwhile.

    Raises:
        RefusedError: the range is empty or not final, or the chain is halted.
        FinalityViolationError: the node has another block where a final one is stored.
        TransientChainError: the node failed; what was read is kept, so begin again.
    """
    await _check(store, reader, span)
    seen = new = unparked = 0
    first = span.first_height
    while first <= span.last_height:
        count = min(span.blocks_max, max(1, reader.suggested_span))
        read, last = await read_range(reader, first, min(first + count - 1, span.last_height))
        part = replace(span, first_height=first, last_height=last)
        found = await asyncio.to_thread(_store, store, reader, read, part)
        seen, new, unparked = seen + len(read.events), new + found.new, unparked + found.unparked
        progress(f"reading {reader.chain_id}", last - span.first_height + 1, _blocks(span))
        first = last + 1
    booked, parked = await asyncio.to_thread(_book, store, catalog, reader)
    log.info("range.observed", chain_id=reader.chain_id, height=span.last_height, events=new)
    return Replayed(span.first_height, span.last_height, seen, new, unparked, booked, parked)


def _blocks(span: Span) -> int:
    return span.last_height - span.first_height + 1


async def _check(store: Store, reader: ChainReader, span: Span) -> None:
    chain_id = reader.chain_id
    with store.read() as uow:
        finalized = uow.chains.cursor(chain_id).finalized
        halts = {halt.chain_id: halt.reason for halt in uow.chains.halts()}
    if chain_id in halts:
        raise RefusedError(
            code="chain_halted",
            detail=f"{chain_id} is halted: {halts[chain_id]}; heal it and resume it first",
        )
    if not 0 <= span.first_height <= span.last_height:
        raise RefusedError(
            code="range", detail=f"--from {span.first_height} --to {span.last_height}: no range"
        )
    if finalized is None or span.last_height > finalized.height:
        final_height = "none" if finalized is None else finalized.height
        raise RefusedError(
            code="not_final",
            detail=f"--to {span.last_height}: the newest stored final block of {chain_id} is "
            f"{final_height}; the watcher reads the blocks above it again by itself",
        )
    header = await reader.header_at(finalized.height)
    if header.block != finalized:
        raise FinalityViolationError(chain_id=chain_id, block=finalized)


def _store(store: Store, reader: ChainReader, read: EventRead, span: Span) -> Reread:
    heights = (span.first_height, span.last_height)
    with store.unit_of_work() as uow:
        keep(uow, reader.chain_id, read)
        table = RereadTable(uow.connection, uow.clock)
        stored = table.store_final(reader.chain_id, read.events, heights)
        set_unproven_aside(uow, read, is_enforced=span.is_movement_enforced)
        return stored


def _book(store: Store, catalog: Catalog, reader: ChainReader) -> tuple[int, int]:
    """Book what waits; a worker that books meanwhile takes turns with this by the ledger's lock."""
    booked = parked = 0
    while True:
        found = reconcile(store, catalog, reader.chain_id, fence=open_fence)
        booked, parked = booked + found.booked, parked + found.parked
        if not found.has_more:
            return booked, parked
