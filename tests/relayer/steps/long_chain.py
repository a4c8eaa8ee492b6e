"""A long chain whose past is empty and costs nothing: headers are made when they are asked for."""

from dataclasses import dataclass, field

from eth_hash.auto import keccak

from chains.errors import BlockGoneError
from chains.finality import ChainIdentity, Heads
from chains.port import EventRead, VaultState
from chains.types import BlockHeader, BlockRef
from tests.simulated_chain import BLOCK_SECONDS, GENESIS_SECONDS, SimulatedChain


def _hash(height: int) -> bytes:
    return keccak(b"long" + height.to_bytes(8, "big"))


def header_at(height: int) -> BlockHeader:
    """Return the header at a height; each follows from its height alone."""
    parent = _hash(height - 1) if height else bytes(32)
    seconds = GENESIS_SECONDS + height * BLOCK_SECONDS
    return BlockHeader(BlockRef(height, _hash(height)), parent, seconds)


@dataclass(slots=True)
class LongChain(SimulatedChain):
    """
    chains.port.ChainReader over empty blocks up to a head that a test moves.

    Args:
        final: the newest final height; head is the newest one.
    """

    head: int = 0
    final: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)

    async def identity(self) -> ChainIdentity:
        """Return the chain's name and its first block."""
        return ChainIdentity(self.chain_id, header_at(0).block)

    async def heads(self) -> Heads:
        """Return the newest header, and the newest final one."""
        self._ask("heads", self.head)
        return Heads(latest=header_at(self.head), finalized=header_at(self.final))

    async def header_at(self, height: int) -> BlockHeader:
        """Return the header at a height."""
        if height > self.head:
            raise BlockGoneError(chain_id=self.chain_id, reference=str(height))
        return header_at(height)

    async def events_in_block(self, block: BlockRef) -> EventRead:
        """Return nothing, for a block of this chain."""
        if block != header_at(block.height).block or block.height > self.head:
            raise BlockGoneError(chain_id=self.chain_id, reference=str(block.height))
        return EventRead((), ())

    async def events_in_range(self, first_height: int, last_height: int) -> EventRead:
        """Return nothing, and remember the range."""
        self._ask("events_in_range", first_height, last_height)
        self.ranges.append((first_height, last_height))
        return EventRead((), ())

    async def vault_state(self, vault: bytes, token: bytes, block: BlockRef) -> VaultState:
        """Return a vault that nobody ever used."""
        return VaultState(block, vault, token, 0, 0, 0, 0, False, False)

    @property
    def suggested_span(self) -> int:
        """As many blocks as the caller likes."""
        return 100_000
