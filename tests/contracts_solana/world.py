"""A vault with guardians, one listed token, and people who lock and are paid."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from eth_hash.auto import keccak
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from chains.attestation import Attestation, GuardianSet, attestation_digest, default_threshold
from chains.command import account_id
from chains.devnet.actors import DevKey, attest, guardian_keys, guardian_set_of
from chains.devnet.solana_vectors import CHAIN, PROGRAM_ID
from chains.message import Message, MessageKind, guardian_set_hash
from chains.solana.vault_addresses import (
    VaultAddresses,
    associated_token_account,
    vault_address,
)
from chains.solana.vault_errors import VaultProgramError
from chains.solana.vault_instructions import (
    Deposit,
    Exit,
    Token,
    VaultLimits,
    execute,
    initialise,
    list_asset,
    lock,
    rotate_set,
    seal,
    stage_set,
)
from chains.solana.vault_layout import (
    AssetState,
    VaultState,
    decode_asset,
    decode_guardian_set,
    decode_position,
    decode_vault,
)
from chains.types import WORD_BYTES, ChainId, chain_key
from tests.contracts_solana.runtime import RefusedError, Runtime, Sent, key_named

HUB = ChainId("hub:solana-tests")
NO_WORD = bytes(WORD_BYTES)
LIMITS = VaultLimits(
    overlap_seconds=3_600, exit_delay_seconds=86_400, listing_window_seconds=24_000
)
KEYS = guardian_keys(4, seed="solana")
CAPACITY = 1_000_000
UNITS = 10_000_000


@dataclass(slots=True)
class World:
    """One vault; sealed, with one token of 6 digits, unless a test asks otherwise."""

    runtime: Runtime
    initializer: Keypair
    keys: tuple[DevKey, ...]
    at: VaultAddresses
    token: Token
    alice: Keypair
    source: Pubkey
    known: tuple[DevKey, ...]
    nonce: int = 0

    @property
    def guardian_set(self) -> GuardianSet:
        """Return the guardians of set 0."""
        return guardian_set_of(self.keys, threshold=default_threshold(len(self.keys)))

    @property
    def current_set(self) -> GuardianSet:
        """Return the guardians that the vault calls current."""
        where = self.at.guardian_set(self.vault.guardian_set_index)
        stored = decode_guardian_set(self.runtime.content(where))
        return GuardianSet(stored.index, stored.threshold, stored.members)

    @property
    def account(self) -> bytes:
        """Return the margin account that alice opened."""
        return account_id(opener=bytes(self.alice.pubkey()), salt=NO_WORD)

    @property
    def vault(self) -> VaultState:
        """Return the vault's state."""
        return decode_vault(self.runtime.content(self.at.vault))

    @property
    def asset(self) -> AssetState:
        """Return the token's state."""
        return decode_asset(self.runtime.content(self.at.asset(self.token.mint)))

    @property
    def custody_units(self) -> int:
        """Return what is in the custody account."""
        return self.runtime.token_units(self.at.custody(self.token.mint))

    def units_of(self, account: bytes) -> int:
        """Return what a margin account holds."""
        where = self.at.position(account=account, mint=self.token.mint)
        content = self.runtime.content(where)
        return decode_position(content).units if content else 0

    def wallet_units(self, wallet: Pubkey) -> int:
        """Return what is in the associated token account of a wallet."""
        where = associated_token_account(
            wallet=wallet, mint=self.token.mint, token_program=self.token.program
        )
        return self.runtime.token_units(where)

    def lock(self, units: int, *, account: bytes | None = None) -> Sent:
        """Lock units of alice's."""
        return self.runtime.send(self.lock_instruction(units, account), signers=(self.alice,))

    def lock_instruction(self, units: int, account: bytes | None = None) -> Instruction:
        """Return a lock of alice's."""
        deposit = Deposit(
            payer=self.runtime.payer.pubkey(),
            depositor=self.alice.pubkey(),
            source=self.source,
            account=self.account if account is None else account,
            units=units,
        )
        return lock(self.at, deposit, token=self.token)

    def message(self, kind: MessageKind, **changes: Any) -> Message:
        """Return a message of a kind with the next nonce and some fields changed."""
        self.nonce += 1
        is_payment = kind in (MessageKind.RELEASE, MessageKind.SEIZE)
        fields: dict[str, Any] = {
            "origin": chain_key(HUB),
            "target": chain_key(CHAIN),
            "vault": bytes(self.at.vault),
            "nonce": self.nonce,
            "account": self.account if is_payment else NO_WORD,
            "token": bytes(self.token.mint),
            "amount_units": 1_000,
            "recipient": bytes(self.alice.pubkey()) if is_payment else NO_WORD,
            "expiry_seconds": self.runtime.now + 600,
            "epoch": 7,
            "evidence": keccak(b"evidence"),
        }
        return Message(kind=kind, **(fields | changes))

    def attest(self, message: Message, guardian_set: GuardianSet | None = None) -> Attestation:
        """Return what the threshold of a set signs."""
        found = guardian_set or self.guardian_set
        return attest(message, chain_id=CHAIN, guardian_set=found, keys=self.known)

    def execution(self, message: Message, attestation: Attestation | None = None) -> Instruction:
        """Return the delivery of a message."""
        return execute(
            self.at,
            self.runtime.payer.pubkey(),
            message=message,
            attestation=attestation or self.attest(message),
            token_program=self.token.program,
        )

    def execute(self, message: Message, attestation: Attestation | None = None) -> Sent:
        """Deliver a message."""
        return self.runtime.send(self.execution(message, attestation))

    def rotation(
        self, next_set: GuardianSet, *, changes: dict[str, Any] | None = None
    ) -> tuple[Message, Instruction]:
        """Return the message that names a set, and its delivery."""
        token = guardian_set_hash(
            index=next_set.index, threshold=next_set.threshold, members=next_set.members
        )
        fields: dict[str, Any] = {"token": token, "amount_units": next_set.index}
        message = self.message(MessageKind.GUARDIAN_SET, **(fields | (changes or {})))
        current = self.current_set
        return message, rotate_set(
            self.at,
            self.runtime.payer.pubkey(),
            message=message,
            attestation=self.attest(message, current),
            guardian_set=next_set,
        )

    def rotate(self, next_set: GuardianSet) -> Sent:
        """Stage a set and make it the current one."""
        payer = self.runtime.payer.pubkey()
        self.runtime.send(stage_set(self.at, payer, guardian_set=next_set))
        return self.runtime.send(self.rotation(next_set)[1])

    def exit_of(self, *, opener: bytes, salt: bytes = NO_WORD) -> Exit:
        """Return the exit of an opener's account to alice's wallet."""
        account = account_id(opener=opener, salt=salt)
        return Exit(account, salt, self.token, self.alice.pubkey())

    def digest(self, message: Message, index: int = 0) -> bytes:
        """Return what guardians sign for a message."""
        return attestation_digest(
            chain_id=CHAIN,
            contract=message.vault,
            message_id=message.message_id,
            guardian_set_index=index,
        )


