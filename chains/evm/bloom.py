"""The bloom of a block's header: what the block may hold, said by another part of the node."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from eth_hash.auto import keccak

from chains.evm.answers import bytes_of
from chains.line.shapes import fields_of
from chains.types import BlockRef, evm_address_of_word

BLOOM_BYTES: Final = 256
BITS_PER_VALUE: Final = 3
BIT_MAX: Final = 8 * BLOOM_BYTES - 1
BLOOMS_KEPT_MAX: Final = 256


@dataclass(slots=True)
class BloomCounts:
    """
    What the blooms of one node came to, counted per block since the reader was made.

    Args:
        checked: blocks whose logs were held against their bloom.
        false_positives: the bloom promised a log, and the block's receipts had none.
        contradictions: the receipts held logs that the answer lacked, or the other way round.
        unchecked: the bloom promised a log, and the node cannot give the receipts of a block.
    """

    checked: int = 0
    false_positives: int = 0
    contradictions: int = 0
    unchecked: int = 0


def bloom_of(value: object) -> int | None:
    """Return a block's bloom as a number of 2048 bits; None where the node gives none."""
    found = fields_of(value, "block").get("logsBloom")
    if found is None:
        return None
    return int.from_bytes(bytes_of(found, "block.logsBloom", BLOOM_BYTES), "big")


def mask_of(contract: bytes, topic: bytes) -> int:
    """
    Return the bits that a log of a contract with a topic sets.

    Args:
        contract: a left-padded address.
        topic: 32 bytes.
    """
    return _bits(evm_address_of_word(contract)) | _bits(topic)


def may_hold(bloom: int, mask: int) -> bool:
    """Return whether a block may hold what a mask stands for; False is certain."""
    return bloom & mask == mask


def _bits(value: bytes) -> int:
    digest = keccak(value)
    mask = 0
    for place in range(0, 2 * BITS_PER_VALUE, 2):
        mask |= 1 << (int.from_bytes(digest[place : place + 2], "big") & BIT_MAX)
    return mask


class BloomMemory:
    """The blooms of the newest headers that a node gave, at most BLOOMS_KEPT_MAX."""

    def __init__(self) -> None:
        self._blooms: OrderedDict[bytes, int | None] = OrderedDict()

    def keep(self, block: BlockRef, bloom: int | None) -> None:
        """Remember the bloom of a block."""
        self._blooms[block.block_hash] = bloom
        self._blooms.move_to_end(block.block_hash)
        while len(self._blooms) > BLOOMS_KEPT_MAX:
            self._blooms.popitem(last=False)

    def knows(self, block: BlockRef) -> bool:
        """Return whether the header of a block was seen lately."""
        return block.block_hash in self._blooms

    def of(self, block: BlockRef) -> int | None:
        """Return the bloom of a block, None where its header has none or was not seen."""
        return self._blooms.get(block.block_hash)
