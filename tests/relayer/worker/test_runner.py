"""Workers as processes on a real RabbitMQ, and what happens to them."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kombu.connection import Connection

from relayer import wiring
from relayer.clock import SystemClock
from relayer.errors import InvariantError, SettingsError
from relayer.settings import Settings
from relayer.steps.fence import Fence
from relayer.steps.queues import DECIDE
from relayer.store.engine import engine_of
from relayer.store.job_records import JobState
from relayer.store.jobs import Job
from relayer.store.unit_of_work import Store, newest_migration
from relayer.worker.app import broker_name, create_app
from relayer.worker.context import WorkContext
from relayer.worker.doorbell import Doorbell
from relayer.worker.lookout import QUIET_SECONDS
from relayer.worker.processing import Done, Outcome, Work
from relayer.worker.runner import EmbeddedWorker, run_worker, worker_app
from relayer.worker.sweeper import sweep
from tests.databases import TestDatabases
from tests.relayer.api.process import ROOT
from tests.relayer.worker.kit import (
    line_to_broker,
    new_prefix,
    ring_keys,
    wait_until,
    worker_settings,
)

STOP_SECONDS_MAX = 30.0
LEASE_SECONDS = 2
BELLS_ONLY_SECONDS = 3_600.0


class Fleet:
    """Worker processes of one deployment, and a sweeper in the test's own process."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(
        self, broker_url: str = "", quiet_seconds: float = BELLS_ONLY_SECONDS
    ) -> "subprocess.Popen[bytes]":
        """Start a worker that does what is rung for; its log goes to a file."""
        number = len(self.processes)
        settings = self.settings
        with (self.folder / f"worker-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.relayer.worker.program"),
                    *(settings.database_url, broker_url or settings.broker_url),
                    *(settings.broker_prefix, str(LEASE_SECONDS), str(self.folder)),
                    str(quiet_seconds),
                ],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def log(self, number: int = 0) -> str:
        """Return what a worker wrote."""
        return (self.folder / f"worker-{number}.log").read_text()

    def overlaps(self) -> list[str]:
        """Return the jobs that two ran at once."""
        return [path.name for path in self.folder.glob("overlap-*")]

    def end(self) -> None:
        """End what still runs."""
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def fleet(rabbitmq_settings: Settings, tmp_path: Path) -> Iterator[Fleet]:
    """Workers on RabbitMQ; what still runs at the end is killed."""
    made = Fleet(rabbitmq_settings, tmp_path)
    yield made
    made.end()


@contextmanager
def sweeping(settings: Settings, store: Store) -> Iterator[Doorbell]:
    """Run the real sweeper in a thread; a failed sweep must not happen."""
    catalog = wiring.catalog_of(settings)
    doorbell = Doorbell(create_app(catalog, settings), store, settings)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(
        target=loop.run_until_complete, args=(sweep(store, catalog, doorbell, stop),)
    )
    thread.start()
    try:
        yield doorbell
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
        doorbell.close()


def ran(store: Store) -> Counter[str]:
    """Return how often each job's effect was committed."""
    with store.read() as uow:
        events = uow.feed.after(None, 0)
    return Counter(str(event.content["key"]) for event in events if event.event_type == "test.ran")


def runners(store: Store) -> set[str]:
    """Return the processes that committed something."""
    with store.read() as uow:
        events = uow.feed.after(None, 0)
    return {str(event.content["process"]) for event in events if event.event_type == "test.ran"}


def states(store: Store) -> dict[str, JobState]:
    """Return the state of every decide job that a test rang."""
    with store.read() as uow:
        return {key: uow.jobs.job(DECIDE, key).state for key in known_keys(store)}


def known_keys(store: Store) -> list[str]:
    """Return the keys of the decide jobs."""
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT key FROM job WHERE kind = 'decide'")
        return [str(row[0]) for row in rows]


def _wait_for_runs(store: Store, count: int) -> None:
    wait_until(lambda: len(ran(store)) == count, f"{count} jobs")


def keys_of(what: str, count: int) -> list[str]:
    """Return keys that the worker program understands."""
    return [f"{what}-{number}" for number in range(count)]


@pytest.mark.services
@pytest.mark.slow
def test_two_processes_share_the_work_and_no_job_runs_twice_at_once(
    fleet: Fleet, store: Store
) -> None:
    """Each effect is committed exactly once, and both processes had their part."""
    keys = keys_of("slow", 300)
    ring_keys(store, *keys)
    fleet.start()
    fleet.start()

    with sweeping(fleet.settings, store):
        wait_until(lambda: len(ran(store)) == len(keys), "all jobs")

    assert set(ran(store).values()) == {1}
    assert len(runners(store)) == 2
    assert not fleet.overlaps()


