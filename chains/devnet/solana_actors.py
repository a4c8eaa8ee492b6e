"""Wallets of local Solana clusters: the same keys every time, worth nothing anywhere else."""

from typing import Final

from eth_hash.auto import keccak

from chains.devnet.actors import DevWallet, dev_wallet


def wallet_named(label: str) -> DevWallet:
    """Return the wallet of a label; the same for the same label."""
    return dev_wallet(keccak(f"devnet:solana:{label}".encode()))


SOLANA_DEPLOYER: Final = wallet_named("deployer")
SOLANA_ALICE: Final = wallet_named("alice")
SOLANA_BOB: Final = wallet_named("bob")
SOLANA_LIQUIDATOR: Final = wallet_named("liquidator")
SOLANA_RELAYER: Final = wallet_named("relayer")
