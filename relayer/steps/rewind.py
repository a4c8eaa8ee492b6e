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


async def rewind(store: Store, reader: ChainReader, *, lease: Lease) -> int:
    """
    Declare the blocks of a dead branch gone; their entries are taken back by reconcile.

    Returns:
        How many heights went; 0 when the stored head is on the node's chain after all.

    Raises:
        FinalityViolationError: the branch left the chain below a final block.
        BlockGoneError: the node is too far behind to tell.
    """
    cursor, candidates = await asyncio.to_thread(_candidates, store, reader)
    target = await _rewind_target(reader, candidates)
    if cursor.head is None or target is None or target == cursor.head:
        return 0

    def _rewind() -> int:
        with store.unit_of_work() as uow:
            ring_reconcile(uow, reader.chain_id)
            _, gone = uow.chains.rewind(cursor, target, lease)
            return gone

    gone = await asyncio.to_thread(_rewind)
    depth = cursor.head.height - target.height
    log.warning(
        "cursor.rewound", chain_id=reader.chain_id, height=target.height, depth=depth, events=gone
    )
    return depth


def _candidates(store: Store, reader: ChainReader) -> tuple[Cursor, tuple[Checkpoint, ...]]:
    """Return the cursor and the checkpoints from its head down to its final block."""
    with store.read() as uow:
        cursor = uow.chains.cursor(reader.chain_id)
        if cursor.head is None or cursor.finalized is None:
            return cursor, ()
        return cursor, uow.chains.checkpoints_from(reader.chain_id, cursor.finalized.height)


async def _rewind_target(
    reader: ChainReader, candidates: tuple[Checkpoint, ...]
) -> BlockRef | None:
    for checkpoint in candidates:
        block = checkpoint.header.block
        is_final = checkpoint.state is CheckpointState.FINAL
        try:
            header = await reader.header_at(block.height)
        except BlockGoneError:
            if is_final:
                raise
            continue  # the chain is shorter now
        if header.block == block:
            return block
        if is_final:
            raise FinalityViolationError(chain_id=reader.chain_id, block=block)
    return None
