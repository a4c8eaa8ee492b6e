"""The consumer: Celery's own, but for the queues of delayed messages and what is no bell."""

from typing import Any

import pytest
from celery import signals
from celery.worker.consumer import Consumer, Tasks
from celery.worker.request import Request

from relayer.clock import SystemClock
from relayer.settings import Settings
from relayer.steps.fence import Fence
from relayer.steps.queues import DECIDE
from relayer.store.engine import engine_of
from relayer.store.jobs import Job
from relayer.store.unit_of_work import Store
from relayer.worker.app import broker_name
from relayer.worker.channels import BellTasks
from relayer.worker.consumer import (
    NOT_NEEDED,
    OF_ALL_QUEUES,
    RECONNECT_SECONDS_MAX,
    BellConsumer,
)
from relayer.worker.context import WorkContext
from relayer.worker.processing import Done, Outcome, Work
from relayer.worker.runner import EmbeddedWorker, worker_app
from tests.relayer.worker.kit import ring_keys, wait_until

CALL: dict[str, Any] = {
    "task": "relayer.decide",
    "args": [],
    "kwargs": {},
    "options": {},
    "subtask_type": None,
}


def test_no_queue_for_delayed_messages_is_declared() -> None:
    """Exactly those steps are missing or replaced, and they are ones that this Celery has."""
    missing = set(Consumer.Blueprint.default_steps) - set(BellConsumer.Blueprint.default_steps)

    assert missing == {*NOT_NEEDED, OF_ALL_QUEUES}


def test_no_other_step_brings_back_the_one_that_waits_for_all_queues(
    memory_settings: Settings, store: Store
) -> None:
    """Celery adds what a step builds on, whether it was asked for or not."""
    app, context, _ = worker_app(memory_settings, store)
    worker = EmbeddedWorker(app, context)

    steps = [type(step) for step in worker.consumer.blueprint.order]

    assert Tasks not in steps
    assert steps.count(BellTasks) == 1
    context.keeper.close()


@pytest.mark.parametrize(
    ("task", "arguments", "options"),
    [
        ("celery.starmap", (CALL, [[DECIDE]]), {}),
        ("celery.map", (CALL, [DECIDE]), {}),
        ("relayer.decide", ("relay.eip155-999",), {}),
        ("relayer.decide", (DECIDE,), {"countdown": 1}),
        ("relayer.decide", (DECIDE,), {"retries": 3}),
        ("relayer.decide", (DECIDE,), {"headers": {"compression": "gzip"}}),
        ("relayer.decide", (DECIDE, DECIDE), {}),
    ],
)
def test_what_is_no_bell_starts_nothing(
    memory_settings: Settings, task: str, arguments: Any, options: dict[str, Any]
) -> None:
    """Celery hears of the real bell behind it, and of nothing else."""
    ran: list[str] = []
    heard: list[str] = []

    def _note(_context: WorkContext, job: Job, _fence: Fence) -> Outcome:
        ran.append(job.key)
        return Done()

    def _hear(request: Request, **_: Any) -> None:
        heard.append(str(request.name))

    store = Store(engine_of(memory_settings.database_url), SystemClock())
    app, context, doorbell = worker_app(memory_settings, store, (Work(DECIDE, _note),))
    queue = broker_name(memory_settings, DECIDE)
    worker = EmbeddedWorker(app, context, is_looking=False)
    ring_keys(store, "one")
    app.send_task(task, args=arguments, queue=queue, retry=False, **options)

    app.send_task("relayer.decide", args=(DECIDE,), queue=queue, retry=False)
    signals.task_received.connect(_hear, weak=False)
    worker.start()
    wait_until(lambda: ran, "the bell was heard")

    assert heard == ["relayer.decide"]
    assert ran == ["one"]
    signals.task_received.disconnect(_hear)
    doorbell.close()
    worker.stop()
    context.close()
    store.close()


class AskedConnection:
    """A connection that notes how it is asked for."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def ensure_connection(self, *_: object, **options: Any) -> "AskedConnection":
        self.asked = options
        return self


def test_r12_a_broker_that_was_away_for_long_is_asked_again_soon(
    memory_settings: Settings, store: Store
) -> None:
    """The pause between two attempts does not grow to half a minute."""
    app, context, _ = worker_app(memory_settings, store)
    consumer = BellConsumer.__new__(BellConsumer)
    consumer.app, consumer.first_connection_attempt = app, False
    connection = AskedConnection()

    assert consumer.ensure_connected(connection) is connection

    assert connection.asked["interval_max"] == RECONNECT_SECONDS_MAX
    context.keeper.close()
