"""Arguments of the operator's commands: done, refused or broken with a reason, no traceback."""

import json
from pathlib import Path
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from relayer.cli.main import app
from tests.databases import TestDatabases
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.garbage import TEXTS, mutated_text
from tests.fuzz.images import database_image
from tests.relayer.cli.samples import ACCOUNT, CHAIN_ID, write_config

WORD: Final = "0x" + ACCOUNT.hex()
READING: Final = (
    ("account", "list", "--after", "{}"),
    ("account", "list", "--limit", "{}"),
    ("account", "show", "{}"),
    ("message", "list", "--state", "{}"),
    ("message", "list", "--account", "{}"),
    ("message", "show", "{}"),
    ("why", "{}"),
    ("ledger", "entries", "--after-seq", "{}"),
    ("ledger", "entries", "--correlation", "{}"),
    ("jobs", "list", "--limit", "{}"),
    ("worker", "--queues", "{}"),
    ("{}",),
    ("account", "{}"),
)
CHANGING: Final = (
    ("jobs", "replay", "{}", "{}", "--yes"),
    ("chain", "halt", "{}", "--reason", "{}", "--yes"),
    ("chain", "resume", "{}", "--reason", "{}", "--yes"),
    ("chain", "halt", CHAIN_ID, "--reason", "{}"),
)
ARGUMENTS: Final = st.one_of(
    TEXTS,
    st.just(WORD).flatmap(mutated_text),
    st.sampled_from(["PENDING", "a,x", ",", CHAIN_ID, "\udcff", "-", "--", "--help", "\x1b[1m"]),
)  # fmt: skip
EXITS: Final = {0, 1, 2}


@pytest.fixture(scope="module")
def database_url(databases: TestDatabases) -> str:
    """The URL of an empty, migrated database."""
    return databases.migrated_url("sqlite")


@pytest.fixture(scope="module")
def config(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration of it."""
    return write_config(tmp_path_factory.mktemp("cli"), database_url)


def run(line: list[str], config: Path, *, as_json: bool) -> Result:
    """Run a command line in this process; only an exit may leave it."""
    options = ["--config", str(config), *(["--json"] if as_json else [])]
    with bounded(cpu_seconds_max=4.0):
        result = CliRunner().invoke(app, [line[0], *line[1:2], *options, *line[2:]])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in EXITS
    assert "Traceback" not in result.output
    assert "broken: unexpected:" not in result.output, result.output
    assert '"code": "unexpected"' not in result.output, result.output
    return result


def filled(form: tuple[str, ...], words: list[str]) -> list[str]:
    """Return a command line with the words in its gaps."""
    left = iter(words)
    return [next(left) if part == "{}" else part for part in form]


@fuzzed(60)
@given(form=st.sampled_from(READING), word=ARGUMENTS, as_json=st.booleans())
@example(form=("message", "list", "--state", "{}"), word="\udcff", as_json=True)
@example(form=("ledger", "entries", "--after-seq", "{}"), word=str(2**64), as_json=True)
@example(form=("message", "show", "{}"), word="\udcff", as_json=False)
def test_a_question_is_answered_or_refused(
    config: Path, form: tuple[str, ...], word: str, as_json: bool
) -> None:
    """With --json there is one object, whatever was asked."""
    result = run(filled(form, [word]), config, as_json=as_json)

    if as_json and result.stdout.startswith("{"):
        found = json.loads(result.stdout)
        assert (result.exit_code == 0) == ("error" not in found)


@fuzzed(40)
@given(
    form=st.sampled_from(CHANGING),
    words=st.lists(ARGUMENTS, min_size=2, max_size=2),
    as_json=st.booleans(),
)
@example(form=CHANGING[0], words=["\udcff", "\x00"], as_json=True)
def test_what_is_refused_changes_nothing(
    config: Path, database_url: str, form: tuple[str, ...], words: list[str], as_json: bool
) -> None:
    """Unknown jobs, unknown chains, reasons too long, and no --yes."""
    before = database_image(database_url)

    result = run(filled(form, words), config, as_json=as_json)

    if result.exit_code != 0:
        assert database_image(database_url) == before
