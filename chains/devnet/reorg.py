"""Reorganisations of a local chain."""

from collections.abc import Sequence
from typing import Any

from chains.devnet.deploy import DevChain
from chains.types import BlockRef


def reorg(chain: DevChain, depth: int, moved: Sequence[tuple[bytes, int]] = ()) -> BlockRef:
    """
    Replace the newest blocks by others of the same heights; their transactions are dropped.

    Args:
        depth: how many blocks are replaced.
        moved: raw transactions and the offset of the replaced block they land in, 0 the lowest.

    Returns:
        The new head.
    """
    pairs: list[list[Any]] = [["0x" + raw.hex(), offset] for raw, offset in moved]
    chain.anvil.rpc.call("anvil_reorg", depth, pairs)
    return chain.head()


def roll_back(chain: DevChain, depth: int) -> BlockRef:
    """Take the newest blocks away, silently; return the new head."""
    chain.anvil.rpc.call("anvil_rollback", depth)
    return chain.head()
