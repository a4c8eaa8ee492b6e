"""Broker and database fail under load: it costs time only, and the API goes on answering."""

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGSTOP
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest
from kombu.connection import Connection

from relayer.steps.queues import DECIDE
from relayer.store.job_records import JobRecord
from relayer.wiring import catalog_of
from relayer.worker.app import broker_queues
from relayer.worker.sweeper import SWEEP_SECONDS
from tests.databases import TestDatabases
from tests.faults.chaos import seed_of_run
from tests.faults.load.books import check_books, wait_until_level
from tests.faults.load.deployment import (
    LEASE_SECONDS,
    Combination,
    LoadDeployment,
    deployment,
)
from tests.faults.load.own_postgres import OwnPostgres
from tests.faults.proxy import TcpProxy
from tests.relayer.worker.kit import RABBITMQ_PORT, RABBITMQ_URL, ring_keys

pytestmark = [pytest.mark.timeout(300), pytest.mark.services]
WAITING_EVENTS: Final = 2_400
EVENTS_PER_BLOCK: Final = 100
AWAY_SECONDS: Final = 8.0
READY_SECONDS_MAX: Final = 60.0
BACK_SECONDS_MAX: Final = 10.0
LOADED_SECONDS: Final = 6.0  # what a busy machine may add to each measurement
EXTRA_SECONDS_MAX: Final = LEASE_SECONDS + 2 * SWEEP_SECONDS + LOADED_SECONDS
BROKER_LOSSES: Final = 20
WIPED_AT: Final = 10  # the loss after which the broker comes back without any queue
LOSS_EVENTS: Final = 50  # on each chain: before the loss, and again while the broker is away
LEVEL_SECONDS_MAX: Final = 30.0
LATER_SECONDS: Final = 3_600
LATER_KEYS: Final = ("later-1", "later-2", "later-3")
WORKERS: Final = ("worker-1", "worker-2")
POLL_SECONDS: Final = 0.1
Tell = Callable[[str], None]


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """What shows a measurement."""

    def _tell(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}\n")

    return _tell


class Readers:
    """Asks the API all the time; counts its answers, and what was none."""

    def __init__(self, load: LoadDeployment) -> None:
        port = load.settings.api.listen_port
        self._ready_url = f"http://127.0.0.1:{port}/readyz"
        self._url = f"http://127.0.0.1:{port}/v1/accounts/0x{'11' * 32}"
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answered = 0
        self.refused: list[str] = []

    def __enter__(self) -> "Readers":
        self.wait_until_ready(READY_SECONDS_MAX)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def wait_until_ready(self, seconds_max: float) -> None:
        """Wait until the API says that it can work."""
        deadline = time.monotonic() + seconds_max
        while True:
            with suppress(httpx.HTTPError):
                if httpx.get(self._ready_url, timeout=5).status_code == httpx.codes.OK:
                    return
            assert time.monotonic() < deadline, f"not ready after {seconds_max} s"
            threading.Event().wait(POLL_SECONDS)

    def _run(self) -> None:
        while not self._ending.wait(POLL_SECONDS):
            try:
                status = httpx.get(self._url, timeout=5).status_code
            except httpx.HTTPError as exc:
                self.refused.append(type(exc).__name__)
                continue
            if status in (httpx.codes.OK, httpx.codes.NOT_FOUND):
                self.answered += 1
            else:
                self.refused.append(str(status))


