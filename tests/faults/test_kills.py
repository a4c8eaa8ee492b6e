"""The story while random processes of the deployment crash and come back: FAULT_SEED repeats it."""

import sys
from pathlib import Path

import pytest

from relayer.cli.demo.run import Script
from tests.devnet.story import (
    are_free,
    check_statement,
    play_quietly,
    ports_of,
    processes_naming,
)
from tests.faults.chaos import Chaos, kills_planned, seed_of_run

pytestmark = [
    pytest.mark.story,
    pytest.mark.timeout(240),
    pytest.mark.usefixtures("_local_chains"),
]
GUARDIANS = ("guardian-1", "guardian-2", "guardian-3")
EMBEDDED = ("relayer", *GUARDIANS)
FLEET = (
    "api",
    "watcher-a",
    "watcher-b",
    "watcher-c",
    "watcher-s",
    "worker-1",
    "worker-2",
    "sender",
    "sweeper",
    *GUARDIANS,
)


def survive(folder: Path, processes: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Tell the story with random crashes, and check that nothing came twice or was lost."""
    seed, is_fleet = seed_of_run(), processes is FLEET
    chaos = Chaos(kills_planned(seed, processes))
    with capsys.disabled():
        sys.stdout.write(f"\nFAULT_SEED={seed}: {'; '.join(map(str, chaos.plan))}\n")

    script = Script(hook=chaos.hook, tell=chaos.tell)
    statement, _ = play_quietly(folder, script, is_fleet=is_fleet)

    check_statement(statement)
    chaos.check(statement)
    assert are_free(ports_of(folder))
    assert processes_naming(str(folder)) == []


def test_random_kills_of_an_embedded_deployment_lose_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`relayer up` and its guardians on SQLite crash at random moments; all stays equal."""
    survive(tmp_path, EMBEDDED, capsys)


@pytest.mark.services
@pytest.mark.usefixtures("_fleet_servers")
def test_random_kills_of_a_fleet_lose_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every role on PostgreSQL and RabbitMQ crashes at random moments; all stays equal."""
    survive(tmp_path, FLEET, capsys)
