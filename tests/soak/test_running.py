"""A minute of the soak: it runs, its books are right, and no thread or file is left open."""

import os
from pathlib import Path

import pytest

from relayer.store.engine import POOL_OVERFLOW_MAX, POOL_SIZE
from tests.databases import TestDatabases
from tests.soak.running import Plan, soak
from tests.soak.samples import Bounds, growth_of

SECONDS = 60.0
# A minute is all warm-up, on a busy machine above all: memory is judged by the long run. Pools may
# open all that they are allowed to, three files for each connection and two executors of threads;
# a thread or a file for each failed request would be far more.
BOUNDS = Bounds(
    growth_percent_max=50.0,
    mib_per_1000_events_max=100.0,
    threads_max=2 * (4 + (os.cpu_count() or 1)),
    files_max=3 * (POOL_SIZE + POOL_OVERFLOW_MAX),
)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_r22_a_minute_under_load_leaks_no_thread_and_no_file(
    databases: TestDatabases, tmp_path: Path
) -> None:
    """Locks, reorganisations and failing requests; threads and open files stay."""
    plan = Plan(SECONDS, block_seconds=0.5, sample_seconds=1.0)

    soaked = soak(plan, databases, tmp_path)

    assert soaked.reorgs > 0
    assert soaked.rpc_faults > 0
    for samples in soaked.samples.values():
        assert growth_of(samples).faults(BOUNDS) == []
