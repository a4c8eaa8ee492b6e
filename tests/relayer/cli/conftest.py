"""Commands run in this process, on a fresh deployment."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from relayer.cli.main import app
from relayer.clock import FixedClock, SystemClock
from relayer.settings import load_settings
from tests.databases import TestDatabases
from tests.relayer.cli.samples import Deployment, open_at, write_config

Run = Callable[..., Result]
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def run() -> Run:
    """Run one command line and return its result."""
    runner = CliRunner()

    def run_line(*line: str) -> Result:
        return runner.invoke(app, list(line))

    return run_line


@pytest.fixture
def deployment(tmp_path: Path, databases: TestDatabases) -> Iterator[Deployment]:
    """A configuration and its migrated SQLite store, at the clock that commands use."""
    url = databases.migrated_file(tmp_path / "hub.db")
    config = write_config(tmp_path, url)
    store = open_at(url, FixedClock(SystemClock().now()))
    yield Deployment(config=config, settings=load_settings(config), store=store)
    store.close()


@pytest.fixture
def ask(run: Run, deployment: Deployment) -> Ask:
    """Run a command with --json and return the one object that it prints."""

    def ask_json(*line: str, exit_code: int = 0) -> dict[str, Any]:
        result = run(*line, *deployment.options, "--json")
        assert result.exit_code == exit_code, result.output
        value = json.loads(result.stdout)
        assert isinstance(value, dict)
        return value

    return ask_json
