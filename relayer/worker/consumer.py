"""Celery's consumer without what a doorbell does not need."""

from typing import Final

from celery.worker.consumer import Consumer

NOT_NEEDED: Final = "celery.worker.consumer.delayed_delivery:DelayedDelivery"


class BellConsumer(Consumer):  # type: ignore[misc]  # celery is untyped
    """
    Takes bells; declares no queues for delayed messages.

    With quorum queues Celery would leave 28 queues and exchanges on the broker, outside of any
    deployment's prefix. Nothing is ever sent with a delay here: that is a row with a time.
    """

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]  # celery is untyped
        """The consumer's steps."""

        default_steps = tuple(
            step for step in Consumer.Blueprint.default_steps if step != NOT_NEEDED
        )
