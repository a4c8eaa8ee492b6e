"""Due jobs are done from the table: without a bell, with a mute broker or a queue refused."""

import time
from collections.abc import Iterator
from threading import Event
from typing import Final

import pytest
from kombu.connection import Connection
from kombu.entity import Exchange, Queue

from relayer import wiring
from relayer.settings import Settings
from relayer.steps.queues import ATTEST, DECIDE
from relayer.store.job_records import JobState
from relayer.store.unit_of_work import Store
from relayer.worker import channels
from relayer.worker.app import WORK, broker_name, remove_queues
from tests.relayer.worker.kit import (
    RABBITMQ_URL,
    Line,
    line_to_broker,
    new_prefix,
    ring_keys,
    wait_until,
    worker_settings,
)
from tests.relayer.worker.silence import (
    BOUND_SECONDS,
    END_SECONDS_MAX,
    Doing,
    ring_attest,
    ring_until,
    ringing,
    running,
)

NOBODY: Final = "amqp://user:pass-word-9@127.0.0.1:9//"


def test_r12_work_without_any_bell_is_done_within_the_bound(
    settings: Settings, store: Store
) -> None:
    """Consumers are there and nothing is ever delivered to them, on either broker."""
    doing = Doing(DECIDE)
    with running(settings, store, doing):
        ring_keys(store, "a", "b")

        wait_until(lambda: sorted(doing.done) == ["a", "b"], "both", BOUND_SECONDS)

    with store.read() as uow:
        assert uow.jobs.job(DECIDE, "b").state is JobState.IDLE


@pytest.fixture
def line(rabbitmq_url: str) -> Iterator[Line]:
    """A line to the broker that can be cut, or swallow everything."""
    del rabbitmq_url
    with line_to_broker() as made:
        yield made


@pytest.fixture
def line_settings(database_url: str, line: Line) -> Iterator[Settings]:
    """Settings through that line; their queues are removed without it."""
    made = worker_settings(database_url, line.url, new_prefix())
    yield made
    direct = made.model_copy(update={"broker_url": RABBITMQ_URL})
    remove_queues(wiring.catalog_of(direct), direct)


@pytest.mark.services
def test_r12_a_broker_that_takes_connections_and_never_answers_costs_seconds(
    line: Line, line_settings: Settings, store: Store
) -> None:
    """Neither the work nor the end of the process waits for its greeting."""
    line.swallow()
    doing = Doing(DECIDE)

    with running(line_settings, store, doing):
        ring_keys(store, "a")

        wait_until(lambda: doing.done == ["a"], "the job", BOUND_SECONDS)


@pytest.mark.services
def test_r12_a_broker_that_falls_silent_at_work_costs_seconds(
    line: Line, line_settings: Settings, store: Store
) -> None:
    """The connection stays open and nothing comes any more, until the line is mended."""
    doing = Doing(DECIDE)
    with running(line_settings, store, doing), ringing(line_settings, store) as doorbell:
        ring_keys(store, "a")
        ring_until(doorbell, lambda: doing.done == ["a"])
        line.swallow()

        ring_keys(store, "b")
        wait_until(lambda: doing.done == ["a", "b"], "the second job", BOUND_SECONDS)
        begun = time.monotonic()
        doorbell.ring_due()
        rang_seconds = time.monotonic() - begun

    assert rang_seconds < END_SECONDS_MAX


def make_classic(settings: Settings, name: str) -> None:
    """Make a queue of the deployment in a way that no worker can declare it again."""
    exchange = Exchange(broker_name(settings, WORK), type="topic", durable=True)
    full = broker_name(settings, name)
    with Connection(settings.broker_url) as connection, connection.channel() as channel:
        Queue(full, exchange, routing_key=full, durable=True)(channel).declare()


def delete(settings: Settings, name: str) -> None:
    """Delete a queue as an operator would."""
    with Connection(settings.broker_url) as connection, connection.channel() as channel:
        channel.queue_delete(broker_name(settings, name))


@pytest.mark.services
def test_r12_a_queue_that_cannot_be_declared_costs_its_own_bells_only(
    rabbitmq_settings: Settings, store: Store
) -> None:
    """Those of the other queues are heard, with nobody who looks into the table."""
    make_classic(rabbitmq_settings, DECIDE)
    doing = Doing(DECIDE, ATTEST)
    with (
        running(rabbitmq_settings, store, doing, is_looking=False),
        ringing(rabbitmq_settings, store) as doorbell,
    ):
        ring_keys(store, "a")
        ring_attest(store, "b")

        ring_until(doorbell, lambda: doing.done)

    assert doing.done == ["b"]


@pytest.mark.services
def test_r12_work_of_a_queue_that_cannot_be_declared_is_done_within_the_bound(
    rabbitmq_settings: Settings, store: Store
) -> None:
    """It comes from the table."""
    make_classic(rabbitmq_settings, DECIDE)
    doing = Doing(DECIDE)
    with running(rabbitmq_settings, store, doing):
        ring_keys(store, "a")

        wait_until(lambda: doing.done == ["a"], "the job", BOUND_SECONDS)


@pytest.mark.services
def test_a_queue_that_was_refused_is_asked_for_again(
    rabbitmq_settings: Settings,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The log says once what to do, and that done its bells are heard without a restart."""
    monkeypatch.setattr(channels, "DECLARE_AGAIN_SECONDS", 0.2)
    make_classic(rabbitmq_settings, DECIDE)
    doing = Doing(DECIDE)
    full = broker_name(rabbitmq_settings, DECIDE)
    with (
        running(rabbitmq_settings, store, doing, is_looking=False),
        ringing(rabbitmq_settings, store) as doorbell,
    ):
        Event().wait(2.0)  # long enough for several tries
        told = told_so_far(capsys)
        delete(rabbitmq_settings, DECIDE)

        ring_keys(store, "a")
        ring_until(doorbell, lambda: doing.done)

    assert told.count("queue.refused") == 1
    assert f"rabbitmqctl delete_queue {full}" in told


@pytest.mark.services
def test_a_queue_that_is_deleted_at_work_is_made_again(
    rabbitmq_settings: Settings, store: Store
) -> None:
    """By the worker that listened on it, and no other queue notices."""
    doing = Doing(DECIDE)
    with (
        running(rabbitmq_settings, store, doing, is_looking=False),
        ringing(rabbitmq_settings, store) as doorbell,
    ):
        ring_keys(store, "a")
        ring_until(doorbell, lambda: doing.done == ["a"])

        delete(rabbitmq_settings, DECIDE)
        ring_keys(store, "b")

        ring_until(doorbell, lambda: doing.done == ["a", "b"])


def told_so_far(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what was logged since the last call."""
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_a_broker_that_is_away_is_told_once_with_setting_and_remedy(
    database_url: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without its password; the work is done meanwhile, and the process ends in time."""
    doing = Doing(DECIDE)
    with running(worker_settings(database_url, NOBODY, new_prefix()), store, doing):
        ring_keys(store, "a")
        wait_until(lambda: doing.done == ["a"], "the job", BOUND_SECONDS)
        Event().wait(5.0)

    told = told_so_far(capsys)
    assert told.count("broker.unreachable") == 1
    assert "broker_url" in told
    assert "127.0.0.1:9" in told
    assert "start RabbitMQ there" in told
    assert "pass-word-9" not in told
