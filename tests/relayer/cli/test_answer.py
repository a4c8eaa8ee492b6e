"""Answers and failures: one object, the right exit status, no secret."""

import json

import pytest
import typer

from chains.errors import RpcTimeoutError
from chains.types import ChainId
from relayer.cli.answer import (
    BROKEN,
    REFUSED,
    Answer,
    answer,
    confirm,
    failure_of,
    json_text,
    text_of,
    word_of,
)
from relayer.cli.render import plain
from relayer.errors import NotYetError, RefusedError, SchemaVersionError, SettingsError
from tests.relayer.cli.conftest import Run
from tests.relayer.cli.samples import Deployment


def ended(make: object, *, as_json: bool) -> int:
    """Return the exit status of an answer."""
    with pytest.raises(typer.Exit) as caught:
        answer(make, as_json=as_json)  # type: ignore[arg-type]
    return caught.value.exit_code


def test_an_answer_for_machines_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints the value and nothing else."""
    code = ended(lambda: Answer({"units": 2**60, "small": 1}, (plain("text"),)), as_json=True)

    assert code == 0
    assert json.loads(capsys.readouterr().out) == {"units": str(2**60), "small": 1}


def test_an_answer_for_people_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json the shown parts are printed, markup as it is."""
    code = ended(lambda: Answer({}, (plain("ledger [/] fine"),), 1), as_json=False)

    assert code == 1
    assert capsys.readouterr().out == "ledger [/] fine\n"


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (RefusedError(code="unlock_refused", detail="7 of 5"), "unlock_refused", REFUSED),
        (NotYetError(reason="price_refused", detail="WETH"), "price_refused", REFUSED),
        (SettingsError(("a", "b")), "settings", BROKEN),
        (SchemaVersionError(found="1", expected="2"), "schema_version", BROKEN),
        (RpcTimeoutError(chain_id=ChainId("eip155:1"), method="m"), "rpc_timeout", BROKEN),
        (ZeroDivisionError("x"), "unexpected", BROKEN),
    ],
)
def test_every_error_has_a_code_and_an_exit_status(
    error: Exception, code: str, exit_code: int
) -> None:
    """1 is refused, 2 is broken; the code is stable."""
    failed = failure_of(error)

    assert (failed.code, failed.exit_code) == (code, exit_code)


def test_a_failure_shows_no_credentials() -> None:
    """URLs of a database or node lose everything but their host."""
    failed = failure_of(ConnectionError("postgresql://bob:hunter22@db.example/hub refused"))

    assert "hunter22" not in failed.details[0]
    assert "db.example" in failed.details[0]


def test_a_failure_for_machines_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints the error as an object on standard output."""

    def make() -> Answer:
        raise RefusedError(code="not_confirmed", detail="repeat it")

    code = ended(make, as_json=True)

    assert code == REFUSED
    assert json.loads(capsys.readouterr().out) == {
        "error": {"code": "not_confirmed", "details": ["repeat it"]}
    }


def test_a_failure_for_people_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Every mistake is a line of its own."""

    def make() -> Answer:
        raise SettingsError(("hub: missing", "chains: missing"))

    code = ended(make, as_json=False)

    written = capsys.readouterr()
    assert code == BROKEN
    assert written.out == ""
    assert written.err == "broken: settings: hub: missing\nbroken: settings: chains: missing\n"


def test_what_changes_state_is_refused_without_yes() -> None:
    """The message names the remedy."""
    confirm(True, "halts a chain")

    with pytest.raises(RefusedError, match="halts a chain; repeat it with --yes"):
        confirm(False, "halts a chain")


@pytest.mark.parametrize("text", ["0x12", "zz", "", "0x" + "12" * 33])
def test_a_word_of_another_length_names_the_argument(text: str) -> None:
    """A person who pastes half an id is told which one."""
    with pytest.raises(SettingsError, match="MESSAGE_ID: "):
        word_of(text, "MESSAGE_ID")


def test_numbers_beyond_doubles_become_text_at_any_depth() -> None:
    """No reader rounds an amount; booleans stay what they are."""
    text = json_text({"rows": [{"units": -(2**60)}, {"is": True, "none": None}]})

    assert json.loads(text) == {"rows": [{"units": str(-(2**60))}, {"is": True, "none": None}]}


def test_a_missing_configuration_is_broken(run: Run) -> None:
    """The remedy is in the message."""
    result = run("status", "--config", "nowhere.toml")

    assert result.exit_code == BROKEN
    assert "nowhere.toml does not exist; pass --config" in result.stderr


def test_a_database_that_is_behind_is_broken_and_says_how_to_migrate(
    run: Run, deployment: Deployment
) -> None:
    """A schema of another version is never read."""
    deployment.store.close()
    path = deployment.config.parent / "hub.db"
    for name in (path, path.with_name("hub.db-wal"), path.with_name("hub.db-shm")):
        name.unlink(missing_ok=True)

    result = run("status", *deployment.options)

    assert result.exit_code == BROKEN
    assert "run: relayer db upgrade" in result.stderr


def test_half_a_character_does_not_break_the_answer() -> None:
    """An argument that was no UTF-8 was a fault instead of the one object."""
    text = json_text({"detail": "\udcff"})

    assert json.loads(text.encode()) == {"detail": "\udcff"}


def test_a_text_that_is_not_utf_8_is_refused() -> None:
    """No database would hold it."""
    assert text_of("ä", "--reason") == "ä"
    with pytest.raises(SettingsError, match="--reason"):
        text_of("\udcff", "--reason")
