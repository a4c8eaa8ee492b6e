"""Commands that run a process: what they refuse before anything starts."""

import json

import pytest

from relayer.cli.processes import queue_names
from relayer.errors import SettingsError
from tests.relayer.cli.conftest import Run


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
