"""Rewind: go back to the newest stored block that the chain still has."""

import asyncio

import structlog

from chains.errors import BlockGoneError, FinalityViolationError
from chains.port import ChainReader
from chains.types import BlockRef
from relayer.steps.observe import ring_reconcile
from relayer.store.chains import Checkpoint, CheckpointState, Cursor
from relayer.store.leases import Lease
from relayer.store.unit_of_work import Store

log = structlog.get_logger(__name__)


async def rewind(store: Store, reader: ChainReader, *, lease: Lease) -> Cursor:
    """
    Declare the blocks of a dead branch gone; their entries are taken back by reconcile.

    Raises:
        FinalityViolationError: the branch left the chain below a final block.
    """
    cursor, candidates = await asyncio.to_thread(_candidates, store, reader)
    target = await _rewind_target(reader, candidates)

    def _rewind() -> tuple[Cursor, int]:
        with store.unit_of_work() as uow:
            after, gone = uow.chains.rewind(cursor, target, lease)
            ring_reconcile(uow, reader.chain_id)
            return after, gone

    after, gone = await asyncio.to_thread(_rewind)
    depth = 0 if cursor.head is None else cursor.head.height - target.height
    log.warning(
        "cursor.rewound", chain_id=reader.chain_id, height=target.height, depth=depth, events=gone
    )
    return after


def _candidates(store: Store, reader: ChainReader) -> tuple[Cursor, tuple[Checkpoint, ...]]:
    with store.read() as uow:
        return uow.chains.cursor(reader.chain_id), uow.chains.newest_checkpoints(reader.chain_id)


async def _rewind_target(reader: ChainReader, candidates: tuple[Checkpoint, ...]) -> BlockRef:
    for checkpoint in candidates:
        block = checkpoint.header.block
        if await _is_on_chain(reader, block):
            return block
        if checkpoint.state is CheckpointState.FINAL:
            raise FinalityViolationError(chain_id=reader.chain_id, block=block)
    lowest = candidates[-1].header.block
    raise FinalityViolationError(chain_id=reader.chain_id, block=lowest)


async def _is_on_chain(reader: ChainReader, block: BlockRef) -> bool:
    try:
        header = await reader.header_at(block.height)
    except BlockGoneError:
        return False
    return header.block == block
