"""The command about the configuration file."""

import json
from pathlib import Path

from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import EXAMPLE, write_config


def test_a_right_file_is_shown_without_its_secrets(ask: Ask) -> None:
    """URLs of nodes and of the database are not printed."""
    shown = ask("config", "check")

    assert shown["ok"] is True
    assert shown["settings"]["hub"] == "hub:example"
    assert shown["settings"]["database_url"] == "<redacted>"
    assert shown["settings"]["chains"][0]["rpc_urls"] == "<redacted>"


def test_the_example_passes(run: Run) -> None:
    """The file that operators copy."""
    result = run("config", "check", "--config", str(EXAMPLE))

    assert result.exit_code == 0
    assert "2 of 3 guardians attest" in result.stdout


def test_every_mistake_is_a_line(run: Run, tmp_path: Path) -> None:
    """Exit status 2; one line for each, also in JSON."""
    config = write_config(
        tmp_path,
        "sqlite:///hub.db",
        ("listen_port = 8080", "listen_port = 0"),
        ("poll_milliseconds = 1000", "poll_seconds = 1"),
    )

    shown = run("config", "check", "--config", str(config))
    asked = run("config", "check", "--config", str(config), "--json")

    assert shown.exit_code == 2
    assert len(shown.stderr.splitlines()) == 2
    details = json.loads(asked.stdout)["error"]["details"]
    assert [detail.split(":")[0] for detail in details] == [
        "chains.0.poll_seconds",
        "api.listen_port",
    ]
