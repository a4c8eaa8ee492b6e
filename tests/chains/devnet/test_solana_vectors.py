"""The vectors that Python and the vault program read."""

from pathlib import Path

from chains.devnet.solana_vectors import (
    SOLANA_VECTORS_PATH,
    solana_vectors_text,
    write_solana_vectors,
)


def test_the_committed_file_is_what_the_code_writes() -> None:
    """After a change of the format run: python -m chains.devnet.solana_vectors."""
    assert SOLANA_VECTORS_PATH.read_text(encoding="utf-8") == solana_vectors_text()


def test_the_file_is_written_whole(tmp_path: Path) -> None:
    """To another place too."""
    path = tmp_path / "solana.json"

    write_solana_vectors(path)

    assert path.read_text(encoding="utf-8") == SOLANA_VECTORS_PATH.read_text(encoding="utf-8")
