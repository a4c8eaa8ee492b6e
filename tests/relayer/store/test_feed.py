"""Tests of outgoing events and their sequences."""

import pytest

from chains.events import facts_of, payload_of
from relayer.clock import UnixSeconds
from relayer.errors import InvariantError, StateMovedError
from relayer.store.bulk import insert_rows
from relayer.store.chain_tables import CHAIN as CHAIN_TABLE
from relayer.store.chain_tables import OBSERVED_EVENT
from relayer.store.feed import FeedEvent, FeedItem
from relayer.store.observed_rows import EVENT_COLUMNS, EventState, row_of
from relayer.store.unit_of_work import Store, UnitOfWork
from tests.databases import NOW
from tests.relayer.store.samples import ANN, BOB, CHAIN, FLOW, lock

ORDER = (BOB, ANN, None, BOB, ANN)


def append(uow: UnitOfWork, account: bytes | None, units: str = "1") -> FeedEvent:
    """Append one event."""
    return uow.feed.append(
        "relayer.collateral.locked.v1",
        {"units": units},
        account=account,
        correlation_id=FLOW,
        at=UnixSeconds(NOW),
    )


def test_sequences_have_no_gaps_overall_and_per_account(store: Store) -> None:
    """A dropped transaction leaves no hole."""
    with store.unit_of_work() as uow:
        for account in (ANN, BOB, None):
            append(uow, account)
    with pytest.raises(RuntimeError), store.unit_of_work() as uow:
        append(uow, ANN)
        raise RuntimeError
    with store.unit_of_work() as uow:
        last = append(uow, ANN, str(2**256 - 1))

    assert (last.seq, last.account_seq) == (4, 2)
    with store.read() as uow:
        assert [event.seq for event in uow.feed.after(None, 0)] == [1, 2, 3, 4]
        assert uow.feed.after(ANN, 1) == (last,)
        assert [event.account_seq for event in uow.feed.after(BOB, 0)] == [1]
        assert uow.feed.after(None, 2, limit=1)[0].account_seq is None
        assert (uow.feed.last_seq(), uow.feed.last_seq(ANN), uow.feed.last_seq(FLOW)) == (4, 2, 0)


def test_events_stay_unpublished_until_the_broker_confirms_them(store: Store) -> None:
    """Confirming twice is harmless, confirming what does not exist is not."""
    with store.unit_of_work() as uow:
        for account in (ANN, BOB, None):
            append(uow, account)

    with store.unit_of_work() as uow:
        assert [event.seq for event in uow.feed.unpublished(2)] == [1, 2]
        uow.feed.mark_published([1, 3])
        uow.feed.mark_published([3])
        uow.feed.mark_published([])
        assert [event.seq for event in uow.feed.unpublished()] == [2]
        assert uow.feed.after(None, 0)[0].published_at == NOW
        with pytest.raises(StateMovedError):
            uow.feed.mark_published([9])


def test_many_events_are_told_in_their_order_with_no_gap(store: Store) -> None:
    """Appending together gives the sequences that appending one by one gives."""
    with store.unit_of_work() as uow:
        append(uow, ANN)
    told = [FeedItem("type", {"n": str(n)}, account, FLOW) for n, account in enumerate(ORDER)]

    with store.unit_of_work() as uow:
        places = uow.feed.append_all(told, UnixSeconds(NOW))
        assert uow.feed.append_all([], UnixSeconds(NOW)) == []

    assert places == [(2, 1), (3, 2), (4, None), (5, 2), (6, 3)]
    with store.read() as uow:
        events = uow.feed.after(None, 1)
        assert [(event.seq, event.account_seq) for event in events] == places
        assert [event.content for event in events] == [item.content for item in told]
        assert uow.feed.last_seq(ANN) == 3


def test_an_event_without_content_says_what_was_observed(store: Store) -> None:
    """Its place and its own fields, sorted, as they would be stored; whoever reads it."""
    seen = lock(7, 3)
    with store.unit_of_work() as uow:
        uow.connection.execute(CHAIN_TABLE.insert().values(chain_id=CHAIN, version=0))
        row = row_of(seen, EventState.SEEN, UnixSeconds(NOW))
        insert_rows(uow.connection, OBSERVED_EVENT, EVENT_COLUMNS, [row])
        told = facts_of(seen.position, payload_of(seen))
        items = [FeedItem("type", content, ANN, seen.position.event_id) for content in (told, None)]
        uow.feed.append_all(items, UnixSeconds(NOW))

    with store.read() as uow:
        stored, derived = (list(event.content.items()) for event in uow.feed.after(ANN, 0))
        assert stored == derived == sorted(told.items())
        assert [event.content for event in uow.feed.unpublished()] == [told, told]


def test_an_event_of_nothing_that_was_observed_is_no_empty_one(store: Store) -> None:
    """Only a bug can tell of it."""
    with store.unit_of_work() as uow:
        uow.feed.append_all([FeedItem("type", None, ANN, FLOW)], UnixSeconds(NOW))

    with store.read() as uow, pytest.raises(InvariantError, match="never observed"):
        uow.feed.after(None, 0)
