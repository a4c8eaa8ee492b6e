"""The main job from end to end: on both kinds of servers, with crashes in the middle of it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kombu.connection import Connection
from sqlalchemy import make_url

from relayer.cli.demo.doors import OperatorDoor
from relayer.cli.demo.run import Script, run
from relayer.cli.demo.story import Story
from relayer.errors import SettingsError
from relayer.settings import demo_server_urls
from relayer.wiring import catalog_of
from relayer.worker.app import broker_queues, check_broker
from tests.devnet.story import (
    MESSAGES,
    Kills,
    are_free,
    check_statement,
    give_to_vault,
    play_quietly,
    ports_of,
    processes_naming,
    settings_in,
    sol_is_conserved,
    take_from_vault,
    weth_is_conserved,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.story,
    pytest.mark.timeout(240),
    pytest.mark.usefixtures("anvil_binary"),
]
DONATED_UNITS = 12_345
SHORT_OF_UNITS = 1


@pytest.fixture
def _fleet_servers() -> None:
    """PostgreSQL and RabbitMQ; without them the test is skipped, or fails where all is required."""
    try:
        demo_databases()
        check_broker(demo_server_urls()[1])
    except (psycopg.OperationalError, SettingsError) as exc:
        pytest.skip(str(exc))


def demo_databases() -> set[str]:
    """Return the databases of demos on the PostgreSQL server."""
    with closing(psycopg.connect(demo_server_urls()[0], connect_timeout=3)) as link:
        rows = link.execute("SELECT datname FROM pg_database WHERE datname LIKE 'relayer_demo_%'")
        return {row[0] for row in rows}


def database_in(folder: Path) -> set[str]:
    """Return the name of the hub's database of a run."""
    return {str(make_url(settings_in(folder).database_url).database)}


def is_queue(name: str) -> bool:
    """Return whether RabbitMQ has a queue of this name."""
    with Connection(demo_server_urls()[1]) as connection:
        try:
            connection.channel().queue_declare(name, passive=True)
        except connection.channel_errors:
            return False
        return True


def lock_only(story: Story) -> None:
    """Play the story up to the locks."""
    story.open_and_link()
    story.lock()


def check_audit(report: dict[str, Any]) -> None:
    """Check that every entry was derived again from the chains, and is equal."""
    assert report["is_equal"], report
    assert (
        report["entries_compared"] == report["last_seq"] == sum(report["equal_by_source"].values())
    )
    assert report["equal_by_source"]["signed"] >= 2 * MESSAGES["release"] + 3
    assert report["equal_by_source"]["unproven"] == 0
    assert report["events_read"] > 0


def test_the_story_on_sqlite_survives_crashes_of_hub_and_guardian(tmp_path: Path) -> None:
    """
    The whole `relayer up` dies at the unlock, a guardian at the liquidation; all stays equal.

    The others sign while that guardian is starting again; it is shown the messages later. At the
    end lock, borrowing, unlock, liquidation and repayment are derived again from the chains.
    """
    reports: list[dict[str, Any]] = []
    kills = Kills(
        at={"unlock.sent": ("relayer",), "liquidate": ("guardian-2",)},
        also={
            "borrow": lambda: give_to_vault(settings_in(tmp_path), DONATED_UNITS),
            "statement": lambda: reports.append(
                OperatorDoor(tmp_path / "relayer.toml").run("audit")
            ),
        },
        is_waiting=False,
    )

    statement, shown = play_quietly(tmp_path, Script(hook=kills), is_fleet=False)

    check_statement(statement)
    assert [name for name, _ in kills.killed] == ["relayer", "guardian-2"]
    assert [account["surplus_units"] for account in statement.value["custody"]] == [
        str(DONATED_UNITS),
        "0",
        "0",
        "0",
    ]
    assert "set-up took" in shown
    assert are_free(ports_of(tmp_path))
    assert processes_naming(str(tmp_path)) == []
    check_audit(*reports)


@pytest.mark.usefixtures("_fleet_servers")
@pytest.mark.services
def test_the_story_on_a_fleet_survives_a_crash_of_each_role(tmp_path: Path) -> None:
    """Watcher, worker, guardian and sender die, each in the step that needs it; all stays equal."""
    conserved: list[bool] = []
    databases: list[set[str]] = []
    kills = Kills(
        at={
            "lock.final": ("watcher-a", "watcher-s"),
            "unlock.sent": ("worker-1",),
            "unlock.solana": ("sender",),
            "liquidate": ("guardian-1",),
            "seize": ("sender",),
        },
        also={
            "statement": lambda: conserved.extend(
                is_conserved(settings_in(tmp_path))
                for is_conserved in (weth_is_conserved, sol_is_conserved)
            ),
            "borrow": lambda: databases.append(demo_databases() & database_in(tmp_path)),
        },
    )

    statement, _ = play_quietly(tmp_path, Script(hook=kills), is_fleet=True)

    check_statement(statement)
    killed = ["watcher-a", "watcher-s", "worker-1", "sender", "guardian-1", "sender"]
    assert [name for name, _ in kills.killed] == killed
    assert conserved == [True, True]
    assert are_free(ports_of(tmp_path))
    assert processes_naming(str(tmp_path)) == []
    assert databases == [database_in(tmp_path)]
    assert demo_databases() & database_in(tmp_path) == set()
    settings = settings_in(tmp_path)
    queues = broker_queues(catalog_of(settings), settings)
    assert queues
    assert [name for name in queues if is_queue(name)] == []


def test_tokens_missing_in_the_vault_end_the_demo_with_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vault storage changed behind everybody's back: one unequal account, status 2, one object."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    ports: list[tuple[int, ...]] = []
    state = tmp_path / "state"

    def _tamper() -> None:
        ports.append(ports_of(state))
        take_from_vault(state, SHORT_OF_UNITS)

    script = Script(hook=Kills(at={}, also={"statement": _tamper}), tell=lock_only)
    status = run(is_fleet=False, as_json=True, state=state, keep=False, script=script)

    assert status == 2
    value = json.loads(capsys.readouterr().out)
    assert value["is_right"] is False
    assert [account["is_equal"] for account in value["custody"]] == [False, True, True, True]
    assert value["summary"].startswith("ledger equals chain: 3 of 4")
    assert not state.exists()
    assert list(temporary.iterdir()) == []
    assert are_free(ports[0])


def test_an_interrupted_demo_stops_everything(tmp_path: Path) -> None:
    """SIGINT while the story runs: status 130, no process, no port, no state folder."""
    state = tmp_path / "state"
    command = [sys.executable, "-m", "relayer.cli", "demo", "--state", str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "owners linked" in line:
                break
        ports = ports_of(state)
        assert not are_free(ports)

        os.kill(demo.pid, signal.SIGINT)
        demo.stdout.read()

    assert demo.returncode == 130
    assert not state.exists()
    assert are_free(ports)
    assert processes_naming(str(state)) == []
