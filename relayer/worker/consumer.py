"""Celery's consumer without what a doorbell does not need, and deaf to all that is no bell."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from celery.worker.consumer import Consumer

from relayer.telemetry import event_log
from relayer.worker.bell import RungFor, fault_of_content, fault_of_message
from relayer.worker.doorbell import TASK_PREFIX

RECONNECT_SECONDS_MAX: Final = 4
NOT_NEEDED: Final = "celery.worker.consumer.delayed_delivery:DelayedDelivery"
CELERY_LOGGER: Final = logging.getLogger("celery.worker.consumer")
log = event_log()


class BellConsumer(Consumer):  # type: ignore[misc]  # celery is untyped
    """
    Takes bells; declares no queues for delayed messages, and drops what is no bell.

    With quorum queues Celery would leave 28 queues and exchanges on the broker, outside of any
    deployment's prefix. Nothing is ever sent with a delay here: that is a row with a time.

    Celery's own tasks, callbacks, chains, chords and delays would let a message start others, call
    one task a million times, or lie in memory for years. A bell needs none of them.
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

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        """Return what takes a message: Celery if it is a bell, nobody if not."""
        take: Callable[[Any], Any] = super().create_task_handler(*args, **options)
        rung_for = self._rung_for()

        def take_bell(message: Any) -> Any:
            fault = _fault_of(message, rung_for)
            if fault is None:
                return take(message)
            log.warning("doorbell.refused", reason=fault)
            return message.reject_log_error(CELERY_LOGGER, self.connection_errors)

        return take_bell

    def _rung_for(self) -> RungFor:
        # A broker's queue is called prefix.queue, and no prefix has a dot in it.
        names = self.app.amqp.queues.consume_from
        return RungFor(
            tasks=frozenset(name for name in self.app.tasks if name.startswith(TASK_PREFIX)),
            queues=frozenset(name.partition(".")[2] for name in names),
        )


def _fault_of(message: Any, rung_for: RungFor) -> str | None:
    fault = fault_of_message(message.headers, message.content_type, message.body)
    if fault is not None:
        return fault
    try:
        content = message.decode()
    except Exception as exc:  # noqa: BLE001  # kombu's decoders raise what they like
        return f"it cannot be decoded ({type(exc).__name__})"
    return fault_of_content(message.headers["task"], content, rung_for)
