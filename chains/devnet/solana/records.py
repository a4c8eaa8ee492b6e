"""What a block holds, and what is known of each transaction in it."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

from solders.account import Account
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import TransactionMetadata

from chains.devnet.solana.bank import Bank

HASH_BYTES: Final = 32
TABLE_HEAD_BYTES: Final = 56
TOKEN_PROGRAM: Final = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM: Final = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
TOKEN_PROGRAMS: Final = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)
TOKEN_ACCOUNT_BYTES: Final = 165
MINT_BYTES: Final = 82
TYPE_ACCOUNT: Final = 2  # the byte after the plain layout, where Token-2022 has extensions


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """The accounts of a transaction in the order in which instructions count them."""

    static: tuple[Pubkey, ...]
    loaded_writable: tuple[Pubkey, ...] = ()
    loaded_readonly: tuple[Pubkey, ...] = ()

    @property
    def all(self) -> tuple[Pubkey, ...]:
        """All of them, in order."""
        return self.static + self.loaded_writable + self.loaded_readonly


@dataclass(frozen=True, slots=True)
class TokenBalance:
    """What a token account of a transaction held."""

    place: int
    mint: Pubkey
    owner: Pubkey
    program: Pubkey
    units: int
    decimals: int


@dataclass(frozen=True, slots=True)
class Balances:
    """Lamports and tokens of a transaction's accounts at one moment."""

    lamports: tuple[int, ...]
    tokens: tuple[TokenBalance, ...]


@dataclass(frozen=True, slots=True)
class Landed:
    """One transaction in a block; err is the cluster's error object, None for success."""

    signature: str
    tx: VersionedTransaction
    keys: AccountKeys
    slot: int
    err: Any
    outcome: TransactionMetadata
    before: Balances
    after: Balances

    @property
    def fee_lamports(self) -> int:
        """What the payer paid."""
        return self.outcome.fee()


@dataclass(slots=True)
class Block:
    """One block; while it is open it takes transactions, and block_hash is empty."""

    slot: int
    parent_slot: int
    height: int
    parent_hash: bytes
    seconds: int
    fork: int = 0
    block_hash: bytes = b""
    landed: list[Landed] = field(default_factory=list)

    def close(self) -> None:
        """Settle the hash: it depends on the parent, the slot, the fork and what landed."""
        digest = hashlib.sha256(self.parent_hash)
        digest.update(self.slot.to_bytes(8, "big") + self.fork.to_bytes(8, "big"))
        for one in self.landed:
            digest.update(one.signature.encode())
        self.block_hash = digest.digest()


def keys_of(tx: VersionedTransaction, bank: Bank) -> AccountKeys:
    """Return the accounts of a transaction, those of lookup tables as far as they can be found."""
    message = tx.message
    writable: list[Pubkey] = []
    readonly: list[Pubkey] = []
    for lookup in getattr(message, "address_table_lookups", ()):
        table = bank.newest(lookup.account_key)
        content = b"" if table is None else table.data[TABLE_HEAD_BYTES:]
        for places, found in (
            (lookup.writable_indexes, writable),
            (lookup.readonly_indexes, readonly),
        ):
            for place in bytes(places):
                raw = content[place * HASH_BYTES : (place + 1) * HASH_BYTES]
                if len(raw) == HASH_BYTES:
                    found.append(Pubkey.from_bytes(raw))
    return AccountKeys(tuple(message.account_keys), tuple(writable), tuple(readonly))


def writable_keys(tx: VersionedTransaction, keys: AccountKeys) -> tuple[Pubkey, ...]:
    """Return those accounts that a transaction may change."""
    header = tx.message.header
    signers = header.num_required_signatures
    writable_signers = signers - header.num_readonly_signed_accounts
    writable_others = len(keys.static) - header.num_readonly_unsigned_accounts
    static = keys.static
    return static[:writable_signers] + static[signers:writable_others] + keys.loaded_writable


def balances_of(keys: AccountKeys, bank: Bank) -> Balances:
    """Return what the accounts of a transaction hold now."""
    everything = keys.all
    lamports = tuple(bank.svm.get_balance(key) or 0 for key in everything)
    if not any(program in everything for program in TOKEN_PROGRAMS):
        return Balances(lamports, ())
    tokens = []
    for place, key in enumerate(everything):
        account = bank.newest(key)
        if account is None or not is_token_account(account):
            continue
        mint = Pubkey.from_bytes(account.data[:32])
        decimals = decimals_of(bank.newest(mint))
        if decimals is not None:
            owner = Pubkey.from_bytes(account.data[32:64])
            units = units_of(account)
            tokens.append(TokenBalance(place, mint, owner, account.owner, units, decimals))
    return Balances(lamports, tuple(tokens))


def is_token_account(account: Account) -> bool:
    """Return whether an account holds tokens."""
    content = account.data
    if account.owner not in TOKEN_PROGRAMS or len(content) < TOKEN_ACCOUNT_BYTES:
        return False
    is_plain = len(content) == TOKEN_ACCOUNT_BYTES
    return content[108] != 0 and (is_plain or content[TOKEN_ACCOUNT_BYTES] == TYPE_ACCOUNT)


def units_of(account: Account) -> int:
    """Return what a token account holds."""
    return int.from_bytes(account.data[64:72], "little")


def supply_of(mint: Account) -> int:
    """Return how much there is of a token."""
    return int.from_bytes(mint.data[36:44], "little")


def decimals_of(mint: Account | None) -> int | None:
    """Return the decimals of a mint, None where the account is no mint."""
    if mint is None or mint.owner not in TOKEN_PROGRAMS or len(mint.data) < MINT_BYTES:
        return None
    if len(mint.data) != MINT_BYTES and is_token_account(mint):
        return None
    return mint.data[44] if mint.data[45] else None
