"""Celery's consumer without what a doorbell does not need."""

from functools import partial
from typing import Any, Final

from celery.worker.consumer import Consumer

RECONNECT_SECONDS_MAX: Final = 4
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

    def ensure_connected(self, conn: Any) -> Any:
        """
        Ask a broker that is away again after RECONNECT_SECONDS_MAX at the latest.

        Celery would wait up to 30 s: after a long outage the broker would be back, and the work not
        within a lease and two sweeps.
        """
        conn.ensure_connection = partial(conn.ensure_connection, interval_max=RECONNECT_SECONDS_MAX)
        return super().ensure_connected(conn)
