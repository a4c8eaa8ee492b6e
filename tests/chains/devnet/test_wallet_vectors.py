"""What Solana wallets sign, as all languages read it."""

from pathlib import Path

from chains.devnet.wallet_vectors import (
    WALLETS_PATH,
    wallet_commands,
    wallet_vectors_text,
    write_wallet_vectors,
)
from relayer.steps.command_terms import SIGNATURES


def test_the_committed_file_is_what_the_code_writes() -> None:
    """After a change of the text run: python -m chains.devnet.wallet_vectors."""
    assert WALLETS_PATH.read_text(encoding="utf-8") == wallet_vectors_text()


def test_every_command_of_owners_has_a_vector() -> None:
    """No kind is left out."""
    assert {type(command) for command in wallet_commands().values()} == set(SIGNATURES)


def test_the_file_is_written_whole(tmp_path: Path) -> None:
    """At the place that is asked for."""
    path = tmp_path / "wallets.json"

    write_wallet_vectors(path)

    assert path.read_text(encoding="utf-8") == WALLETS_PATH.read_text(encoding="utf-8")