def bare_world(*, keys: tuple[DevKey, ...] = KEYS, label: str = "") -> World:
    """Return a world whose vault is not made yet."""
    runtime = Runtime()
    initializer = key_named(f"initializer:{label}")
    runtime.fund(initializer.pubkey())
    alice = key_named("alice")
    token = runtime.make_mint("token")
    vault = vault_address(
        program_id=PROGRAM_ID, hub_key=chain_key(HUB), initializer=initializer.pubkey()
    )
    source = runtime.make_token_account("alice", token, wallet=alice.pubkey(), units=UNITS)
    return World(
        runtime=runtime,
        initializer=initializer,
        keys=keys,
        known=keys,
        at=VaultAddresses(PROGRAM_ID, vault),
        token=token,
        alice=alice,
        source=source,
    )


def making_of(world: World) -> Instruction:
    """Return the making of a world's vault."""
    return initialise(
        PROGRAM_ID,
        world.initializer.pubkey(),
        lane=(chain_key(HUB), CHAIN),
        limits=LIMITS,
        guardian_set=world.guardian_set,
    )


def listing_of(world: World, token: Token | None = None, capacity: int = CAPACITY) -> Instruction:
    """Return the listing of a token by the initializer."""
    chosen = token or world.token
    return list_asset(world.at, world.initializer.pubkey(), token=chosen, capacity=capacity)


def open_world(*, keys: tuple[DevKey, ...] = KEYS) -> World:
    """Return a world with a sealed vault, its token listed, alice's wallet open."""
    world = bare_world(keys=keys)
    send = world.runtime.send
    send(making_of(world), signers=(world.initializer,))
    send(listing_of(world), signers=(world.initializer,))
    send(seal(world.at, world.initializer.pubkey()), signers=(world.initializer,))
    world.runtime.open_wallet(world.alice.pubkey(), world.token)
    return world


@contextmanager
def refused(code: VaultProgramError) -> Iterator[None]:
    """Expect the program to refuse with a number, and nothing else to go wrong first."""
    with pytest.raises(RefusedError) as found:
        yield
    assert found.value.code is code, str(found.value)
