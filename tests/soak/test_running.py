"""A minute of the soak: it runs, its books are right, and nothing grows fast."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import TestDatabases
from tests.soak.running import Plan, soak
from tests.soak.samples import Bounds, growth_of

SECONDS = 60.0
# After so short a time caches still fill; a leak of a session or a thread for each block does not.
BOUNDS = Bounds(growth_percent_max=12.0, mib_per_1000_events_max=12.0)


@pytest.fixture
def databases() -> Iterator[TestDatabases]:
    """What makes databases."""
    made = TestDatabases()
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_r22_a_minute_under_load_leaks_no_thread_and_no_file(
    databases: TestDatabases, tmp_path: Path
) -> None:
    """Locks, reorganisations and failing requests; memory, threads and open files stay."""
    plan = Plan(SECONDS, block_seconds=0.5, sample_seconds=1.0)

    soaked = soak(plan, databases, tmp_path)

    assert soaked.reorgs > 0
    assert soaked.rpc_faults > 0
    for samples in soaked.samples.values():
        assert growth_of(samples).faults(BOUNDS) == []
