"""Commands about the schema."""

import json
from pathlib import Path

from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import write_config


def test_a_new_database_is_upgraded_once(run: Run, tmp_path: Path) -> None:
    """The second time changes nothing; both times succeed."""
    config = str(write_config(tmp_path, f"sqlite:///{tmp_path / 'new.db'}"))

    first = run("db", "upgrade", "--yes", "--json", "--config", config)
    second = run("db", "upgrade", "--yes", "--json", "--config", config)

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert json.loads(first.stdout)["before"] == "none"
    assert json.loads(second.stdout)["before"] == json.loads(second.stdout)["after"]


def test_without_yes_nothing_is_migrated(run: Run, tmp_path: Path) -> None:
    """Exit status 1; the schema stays."""
    config = str(write_config(tmp_path, f"sqlite:///{tmp_path / 'new.db'}"))

    result = run("db", "upgrade", "--config", config)
    check = run("db", "check", "--config", config)

    assert result.exit_code == 1
    assert "repeat it with --yes" in result.stderr
    assert check.exit_code == 2
    assert "database is at migration none" in check.stderr


def test_a_migrated_database_passes_the_check(ask: Ask) -> None:
    """Exit status 0 and the version."""
    assert ask("db", "check")["ok"] is True


def test_a_database_that_cannot_be_reached_is_broken(run: Run, tmp_path: Path) -> None:
    """Exit status 2; the password is not shown."""
    config = write_config(tmp_path, "postgresql://bob:hunter22@127.0.0.1:1/hub")

    result = run("db", "check", "--config", str(config))

    assert result.exit_code == 2
    assert "hunter22" not in result.output
