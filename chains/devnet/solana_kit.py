"""The Solana part of the standard layout: one cluster, the vault program, a vault for a hub."""

import contextlib
from dataclasses import dataclass, field
from typing import Final

from eth_hash.auto import keccak
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from chains.attestation import Attestation
from chains.devnet.guarding import Guarding
from chains.devnet.running import Running
from chains.devnet.solana.net import SolanaDevnet
from chains.devnet.solana.options import SolanaOptions
from chains.devnet.solana.records import TOKEN_PROGRAM
from chains.devnet.solana_actors import (
    SOLANA_ALICE,
    SOLANA_BOB,
    SOLANA_DEPLOYER,
    SOLANA_LIQUIDATOR,
    SOLANA_RELAYER,
    SolanaWallet,
)
from chains.devnet.solana_deploy import NATIVE, SolanaDevChain, program_artifact
from chains.devnet.solana_rpc import LandedTransaction
from chains.message import Message
from chains.solana.vault_addresses import VaultAddresses, vault_address
from chains.solana.vault_instructions import (
    Exit,
    Token,
    VaultLimits,
    initialise,
    list_asset,
    seal,
)
from chains.types import ChainId, chain_key

SOL: Final = 10**9
USDC: Final = 10**6
USDC_SCALE: Final = 6
VAULT_PROGRAM: Final = "vault-v0"
WALLET_SOL: Final = 200
WALLET_USDC: Final = 100_000
WRAPPED_SOL: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SolanaVaultOptions(Guarding):
    """
    How the vault is made. Capacities are in base units per window.

    Args:
        initializer: who makes the vault and seals it; another one makes another vault.
    """

    initializer: SolanaWallet = SOLANA_DEPLOYER
    program: Keypair = field(default_factory=lambda: _key("program"), repr=False)
    usdc_mint: Keypair = field(default_factory=lambda: _key("mint:USDC"), repr=False)
    usdc_capacity_units: int = 10_000_000 * USDC
    sol_capacity_units: int = 100_000 * SOL


@dataclass(frozen=True, slots=True)
class DeployedSolana:
    """
    One cluster and what stands on it, as words of 32 bytes; tokens are by symbol.

    Actions are those of the parties; each waits until it is in a slot.
    """

    chain: SolanaDevChain
    options: SolanaVaultOptions
    program: bytes
    vault: bytes
    tokens: dict[str, bytes]

    @property
    def chain_id(self) -> ChainId:
        """The chain's CAIP-2 name."""
        return self.chain.chain_id

    @property
    def rpc_url(self) -> str:
        """The node's HTTP address."""
        return self.chain.rpc_url

    @property
    def at(self) -> VaultAddresses:
        """The addresses of the vault's accounts."""
        return VaultAddresses(Pubkey(self.program), Pubkey(self.vault))

    def lock(
        self, wallet: SolanaWallet, account: bytes, token: bytes, units: int
    ) -> LandedTransaction:
        """Lock collateral of a wallet for a margin account. [base units]"""
        return self.chain.lock(wallet, self.at, account, token, units)

    def exit(
        self, wallet: SolanaWallet, *, account: bytes, salt: bytes, token: bytes
    ) -> LandedTransaction:
        """Leave with all that an account holds of a token, to the wallet that opened it."""
        leaving = Exit(account, salt, Token(Pubkey(token), TOKEN_PROGRAM), wallet.keypair.pubkey())
        return self.chain.exit(wallet, self.at, leaving)

    def attest(self, message: Message) -> Attestation:
        """Return an attestation of a message by the first threshold guardians."""
        return self.options.attest(message, self.chain_id)

    def execute(self, message: Message) -> LandedTransaction:
        """Attest and deliver a release, seize, pause or parameter message."""
        return self.chain.execute(self.at, message, self.attest(message))

    def custody_units(self, token: bytes) -> int:
        """Return what is in the vault's custody account of a token. [base units]"""
        return self.chain.units_at(bytes(self.at.custody(Pubkey(token))))