def grow(load: LoadDeployment) -> None:
    """Let many locks become final."""
    for _ in range(WAITING_EVENTS // EVENTS_PER_BLOCK // len(load.chains)):
        for chain in load.chains:
            chain.mine(EVENTS_PER_BLOCK)
    for chain in load.chains:
        chain.settle()


def unbooked(load: LoadDeployment) -> int:
    """Return how many events are stored and wait to be booked."""
    with load.store.read() as uow:
        return sum(len(uow.chains.unbooked_events(chain.chain_id, 10_000)) for chain in load.chains)


def wait_for_waiting(load: LoadDeployment) -> None:
    """Wait until all that was mined is stored."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while unbooked(load) < WAITING_EVENTS:
        load.processes.check()
        assert time.monotonic() < deadline, f"only {unbooked(load)} are stored"
        threading.Event().wait(POLL_SECONDS)


def booking_seconds(load: LoadDeployment, fault: Callable[[], None]) -> float:
    """Freeze the workers, let events wait, do something; return how long booking takes then."""
    for name in WORKERS:
        load.processes.signal(name, SIGSTOP)
    try:
        grow(load)
        wait_for_waiting(load)
        fault()
    finally:
        for name in WORKERS:
            load.processes.signal(name, SIGCONT)
    return wait_until_level(load)


def on_queues(load: LoadDeployment, method: str) -> int:
    """Purge or delete every queue of the deployment; return how many bells were lost."""
    names = broker_queues(catalog_of(load.settings), load.settings)
    with Connection(RABBITMQ_URL) as connection, connection.channel() as channel:
        return sum(int(getattr(channel, method)(name) or 0) for name in names)


@pytest.mark.usefixtures("_fleet_servers")
@pytest.mark.parametrize("method", ["queue_purge", "queue_delete"])
def test_r12_lost_queues_cost_a_lease_and_two_sweeps_at_most_fleet_10_9(
    method: str, databases: TestDatabases, tmp_path: Path, tell: Tell
) -> None:
    """With 2,400 events waiting all bells are lost, or the queues themselves."""
    combination = Combination("rabbitmq", "postgresql", has_api=True)
    with deployment(combination, databases, tmp_path, seed_of_run()) as load:
        load.start()
        with Readers(load) as readers:
            usual = booking_seconds(load, lambda: None)
            after = booking_seconds(load, lambda: _lose(load, method))
        check_books(load)

    tell(f"{method}: {usual:.1f} s as usual, {after:.1f} s after; API {readers.answered} answers")
    assert after - usual <= EXTRA_SECONDS_MAX
    assert readers.refused == []
    assert readers.answered > 0


def _lose(load: LoadDeployment, method: str) -> None:
    assert on_queues(load, method) > 0


@pytest.mark.usefixtures("_fleet_servers")
def test_r12_a_broker_that_is_away_costs_a_lease_and_two_sweeps_at_most_fleet_10_9(
    databases: TestDatabases, tmp_path: Path, tell: Tell
) -> None:
    """2,400 events are booked although nobody reaches it, and as usual once it is back."""
    with TcpProxy(urlsplit(RABBITMQ_URL).hostname or "", RABBITMQ_PORT) as proxy:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}//"
        combination = Combination("rabbitmq", "postgresql", broker_url=url, has_api=True)
        with deployment(combination, databases, tmp_path, seed_of_run()) as load:
            load.start()
            with Readers(load) as readers:
                usual = booking_seconds(load, lambda: None)
                away = booking_seconds(load, proxy.cut)
                proxy.mend()
                after = booking_seconds(load, lambda: None)
            check_books(load)

    tell(
        f"broker away: {usual:.1f} s as usual, {away:.1f} s without it, {after:.1f} s after; "
        f"{readers.answered} answers"
    )
    assert away - usual <= EXTRA_SECONDS_MAX
    assert after - usual <= EXTRA_SECONDS_MAX
    assert readers.refused == []


@pytest.mark.usefixtures("_fleet_servers")
def test_r12_twenty_lost_brokers_and_a_wipe_lose_nothing(
    databases: TestDatabases, tmp_path: Path, tell: Tell
) -> None:
    """Cut off under load; the database alone knows what is to be done, and when."""
    chance = Random(seed_of_run())
    with TcpProxy(urlsplit(RABBITMQ_URL).hostname or "", RABBITMQ_PORT) as proxy:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}//"
        combination = Combination("rabbitmq", "postgresql", broker_url=url, has_api=True)
        with deployment(combination, databases, tmp_path, seed_of_run()) as load:
            load.start()
            ring_keys(load.store, *LATER_KEYS, delay_seconds=LATER_SECONDS)
            later = _jobs(load, LATER_KEYS)
            with Readers(load) as readers:
                begun = time.monotonic()
                for number in range(1, BROKER_LOSSES + 1):
                    before = load.journal_seq()
                    _mine(load)
                    if number % 2:
                        _wait_for_bookings(load, before)
                    threading.Event().wait(chance.uniform(0, 1))
                    proxy.cut()
                    if number == WIPED_AT:
                        on_queues(load, "queue_delete")
                    _mine(load)
                    threading.Event().wait(chance.uniform(0, 1))
                    proxy.mend()
                    load.processes.check()
                losing_seconds = time.monotonic() - begun
                after = wait_until_level(load)
            load.processes.check()
            check_books(load)
            assert _jobs(load, LATER_KEYS) == later

    events = sum(chain.events for chain in load.chains)
    tell(
        f"{BROKER_LOSSES} losses in {losing_seconds:.0f} s, one with all queues, {events} events: "
        f"level {after:.1f} s after the last; API {readers.answered} answers"
    )
    assert events == BROKER_LOSSES * 2 * LOSS_EVENTS * len(load.chains)
    assert after <= LEVEL_SECONDS_MAX
    assert readers.refused == []


def _wait_for_bookings(load: LoadDeployment, before_seq: int) -> None:
    """Wait until the fleet works, so that every second loss finds it at work."""
    deadline = time.monotonic() + LEVEL_SECONDS_MAX
    while load.journal_seq() <= before_seq:
        load.processes.check()
        assert time.monotonic() < deadline, f"no bookings within {LEVEL_SECONDS_MAX} s"
        threading.Event().wait(POLL_SECONDS)


def _mine(load: LoadDeployment) -> None:
    for chain in load.chains:
        chain.mine(LOSS_EVENTS)
        chain.settle()


def _jobs(load: LoadDeployment, keys: tuple[str, ...]) -> list[JobRecord]:
    with load.store.read() as uow:
        return [uow.jobs.job(DECIDE, key) for key in keys]


@pytest.mark.usefixtures("_fleet_servers")
@pytest.mark.parametrize("broker", ["memory", "rabbitmq"])
def test_r4_a_database_that_restarts_costs_time_only_fleet_10_20(
    broker: str, tmp_path: Path, tell: Tell
) -> None:
    """Stopped in order and as by a crash while events come in: every process lives on."""
    with OwnPostgres() as server:
        databases = TestDatabases(server.url)
        combination = Combination(broker, "postgresql", has_api=True)
        with deployment(combination, databases, tmp_path, seed_of_run()) as load:
            load.start()
            with Readers(load) as readers:
                grow(load)
                for mode in ("fast", "immediate"):
                    server.stop(mode)
                    threading.Event().wait(AWAY_SECONDS / 2)
                    server.start()
                    readers.wait_until_ready(BACK_SECONDS_MAX)
                    grow(load)
                after = wait_until_level(load)
                load.processes.check()
            check_books(load)
        databases.close()

    tell(f"database of {broker}: level {after:.1f} s after the last restart")
    assert after <= LEASE_SECONDS + BACK_SECONDS_MAX + EXTRA_SECONDS_MAX
