"""The vectors that all languages read."""

import json
from pathlib import Path

from chains.devnet.vectors import VECTORS_PATH, messages, vectors, vectors_text, write_vectors
from chains.message import MessageKind


def test_the_committed_file_is_what_the_code_writes() -> None:
    """After a change of the format run: python -m chains.devnet.vectors."""
    assert VECTORS_PATH.read_text(encoding="utf-8") == vectors_text()


def test_every_kind_of_message_has_a_vector() -> None:
    """No kind is left to one language alone."""
    assert {message.kind for _, message in messages().values()} == set(MessageKind)


def test_the_file_is_written_whole(tmp_path: Path) -> None:
    """And reads back as the same content."""
    path = tmp_path / "messages.json"

    write_vectors(path)

    assert json.loads(path.read_text(encoding="utf-8")) == vectors()
