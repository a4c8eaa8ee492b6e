"""What all methods share: the ledger, the way in, the faults."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chains.devnet.solana.faults import Faults
from chains.devnet.solana.ledger import Ledger
from chains.devnet.solana.options import BLOCKHASHES_VALID, SolanaOptions
from chains.devnet.solana.params import Params, check_context_slot, level_of
from chains.devnet.solana.pipeline import Pipeline
from chains.finality import Finality

Method = Callable[[Params], Any]


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the cluster. Hold the ledger's lock."""

    options: SolanaOptions
    ledger: Ledger
    pipeline: Pipeline
    faults: Faults

    def slot_of(self, config: dict[str, Any]) -> int:
        """
        Return the newest slot of the level that was asked for.

        Raises:
            RefusalError: no such level, or it has not reached minContextSlot.
        """
        slot = self.ledger.block_at(level_of(config)).slot
        check_context_slot(config, slot)
        return slot

    def last_valid_height(self, finality: Finality) -> int:
        """Return the height of the last block that may hold a level's newest blockhash."""
        _, height = self.ledger.newest_hash(finality)
        return height + BLOCKHASHES_VALID