@pytest.mark.services
@pytest.mark.slow
def test_what_a_killed_worker_held_is_finished_by_the_other(fleet: Fleet, store: Store) -> None:
    """Leases run out and the sweeper rings; nothing is lost, nothing committed twice."""
    victim = fleet.start()
    ring_keys(store, *keys_of("hang", 3))
    with sweeping(fleet.settings, store):
        wait_until(
            lambda: len(list(fleet.folder.glob("running-hang-*"))) >= 1, "the victim at work"
        )

        victim.kill()
        victim.wait()
        fleet.start()
        ring_keys(store, *keys_of("slow", 20))
        wait_until(lambda: len(ran(store)) == 23, "all jobs of both")

    assert set(ran(store).values()) == {1}
    assert not fleet.overlaps()


@pytest.mark.services
@pytest.mark.slow
def test_sigterm_under_load_ends_in_time_and_loses_nothing(fleet: Fleet, store: Store) -> None:
    """Exit status 0, no job left claimed, and the next worker does the rest."""
    keys = keys_of("slow", 400)
    ring_keys(store, *keys)
    process = fleet.start()
    with sweeping(fleet.settings, store):
        wait_until(lambda: len(ran(store)) > 20, "a worker under load")

        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        status = process.wait(STOP_SECONDS_MAX)
        took_seconds = time.monotonic() - begun

        assert status == 0, fleet.log()
        assert took_seconds < STOP_SECONDS_MAX
        assert JobState.CLAIMED not in states(store).values()
        assert 20 < len(ran(store)) < len(keys)
        fleet.start()
        wait_until(lambda: len(ran(store)) == len(keys), "the rest")

    assert set(ran(store).values()) == {1}


@pytest.mark.services
@pytest.mark.slow
def test_purged_queues_cost_one_sweep(fleet: Fleet, store: Store) -> None:
    """With jobs ready and every bell lost, the sweeper brings all back."""
    settings = fleet.settings
    app = create_app(wiring.catalog_of(settings), settings)
    doorbell = Doorbell(app, store, settings)
    keys = keys_of("quick", 500)
    ring_keys(store, *keys)
    assert doorbell.ring_due() == 1
    doorbell.close()
    with Connection(settings.broker_url) as connection:
        assert connection.default_channel.queue_purge(broker_name(settings, DECIDE)) == 1

    fleet.start()
    with sweeping(settings, store):
        wait_until(lambda: len(ran(store)) == len(keys), "all jobs")

    assert set(ran(store).values()) == {1}


@pytest.mark.services
@pytest.mark.slow
def test_a_cut_connection_recovers(fleet: Fleet, store: Store) -> None:
    """The worker connects again by itself; the jobs rung meanwhile are done."""
    with line_to_broker() as line, sweeping(fleet.settings, store):
        process = fleet.start(line.url)
        ring_keys(store, *keys_of("quick", 5))
        wait_until(lambda: len(ran(store)) == 5, "a working line")

        for expected in (10, 15):
            line.cut()
            ring_keys(store, *(f"quick-{expected}-{number}" for number in range(5)))
            threading.Event().wait(0.5)
            line.mend()
            _wait_for_runs(store, expected)

        assert process.poll() is None
    assert set(ran(store).values()) == {1}


@pytest.mark.services
@pytest.mark.slow
def test_r12_a_process_works_and_ends_although_its_broker_never_answers(
    fleet: Fleet, store: Store
) -> None:
    """Nobody rings and nobody greets: the table is enough, and SIGTERM is heard."""
    with line_to_broker() as line:
        line.swallow()
        process = fleet.start(line.url, QUIET_SECONDS)
        ring_keys(store, *keys_of("quick", 20))
        wait_until(lambda: len(ran(store)) == 20, "all jobs")

        process.send_signal(signal.SIGTERM)

        assert process.wait(STOP_SECONDS_MAX) == 0, fleet.log()
    assert set(ran(store).values()) == {1}


@pytest.mark.services
@pytest.mark.slow
def test_what_only_a_bug_can_break_ends_the_process(fleet: Fleet, store: Store) -> None:
    """Exit status 2 and the reason; its job is counted as failed."""
    process = fleet.start()
    ring_keys(store, "bug-0")

    with sweeping(fleet.settings, store):
        assert process.wait(STOP_SECONDS_MAX) == 2

    assert "InvariantError: sums differ" in fleet.log()
    with store.read() as uow:
        assert uow.jobs.job(DECIDE, "bug-0").attempts == 1


