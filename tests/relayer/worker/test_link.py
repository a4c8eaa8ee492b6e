"""The link: confirmed publishing over a connection that breaks."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from kombu.connection import Connection
from kombu.entity import Exchange, Queue

from relayer.worker.link import BrokerError, BrokerLink, Letter
from tests.relayer.worker.kit import MEMORY_URL, Line, line_to_broker

pytestmark = pytest.mark.services
LETTERS = tuple(Letter(f"key.{n % 3}", b"%d" % n, str(n), "text/plain") for n in range(700))


@pytest.fixture
def line(rabbitmq_url: str) -> Iterator[Line]:
    """A line to the broker that can be cut."""
    with line_to_broker() as made:
        yield made


@pytest.fixture
def exchange() -> Exchange:
    """A topic exchange that goes away with its last queue."""
    return Exchange(f"test-{uuid4().hex}", type="topic", durable=False, auto_delete=True)


@pytest.fixture
def bound(rabbitmq_url: str, exchange: Exchange) -> Iterator[Queue]:
    """A queue that gets everything."""
    with Connection(rabbitmq_url) as connection, connection.channel() as channel:
        queue = Queue(exchange.name, exchange, "#", durable=False, exclusive=True)(channel)
        queue.declare()
        yield queue


def bodies_in(queue: Queue) -> list[bytes]:
    """Return what waits in a queue, in order."""
    found = []
    while (message := queue.get(no_ack=True)) is not None:
        found.append(
            bytes(message.body, "utf-8") if isinstance(message.body, str) else message.body
        )
    return found


def test_letters_arrive_in_order(rabbitmq_url: str, exchange: Exchange, bound: Queue) -> None:
    """Awaiting confirmations together changes nothing about their order."""
    link = BrokerLink(rabbitmq_url)

    link.publish_all(exchange, LETTERS)
    link.publish_all(exchange, LETTERS[:1])
    link.close()

    assert bodies_in(bound) == [letter.body for letter in (*LETTERS, LETTERS[0])]


def test_letters_that_nobody_wants_are_confirmed(rabbitmq_url: str) -> None:
    """A topic without a queue is no failure of the publisher."""
    name = f"test-{uuid4().hex}"
    exchange = Exchange(name, type="topic", durable=False)
    link = BrokerLink(rabbitmq_url)
    try:
        link.publish_all(exchange, LETTERS[:3])
    finally:
        link.close()
        with Connection(rabbitmq_url) as connection:
            exchange(connection.default_channel).delete()


def test_a_cut_line_is_an_error_and_the_next_use_connects_again(
    line: Line, exchange: Exchange, bound: Queue
) -> None:
    """What may have arrived is for the caller to send again."""
    link = BrokerLink(line.url)
    link.publish_all(exchange, LETTERS[:1])

    line.cut()
    with pytest.raises(BrokerError) as failed:
        link.publish_all(exchange, LETTERS[1:2])
    line.mend()
    link.publish_all(exchange, LETTERS[1:2])
    link.close()

    assert failed.value.reason == "broker_unavailable"
    assert bodies_in(bound) == [LETTERS[0].body, LETTERS[1].body]


def test_a_mandatory_message_without_a_queue_is_an_error(rabbitmq_url: str) -> None:
    """A doorbell that reaches nobody must not look as if it had rung."""
    link = BrokerLink(rabbitmq_url)

    with pytest.raises(BrokerError, match="NO_ROUTE"), link.producer() as producer:
        producer.publish(b"", exchange="amq.topic", routing_key=uuid4().hex, mandatory=True)
    link.close()


def test_an_error_of_the_caller_stays_what_it_is(rabbitmq_url: str) -> None:
    """Only the broker's failures become BrokerError."""
    link = BrokerLink(rabbitmq_url)

    with pytest.raises(KeyError), link.producer():
        raise KeyError("mine")
    link.close()


def test_the_embedded_broker_takes_letters() -> None:
    """With nobody bound they go nowhere, as on the other broker."""
    link = BrokerLink(MEMORY_URL)

    link.publish_all(Exchange("events", type="topic"), LETTERS[:3])
    link.close()
