"""What is committed is what the sources make, and the numbers are the same everywhere."""

import re
from pathlib import Path

import pytest

from chains.solana.vault_errors import VaultProgramError
from contracts.solana.tools import build
from tests.contracts_solana.runtime import ARTIFACTS

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
ERROR = re.compile(r"^    ERROR_(\w+) = (\d+), *// (.+)$", re.MULTILINE)
ROW = re.compile(r"^\| (\d+) \| `(\w+)` \| (.+) \|$", re.MULTILINE)


def header_errors() -> list[tuple[str, int, str]]:
    """Return name, number and meaning of each error in the header."""
    text = (build.SOURCES / "errors.h").read_text(encoding="utf-8")
    assert len(re.findall(r"^ *ERROR_", text, re.MULTILINE)) == len(ERROR.findall(text))
    return [(name, int(number), meaning) for name, number, meaning in ERROR.findall(text)]


@pytest.mark.parametrize("program", build.PROGRAMS)
def test_the_committed_program_is_what_the_sources_make(program: str) -> None:
    """After a change of the sources run: make contracts-solana."""
    if not build.is_compiler_there():
        pytest.skip(f"{build.CLANG} is not installed")

    for name, content in build.build(program).items():
        assert (ARTIFACTS / name).read_bytes() == content, name


def test_nothing_else_is_committed() -> None:
    """Every artifact has its sources."""
    found = {path.name for path in ARTIFACTS.iterdir()}

    assert found == {f"{name}-{version}.so" for name in build.PROGRAMS for version in ("v0", "v3")}


def test_errors_have_the_same_numbers_in_python() -> None:
    """The header is where they are given."""
    assert [(name, number) for name, number, _ in header_errors()] == [
        (error.name, error.value) for error in VaultProgramError
    ]


def test_errors_have_the_same_meaning_in_the_docs() -> None:
    """One row each, in the header's words."""
    text = (ROOT / "docs" / "solana-vault.md").read_text(encoding="utf-8")

    assert ROW.findall(text) == [
        (str(number), name, meaning) for name, number, meaning in header_errors()
    ]


def test_every_error_has_a_test() -> None:
    """Each number is expected somewhere in this folder."""
    tests = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("test_*.py"))

    missing = [error.name for error in VaultProgramError if f"E.{error.name}" not in tests]
    assert missing == []


def test_the_sources_are_used() -> None:
    """Every C file belongs to a program."""
    used = {path for sources in build.PROGRAMS.values() for path in sources}

    assert set(build.SOURCES.rglob("*.c")) == used