@pytest.mark.services
@pytest.mark.slow
def test_a_hanging_step_does_not_keep_a_job_from_its_lease(fleet: Fleet, store: Store) -> None:
    """The lease of a step that takes longer than the lease is kept while its process lives."""
    fleet.start()
    fleet.start()
    ring_keys(store, "hang-0")
    with sweeping(fleet.settings, store):
        wait_until((fleet.folder / "running-hang-0").exists, "the step")
        threading.Event().wait(3 * LEASE_SECONDS)

        with store.read() as uow:
            record = uow.jobs.job(DECIDE, "hang-0")

    assert (record.state, record.attempts) == (JobState.CLAIMED, 0)
    assert not fleet.overlaps()


@pytest.mark.services
def test_a_worker_refuses_a_database_that_is_one_migration_behind(
    databases: TestDatabases, rabbitmq_url: str, tmp_path: Path
) -> None:
    """Before it takes a single job, and it says what to run."""
    url = databases.empty_url("sqlite")
    old = Store(engine_of(url), SystemClock())
    old.upgrade(f"{int(newest_migration()) - 1:04d}")
    old.close()
    fleet = Fleet(worker_settings(url, rabbitmq_url, new_prefix()), tmp_path)

    status = fleet.start().wait(STOP_SECONDS_MAX)

    assert status == 2
    assert "SchemaVersionError" in fleet.log()
    assert "relayer db upgrade" in fleet.log()
    databases.drop(url)


def test_a_queue_that_does_not_exist_is_refused(memory_settings: Settings) -> None:
    """A slip would leave work undone for ever."""
    with pytest.raises(SettingsError, match="decide, attest"):
        run_worker(memory_settings, ("decode",))


@pytest.fixture
def embedded(memory_settings: Settings, store: Store) -> Iterator[Callable[[Work], EmbeddedWorker]]:
    """What starts a worker in this process with one kind of work."""
    started: list[tuple[EmbeddedWorker, Doorbell, WorkContext]] = []

    def _start(work: Work) -> EmbeddedWorker:
        app, context, doorbell = worker_app(memory_settings, store, (work,))
        worker = EmbeddedWorker(app, context, is_looking=False)
        worker.start()
        started.append((worker, doorbell, context))
        return worker

    yield _start
    for worker, doorbell, context in started:
        doorbell.close()
        if context.broken is None:
            worker.stop()
        context.keeper.close()


def test_the_embedded_worker_does_what_is_rung_for(
    embedded: Callable[[Work], EmbeddedWorker], memory_settings: Settings, store: Store
) -> None:
    """Doorbell, task, step, done: in one process."""
    done: list[str] = []

    def _handle(_context: WorkContext, job: Job, _fence: Fence) -> Outcome:
        done.append(job.key)
        return Done()

    embedded(Work(DECIDE, _handle))
    ring_keys(store, "a", "b")
    app = create_app(wiring.catalog_of(memory_settings), memory_settings)
    doorbell = Doorbell(app, store, memory_settings)
    doorbell.ring_due()

    wait_until(lambda: sorted(done) == ["a", "b"], "both jobs")

    wait_until(lambda: set(states(store).values()) == {JobState.IDLE}, "both ended")
    doorbell.close()


def test_a_bug_in_the_embedded_worker_ends_the_process(
    embedded: Callable[[Work], EmbeddedWorker], memory_settings: Settings, store: Store
) -> None:
    """The rest of the process hears of it as of an operator's SIGTERM."""
    heard = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: heard.set())

    def _handle(_context: WorkContext, _job: Job, _fence: Fence) -> Outcome:
        raise InvariantError("sums differ")

    try:
        worker = embedded(Work(DECIDE, _handle))
        ring_keys(store, "a")
        app = create_app(wiring.catalog_of(memory_settings), memory_settings)
        doorbell = Doorbell(app, store, memory_settings)
        doorbell.ring_due()
        wait_until(heard.is_set, "SIGTERM")
        doorbell.close()
        with pytest.raises(InvariantError, match="sums"):
            worker.stop()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_no_two_workers_have_one_name(memory_settings: Settings, store: Store) -> None:
    """A replaced process must not wait for the session of the one before."""
    names = {worker_app(memory_settings, store)[1].holder for _ in range(3)}

    assert len(names) == 3
    assert all(str(os.getpid()) in name for name in names)
