"""Tell: append what happened to the outgoing feed, in the transaction in which it happened."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from relayer.steps.queues import PUBLISH
from relayer.store.feed import FeedItem
from relayer.store.unit_of_work import UnitOfWork

EVENTS_KEY: Final = "events"


def tell(
    uow: UnitOfWork,
    event_type: str,
    content: Mapping[str, Any],
    *,
    account: bytes | None,
    correlation_id: bytes,
) -> None:
    """Append one event and ring for its publication. Call after the ledger was posted to."""
    tell_all(uow, [FeedItem(event_type, content, account, correlation_id)])


def tell_all(uow: UnitOfWork, items: Sequence[FeedItem]) -> None:
    """Append events in their order, and ring once for all of them."""
    if not items:
        return
    now = uow.clock.now()
    uow.feed.append_all(items, now)
    uow.jobs.ring(PUBLISH, EVENTS_KEY, PUBLISH, now, items[-1].correlation_id)
