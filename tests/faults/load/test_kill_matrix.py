"""Every combination of broker and database under load while its processes are killed."""

import os
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.databases import TestDatabases
from tests.faults.chaos import KILLS_VARIABLE, seed_of_run
from tests.faults.load.books import check_books, wait_until_level
from tests.faults.load.deployment import Combination, deployment
from tests.faults.load.killing import EVENTS, kill_at_random

pytestmark = [pytest.mark.timeout(600)]
KILLS: Final = 50


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
@pytest.mark.parametrize("broker", ["memory", "rabbitmq"])
def test_r4_random_kills_lose_nothing_and_double_nothing_fleet_10_8(
    broker: str,
    backend: str,
    databases: TestDatabases,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each of 5,000 events is booked exactly once, and nothing is put into quarantine."""
    seed = seed_of_run()
    kills = int(os.environ.get(KILLS_VARIABLE) or KILLS)
    begun = time.monotonic()
    with capsys.disabled():
        sys.stdout.write(f"\nFAULT_SEED={seed} {broker} {backend}: ")
        sys.stdout.flush()

    with deployment(Combination(broker, backend), databases, tmp_path, seed) as load:
        load.start()
        done = kill_at_random(load, kills, Random(seed))
        drained = wait_until_level(load)
        for name in load.processes.names:
            assert load.processes.stop(name)[0] == 0, load.processes.tail(name)
        check_books(load)
        left_over = load.processes.left_over()

    assert len(done) == kills
    assert sum(chain.events for chain in load.chains) >= EVENTS
    assert left_over == []
    with capsys.disabled():
        counts = ", ".join(f"{name} {n}" for name, n in Counter(k.process for k in done).items())
        sys.stdout.write(
            f"{kills} kills ({counts}),"
            f" level {drained:.1f} s after the last, {time.monotonic() - begun:.0f} s in all\n"
        )
