"""How sure a block is."""

from dataclasses import dataclass
from enum import Enum

from chains.types import BlockHeader, BlockRef


class Finality(Enum):
    """LATEST < SAFE < FINALIZED (Solana: processed, confirmed, finalized)."""

    LATEST = "latest"
    SAFE = "safe"
    FINALIZED = "finalized"


@dataclass(frozen=True, slots=True)
class Heads:
    """The newest and the newest final block of one chain, read together from one node."""

    latest: BlockHeader
    finalized: BlockHeader

    def __post_init__(self) -> None:
        if self.finalized.block.height > self.latest.block.height:
            raise ValueError(
                f"finalized height {self.finalized.block.height} is above "
                f"latest height {self.latest.block.height}"
            )


@dataclass(frozen=True, slots=True)
class ChainIdentity:
    """What tells one chain from another: its number and its first block."""

    chain_reference: str
    genesis: BlockRef
