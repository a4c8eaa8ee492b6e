"""Sending keys from local files."""

import json
from pathlib import Path
from typing import Final

from eth_account import Account

from chains.key_files import KeyFileError, read_private_text

KEY_BYTES: Final = 32


def read_key_file(path: Path, passphrase_path: Path | None = None) -> bytes:
    """
    Return the private key of a file: 32 bytes of hex, or a V3 keystore with its passphrase file.

    Raises:
        KeyFileError: unreadable, open to others, not a key, or the wrong passphrase.
    """
    text = read_private_text(path)
    if not text.startswith("{"):
        return _hex_key(path, text)
    if passphrase_path is None:
        raise KeyFileError(path=path, reason="a keystore needs a passphrase file; set its path")
    passphrase = read_private_text(passphrase_path)
    try:
        return bytes(Account.decrypt(json.loads(text), passphrase))
    except (ValueError, KeyError, TypeError):
        raise KeyFileError(path=path, reason="wrong passphrase or broken keystore") from None


def _hex_key(path: Path, text: str) -> bytes:
    try:
        key = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise KeyFileError(path=path, reason="not hexadecimal") from None
    if len(key) != KEY_BYTES:
        raise KeyFileError(path=path, reason=f"{len(key)} bytes, {KEY_BYTES} are needed")
    return key
