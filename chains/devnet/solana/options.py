"""How a local cluster runs, and what it never changes."""

import hashlib
from dataclasses import dataclass
from typing import Final

from solders.keypair import Keypair

API_VERSION: Final = "4.1.0"  # of the runtime inside
FEATURE_SET: Final = 3_073_396_398
SLOTS_PER_EPOCH: Final = 8_192
BLOCKHASHES_VALID: Final = 150
SLOT_HASHES_MAX: Final = 512
PACKET_BYTES_MAX: Final = 1_232
FAUCET_LAMPORTS: Final = 500_000_000 * 10**9
MILLISECONDS: Final = 1_000
BPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class SolanaOptions:
    """
    How one local cluster runs.

    Args:
        port: of HTTP; the websocket has the next one. 0 takes two free ones.
        slot_ms: slots move by themselves, one each slot_ms; None moves them by command only.
        nominal_slot_ms: how much a slot is worth on the cluster's clock where slot_ms is None.
        confirmed_lag_slots: confirmed = newest slot minus this.
        finalized_lag_slots: finalized = newest slot minus this.
        skipped_bps: how many of 10,000 slots have no block; which, the seed says.
        seed: the same seed and the same commands, the same blocks.
        genesis_seconds: the time of slot 0.
        slots_kept: how far back history is kept behind the newest final slot.
    """

    port: int = 0
    slot_ms: int | None = None
    nominal_slot_ms: int = 400
    confirmed_lag_slots: int = 1
    finalized_lag_slots: int = 31
    skipped_bps: int = 0
    seed: int = 0
    genesis_seconds: int = 1_700_000_000
    slots_kept: int = 432_000

    def __post_init__(self) -> None:
        if not 1 <= self.confirmed_lag_slots <= self.finalized_lag_slots:
            raise ValueError("1 <= confirmed_lag_slots <= finalized_lag_slots is needed")
        if not 0 <= self.skipped_bps < BPS:
            raise ValueError(f"skipped_bps is 0..{BPS - 1}")
        if self.slot_milliseconds < 1:
            raise ValueError("a slot lasts a millisecond at least")

    @property
    def slot_milliseconds(self) -> int:
        """What a slot is worth on the cluster's clock."""
        return self.nominal_slot_ms if self.slot_ms is None else self.slot_ms

    @property
    def faucet(self) -> Keypair:
        """Who gives airdrops, and is the authority of every mint made by helpers."""
        return self._key("faucet")

    @property
    def identity(self) -> Keypair:
        """The node, leader of every slot."""
        return self._key("identity")

    def time_of(self, slot: int) -> int:
        """Return the time of a slot. [seconds]"""
        return self.genesis_seconds + slot * self.slot_milliseconds // MILLISECONDS

    def _key(self, name: str) -> Keypair:
        return Keypair.from_seed(hashlib.sha256(f"{name}:{self.seed}".encode()).digest())
