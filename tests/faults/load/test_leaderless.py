"""A quorum queue without a leader, as a broker leaves one that was killed while it made it."""

import time
from collections.abc import Iterator
from functools import partial
from threading import Thread

import pytest
from kombu.connection import Connection

from relayer import wiring
from relayer.clock import SystemClock
from relayer.settings import Settings
from relayer.steps.queues import ATTEST, DECIDE
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store
from relayer.worker.app import broker_name, create_app
from tests.databases import TestDatabases
from tests.faults.load.own_rabbitmq import OwnRabbitmq
from tests.relayer.worker.kit import new_prefix, ring_keys, wait_until, worker_settings
from tests.relayer.worker.silence import (
    BOUND_SECONDS,
    LOADED_SECONDS,
    Doing,
    ring_attest,
    ring_until,
    ringing,
    running,
)

pytestmark = [pytest.mark.timeout(400)]
ANSWER_SECONDS_MAX = 10


@pytest.fixture(scope="module")
def broker() -> Iterator[OwnRabbitmq]:
    """A broker of these tests' own."""
    with OwnRabbitmq() as made:
        yield made


@pytest.fixture
def settings(broker: OwnRabbitmq, databases: TestDatabases) -> Iterator[Settings]:
    """A deployment whose queue `decide` has no leader."""
    database_url = databases.migrated_url("sqlite")
    made = worker_settings(database_url, broker.url, new_prefix())
    with Connection(broker.url) as connection, connection.channel() as channel:
        for queue in create_app(wiring.catalog_of(made), made).conf.task_queues:
            queue(channel).declare()
    broker.lose_leader(broker_name(made, DECIDE))
    yield made
    databases.drop(database_url)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """The deployment's store."""
    made = Store(engine_of(settings.database_url), SystemClock())
    yield made
    made.close()


def test_the_queue_answers_nobody(settings: Settings) -> None:
    """Otherwise the tests below would prove nothing."""
    queues = {q.name: q for q in create_app(wiring.catalog_of(settings), settings).conf.task_queues}
    patience = {"read_timeout": ANSWER_SECONDS_MAX}
    connection = Connection(settings.broker_url, transport_options=patience)
    silent = queues[broker_name(settings, DECIDE)](connection.channel())

    try:
        with pytest.raises(TimeoutError):
            silent.consume("nobody")
    finally:
        connection.collect(socket_timeout=1)


def test_r12_the_other_queues_are_heard_while_one_has_no_leader(
    settings: Settings, store: Store
) -> None:
    """Nobody looks into the table here: bells alone do it, and the silent queue's are lost."""
    doing = Doing(DECIDE, ATTEST)
    with running(settings, store, doing, is_looking=False), ringing(settings, store) as doorbell:
        ring_keys(store, "a")
        for number in range(3):
            ring_attest(store, f"b-{number}")
            ring_until(doorbell, partial(doing.done.__contains__, f"b-{number}"))

    assert doing.done == ["b-0", "b-1", "b-2"]


def test_r12_work_of_a_queue_without_a_leader_is_done_within_the_bound(
    settings: Settings, store: Store
) -> None:
    """While a doorbell tries to ring for it, and before and after other work."""
    doing = Doing(DECIDE, ATTEST)
    with running(settings, store, doing), ringing(settings, store) as doorbell:
        begun = time.monotonic()
        ring_keys(store, "a")
        ring_attest(store, "b")
        ringer = Thread(target=doorbell.ring_due)
        ringer.start()

        wait_until(lambda: sorted(doing.done) == ["a", "b"], "both", BOUND_SECONDS)

        assert time.monotonic() - begun < BOUND_SECONDS + LOADED_SECONDS
        ringer.join()
