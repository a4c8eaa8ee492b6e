"""The consumer: Celery's own, but for the queues of delayed messages."""

from typing import Any

from celery.worker.consumer import Consumer

from relayer.settings import Settings
from relayer.store.unit_of_work import Store
from relayer.worker.consumer import NOT_NEEDED, RECONNECT_SECONDS_MAX, BellConsumer
from relayer.worker.runner import worker_app


def test_no_queue_for_delayed_messages_is_declared() -> None:
    """Exactly that step is missing, and it is one that this Celery has."""
    missing = set(Consumer.Blueprint.default_steps) - set(BellConsumer.Blueprint.default_steps)

    assert missing == {NOT_NEEDED}


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
