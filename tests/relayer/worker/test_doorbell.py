"""The doorbell: no ring is lost for longer than its pause, and no failure reaches who rings."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kombu.connection import Connection

from relayer import wiring
from relayer.errors import SchemaVersionError
from relayer.settings import Settings
from relayer.steps.queues import DECIDE
from relayer.store.unit_of_work import Store
from relayer.worker.app import broker_name, create_app, remove_queues
from relayer.worker.doorbell import RING_SECONDS_MIN, Doorbell, open_doorbell
from tests.databases import TestDatabases
from tests.relayer.worker.kit import (
    MEMORY_URL,
    Line,
    line_to_broker,
    new_prefix,
    ring_keys,
    wait_until,
    worker_settings,
)


class Bells:
    """What lies in the queue `decide` of a deployment."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def count(self) -> int:
        """Return how many bells wait."""
        return len(self.take(is_kept=True))

    def take(self, *, is_kept: bool = False) -> list[Any]:
        """Return the bells that wait; they are put back if kept."""
        found = []
        app = create_app(wiring.catalog_of(self._settings), self._settings)
        queues = {queue.name: queue for queue in app.conf.task_queues}
        with Connection(self._settings.broker_url) as connection:
            queue = queues[broker_name(self._settings, DECIDE)](connection.default_channel)
            queue.declare()
            while (message := queue.get()) is not None:
                found.append(message)
            for message in found:
                if is_kept:
                    message.requeue()
                else:
                    message.ack()
        return found


def doorbell_of(settings: Settings, store: Store) -> Doorbell:
    """Return a doorbell without a worker."""
    return Doorbell(create_app(wiring.catalog_of(settings), settings), store, settings)


@pytest.fixture
def doorbell(settings: Settings, store: Store) -> Iterator[Doorbell]:
    """A doorbell on each kind of broker."""
    made = doorbell_of(settings, store)
    yield made
    made.close()


@pytest.fixture
def bells(settings: Settings) -> Bells:
    """What was rung."""
    return Bells(settings)


def test_due_work_is_rung_for_once(doorbell: Doorbell, store: Store, bells: Bells) -> None:
    """However many jobs are due, one bell per queue and kind says so."""
    ring_keys(store, "a", "b", "c")

    assert doorbell.ring_due() == 1

    taken = bells.take()
    assert [message.headers["task"] for message in taken] == ["relayer.decide"]


def test_nothing_due_rings_nothing(doorbell: Doorbell, store: Store, bells: Bells) -> None:
    """A job of tomorrow is for the sweeper of tomorrow."""
    ring_keys(store, "a", delay_seconds=3_600)

    assert doorbell.ring_due() == 0
    assert bells.count() == 0


def test_a_bell_names_a_queue_and_nothing_else(
    doorbell: Doorbell, store: Store, bells: Bells
) -> None:
    """It can be lost, doubled or forged: the table decides."""
    ring_keys(store, "a")
    doorbell.ring_due()

    (message,) = bells.take()

    assert message.payload[:2] == [[DECIDE], {}]


def test_a_ring_too_early_is_made_up_for(doorbell: Doorbell, store: Store, bells: Bells) -> None:
    """The second of two quick rings comes at the end of the pause, not at the next sweep."""
    ring_keys(store, "a")
    assert doorbell.ring_due() == 1
    assert len(bells.take()) == 1

    assert doorbell.ring_due() == 0

    wait_until(bells.count, "the late bell", seconds=20 * RING_SECONDS_MIN)
    assert len(bells.take()) == 1


def test_many_wishes_ring_seldom(doorbell: Doorbell, store: Store, bells: Bells) -> None:
    """A burst of ten thousand rings is a few bells."""
    ring_keys(store, "a")

    def _ring_often() -> None:
        for _ in range(1_000):
            doorbell.ring_soon()

    threads = [threading.Thread(target=_ring_often) for _ in range(10)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    wait_until(bells.count, "a bell")
    assert 1 <= len(bells.take()) <= 8


def test_ring_soon_rings_from_a_thread(doorbell: Doorbell, store: Store, bells: Bells) -> None:
    """Who rings does not wait for database or broker."""
    ring_keys(store, "a")

    doorbell.ring_soon()

    wait_until(bells.count, "a bell")


def test_a_closed_doorbell_rings_no_more(settings: Settings, store: Store, bells: Bells) -> None:
    """Closing twice is fine, and so is a ring that comes too late."""
    doorbell = doorbell_of(settings, store)
    ring_keys(store, "a")
    doorbell.close()

    doorbell.ring_soon()
    doorbell.close()

    assert bells.count() == 0


@pytest.fixture
def line(rabbitmq_url: str) -> Iterator[Line]:
    """A line to the broker that can be cut."""
    with line_to_broker() as made:
        yield made


@pytest.mark.services
def test_a_broker_that_is_away_raises_nothing_and_is_found_again(
    line: Line, database_url: str, store: Store
) -> None:
    """The failed ring does not start the pause: the next one goes out at once."""
    settings = worker_settings(database_url, line.url, new_prefix())
    doorbell = doorbell_of(settings, store)
    bells = Bells(settings)
    ring_keys(store, "a")
    assert doorbell.ring_due() == 1
    assert len(bells.take()) == 1
    threading.Event().wait(RING_SECONDS_MIN)

    line.cut()
    lost = doorbell.ring_due(), doorbell.ring_due()
    line.mend()
    rung = doorbell.ring_due()

    assert (lost, rung) == ((0, 0), 1)
    assert len(bells.take()) == 1
    doorbell.close()
    remove_queues(wiring.catalog_of(settings), settings)


@pytest.mark.services
def test_a_deleted_queue_comes_back(rabbitmq_settings: Settings, store: Store) -> None:
    """An operator who removes a queue loses at most one sweep."""
    doorbell = doorbell_of(rabbitmq_settings, store)
    bells = Bells(rabbitmq_settings)
    ring_keys(store, "a")
    doorbell.ring_due()
    remove_queues(wiring.catalog_of(rabbitmq_settings), rabbitmq_settings)

    wait_until(lambda: doorbell.ring_due() or bells.count(), "a new queue with a bell")

    assert bells.count() >= 1
    doorbell.close()


@pytest.mark.services
def test_bells_that_nobody_takes_run_out(rabbitmq_settings: Settings, store: Store) -> None:
    """A queue without a worker does not fill up."""
    doorbell = doorbell_of(rabbitmq_settings, store)
    ring_keys(store, "a")
    doorbell.ring_due()

    (message,) = Bells(rabbitmq_settings).take()

    assert int(message.properties["expiration"]) == 10_000
    doorbell.close()


def test_a_process_that_only_rings_refuses_an_old_database(databases: TestDatabases) -> None:
    """It says what to run."""
    url = databases.empty_url("sqlite")
    settings = worker_settings(url, MEMORY_URL, "test")

    with pytest.raises(SchemaVersionError, match="db upgrade"), open_doorbell(settings):
        pass
    databases.drop(url)


def test_a_process_that_only_rings_gets_a_store_of_its_own(
    memory_settings: Settings, store: Store
) -> None:
    """It is closed at the end of the block."""
    ring_keys(store, "a")

    with open_doorbell(memory_settings) as doorbell:
        assert doorbell.ring_due() == 1
