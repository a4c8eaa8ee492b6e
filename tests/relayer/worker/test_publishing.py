"""Publishing: every event at least once, in order, in the shape that the API answers."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from kombu.connection import Connection
from kombu.entity import Exchange, Queue

from relayer import wiring
from relayer.api.events import event_answer
from relayer.clock import UnixSeconds
from relayer.errors import InvariantError, LeaseLostError
from relayer.settings import Settings
from relayer.steps.fence import open_fence
from relayer.steps.queues import PUBLISH
from relayer.steps.tell import tell
from relayer.store.feed import FeedEvent
from relayer.store.job_records import JobState
from relayer.store.unit_of_work import Store, UnitOfWork
from relayer.worker import publishing
from relayer.worker.app import EVENTS, broker_name
from relayer.worker.context import WorkContext
from relayer.worker.link import BrokerError
from relayer.worker.processing import process_due
from relayer.worker.publishing import envelope_of, letter_of, publish_due, routing_key_of
from relayer.worker.tasks import WORKS
from tests.relayer.worker.kit import line_to_broker, worker_settings

ANN = b"\x01" * 32
BOB = b"\x12" * 32
PUBLISH_WORK = next(work for work in WORKS if work.kind == PUBLISH)
EVENT = FeedEvent(
    seq=7,
    account=ANN,
    account_seq=3,
    event_type="collateral.lock.seen",
    content={"chain_id": "eip155:1", "units": str(2**200)},
    correlation_id=b"\x05" * 32,
    at=UnixSeconds(1_800_000_000),
    published_at=None,
)


def tell_events(store: Store, count: int) -> None:
    """Append events of two accounts in turn."""
    with store.unit_of_work() as uow:
        for number in range(count):
            tell(
                uow,
                "unlock.granted",
                {"number": str(number)},
                account=(ANN, BOB)[number % 2],
                correlation_id=bytes(32),
            )


def unpublished(store: Store) -> int:
    """Return how many events no broker has confirmed."""
    with store.read() as uow:
        return len(uow.feed.unpublished())


@pytest.fixture
def context(rabbitmq_settings: Settings, store: Store) -> Iterator[WorkContext]:
    """A worker's context on RabbitMQ."""
    yield from context_of(rabbitmq_settings, store)


def context_of(settings: Settings, store: Store) -> Iterator[WorkContext]:
    """Yield a worker's context."""
    made = WorkContext(settings, store, wiring.catalog_of(settings), ring_due=lambda: None)
    yield made
    made.keeper.close()
    made.link.close()


@pytest.fixture
def bound(rabbitmq_settings: Settings) -> Iterator[Queue]:
    """A protocol's queue that gets every event."""
    exchange = Exchange(broker_name(rabbitmq_settings, EVENTS), type="topic", durable=True)
    with Connection(rabbitmq_settings.broker_url) as connection, connection.channel() as channel:
        queue = Queue("", exchange, "#", durable=False, exclusive=True)(channel)
        queue.declare()
        yield queue


def received(queue: Queue) -> list[dict[str, object]]:
    """Return the events in a queue, in order."""
    found = []
    while (message := queue.get(no_ack=True)) is not None:
        assert message.properties["delivery_mode"] == 2
        assert message.content_type == publishing.CONTENT_TYPE
        found.append(json.loads(message.body))
        assert message.properties["message_id"] == found[-1]["id"]
    return found


@pytest.mark.services
def test_events_are_published_in_order_and_marked(
    context: WorkContext, store: Store, bound: Queue
) -> None:
    """Gapless for everybody, and so per account."""
    tell_events(store, 30)

    assert publish_due(context, open_fence) is False

    events = received(bound)
    assert [event["seq"] for event in events] == list(range(1, 31))
    for account in (ANN, BOB):
        own = [one["accountseq"] for one in events if one["subject"] == "0x" + account.hex()]
        assert own == list(range(1, 16))
    assert unpublished(store) == 0


