"""Blocks as requests name them, resolved with the node's help."""

from typing import Any, Final

from chains.devnet.exchange import Ask

WORD_TEXT_LENGTH: Final = 66
TAGS: Final = ("latest", "pending", "safe", "finalized", "earliest")
# Where each method names its block.
BLOCK_PLACES: Final = {
    "eth_getBlockByNumber": 0,
    "eth_getBlockReceipts": 0,
    "eth_getBlockTransactionCountByNumber": 0,
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
    "eth_feeHistory": 1,
    "eth_getStorageAt": 2,
}


async def block_named(ask: Ask, reference: object) -> dict[str, Any] | None:
    """Return the block named by a height, a tag, a hash, or an object of EIP-1898, if it exists."""
    if isinstance(reference, dict):
        reference = reference.get("blockHash") or reference.get("blockNumber")
    if reference is None:
        reference = "latest"
    is_hash = isinstance(reference, str) and len(reference) == WORD_TEXT_LENGTH
    method = "eth_getBlockByHash" if is_hash else "eth_getBlockByNumber"
    found = await ask(method, [reference, False])
    return found if isinstance(found, dict) else None


async def height_named(ask: Ask, reference: str | None) -> int | None:
    """Return the height that a reference of a range stands for; None where a tag has no block."""
    if reference is not None and reference not in TAGS:
        return int(reference, 16)
    block = await block_named(ask, reference)
    return None if block is None else height_of(block)


def height_of(fields: dict[str, Any], name: str = "number") -> int:
    """Return the height that a block has, or a log or a receipt names."""
    return int(fields[name], 16)
