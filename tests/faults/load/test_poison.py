"""A job that kills its process: it is put aside soon, and the others go on."""

import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from relayer.steps.queues import DECIDE
from relayer.store.job_records import JobState
from relayer.store.jobs import ATTEMPTS_MAX
from relayer.worker.lookout import QUIET_SECONDS
from tests.databases import TestDatabases
from tests.faults.chaos import seed_of_run
from tests.faults.load.deployment import LEASE_SECONDS, Combination, LoadDeployment, deployment
from tests.faults.load.wounded import run_acting
from tests.relayer.worker.kit import ring_keys

pytestmark = [pytest.mark.timeout(300), pytest.mark.services]
WORKERS: Final = ("acting-1", "acting-2")
JOBS: Final = 600
DONE_SECONDS_MAX: Final = 120.0
QUARANTINE_SECONDS_MAX: Final = 120.0
POLL_SECONDS: Final = 0.05
POISON: Final = "killer-0"


class Acting:
    """Workers whose jobs do what their keys say, each started again when it dies."""

    def __init__(self, load: LoadDeployment, folder: Path) -> None:
        self._load = load
        settings = load.settings
        places = (settings.database_url, settings.broker_url, settings.broker_prefix)
        for name in WORKERS:
            options = (str(LEASE_SECONDS), str(folder), str(QUIET_SECONDS))
            load.processes.commands[name] = [*places, *options]
            load.processes.start_as(name, run_acting)
        self.deaths = 0

    def look_after(self) -> None:
        """Start again what died."""
        for name in WORKERS:
            if not self._load.processes.is_alive(name):
                self.deaths += 1
                self._load.processes.kill(name)
                self._load.processes.start_as(name, run_acting)

    def ran(self) -> Counter[str]:
        """Return how often each job's effect was committed."""
        found: Counter[str] = Counter()
        seq = 0
        while True:
            with self._load.store.read() as uow:
                events = uow.feed.after(None, seq)
            if not events:
                return found
            found.update(
                str(event.content["key"]) for event in events if event.event_type == "test.ran"
            )
            seq = events[-1].seq

    def seconds_until_ran(self, keys: set[str]) -> float:
        """Look after the workers until all these jobs have run."""
        begun = time.monotonic()
        while not keys <= set(self.ran()):
            assert time.monotonic() - begun < DONE_SECONDS_MAX
            self.look_after()
            threading.Event().wait(POLL_SECONDS)
        return time.monotonic() - begun


def keys_of(name: str) -> set[str]:
    """Return the keys of jobs that take 50 ms each."""
    return {f"slow-{name}-{number}" for number in range(JOBS)}


@pytest.mark.usefixtures("_fleet_servers")
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_r12_a_job_that_kills_its_process_is_put_aside_and_others_go_on_fleet_10_10(
    backend: str, databases: TestDatabases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At most five attempts and 120 s; every other job is done exactly once; nothing else stops."""
    with deployment(Combination("rabbitmq", backend), databases, tmp_path, seed_of_run()) as load:
        load.start_only("sweeper")
        acting = Acting(load, tmp_path)
        usual, beside = keys_of("usual"), keys_of("beside")
        ring_keys(load.store, "slow-first")
        acting.seconds_until_ran({"slow-first"})
        ring_keys(load.store, *usual)
        usual_seconds = acting.seconds_until_ran(usual)

        begun = time.monotonic()
        ring_keys(load.store, POISON, *beside)
        beside_seconds = acting.seconds_until_ran(beside)
        while not (stuck := quarantined(load)):
            assert time.monotonic() - begun < QUARANTINE_SECONDS_MAX
            acting.look_after()
            threading.Event().wait(POLL_SECONDS)
        seconds = time.monotonic() - begun
        ran = acting.ran()

    with capsys.disabled():
        sys.stdout.write(
            f"\n{backend}: {JOBS} jobs in {usual_seconds:.1f} s, {beside_seconds:.1f} s beside a"
            f" killer ({acting.deaths} deaths); it was put aside after {seconds:.1f} s\n"
        )
    assert stuck == [POISON]
    assert acting.deaths <= ATTEMPTS_MAX
    assert set(ran) == {*usual, *beside, "slow-first"}
    assert set(ran.values()) == {1}


def quarantined(load: LoadDeployment) -> list[str]:
    """Return the jobs that wait for a person."""
    with load.store.read() as uow:
        found = uow.jobs.quarantined()
        if found:
            assert uow.jobs.job(DECIDE, found[0].key).state is JobState.QUARANTINED
    return [record.key for record in found]
