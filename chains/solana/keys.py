"""Sending keys of Solana from local files."""

from pathlib import Path
from typing import Final

import orjson
from solders.keypair import Keypair

from chains.key_files import KeyFileError, read_private_text

SEED_BYTES: Final = 32
KEYPAIR_BYTES: Final = 64
SolanaKey = Keypair


def read_solana_key_file(path: Path) -> SolanaKey:
    """
    Return the key of a file: 64 numbers in brackets as command line wallets write them, or hex.

    Hex is a seed of 32 bytes, or 64 bytes: the seed and its public key, which must belong to it.

    Raises:
        KeyFileError: unreadable, open to others, or not a key; nothing of it is shown.
    """
    raw = _raw_key(path, read_private_text(path))
    if len(raw) == SEED_BYTES:
        return Keypair.from_seed(raw)
    if len(raw) != KEYPAIR_BYTES:
        reason = f"{len(raw)} bytes, {SEED_BYTES} or {KEYPAIR_BYTES} are needed"
        raise KeyFileError(path=path, reason=reason)
    key = Keypair.from_seed(raw[:SEED_BYTES])
    if bytes(key) != raw:
        raise KeyFileError(path=path, reason="its public key is not that of its seed")
    return key


def _raw_key(path: Path, text: str) -> bytes:
    if not text.startswith("["):
        try:
            return bytes.fromhex(text.removeprefix("0x"))
        except ValueError:
            reason = "neither numbers in brackets nor hexadecimal"
            raise KeyFileError(path=path, reason=reason) from None
    try:
        numbers = orjson.loads(text)
        if not all(type(number) is int for number in numbers):
            raise ValueError
        return bytes(numbers)
    except (ValueError, TypeError):
        raise KeyFileError(path=path, reason="not a list of 64 bytes") from None
