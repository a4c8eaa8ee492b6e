"""Commands that run a process: what they refuse before anything starts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from relayer.cli.processes import queue_names
from relayer.errors import SettingsError
from tests.relayer.cli.conftest import Run
from tests.relayer.cli.samples import write_config


def test_queues_are_separated_by_commas() -> None:
    """Blanks around a name do not matter; none means all."""
    assert queue_names("decide, attest,relay.eip155-1") == ("decide", "attest", "relay.eip155-1")
    assert queue_names(None) == ()


@pytest.mark.parametrize("text", ["", "a,,b", "a b", ","])
def test_a_queue_without_a_name_is_refused(text: str) -> None:
    """A slip in the list would silently leave work undone."""
    with pytest.raises(SettingsError, match="--queues"):
        queue_names(text)


@pytest.mark.parametrize("command", ["up", "worker", "api", "guardian", "sweep"])
def test_a_process_does_not_start_without_a_configuration(command: str, run: Run) -> None:
    """Exit status 2 and the remedy."""
    result = run(command, "--config", "nowhere.toml", "--json")

    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "settings"


def test_a_failed_start_is_logged_without_a_traceback(tmp_path: Path) -> None:
    """An empty database is an operator's matter: the remedy is what counts."""
    config = write_config(tmp_path, f"sqlite:///{tmp_path / 'empty.db'}")
    line = [sys.executable, "-m", "relayer.cli", "sweep", "--config", str(config), "--json"]

    ended = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 2, ended.stderr
    assert json.loads(ended.stdout)["error"]["code"] == "schema_version"
    logged = [json.loads(text) for text in ended.stderr.splitlines()]
    failed = next(entry for entry in logged if entry["event"] == "process.failed")
    assert "relayer db upgrade" in failed["reason"]
    assert "exception" not in failed
