"""Put programs on a local Solana cluster and act as a wallet there, all of it over RPC."""

import time
from pathlib import Path
from typing import Final

from solana.rpc.commitment import Commitment, Confirmed, Finalized, Processed
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, TransferParams, create_account, transfer
from spl.token.instructions import (
    create_idempotent_associated_token_account,
    initialize_mint2,
    mint_to_checked,
    sync_native,
)
from spl.token.models import InitializeMint2Params, MintToCheckedParams, SyncNativeParams

from chains.attestation import Attestation
from chains.devnet.deploy import ARTIFACTS_PATH
from chains.devnet.rpc import DevnetError
from chains.devnet.solana.mints import NATIVE_MINT
from chains.devnet.solana.records import MINT_BYTES, TOKEN_PROGRAM
from chains.devnet.solana_actors import SOLANA_DEPLOYER, SOLANA_RELAYER, SolanaWallet
from chains.devnet.solana_loader import (
    BUFFER_HEAD_BYTES,
    CONTENT_HEAD_BYTES,
    PROGRAM_BYTES,
    deploy_buffer,
    make_buffer,
    make_final,
    write_chunks,
)
from chains.devnet.solana_rpc import LANDING_SECONDS_MAX, LandedTransaction, SolanaDevnetRpc
from chains.finality import Finality
from chains.message import Message
from chains.solana.vault_addresses import (
    VaultAddresses,
    associated_token_account,
    program_content,
)
from chains.solana.vault_instructions import Deposit, Exit, Token, execute, exit_by_opener, lock
from chains.types import ChainId

SOLANA_ARTIFACTS_PATH: Final = ARTIFACTS_PATH / "solana"
NATIVE: Final = bytes(NATIVE_MINT)
UNITS_AT: Final = 64  # in a token account
DECIMALS_AT: Final = 44  # in a mint
FINAL_POLL_SECONDS: Final = 0.02
LEVELS: Final[dict[Finality, Commitment]] = {
    Finality.LATEST: Processed,
    Finality.SAFE: Confirmed,
    Finality.FINALIZED: Finalized,
}


def program_artifact(name: str) -> bytes:
    """
    Return the bytes of a compiled program.

    Raises:
        DevnetError: there is no such artifact.
    """
    path: Path = SOLANA_ARTIFACTS_PATH / f"{name}.so"
    try:
        return path.read_bytes()
    except OSError as exc:
        raise DevnetError(f"{name} has no artifact; run: make contracts-solana") from exc


