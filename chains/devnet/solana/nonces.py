"""
Durable nonces: values that stand in for a blockhash until they are advanced.

The runtime inside takes a transaction's own blockhash for the newest one. The value that comes of
that blockhash is the marker: to the runtime it means "advanced in this slot". So before a
transaction runs, the true value of this slot becomes the marker, and what equals the marker without
meaning it becomes a stand-in; afterwards both become what they were.
"""

import hashlib
from typing import Final

from solders.account import Account
from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from chains.devnet.solana.codec import SYSTEM_PROGRAM

NONCE_BYTES: Final = 80
VALUE: Final = slice(40, 72)
AUTHORITY: Final = slice(8, 40)
INITIALIZED: Final = (1).to_bytes(4, "little")
STATE: Final = slice(4, 8)


def durable_of(block_hash: bytes) -> bytes:
    """Return the nonce value that comes of a blockhash."""
    return hashlib.sha256(b"DURABLE_NONCE" + block_hash).digest()


def inward(tx: VersionedTransaction, current: bytes) -> dict[bytes, bytes]:
    """Return what the runtime sees in place of true values, current being the one of this slot."""
    marker = durable_of(bytes(tx.message.recent_blockhash))
    if marker == current:
        return {}
    return {current: marker, marker: durable_of(marker)}


def outward(tx: VersionedTransaction, current: bytes) -> dict[bytes, bytes]:
    """Return the true values of what the runtime leaves behind."""
    return {seen: true for true, seen in inward(tx, current).items()}


def is_nonce(account: Account | None) -> bool:
    """Return whether an account holds a durable nonce."""
    return (
        account is not None
        and len(account.data) == NONCE_BYTES
        and account.owner == SYSTEM_PROGRAM
        and account.data[STATE] == INITIALIZED
    )


def value_of(account: Account) -> bytes:
    """Return the value of a nonce account."""
    return account.data[VALUE]


def with_value(account: Account, value: bytes) -> Account:
    """Return a nonce account with another value."""
    content = account.data[: VALUE.start] + value + account.data[VALUE.stop :]
    return Account(account.lamports, content, account.owner, account.executable, account.rent_epoch)


def translated(account: Account | None, values: dict[bytes, bytes]) -> Account | None:
    """Return an account, its value changed where it is a nonce with one of some values."""
    if account is None or not is_nonce(account) or value_of(account) not in values:
        return account
    return with_value(account, values[value_of(account)])


def nonce_key_of(tx: VersionedTransaction) -> Pubkey | None:
    """Return the account whose nonce a transaction rests on, None if it is not of that form."""
    if not tx.uses_durable_nonce():
        return None
    message = tx.message
    place = message.instructions[0].accounts[0]
    return message.account_keys[place] if place < len(message.account_keys) else None


def is_usable(account: Account | None, tx: VersionedTransaction, current: bytes) -> bool:
    """
    Return whether a nonce account lets a transaction in.

    Args:
        current: the value of this slot; a nonce advanced in this slot waits for the next.
    """
    if account is None or not is_nonce(account):
        return False
    value = value_of(account)
    signers = tx.message.account_keys[: tx.message.header.num_required_signatures]
    authority = Pubkey.from_bytes(account.data[AUTHORITY])
    return Hash(value) == tx.message.recent_blockhash and value != current and authority in signers
