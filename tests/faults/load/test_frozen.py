"""
A process that is frozen past its lease and wakes up: what it wants to commit is refused.

On PostgreSQL only: with a file, a thread that is frozen inside its COMMIT keeps everybody else
waiting until the process runs again or ends. Processes that share a file share a fate.
"""

import os
import threading
import time
from pathlib import Path
from signal import SIGCONT
from typing import Final

import pytest

from tests.databases import TestDatabases
from tests.faults.chaos import KILLS_VARIABLE, seed_of_run
from tests.faults.load.books import check_books, wait_until_level
from tests.faults.load.deployment import Combination, LoadDeployment, deployment
from tests.faults.load.wounded import run_until_begin

pytestmark = [pytest.mark.timeout(300), pytest.mark.services]
FROZEN_SECONDS_MAX: Final = 30.0
EVENTS_PER_BLOCK: Final = 20
BLOCKS: Final = 5
POLL_SECONDS: Final = 0.05
THAWED_SECONDS: Final = 2.0
BEGIN_OF_WORKER: Final = 3  # the second is the first claim
BEGIN_OF_WATCHER: Final = 4  # those before take the lease and remember the chain
FREEZES: Final = min(6, int(os.environ.get(KILLS_VARIABLE) or 6))


def freeze_and_thaw(load: LoadDeployment, name: str, begin: int, successor: str) -> str:
    """
    Freeze a process before one of its transactions, let another do its work, and thaw it.

    Returns:
        What the thawed one wrote from then on.
    """
    load.processes.start_as(name, run_until_begin, begin)
    _grow(load)
    deadline = time.monotonic() + FROZEN_SECONDS_MAX
    while not load.processes.is_frozen(name):
        assert time.monotonic() < deadline, load.processes.tail(name)
        threading.Event().wait(POLL_SECONDS)
    written = load.processes.log(name).stat().st_size
    load.processes.start(successor)
    _grow(load)
    load.chains[0].reorg()
    for chain in load.chains:
        chain.settle()
    wait_until_level(load)

    load.processes.signal(name, SIGCONT)
    threading.Event().wait(THAWED_SECONDS)
    assert load.processes.stop(name)[0] == 0, load.processes.tail(name)
    load.processes.stop(successor)
    return load.processes.log(name).read_text()[written:]


def _grow(load: LoadDeployment) -> None:
    for chain in load.chains:
        for _ in range(BLOCKS):
            chain.mine(EVENTS_PER_BLOCK)


@pytest.mark.usefixtures("_fleet_servers")
@pytest.mark.parametrize("backend", ["postgresql"])
def test_r4_a_frozen_worker_that_wakes_up_late_commits_nothing_fleet_10_11(
    backend: str, databases: TestDatabases, tmp_path: Path
) -> None:
    """Before each of its first transactions in turn, the claim and the booking among them."""
    with deployment(Combination("rabbitmq", backend), databases, tmp_path, seed_of_run()) as load:
        load.start()
        load.processes.stop("worker-1")
        load.processes.stop("worker-2")

        words = [
            freeze_and_thaw(load, "worker-1", BEGIN_OF_WORKER + place, "worker-2")
            for place in range(FREEZES)
        ]

        check_books(load)
    assert any('"job.overtaken"' in said for said in words)
    assert not any('"invariant.broken"' in said for said in words)


@pytest.mark.usefixtures("_fleet_servers")
@pytest.mark.parametrize("backend", ["postgresql"])
def test_r4_a_frozen_watcher_that_wakes_up_late_commits_nothing_fleet_10_11(
    backend: str, databases: TestDatabases, tmp_path: Path
) -> None:
    """Another took its lease, read on, and met a reorganisation; the late one moves no cursor."""
    with deployment(Combination("rabbitmq", backend), databases, tmp_path, seed_of_run()) as load:
        watcher, successor = "watcher-31337", "watcher-31337-next"
        load.processes.commands[successor] = load.command(watcher)
        load.start()
        load.processes.stop(watcher)

        words = [
            freeze_and_thaw(load, watcher, BEGIN_OF_WATCHER + place, successor)
            for place in range(FREEZES)
        ]

        check_books(load)
    assert any('"chain.unread"' in said for said in words)
    assert not any('"chain.halted"' in said for said in words)
