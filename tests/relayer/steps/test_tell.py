"""Tell: one feed event and the wish to publish it, in the transaction of what happened."""

import pytest

from relayer.steps.queues import PUBLISH
from relayer.steps.tell import tell
from relayer.store.unit_of_work import Store

ANN, FLOW = b"\x0a" * 32, b"\xf1" * 32


def test_what_is_told_is_in_the_feed_and_due_for_publication(store: Store) -> None:
    """Under the account's sequence and the cause."""
    with store.unit_of_work() as uow:
        tell(uow, "account.opened", {"a": "1"}, account=ANN, correlation_id=FLOW)

    with store.read() as uow:
        (event,) = uow.feed.after(ANN, 0)
        assert (PUBLISH, PUBLISH) in uow.jobs.due_doorbells(uow.clock.now())
    assert (event.event_type, event.content) == ("account.opened", {"a": "1"})
    assert (event.account_seq, event.correlation_id) == (1, FLOW)


def test_what_did_not_happen_is_not_told(store: Store) -> None:
    """The transaction fails after the telling."""
    with pytest.raises(KeyError), store.unit_of_work() as uow:
        tell(uow, "account.opened", {}, account=None, correlation_id=FLOW)
        raise KeyError

    with store.read() as uow:
        assert uow.feed.after(None, 0) == ()
        assert uow.jobs.due_doorbells(uow.clock.now()) == ()
