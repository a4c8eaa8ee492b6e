"""Tests of key files of Solana."""

from pathlib import Path

import pytest
from solders.keypair import Keypair

from chains.key_files import KeyFileError
from chains.solana.keys import read_solana_key_file

KEY = Keypair.from_seed(bytes(range(32)))
NUMBERS = str(list(bytes(KEY)))


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    """Write a file."""
    path = folder / "key"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "text", [NUMBERS, bytes(range(32)).hex(), "0x" + bytes(KEY).hex(), f" {NUMBERS}\n"]
)
def test_every_form_of_one_key_is_the_same_key(tmp_path: Path, text: str) -> None:
    """Numbers in brackets, a seed, a seed with its public key."""
    assert read_solana_key_file(key_file(tmp_path, text)).pubkey() == KEY.pubkey()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 bytes"),
        ("7 of diamonds", "neither numbers"),
        ("ab" * 31, "31 bytes"),
        ("[1, 2]", "2 bytes"),
        ("[1, 256]", "not a list"),
        ("[1, true]", "not a list"),
        ("[1", "not a list"),
        ("[" * 100_000, "not a list"),
        (bytes(KEY)[:32].hex() + "00" * 32, "public key"),
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, text: str, reason: str) -> None:
    """The error names the file and says why, never what stands in it."""
    with pytest.raises(KeyFileError, match=reason) as found:
        read_solana_key_file(key_file(tmp_path, text))

    assert not text or text[:16] not in str(found.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The error says how to close it."""
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_solana_key_file(key_file(tmp_path, NUMBERS, 0o644))
