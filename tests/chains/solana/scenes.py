"""A vault of the committed program on the local cluster, people who lock, and its reader."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from eth_hash.auto import keccak
from solders.compute_budget import set_compute_unit_limit
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message as LegacyMessage
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from chains.attestation import GuardianSet, default_threshold
from chains.command import account_id
from chains.devnet.actors import attest, guardian_keys, guardian_set_of
from chains.devnet.solana.net import SolanaDevnet, solana_devnet
from chains.message import Message, MessageKind
from chains.solana.history import SolanaWatched
from chains.solana.reader import SolanaReader
from chains.solana.vault_addresses import (
    TOKEN_PROGRAM,
    VaultAddresses,
    associated_token_account,
    vault_address,
)
from chains.solana.vault_instructions import (
    Deposit,
    Token,
    VaultLimits,
    execute,
    initialise,
    list_asset,
    lock,
    seal,
)
from chains.types import ChainId, chain_key

T = TypeVar("T")
Ask = Callable[[SolanaReader], Coroutine[Any, Any, T]]
ARTIFACTS = Path(__file__).parents[3] / "contracts" / "artifacts" / "solana"
HUB = ChainId("hub:solana-reading")
PROGRAM = Keypair.from_seed(keccak(b"program:reading")).pubkey()
FORGER = Keypair.from_seed(keccak(b"forger:reading")).pubkey()
INITIALIZER = Keypair.from_seed(keccak(b"initializer:reading"))
ALICE = Keypair.from_seed(keccak(b"alice:reading"))
KEYS = guardian_keys(4, seed="reading")
GUARDIANS = guardian_set_of(KEYS, threshold=default_threshold(len(KEYS)))
LIMITS = VaultLimits(
    overlap_seconds=3_600, exit_delay_seconds=86_400, listing_window_seconds=24_000
)
NO_WORD = bytes(32)
ACCOUNT = account_id(opener=bytes(ALICE.pubkey()), salt=NO_WORD)
OTHER_ACCOUNT = account_id(opener=bytes(INITIALIZER.pubkey()), salt=NO_WORD)
SOL = 10**9
UNITS = 10**12
CAPACITY = 10**9
WAIT_SECONDS_MAX = 30.0


@dataclass(slots=True)
class Scene:
    """One sealed vault with two mints of 6 digits, of which Alice has a lot."""

    net: SolanaDevnet
    at: VaultAddresses
    mints: tuple[Pubkey, ...]
    nonce: int = 0
    sent: list[str] = field(default_factory=list)

    @property
    def vault(self) -> bytes:
        """The vault word."""
        return bytes(self.at.vault)

    @property
    def watched(self) -> SolanaWatched:
        """What a reader watches."""
        return SolanaWatched(bytes(PROGRAM), self.vault, tuple(map(bytes, self.mints)))

    def reader(self, url: str | None = None, **options: Any) -> SolanaReader:
        """Return a reader of the cluster, or of what stands in front of it."""
        chosen: dict[str, Any] = {"watched": self.watched, "timeout_seconds": 5.0} | options
        return SolanaReader(self.net.chain_id, url or self.net.url, **chosen)

    def ask(
        self,
        question: Ask[T],
        url: str | None = None,
        *,
        wait_seconds: float = WAIT_SECONDS_MAX,
        **options: Any,
    ) -> T:
        """Return what a reader of its own answers."""
        reader = self.reader(url, **options)

        async def asked() -> T:
            try:
                return await asyncio.wait_for(question(reader), wait_seconds)
            finally:
                await reader.close()

        return asyncio.run(asked())

    def send(
        self, *instructions: Instruction, signers: tuple[Keypair, ...] = (), **how: Any
    ) -> str:
        """
        Land one transaction in the open block and return its signature.

        Args:
            how: tables for a transaction of version 0; is_failing where it must fail.
        """
        self.nonce += 1
        units = set_compute_unit_limit(1_400_000 - self.nonce)  # no two alike
        answer = self.net.ask("getLatestBlockhash", {"commitment": "processed"})
        recent = Hash.from_string(answer["value"]["blockhash"])
        payer = ALICE.pubkey()
        everything = [units, *instructions]
        message = (
            MessageV0.try_compile(payer, everything, how["tables"], recent)
            if "tables" in how
            else LegacyMessage.new_with_blockhash(everything, payer, recent)
        )
        keys = {key.pubkey(): key for key in (ALICE, INITIALIZER, *signers)}
        required = message.account_keys[: message.header.num_required_signatures]
        tx = VersionedTransaction(message, [keys[key] for key in required])
        with self.net.ledger.lock:
            landed = self.net.pipeline.execute(tx)
        assert landed is not None, "it did not land"
        assert (landed.err is not None) is how.get("is_failing", False), landed.err
        self.sent.append(str(tx.signatures[0]))
        return self.sent[-1]

    def lock_of(self, units: int, mint: int = 0, account: bytes = ACCOUNT) -> Instruction:
        """Return a lock of Alice's."""
        key = self.mints[mint]
        source = associated_token_account(
            wallet=ALICE.pubkey(), mint=key, token_program=TOKEN_PROGRAM
        )
        alice = ALICE.pubkey()
        deposit = Deposit(payer=alice, depositor=alice, source=source, account=account, units=units)
        return lock(self.at, deposit, token=Token(key, TOKEN_PROGRAM))

    def lock(self, units: int, mint: int = 0, account: bytes = ACCOUNT) -> str:
        """Lock."""
        return self.send(self.lock_of(units, mint, account))

    def message(self, kind: MessageKind = MessageKind.RELEASE, **changes: Any) -> Message:
        """Return the next message to the vault."""
        self.nonce += 1
        fields: dict[str, Any] = {
            "origin": chain_key(HUB),
            "target": chain_key(self.net.chain_id),
            "vault": self.vault,
            "nonce": self.nonce,
            "account": ACCOUNT,
            "token": bytes(self.mints[0]),
            "amount_units": 100,
            "recipient": bytes(ALICE.pubkey()),
            "expiry_seconds": 2**40,
            "epoch": 7,
            "evidence": keccak(b"evidence"),
        }
        return Message(kind=kind, **(fields | changes))

    def deliver(self, message: Message, guardians: GuardianSet = GUARDIANS) -> str:
        """Deliver a message with the signatures of a quorum."""
        chain_id = self.net.chain_id
        attestation = attest(message, chain_id=chain_id, guardian_set=guardians, keys=KEYS)
        return self.send(
            execute(
                self.at,
                ALICE.pubkey(),
                message=message,
                attestation=attestation,
                token_program=TOKEN_PROGRAM,
            )
        )

    def release(self, units: int, mint: int = 0) -> Message:
        """Pay Alice by a message, and return it."""
        message = self.message(amount_units=units, token=bytes(self.mints[mint]))
        self.deliver(message)
        return message

    def donate(self, units: int, mint: int = 0) -> str:
        """Send tokens into custody past the vault."""
        key = self.mints[mint]
        source = associated_token_account(
            wallet=ALICE.pubkey(), mint=key, token_program=TOKEN_PROGRAM
        )
        metas = [
            AccountMeta(source, is_signer=False, is_writable=True),
            AccountMeta(self.at.custody(key), is_signer=False, is_writable=True),
            AccountMeta(ALICE.pubkey(), is_signer=True, is_writable=False),
        ]
        content = b"\x03" + units.to_bytes(8, "little")
        return self.send(Instruction(TOKEN_PROGRAM, content, metas))

    def finalize(self) -> int:
        """Let all that has landed become final and return the final slot."""
        self.net.advance(self.net.options.finalized_lag_slots + 1)
        return int(self.net.ask("getSlot", {"commitment": "finalized"}))

    def slot_of(self, signature: str) -> int:
        """Return where a transaction landed."""
        return self.net.ledger.landed[signature].slot


