"""Tell: append what happened to the outgoing feed, in the transaction in which it happened."""

from collections.abc import Mapping
from typing import Any, Final

from relayer.steps.queues import PUBLISH
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
    now = uow.clock.now()
    uow.feed.append(event_type, content, account=account, correlation_id=correlation_id, at=now)
    uow.jobs.ring(PUBLISH, EVENTS_KEY, PUBLISH, now, correlation_id)
