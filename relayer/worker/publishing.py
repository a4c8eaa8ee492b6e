"""Publishes outgoing events on a topic exchange, each confirmed before it is marked."""

from datetime import UTC, datetime
from typing import Any, Final

import orjson
import structlog
from kombu.connection import Connection
from kombu.entity import Exchange
from kombu.messaging import Producer

from chains.types import ChainId
from relayer.steps.fence import Fence
from relayer.steps.queues import chain_part
from relayer.store.feed import FeedEvent
from relayer.worker.app import CONFIRM_SECONDS, EVENTS, broker_name, is_embedded
from relayer.worker.context import WorkContext

EVENTS_PER_RUN_MAX: Final = 200
HUB_PART: Final = "hub"
SHARDS: Final = 16
CONTENT_TYPE: Final = "application/cloudevents+json"
log = structlog.get_logger(__name__)


def publish_due(context: WorkContext, fence: Fence) -> int:
    """
    Publish the oldest events that no broker has confirmed; return how many.

    At least once: a crash between the confirmation and the mark publishes again, with the same
    id and sequence.
    """
    with context.store.read() as uow:
        events = uow.feed.unpublished(EVENTS_PER_RUN_MAX)
    if not events:
        return 0
    exchange = Exchange(broker_name(context.settings, EVENTS), type="topic", durable=True)
    embedded = is_embedded(context.settings.broker_url)
    options = {} if embedded else {"confirm_publish": True}
    with Connection(context.settings.broker_url, transport_options=options) as connection:
        producer = Producer(connection, exchange=exchange, auto_declare=True)
        for event in events:
            extra: dict[str, Any] = {} if embedded else {"confirm_timeout": CONFIRM_SECONDS}
            producer.publish(
                orjson.dumps(envelope_of(event, hub=context.catalog.hub)),
                routing_key=routing_key_of(event),
                content_type=CONTENT_TYPE,
                content_encoding="utf-8",
                message_id=str(event.seq),
                delivery_mode="persistent",
                **extra,
            )
    with context.store.unit_of_work() as uow:
        fence(uow)
        uow.feed.mark_published([event.seq for event in events])
        if len(events) == EVENTS_PER_RUN_MAX:
            uow.jobs.ring("publish", "events", "publish", uow.clock.now(), bytes(32))
    log.info("events.published", events=len(events))
    return len(events)


def envelope_of(event: FeedEvent, *, hub: str) -> dict[str, Any]:
    """Return the CloudEvents 1.0 envelope of an event."""
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(event.seq),
        "source": hub,
        "type": f"relayer.{event.event_type}",
        "time": datetime.fromtimestamp(event.at, UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "sequence": str(event.seq),
        "correlationid": "0x" + event.correlation_id.hex(),
        "data": dict(event.content),
    }
    if event.account is not None:
        envelope["subject"] = "0x" + event.account.hex()
        envelope["accountsequence"] = str(event.account_seq)
    return envelope


def routing_key_of(event: FeedEvent) -> str:
    """Return <chain>.<type>.<account shard>: one binding per protocol is enough."""
    chain = event.content.get("chain_id")
    part = chain_part(ChainId(chain)) if isinstance(chain, str) else HUB_PART
    shard = "all" if event.account is None else str(event.account[-1] % SHARDS)
    return f"{part}.{event.event_type}.{shard}"