class SolanaDevChain:
    """
    One local cluster seen by its deployer and by wallets; words are 32 bytes.

    Every action waits until it is in a slot. Tokens are of the SPL token program.
    """

    def __init__(self, rpc_url: str) -> None:
        self.rpc = SolanaDevnetRpc(rpc_url)

    @property
    def chain_id(self) -> ChainId:
        """The chain's CAIP-2 name."""
        return self.rpc.chain_id

    @property
    def rpc_url(self) -> str:
        """The node's HTTP address."""
        return self.rpc.rpc_url

    def close(self) -> None:
        """Close the connections."""
        self.rpc.close()

    def send(
        self, wallet: SolanaWallet, *instructions: Instruction, signers: tuple[Keypair, ...] = ()
    ) -> LandedTransaction:
        """
        Send instructions in one transaction that a wallet pays for.

        Raises:
            CallRevertedError: the vault program refused; the reason is its error's name.
            DevnetError: the cluster refused.
        """
        return self.rpc.land(instructions, [wallet.keypair, *signers])

    # ---- programs

    def deploy(self, program: Keypair, elf: bytes) -> bytes:
        """
        Put a program there that nobody can replace; one that is there already is compared.

        Returns:
            Its address.

        Raises:
            DevnetError: another program has the address, or somebody may replace it.
        """
        key, payer = program.pubkey(), SOLANA_DEPLOYER.keypair
        if not self.rpc.content(bytes(key)):
            buffer = Keypair()
            made = make_buffer(
                payer.pubkey(), buffer.pubkey(), length=len(elf),
                lamports=self.rpc.rent(BUFFER_HEAD_BYTES + len(elf)),
            )  # fmt: skip
            self.rpc.land(made, [payer, buffer])
            for chunk in write_chunks(payer.pubkey(), buffer.pubkey(), elf):
                self.rpc.land([chunk], [payer], is_tried=False)
            deployed = deploy_buffer(
                payer.pubkey(), key, buffer.pubkey(), length=len(elf),
                lamports=self.rpc.rent(PROGRAM_BYTES),
            )  # fmt: skip
            self.rpc.land([*deployed, make_final(payer.pubkey(), key)], [payer, program])
        head = self.rpc.content(bytes(program_content(key)))
        if head[CONTENT_HEAD_BYTES:] != elf or head[12]:
            raise DevnetError(f"{key} is another program, or may be replaced; name another key")
        return bytes(key)

    # ---- SOL and tokens

    def airdrop(self, receiver: bytes, lamports: int) -> LandedTransaction:
        """Give SOL out of the cluster's faucet."""
        asked = self.rpc.ask(lambda client: client.request_airdrop(Pubkey(receiver), lamports))
        return self.rpc.landed(asked.value)

    def lamports_of(self, owner: bytes) -> int:
        """Return how much SOL an address has. [lamports]"""
        return self.rpc.ask(lambda client: client.get_balance(Pubkey(owner))).value

    def create_mint(self, mint: Keypair, *, scale: int) -> bytes:
        """Make a token whose authority is the deployer and return its address."""
        payer, key = SOLANA_DEPLOYER.keypair.pubkey(), mint.pubkey()
        make = create_account(
            CreateAccountParams(
                from_pubkey=payer, to_pubkey=key, lamports=self.rpc.rent(MINT_BYTES),
                space=MINT_BYTES, owner=TOKEN_PROGRAM,
            )
        )  # fmt: skip
        begin = initialize_mint2(
            InitializeMint2Params(
                decimals=scale, program_id=TOKEN_PROGRAM, mint=key, mint_authority=payer,
                freeze_authority=None,
            )
        )  # fmt: skip
        self.send(SOLANA_DEPLOYER, make, begin, signers=(mint,))
        return bytes(key)

    def mint(self, token: bytes, recipient: bytes, units: int) -> LandedTransaction:
        """Make test tokens out of nothing; the recipient's associated account is opened."""
        payer, key = SOLANA_DEPLOYER.keypair.pubkey(), Pubkey(token)
        give = mint_to_checked(
            MintToCheckedParams(
                program_id=TOKEN_PROGRAM, mint=key, dest=_home(token, recipient),
                mint_authority=payer, amount=units, decimals=self.rpc.content(token)[DECIMALS_AT],
            )
        )  # fmt: skip
        return self.send(SOLANA_DEPLOYER, _opening(SOLANA_DEPLOYER, token, recipient), give)

    def open_wallet(self, payer: SolanaWallet, token: bytes, owner: bytes) -> LandedTransaction:
        """Open a wallet's associated account of a token; doing it twice is fine."""
        return self.send(payer, _opening(payer, token, owner))

    def wrap(self, wallet: SolanaWallet, lamports: int) -> LandedTransaction:
        """Turn a wallet's SOL into units of the native mint."""
        home = _home(NATIVE, wallet.address)
        put = transfer(
            TransferParams(from_pubkey=wallet.keypair.pubkey(), to_pubkey=home, lamports=lamports)
        )
        count = sync_native(SyncNativeParams(program_id=TOKEN_PROGRAM, account=home))
        return self.send(wallet, _opening(wallet, NATIVE, wallet.address), put, count)

    def units_of(self, token: bytes, owner: bytes) -> int:
        """Return how much of a token a wallet has at its associated account. [base units]"""
        return self.units_at(bytes(_home(token, owner)))

    def units_at(self, account: bytes) -> int:
        """Return what is in a token account. [base units]"""
        return int.from_bytes(self.rpc.content(account)[UNITS_AT : UNITS_AT + 8], "little")

    # ---- the vault

    def lock(
        self, wallet: SolanaWallet, at: VaultAddresses, account: bytes, token: bytes, units: int
    ) -> LandedTransaction:
        """Lock collateral of a wallet for a margin account."""
        deposit = Deposit(
            payer=wallet.keypair.pubkey(), depositor=wallet.keypair.pubkey(),
            source=_home(token, wallet.address), account=account, units=units,
        )  # fmt: skip
        return self.send(wallet, lock(at, deposit, token=_spl(token)))

    def exit(self, wallet: SolanaWallet, at: VaultAddresses, leaving: Exit) -> LandedTransaction:
        """Leave a vault on one's own after the guardians' silence."""
        key = wallet.keypair.pubkey()
        opening = _opening(wallet, bytes(leaving.token.mint), bytes(leaving.recipient))
        return self.send(wallet, opening, exit_by_opener(at, key, leaving))

    def execute(
        self, at: VaultAddresses, message: Message, attestation: Attestation
    ) -> LandedTransaction:
        """Deliver a release, seize, pause or parameter message; the relayer's wallet pays."""
        payer = SOLANA_RELAYER.keypair.pubkey()
        delivery = execute(
            at, payer, message=message, attestation=attestation, token_program=TOKEN_PROGRAM
        )
        return self.send(SOLANA_RELAYER, delivery)

    # ---- slots

    def height(self, finality: Finality = Finality.LATEST) -> int:
        """Return the newest slot of a level: processed, confirmed, finalized."""
        return self.rpc.ask(lambda client: client.get_slot(LEVELS[finality])).value

    def wait_until(self, finality: Finality, height: int) -> None:
        """
        Wait until a slot has reached a level; slots must move by themselves.

        Raises:
            DevnetError: not in time.
        """
        deadline = time.monotonic() + LANDING_SECONDS_MAX
        while self.height(finality) < height:
            if time.monotonic() > deadline:
                raise DevnetError(f"{self.chain_id}: slot {height} is not {finality.name.lower()}")
            time.sleep(FINAL_POLL_SECONDS)


def _spl(token: bytes) -> Token:
    return Token(Pubkey(token), TOKEN_PROGRAM)


def _home(token: bytes, owner: bytes) -> Pubkey:
    """Return the associated account of a wallet."""
    return associated_token_account(
        wallet=Pubkey(owner), mint=Pubkey(token), token_program=TOKEN_PROGRAM
    )


def _opening(payer: SolanaWallet, token: bytes, owner: bytes) -> Instruction:
    return create_idempotent_associated_token_account(
        payer.keypair.pubkey(), Pubkey(owner), Pubkey(token)
    )
