"""Wallets of local Solana clusters: the same keys every time, worth nothing anywhere else."""

from dataclasses import dataclass, field
from typing import Final

from eth_hash.auto import keccak
from solders.keypair import Keypair


@dataclass(frozen=True, slots=True)
class SolanaWallet:
    """An ed25519 key; its address is its public key, 32 bytes."""

    keypair: Keypair = field(repr=False)

    @property
    def address(self) -> bytes:
        """The public key."""
        return bytes(self.keypair.pubkey())

    @property
    def secret(self) -> bytes:
        """The 64 bytes of a key file: seed | public key."""
        return bytes(self.keypair)

    def sign(self, content: bytes) -> bytes:
        """Return the ed25519 signature of bytes as they are, 64 bytes."""
        return bytes(self.keypair.sign_message(content))


def solana_wallet(label: str) -> SolanaWallet:
    """Return the wallet of a label; the same for the same label."""
    return SolanaWallet(Keypair.from_seed(keccak(f"devnet:solana:{label}".encode())))


SOLANA_DEPLOYER: Final = solana_wallet("deployer")
SOLANA_ALICE: Final = solana_wallet("alice")
SOLANA_BOB: Final = solana_wallet("bob")
SOLANA_LIQUIDATOR: Final = solana_wallet("liquidator")
SOLANA_RELAYER: Final = solana_wallet("relayer")
