"""Ascend: find the blocks that follow a block, over heights that have none."""

from typing import Final

from chains.errors import BlockGoneError
from chains.port import ChainReader
from chains.types import BlockHeader, BlockRef
from relayer.store.chains import BranchError

HEIGHTS_AHEAD: Final = 32  # so many heights are looked over at once behind one without a block


async def headers_after(
    reader: ChainReader, block: BlockRef, last_height: int
) -> tuple[BlockHeader, ...]:
    """
    Return the headers that follow a block, oldest first, none above a height.

    One question brings the next block where the next height has one. Behind a height without a
    block it is looked for further up, and the blocks on the way down from there are kept: one
    question for each. A gap of n heights costs about 2 log2(n / HEIGHTS_AHEAD) questions more.

    Returns:
        At most HEIGHTS_AHEAD + 1 headers. The oldest follows the block unless the chain changed
        meanwhile, which its parent hash tells. Empty where nothing follows up to that height.

    Raises:
        BranchError: the block is no longer on the node's chain.
    """
    try:
        return await _following(reader, block, last_height)
    except BlockGoneError:
        return ()  # the chain became shorter meanwhile; the next run sees the new branch


async def _following(
    reader: ChainReader, block: BlockRef, last_height: int
) -> tuple[BlockHeader, ...]:
    low = block.height + 1
    if low > last_height:
        return ()
    newest = await _newest_above(reader, block, low)
    if newest is not None:
        return (newest,)
    span = HEIGHTS_AHEAD
    while newest is None and low < last_height:
        height = min(last_height, low + span)
        newest = await _newest_above(reader, block, height)
        if newest is None:
            low, span = height, 2 * span
    if newest is None:
        return ()
    while not _follows(newest, block) and newest.block.height - low > HEIGHTS_AHEAD:
        middle = low + (newest.block.height - low) // 2
        below = await _newest_above(reader, block, middle)
        low, newest = (middle, newest) if below is None else (low, below)
    headers = [newest]
    while not _follows(headers[-1], block) and headers[-1].block.height - 1 > low:
        below = await _newest_above(reader, block, headers[-1].block.height - 1)
        if below is None:
            break
        headers.append(below)
    return tuple(reversed(headers))


def _follows(header: BlockHeader, block: BlockRef) -> bool:
    return header.parent_hash == block.block_hash


async def _newest_above(reader: ChainReader, block: BlockRef, height: int) -> BlockHeader | None:
    """Return the newest block up to a height, None where that is still the block itself."""
    header = await reader.header_at(height)
    if header.block == block:
        return None
    if header.block.height <= block.height:
        raise BranchError(chain_id=reader.chain_id, block=block)
    return header