@pytest.mark.services
def test_more_events_than_a_run_takes_are_all_published_by_one_bell(
    context: WorkContext, store: Store, bound: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job stays due until nothing is left."""
    monkeypatch.setattr(publishing, "EVENTS_PER_RUN_MAX", 10)
    tell_events(store, 35)

    while process_due(context, PUBLISH_WORK, PUBLISH):
        pass

    assert [event["seq"] for event in received(bound)] == list(range(1, 36))
    with store.read() as uow:
        assert uow.jobs.job(PUBLISH, "events").state is JobState.IDLE


@pytest.mark.services
def test_events_that_nobody_binds_a_queue_for_count_as_published(
    context: WorkContext, store: Store
) -> None:
    """The feed in the database replays them to whoever comes later."""
    tell_events(store, 3)

    publish_due(context, open_fence)

    assert unpublished(store) == 0


@pytest.mark.services
def test_nothing_is_marked_while_the_broker_is_away(
    database_url: str, store: Store, rabbitmq_settings: Settings, bound: Queue
) -> None:
    """The job waits without being counted as failed, however long it takes."""
    with line_to_broker() as line:
        prefix = rabbitmq_settings.broker_prefix
        settings = worker_settings(database_url, line.url, prefix)
        for context in context_of(settings, store):
            line.cut()
            tell_events(store, 3)
            with pytest.raises(BrokerError):
                publish_due(context, open_fence)
            process_due(context, PUBLISH_WORK, PUBLISH)
            with store.read() as uow:
                record = uow.jobs.job(PUBLISH, "events")
            assert (record.state, record.attempts) == (JobState.DUE, 0)
            assert record.reason == "broker_unavailable"
            assert unpublished(store) == 3

            line.mend()
            publish_due(context, open_fence)

    assert [event["seq"] for event in received(bound)] == [1, 2, 3]


@pytest.mark.services
def test_a_crash_before_the_mark_publishes_again_under_the_same_ids(
    context: WorkContext, store: Store, bound: Queue
) -> None:
    """At least once: who sees an id twice drops the second."""
    tell_events(store, 2)

    def _lost(_uow: UnitOfWork) -> None:
        raise LeaseLostError(name="job publish events", holder="another")

    with pytest.raises(LeaseLostError):
        publish_due(context, _lost)
    publish_due(context, open_fence)

    ids = [event["id"] for event in received(bound)]
    assert ids[:2] == ids[2:]
    assert unpublished(store) == 0


def test_the_embedded_broker_takes_events(memory_settings: Settings, store: Store) -> None:
    """Nobody listens there; the API replays the feed."""
    for context in context_of(memory_settings, store):
        tell_events(store, 3)
        publish_due(context, open_fence)

    assert unpublished(store) == 0


def test_an_event_is_the_same_over_both_ways() -> None:
    """A protocol that missed one reads it from the API and drops the doubles by id."""
    answered = event_answer(EVENT, hub="hub:test").model_dump(mode="json")

    assert envelope_of(EVENT, hub="hub:test") == answered


def test_an_event_of_everybody_has_no_subject() -> None:
    """CloudEvents leaves out what has no value."""
    envelope = envelope_of(replace(EVENT, account=None, account_seq=None), hub="hub:test")

    assert "subject" not in envelope
    assert "accountseq" not in envelope


def test_every_attribute_name_is_one_of_cloud_events() -> None:
    """Lower-case letters and digits, at most twenty of them."""
    for name in envelope_of(EVENT, hub="hub:test"):
        assert name.isalnum()
        assert name.islower()
        assert len(name) <= 20


@pytest.mark.parametrize(
    "broken",
    [
        replace(EVENT, event_type="Lock"),
        replace(EVENT, event_type=""),
        replace(EVENT, seq=0),
        replace(EVENT, account_seq=None),
        replace(EVENT, account=None),
    ],
)
def test_what_is_no_event_is_not_published(broken: FeedEvent) -> None:
    """Only a bug can have stored it."""
    with pytest.raises(InvariantError, match="feed event"):
        letter_of(broken, hub="hub:test")


def test_the_routing_key_lets_a_protocol_bind_what_concerns_it() -> None:
    """<chain>.<type>.<account shard>; what has no chain is the hub's."""
    assert routing_key_of(EVENT) == "eip155-1.collateral.lock.seen.1"
    assert routing_key_of(replace(EVENT, content={}, account=BOB)).startswith("hub.")
    assert routing_key_of(replace(EVENT, account=None)).endswith(".all")
