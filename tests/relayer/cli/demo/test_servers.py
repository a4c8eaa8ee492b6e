"""The servers of a fleet: refused with a remedy when they are not there."""

from pathlib import Path

import pytest

from chains.devnet.anvil import free_port
from relayer.cli.demo.run import run
from relayer.cli.demo.servers import fleet_servers
from relayer.errors import RefusedError
from relayer.settings import POSTGRESQL_VARIABLE, RABBITMQ_VARIABLE
from relayer.worker.app import check_broker


def test_a_missing_rabbitmq_is_refused_with_the_variable_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens: the refusal says what to start or which variable to set."""
    monkeypatch.setenv(RABBITMQ_VARIABLE, f"amqp://guest:guest@127.0.0.1:{free_port()}//")

    with pytest.raises(RefusedError, match=f"start RabbitMQ, or set {RABBITMQ_VARIABLE}") as found:
        fleet_servers(tmp_path).__enter__()

    assert found.value.code == "rabbitmq_missing"


def test_a_missing_postgresql_is_refused_with_the_variable_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker answers, the database server does not: the refusal names its variable."""
    monkeypatch.setenv(RABBITMQ_VARIABLE, "memory://")
    monkeypatch.setenv(
        POSTGRESQL_VARIABLE, f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    )
    check_broker("memory://")

    with pytest.raises(
        RefusedError, match=f"start PostgreSQL, or set {POSTGRESQL_VARIABLE}"
    ) as found:
        fleet_servers(tmp_path).__enter__()

    assert found.value.code == "postgresql_missing"


def test_a_missing_anvil_is_refused_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No binary in the tree and none on PATH: nothing is started."""
    monkeypatch.setattr("chains.devnet.anvil.ANVIL_PATH", tmp_path / "anvil")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RefusedError, match="npm ci") as found:
        run(is_fleet=False, as_json=True, state=tmp_path / "state", keep=False)

    assert found.value.code == "anvil_missing"
    assert not (tmp_path / "state").exists()


def test_a_state_folder_with_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    """--state names a folder that is in use: it must not be emptied at the end."""
    (tmp_path / "precious").write_text("kept")

    with pytest.raises(RefusedError, match="name a new folder") as found:
        run(is_fleet=False, as_json=True, state=tmp_path, keep=False)

    assert found.value.code == "state_not_empty"
    assert (tmp_path / "precious").read_text() == "kept"
