"""The broken attestations that all languages read."""

from chains.devnet.refused_vectors import REFUSED_PATH, refused_text


def test_the_committed_file_is_what_the_code_writes() -> None:
    """After a change of the format run: python -m chains.devnet.refused_vectors."""
    assert REFUSED_PATH.read_text(encoding="utf-8") == refused_text()