@contextmanager
def scene(**options: Any) -> Iterator[Scene]:
    """Run a cluster with a vault of the committed program, sealed."""
    with solana_devnet(**options) as net:
        net.add_program(PROGRAM, (ARTIFACTS / "vault-v0.so").read_bytes())
        net.add_program(FORGER, (ARTIFACTS / "forger-v0.so").read_bytes())
        for key in (ALICE, INITIALIZER):
            net.airdrop(key.pubkey(), 1_000 * SOL)
        mints = tuple(net.create_mint(decimals=6) for _ in range(2))
        for mint in mints:
            net.mint_to(mint, ALICE.pubkey(), UNITS)
        vault = vault_address(
            program_id=PROGRAM, hub_key=chain_key(HUB), initializer=INITIALIZER.pubkey()
        )
        made = Scene(net, VaultAddresses(PROGRAM, vault), mints)
        lane = (chain_key(HUB), net.chain_id)
        initializer = INITIALIZER.pubkey()
        making = initialise(PROGRAM, initializer, lane=lane, limits=LIMITS, guardian_set=GUARDIANS)
        made.send(making, signers=(INITIALIZER,))
        for mint in mints:
            token = Token(mint, TOKEN_PROGRAM)
            made.send(list_asset(made.at, initializer, token=token, capacity=CAPACITY))
        made.send(seal(made.at, initializer))
        net.advance(2)
        yield made
