"""Addresses that the vault program derives, each from what it is for."""

from dataclasses import dataclass
from typing import Final

from solders.pubkey import Pubkey

from chains.message import guardian_set_hash
from chains.types import EVM_ADDRESS_PAD

TOKEN_PROGRAM: Final = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM: Final = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
ASSOCIATED_TOKEN_PROGRAM: Final = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
UPGRADEABLE_LOADER: Final = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")
SYSTEM_PROGRAM: Final = Pubkey.default()
SET_INDEX_BYTES: Final = 4


def associated_token_account(*, wallet: Pubkey, mint: Pubkey, token_program: Pubkey) -> Pubkey:
    """Return the one token account of a wallet that the vault pays to."""
    seeds = [bytes(wallet), bytes(token_program), bytes(mint)]
    return Pubkey.find_program_address(seeds, ASSOCIATED_TOKEN_PROGRAM)[0]


def program_content(program_id: Pubkey) -> Pubkey:
    """Return where the loader keeps a program's bytes, and who may replace them."""
    return Pubkey.find_program_address([bytes(program_id)], UPGRADEABLE_LOADER)[0]


def vault_address(*, program_id: Pubkey, hub_key: bytes, initializer: Pubkey) -> Pubkey:
    """Return the vault that an initializer makes for a hub; also the message's vault word."""
    return Pubkey.find_program_address([b"vault", hub_key, bytes(initializer)], program_id)[0]


@dataclass(frozen=True, slots=True)
class VaultAddresses:
    """The accounts of one vault of one program."""

    program_id: Pubkey
    vault: Pubkey

    @property
    def authority(self) -> Pubkey:
        """The owner of the custody accounts."""
        return self._derived(b"authority", bytes(self.vault))

    @property
    def events(self) -> Pubkey:
        """The signer of every event of the program."""
        return self._derived(b"events")

    def guardian_set(self, index: int) -> Pubkey:
        """Return where the set with an index is kept."""
        return self._derived(
            b"guardians", bytes(self.vault), index.to_bytes(SET_INDEX_BYTES, "big")
        )

    def staged_set(self, *, index: int, threshold: int, members: tuple[bytes, ...]) -> Pubkey:
        """Return where a set of left-padded addresses waits for its rotation."""
        set_hash = guardian_set_hash(index=index, threshold=threshold, members=members)
        return self._derived(b"staged", bytes(self.vault), set_hash)

    def asset(self, mint: Pubkey) -> Pubkey:
        """Return where a listed token's limits are kept."""
        return self._derived(b"asset", bytes(self.vault), bytes(mint))

    def custody(self, mint: Pubkey) -> Pubkey:
        """Return the token account that holds what was locked."""
        return self._derived(b"custody", bytes(self.vault), bytes(mint))

    def position(self, *, account: bytes, mint: Pubkey) -> Pubkey:
        """Return where it is kept what a margin account holds of a token."""
        return self._derived(b"position", bytes(self.vault), account, bytes(mint))

    def executed(self, message_id: bytes) -> Pubkey:
        """Return the mark of an executed message."""
        return self._derived(b"executed", bytes(self.vault), message_id)

    def _derived(self, *seeds: bytes) -> Pubkey:
        return Pubkey.find_program_address(list(seeds), self.program_id)[0]


def short_members(members: tuple[bytes, ...]) -> bytes:
    """Return left-padded addresses as the program takes them, 20 bytes each."""
    return b"".join(member[len(EVM_ADDRESS_PAD) :] for member in members)


def unsigned_words(
    *, program_id: bytes, vault: bytes, mints: tuple[bytes, ...]
) -> frozenset[bytes]:
    """Return the addresses of a vault, its tokens and the programs that nobody can pay out of."""
    at = VaultAddresses(Pubkey(program_id), Pubkey(vault))
    keys = [at.program_id, at.vault, at.authority, at.events]
    keys += [SYSTEM_PROGRAM, TOKEN_PROGRAM, TOKEN_2022_PROGRAM, ASSOCIATED_TOKEN_PROGRAM]
    for mint in map(Pubkey, mints):
        keys += [mint, at.asset(mint), at.custody(mint)]
    return frozenset(map(bytes, keys))
