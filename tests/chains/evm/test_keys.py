"""Sending keys from local files."""

import json
from pathlib import Path

import pytest
from eth_account import Account

from chains.evm.keys import read_key_file
from chains.key_files import KeyFileError

KEY = b"\x07" * 32


def private_file(folder: Path, name: str, text: str) -> Path:
    """Return a file that only its owner may read."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("text", [KEY.hex(), "0x" + KEY.hex(), f"\n0x{KEY.hex()}\n"])
def test_a_hex_file_holds_a_key(tmp_path: Path, text: str) -> None:
    """With or without 0x, with line breaks around."""
    assert read_key_file(private_file(tmp_path, "key", text)) == KEY


def test_a_keystore_holds_a_key(tmp_path: Path) -> None:
    """V3, opened by the passphrase in another file."""
    keystore = json.dumps(Account.encrypt(KEY, "words", kdf="pbkdf2", iterations=2))
    path = private_file(tmp_path, "keystore", keystore)
    passphrase = private_file(tmp_path, "passphrase", "words\n")

    assert read_key_file(path, passphrase) == KEY


def test_a_wrong_passphrase_is_refused(tmp_path: Path) -> None:
    """Without showing what was tried."""
    keystore = json.dumps(Account.encrypt(KEY, "words", kdf="pbkdf2", iterations=2))
    path = private_file(tmp_path, "keystore", keystore)
    passphrase = private_file(tmp_path, "passphrase", "other")

    with pytest.raises(KeyFileError, match="wrong passphrase") as caught:
        read_key_file(path, passphrase)
    assert "other" not in str(caught.value)


def test_a_keystore_without_a_passphrase_is_refused(tmp_path: Path) -> None:
    """The remedy is named."""
    with pytest.raises(KeyFileError, match="needs a passphrase file"):
        read_key_file(private_file(tmp_path, "keystore", "{}"))


@pytest.mark.parametrize("text", ["", "zz", "0x12", KEY.hex() + "00"])
def test_text_that_is_no_key_is_refused_unseen(tmp_path: Path, text: str) -> None:
    """The content never appears in the error."""
    with pytest.raises(KeyFileError) as caught:
        read_key_file(private_file(tmp_path, "key", text))
    assert not text or text not in caught.value.reason


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The remedy is chmod 600."""
    path = private_file(tmp_path, "key", KEY.hex())
    path.chmod(0o640)

    with pytest.raises(KeyFileError, match="chmod 600"):
        read_key_file(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(KeyFileError, match="nowhere"):
        read_key_file(tmp_path / "nowhere")
