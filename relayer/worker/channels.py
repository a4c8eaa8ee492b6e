"""Listening on the broker's queues, each on a channel of its own: none waits for another."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final
from uuid import uuid4

from amqp import spec
from celery.worker.consumer import Tasks
from kombu.common import QoS
from kombu.entity import Queue
from kombu.serialization import prepare_accept_content
from kombu.transport.pyamqp import Channel

from relayer.telemetry import event_log, redacted_text

DECLARE_AGAIN_SECONDS: Final = 10
AMQP: Final = "amqp"
PRECONDITION_FAILED: Final = 406
log = event_log()


class QueueChannel(Channel):
    """
    A channel that hands over why the broker closed it, where others raise it.

    Raised in the worker's loop it would end the worker, with all its other queues.
    """

    def __init__(self, connection: Any, on_refused: Callable[[int, str], None]) -> None:
        super().__init__(connection)
        self._on_refused = on_refused

    def _on_close(self, reply_code: int, reply_text: str, *_: int) -> None:
        self.send_method(spec.Channel.CloseOk)
        self.collect()
        self._on_refused(reply_code, reply_text)


class QueueBells:
    """
    Takes bells from queues; Celery uses it in place of the one consumer of all queues.

    Nothing here waits for the broker to declare a queue or to begin with its messages: a quorum
    queue without a leader does not answer for minutes, and only its own channel waits for it. What
    the broker refuses is asked for again after DECLARE_AGAIN_SECONDS.
    """

    def __init__(self, consumer: Any, queues: Sequence[Queue]) -> None:
        self.on_message: Callable[[Any], Any] | None = None
        self._consumer = consumer
        self._connection = consumer.connection.connection
        self._queues = tuple(queues)
        self._channels: dict[str, QueueChannel] = {}
        self._accepted = prepare_accept_content(consumer.app.conf.accept_content)
        self._tag = uuid4().hex
        self._refused: dict[str, str] = {}
        self._is_cancelled = False

    def consume(self) -> None:
        """Listen on every queue, and return before the broker has answered for any of them."""
        for queue in self._queues:
            self._listen(queue)

    def cancel(self) -> None:
        """Take no more bells; those that were taken can still be confirmed."""
        self._is_cancelled = True
        for name, channel in self._channels.items():
            channel.basic_cancel(self._tag_of(name), nowait=True)

    close = cancel

    def _listen(self, queue: Queue) -> None:
        name = queue.name
        channel = QueueChannel(self._connection, partial(self._refuse, queue))
        channel.open()
        channel.basic_qos(0, self._consumer.initial_prefetch_count, False)
        self._channels[name] = channel
        bound = queue(channel)
        bound.declare(nowait=True)
        bound.consume(
            self._tag_of(name),
            callback=partial(self._take, channel),
            no_ack=False,
            nowait=True,
            on_cancel=partial(self._end, queue, channel),
        )

    def _take(self, channel: Any, raw: Any) -> None:
        """Hand a bell over; what still comes at the end stays unconfirmed, for the others."""
        if self.on_message is None or self._is_cancelled:
            return
        message = channel.message_to_python(raw)
        message.accept = self._accepted
        self.on_message(message)

    def _end(self, queue: Queue, channel: QueueChannel, _tag: str) -> None:
        """Listen again on a queue that was deleted; messages of it can still be confirmed."""
        if self._channels.get(queue.name) is channel:
            self._channels.pop(queue.name)
            self._later(queue, 0)

    def _refuse(self, queue: Queue, code: int, reason: str) -> None:
        self._channels.pop(queue.name, None)
        if self._refused.get(queue.name) != reason:
            self._refused[queue.name] = reason
            log.warning(
                "queue.refused",
                queue=queue.name,
                reason=redacted_text(f"{code} {reason}"),
                remedy=_remedy(code, queue.name),
            )
        self._later(queue, DECLARE_AGAIN_SECONDS)

    def _later(self, queue: Queue, seconds: int) -> None:
        self._consumer.hub.call_later(seconds, self._again, queue)

    def _again(self, queue: Queue) -> None:
        is_current = self._consumer.task_consumer is self and not self._is_cancelled
        if is_current and self._consumer.connection and queue.name not in self._channels:
            self._listen(queue)

    def _tag_of(self, name: str) -> str:
        return f"{self._tag}-{name}"


class BellTasks(Tasks):  # type: ignore[misc]  # celery is untyped
    """Celery's step that begins to consume, but for RabbitMQ with QueueBells."""

    def start(self, c: Any) -> None:
        """Make what listens; Celery's loop starts it."""
        if c.connection.transport.driver_type != AMQP:
            super().start(c)
            return
        c.update_strategies()
        c.qos_global = False
        c.task_consumer = QueueBells(c, list(c.app.amqp.queues.consume_from.values()))
        c.qos = QoS(_keep_prefetch, c.initial_prefetch_count)


def _keep_prefetch(prefetch_count: int) -> None:
    """Leave it as it is: that of a queue's channel is set once, see QueueBells."""


def _remedy(code: int, name: str) -> str:
    again = "its jobs are taken from the database meanwhile"
    if code == PRECONDITION_FAILED:
        return f"it was made another way: rabbitmqctl delete_queue {name}; {again}"
    return f"see the broker's log; it is asked again every {DECLARE_AGAIN_SECONDS} s; {again}"
