"""
Publishes outgoing events on the topic exchange <prefix>.events.v1.

The feed in the database is the truth, GET /v1/events replays it. The exchange is a copy for whoever
binds a queue: the broker drops an event that no queue is bound for, and that is no failure.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from kombu.entity import Exchange

from chains.types import ChainId
from relayer.errors import InvariantError
from relayer.steps.fence import Fence
from relayer.steps.queues import chain_part
from relayer.store.feed import FeedEvent
from relayer.telemetry import event_log
from relayer.worker.app import EVENTS, broker_name
from relayer.worker.context import WorkContext
from relayer.worker.link import Letter

EVENTS_PER_RUN_MAX: Final = 500
HUB_PART: Final = "hub"
SHARDS: Final = 16
CONTENT_TYPE: Final = "application/cloudevents+json"
EVENT_TYPE: Final = re.compile(r"[a-z]+(\.[a-z]+)+")
log = event_log()


def publish_due(context: WorkContext, fence: Fence) -> bool:
    """
    Publish the oldest events that no broker has confirmed; True when there may be more.

    At least once, in order of seq, so in order per account too: one job publishes, and nothing is
    marked before the broker confirmed all of it. A crash in between publishes again, with the same
    ids; who sees an id twice drops the second.

    Raises:
        BrokerError: the broker did not confirm; the events are published later.
        InvariantError: an event that was stored is none.
    """
    with context.store.read() as uow:
        events = uow.feed.unpublished(EVENTS_PER_RUN_MAX)
    if not events:
        return False
    exchange = Exchange(
        broker_name(context.settings, EVENTS), type="topic", durable=True, delivery_mode=2
    )
    letters = [letter_of(event, hub=context.catalog.hub) for event in events]
    context.link.publish_all(exchange, letters)
    with context.store.unit_of_work() as uow:
        fence(uow)
        uow.feed.mark_published([event.seq for event in events])
    log.info("events.published", events=len(events), seq=events[-1].seq)
    return len(events) == EVENTS_PER_RUN_MAX


def letter_of(event: FeedEvent, *, hub: str) -> Letter:
    """
    Return an event as the broker gets it.

    Raises:
        InvariantError: it is no event in the sense of CloudEvents 1.0.
    """
    envelope = envelope_of(event, hub=hub)
    return Letter(routing_key_of(event), orjson.dumps(envelope), envelope["id"], CONTENT_TYPE)


def envelope_of(event: FeedEvent, *, hub: str) -> dict[str, Any]:
    """
    Return the CloudEvents 1.0 envelope of an event, the same as GET /v1/events answers.

    Raises:
        InvariantError: its type or its times are not those of an event.
    """
    if not EVENT_TYPE.fullmatch(event.event_type) or event.seq < 1 or event.at < 0:
        raise InvariantError(f"feed event {event.seq} of type {event.event_type!r} is malformed")
    if (event.account is None) != (event.account_seq is None):
        raise InvariantError(f"feed event {event.seq}: account and its seq go together")
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{hub}/{event.seq}",
        "source": hub,
        "type": event.event_type,
        "time": datetime.fromtimestamp(event.at, UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": dict(event.content),
        "seq": event.seq,
        "correlationid": "0x" + event.correlation_id.hex(),
    }
    if event.account is not None:
        envelope["subject"] = "0x" + event.account.hex()
        envelope["accountseq"] = event.account_seq
    return envelope


def routing_key_of(event: FeedEvent) -> str:
    """Return <chain>.<type>.<account shard>: one binding per protocol is enough."""
    chain = event.content.get("chain_id")
    part = chain_part(ChainId(chain)) if isinstance(chain, str) else HUB_PART
    shard = "all" if event.account is None else str(event.account[-1] % SHARDS)
    return f"{part}.{event.event_type}.{shard}"
