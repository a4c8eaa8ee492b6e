"""Keys of the local chains: public test keys, worth nothing anywhere else."""

from dataclasses import dataclass, field
from typing import Final

from coincurve import PrivateKey
from eth_hash.auto import keccak
from solders.keypair import Keypair

from chains.attestation import (
    Attestation,
    GuardianSet,
    assemble_attestation,
    attestation_digest,
)
from chains.command import Command
from chains.message import Message
from chains.types import ChainId, word_of_evm_address

# The first accounts of the "test test test ... junk" mnemonic, which anvil funds and unlocks.
DEV_KEYS: Final = (
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
)


@dataclass(frozen=True, slots=True)
class DevKey:
    """A private key and its left-padded address."""

    key: bytes = field(repr=False)
    address: bytes

    def sign(self, digest: bytes) -> bytes:
        """Return r | s | v over a digest, 65 bytes, low s, v 27 or 28."""
        raw = PrivateKey(self.key).sign_recoverable(digest, hasher=None)
        return raw[:64] + bytes((raw[64] + 27,))

    def sign_command(self, command: Command, hub: ChainId) -> bytes:
        """Return the wallet's signature of a command for a hub."""
        return self.sign(command.digest(hub))


@dataclass(frozen=True, slots=True)
class DevWallet:
    """A Solana wallet: its seed, and its public key as owners of accounts are named."""

    seed: bytes = field(repr=False)
    address: bytes

    @property
    def keypair(self) -> Keypair:
        """The key as transactions are signed with it."""
        return Keypair.from_seed(self.seed)

    def sign_command(self, command: Command, hub: ChainId) -> bytes:
        """Return public key | signature over the command's text, 96 bytes."""
        return self.address + bytes(self.keypair.sign_message(command.signing_text(hub)))


def dev_wallet(seed: bytes) -> DevWallet:
    """Return a wallet with its public key."""
    return DevWallet(seed=seed, address=bytes(Keypair.from_seed(seed).pubkey()))


def dev_key(key: bytes) -> DevKey:
    """Return a key with its address."""
    public = PrivateKey(key).public_key.format(compressed=False)
    return DevKey(key=key, address=word_of_evm_address(keccak(public[1:])[12:]))


DEPLOYER, ALICE, BOB, LIQUIDATOR, RELAYER, OPERATOR = (
    dev_key(bytes.fromhex(digits)) for digits in DEV_KEYS
)


def guardian_keys(count: int, *, seed: str = "devnet") -> tuple[DevKey, ...]:
    """Return guardian keys, ascending by address; the same for the same seed."""
    keys = (dev_key(keccak(f"guardian:{seed}:{place}".encode())) for place in range(count))
    return tuple(sorted(keys, key=lambda key: key.address))


def guardian_set_of(keys: tuple[DevKey, ...], *, threshold: int, index: int = 0) -> GuardianSet:
    """Return the set of some keys."""
    members = tuple(sorted(key.address for key in keys))
    return GuardianSet(index=index, threshold=threshold, members=members)


def attest(
    message: Message,
    *,
    chain_id: ChainId,
    guardian_set: GuardianSet,
    keys: tuple[DevKey, ...],
) -> Attestation:
    """
    Return an attestation of a message by the first threshold members among the keys.

    Raises:
        AttestationError: too few of the keys are members.
    """
    digest = attestation_digest(
        chain_id=chain_id,
        contract=message.vault,
        message_id=message.message_id,
        guardian_set_index=guardian_set.index,
    )
    signature_of = {key.address: key.sign(digest) for key in keys}
    return assemble_attestation(message.message_id, guardian_set, signature_of)
