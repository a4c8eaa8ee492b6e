"""Celery's consumer without what a doorbell does not need, and deaf to all that is no bell."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

from relayer.telemetry import event_log, redacted_text
from relayer.worker.app import remedy_of
from relayer.worker.bell import RungFor, fault_of_content, fault_of_message
from relayer.worker.channels import BellTasks
from relayer.worker.doorbell import TASK_PREFIX

RECONNECT_SECONDS_MAX: Final = 4
WAKE_SECONDS: Final = 1.0
UNREACHABLE_SECONDS: Final = 60
MEANWHILE: Final = "due work is taken from the database meanwhile"
# No queue for delayed messages, and no remote control: it is switched off, and its step would bring
# back the step that it builds on, which declares all queues on one channel.
NOT_NEEDED: Final = (
    "celery.worker.consumer.delayed_delivery:DelayedDelivery",
    "celery.worker.consumer.control:Control",
)
OF_ALL_QUEUES: Final = "celery.worker.consumer.tasks:Tasks"
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
            BellTasks if step == OF_ALL_QUEUES else step
            for step in Consumer.Blueprint.default_steps
            if step not in NOT_NEEDED
        )

    # Called with the queue and the kind of each bell.
    on_bell: Callable[[str, str], None] = staticmethod(lambda _queue, _kind: None)
    _told_at = float("-inf")
    _is_away = False

    def ensure_connected(self, conn: Any) -> Any:
        """
        Ask a broker that is away again after RECONNECT_SECONDS_MAX at the latest.

        Celery would wait up to 30 s: after a long outage the broker would be back, and the work not
        within a lease and two sweeps. And it would write a line for each attempt.
        """
        conn.ensure_connection(
            lambda exc, _pause_seconds: self._tell_away(exc),
            interval_max=RECONNECT_SECONDS_MAX,
            callback=maybe_shutdown,
        )
        self.first_connection_attempt = False
        if self._is_away:
            self._is_away, self._told_at = False, float("-inf")
            log.info("broker.reached", setting="broker_url", url=redacted_text(conn.as_uri()))
        return conn

    def register_with_event_loop(self, hub: Any) -> None:
        """Wake the loop each second: in a quiet time it would look for the end each ten only."""
        super().register_with_event_loop(hub)
        hub.call_repeatedly(WAKE_SECONDS, _wake)

    def on_connection_error_before_connected(self, exc: BaseException) -> None:
        """Tell of a connection that did not come about."""
        self._tell_away(exc)

    def _tell_away(self, exc: BaseException) -> None:
        """Tell that the broker is away, and again once in UNREACHABLE_SECONDS."""
        self._is_away = True
        now = time.monotonic()
        if now - self._told_at < UNREACHABLE_SECONDS:
            return
        self._told_at = now
        detail = f"{type(exc).__name__}: {exc}"
        log.warning(
            "broker.unreachable",
            setting="broker_url",
            url=redacted_text(self.conninfo.as_uri()),
            reason=redacted_text(detail),
            remedy=f"{remedy_of(detail)}; {MEANWHILE}",
        )

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        """Return what takes a message: Celery if it is a bell, nobody if not."""
        take: Callable[[Any], Any] = super().create_task_handler(*args, **options)
        rung_for = self._rung_for()

        def take_bell(message: Any) -> Any:
            fault = _fault_of(message, rung_for)
            if fault is None:
                kind = message.headers["task"].removeprefix(TASK_PREFIX)
                self.on_bell(message.decode()[0][0], kind)
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


def _wake() -> None:
    """Do nothing: the loop looks at everything whenever it is woken."""


def _fault_of(message: Any, rung_for: RungFor) -> str | None:
    fault = fault_of_message(message.headers, message.content_type, message.body)
    if fault is not None:
        return fault
    try:
        content = message.decode()
    except Exception as exc:  # noqa: BLE001  # kombu's decoders raise what they like
        return f"it cannot be decoded ({type(exc).__name__})"
    return fault_of_content(message.headers["task"], content, rung_for)
