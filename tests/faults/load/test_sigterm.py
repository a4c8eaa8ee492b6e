"""SIGTERM inside a COMMIT, a hundred times: the process ends in order, and nothing is lost."""

import os
import sys
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.databases import TestDatabases
from tests.faults.chaos import KILLS_VARIABLE, seed_of_run
from tests.faults.load.books import check_books, wait_until_level
from tests.faults.load.deployment import Combination, LoadDeployment, deployment
from tests.faults.load.wounded import run_until_commit

pytestmark = [pytest.mark.timeout(600), pytest.mark.services]
ENDINGS: Final = 50
END_SECONDS_MAX: Final = 30.0
WORK_SECONDS_MAX: Final = 60.0
COMMIT_FIRST: Final = 2  # the first one only looks at the schema; nobody listens to signals yet
COMMIT_LAST: Final = 15
EVENTS_PER_BLOCK: Final = 8
BLOCKS: Final = 3


def end_in_commits(load: LoadDeployment, name: str, endings: int, chance: Random) -> list[float]:
    """End a process in one commit of its each time; return the seconds that it took to end."""
    took: list[float] = []
    load.processes.stop(name)
    for _ in range(endings):
        load.processes.start_as(name, run_until_commit, chance.randint(COMMIT_FIRST, COMMIT_LAST))
        for chain in load.chains:
            for _ in range(BLOCKS):
                chain.mine(EVENTS_PER_BLOCK)
        took.append(load.processes.wait_for_end(name, WORK_SECONDS_MAX))
    load.processes.start(name)
    return took


@pytest.mark.usefixtures("_fleet_servers")
@pytest.mark.parametrize(
    ("role", "backend"), [("worker-1", "sqlite"), ("watcher-31337", "postgresql")]
)
def test_r4_sigterm_inside_a_commit_ends_in_order_fleet_10_15(
    role: str,
    backend: str,
    databases: TestDatabases,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Fifty times each: status 0, far within thirty seconds, and every event is booked once."""
    seed = seed_of_run()
    endings = int(os.environ.get(KILLS_VARIABLE) or ENDINGS)
    with deployment(Combination("rabbitmq", backend), databases, tmp_path, seed) as load:
        load.start()
        load.processes.stop("worker-2")

        took = end_in_commits(load, role, endings, Random(seed))
        for chain in load.chains:
            chain.settle()
        wait_until_level(load)
        check_books(load)

    with capsys.disabled():
        sys.stdout.write(
            f"\nFAULT_SEED={seed} {role} {backend}: {endings} times SIGTERM in COMMIT,"
            f" ended within {max(took):.1f} s\n"
        )
    assert max(took) < END_SECONDS_MAX


def test_r4_sigterm_inside_a_commit_of_everything_in_one_process_fleet_10_15(
    databases: TestDatabases, tmp_path: Path
) -> None:
    """`relayer up`, ended in commits of watchers, worker and sweeper alike."""
    seed = seed_of_run()
    endings = min(10, int(os.environ.get(KILLS_VARIABLE) or ENDINGS))
    with deployment(Combination("memory", "sqlite"), databases, tmp_path, seed) as load:
        load.start()

        took = end_in_commits(load, "up", endings, Random(seed))
        for chain in load.chains:
            chain.settle()
        wait_until_level(load)
        check_books(load)

    assert max(took) < END_SECONDS_MAX
