"""The consumer: Celery's own, but for the queues of delayed messages."""

from celery.worker.consumer import Consumer

from relayer.worker.consumer import NOT_NEEDED, BellConsumer


def test_no_queue_for_delayed_messages_is_declared() -> None:
    """Exactly that step is missing, and it is one that this Celery has."""
    missing = set(Consumer.Blueprint.default_steps) - set(BellConsumer.Blueprint.default_steps)

    assert missing == {NOT_NEEDED}
