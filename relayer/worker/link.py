"""One publishing connection to the broker: made when first used, thrown away at any failure."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from kombu.connection import Connection
from kombu.entity import Exchange
from kombu.exceptions import KombuError
from kombu.messaging import Producer

from relayer.errors import NotYetError

CONNECT_SECONDS: Final = 4
CONFIRM_SECONDS: Final = 5
# A broker that took the connection and says nothing more would be waited for without end.
SOCKET_LIMITS: Final = {"read_timeout": CONFIRM_SECONDS, "write_timeout": CONFIRM_SECONDS}
MEMORY_SCHEME: Final = "memory:"


class BrokerError(NotYetError):
    """The broker did not take a message; the rows that say it is wanted are still there."""

    def __init__(self, exc: BaseException) -> None:
        super().__init__(reason="broker_unavailable", detail=f"{type(exc).__name__}: {exc}")


def is_embedded(broker_url: str) -> bool:
    """Return whether the broker lives inside the process."""
    return broker_url.startswith(MEMORY_SCHEME)


def connection_to(broker_url: str, *, is_confirming: bool = False) -> Connection:
    """
    Return a connection that is not open yet and that gives up instead of hanging.

    It has no heartbeat: nobody would send it while nothing is published. A peer that went away
    is noticed by the confirmation that does not come.
    """
    options: dict[str, Any] = {}
    if not is_embedded(broker_url):
        options = {"confirm_publish": is_confirming, **SOCKET_LIMITS}
    return Connection(
        broker_url, connect_timeout=CONNECT_SECONDS, heartbeat=0, transport_options=options
    )


@dataclass(frozen=True, slots=True)
class Letter:
    """One message as the broker gets it."""

    routing_key: str
    body: bytes
    message_id: str
    content_type: str


@dataclass(slots=True)
class _Confirmations:
    """Which of the letters 1..n of a channel the broker has answered for."""

    open_tags: set[int]
    refused_tags: set[int] = field(default_factory=set)

    def confirm(self, tag: int, is_multiple: bool) -> None:
        """Note a confirmation, of all letters up to the tag if so said."""
        self.open_tags = {
            one for one in self.open_tags if one != tag and (one > tag or not is_multiple)
        }

    def refuse(self, tag: int, is_multiple: bool) -> None:
        """Note that the broker did not take a letter."""
        self.refused_tags.add(tag)
        self.confirm(tag, is_multiple)


class BrokerLink:
    """A connection that threads share; one uses it at a time."""

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url
        self._lock = threading.RLock()
        self._connections: dict[bool, Connection] = {}
        self._producers: dict[bool, Producer] = {}

    @contextmanager
    def producer(self, *, is_confirming: bool = True) -> Iterator[Producer]:
        """
        Yield a producer; with is_confirming each publish waits for the broker's confirmation.

        Raises:
            BrokerError: the broker is away, refuses, or routes a mandatory message nowhere.
        """
        with self._lock:
            try:
                yield self._open(is_confirming)
            except BaseException as exc:
                errors = self._errors(is_confirming)
                self._drop(is_confirming)
                if isinstance(exc, errors):
                    raise BrokerError(exc) from exc
                raise

    def publish_all(self, exchange: Exchange, letters: Sequence[Letter]) -> None:
        """
        Publish in order, and return when the broker has confirmed every letter.

        Confirmations are awaited together: one by one they cost a round trip each.

        Raises:
            BrokerError: not all were confirmed in time; any of them may have arrived.
        """
        with self.producer(is_confirming=False) as producer:
            exchange(producer.channel).declare()
            if is_embedded(self._broker_url):
                for letter in letters:
                    _publish(producer, exchange, letter)
                return
            with producer.connection.channel() as channel:
                channel.confirm_select()
                waiting = _Confirmations(set(range(1, len(letters) + 1)))
                channel.events["basic_ack"].add(waiting.confirm)
                channel.events["basic_nack"].add(waiting.refuse)
                own = Producer(channel, auto_declare=False)
                for letter in letters:
                    _publish(own, exchange, letter)
                _await(producer.connection, waiting)

    def close(self) -> None:
        """Close what is open; the next use opens it again."""
        with self._lock:
            for is_confirming in tuple(self._connections):
                self._drop(is_confirming)

    def _open(self, is_confirming: bool) -> Producer:
        if is_confirming not in self._producers:
            connection = connection_to(self._broker_url, is_confirming=is_confirming)
            self._connections[is_confirming] = connection
            # The second try comes at once: who calls tries again later anyway.
            connection.ensure_connection(
                max_retries=1,
                interval_start=0,
                interval_step=0,
                reraise_as_library_errors=False,
            )
            self._producers[is_confirming] = Producer(connection.channel(), auto_declare=False)
        return self._producers[is_confirming]

    def _errors(self, is_confirming: bool) -> tuple[type[BaseException], ...]:
        connection = self._connections.get(is_confirming)
        if connection is None:
            return (KombuError, OSError)
        return (
            KombuError,
            OSError,
            *connection.connection_errors,
            *connection.channel_errors,
        )

    def _drop(self, is_confirming: bool) -> None:
        self._producers.pop(is_confirming, None)
        connection = self._connections.pop(is_confirming, None)
        if connection is not None:
            errors = (KombuError, OSError, *connection.connection_errors, AttributeError)
            # It is broken or not needed any more: that it cannot say goodbye harms nobody.
            with suppress(*errors):
                connection.collect(socket_timeout=1)


def _publish(producer: Producer, exchange: Exchange, letter: Letter) -> None:
    producer.publish(
        letter.body,
        exchange=exchange.name,
        routing_key=letter.routing_key,
        content_type=letter.content_type,
        content_encoding="utf-8",
        message_id=letter.message_id,
        delivery_mode="persistent",
    )


def _await(connection: Connection, waiting: _Confirmations) -> None:
    deadline = time.monotonic() + CONFIRM_SECONDS
    while waiting.open_tags:
        left_seconds = deadline - time.monotonic()
        if left_seconds <= 0:
            raise TimeoutError(f"{len(waiting.open_tags)} confirmations did not come")
        connection.drain_events(timeout=left_seconds)
    if waiting.refused_tags:
        raise ConnectionError(f"the broker refused {len(waiting.refused_tags)} messages")