def deploy_solana(
    chain: SolanaDevChain, options: SolanaVaultOptions | None = None
) -> DeployedSolana:
    """
    Deploy the vault program, make the vault for a hub, list USDC and wrapped SOL, and seal it.

    Alice, Bob and the liquidator have 200 SOL, 100 of them wrapped, and 100,000 USDC each; the
    relayer has SOL. On a cluster that has the program and the mint already both are used again;
    the vault must be new there.

    Raises:
        CallRevertedError: the vault is there already.
        DevnetError: the artifact is missing, or the cluster refused.
    """
    found = options or SolanaVaultOptions()
    wallets = (SOLANA_ALICE, SOLANA_BOB, SOLANA_LIQUIDATOR)
    for wallet in (SOLANA_DEPLOYER, found.initializer, SOLANA_RELAYER, *wallets):
        chain.airdrop(wallet.address, WALLET_SOL * SOL)
    program = chain.deploy(found.program, program_artifact(VAULT_PROGRAM))
    usdc = bytes(found.usdc_mint.pubkey())
    if not chain.rpc.content(usdc):
        chain.create_mint(found.usdc_mint, scale=USDC_SCALE)
    capacities = {usdc: found.usdc_capacity_units, NATIVE: found.sol_capacity_units}
    deployed = DeployedSolana(
        chain,
        found,
        program=program,
        vault=_make_vault(chain, program, found, capacities),
        tokens={"USDC": usdc, "SOL": NATIVE},
    )
    for wallet in wallets:
        chain.mint(usdc, wallet.address, WALLET_USDC * USDC)
        chain.wrap(wallet, WRAPPED_SOL * SOL)
    return deployed


def _make_vault(
    chain: SolanaDevChain,
    program: bytes,
    options: SolanaVaultOptions,
    capacities: dict[bytes, int],
) -> bytes:
    initializer = options.initializer.keypair.pubkey()
    hub_key = chain_key(options.hub)
    vault = vault_address(program_id=Pubkey(program), hub_key=hub_key, initializer=initializer)
    at = VaultAddresses(Pubkey(program), vault)
    limits = VaultLimits(
        overlap_seconds=options.overlap_seconds,
        exit_delay_seconds=options.exit_delay_seconds,
        listing_window_seconds=options.window_seconds,
    )
    chain.send(
        options.initializer,
        initialise(
            Pubkey(program),
            initializer,
            lane=(hub_key, chain.chain_id),
            limits=limits,
            guardian_set=options.guardian_set,
        ),
    )
    for token, capacity in capacities.items():
        listed = Token(Pubkey(token), TOKEN_PROGRAM)
        chain.send(
            options.initializer, list_asset(at, initializer, token=listed, capacity=capacity)
        )
    chain.send(options.initializer, seal(at, initializer))
    return bytes(vault)


class SolanaKit(Running):
    """
    A cluster in a thread of this process with the standard layout on it; a context manager.

    net moves its slots and breaks it; chain_s is what stands on it, reached over RPC alone.
    """

    def __init__(
        self,
        options: SolanaVaultOptions | None = None,
        *,
        cluster: SolanaOptions | None = None,
    ) -> None:
        self.net = SolanaDevnet(cluster)
        self.options = options or SolanaVaultOptions()
        self.chain_s: DeployedSolana
        self._running = contextlib.ExitStack()

    def start(self) -> None:
        """
        Start the cluster and deploy.

        Raises:
            DevnetError: no port is free, or the artifact is missing.
        """
        try:
            self._running.enter_context(self.net)
            chain = SolanaDevChain(self.net.url)
            self._running.callback(chain.close)
            self.chain_s = deploy_solana(chain, self.options)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the cluster; calling it twice is fine."""
        self._running.close()


def _key(label: str) -> Keypair:
    return Keypair.from_seed(keccak(f"devnet:solana:{label}".encode()))
