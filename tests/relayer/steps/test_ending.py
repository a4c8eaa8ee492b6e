"""Endings: each hold ends once, whatever is asked again, and takes what hangs on it along."""

from collections.abc import Callable

import pytest

from relayer.errors import InvariantError
from relayer.outbox.holds import sent_entry
from relayer.outbox.message import OutboxMessage
from relayer.steps.catalog import Catalog
from relayer.steps.ending import (
    DROPPED,
    RETURNED,
    end_hold,
    must_post,
    open_hold,
    settle_hold,
)
from relayer.store.grants import GrantState
from relayer.store.unit_of_work import Store, UnitOfWork
from tests.relayer.api.kit import release_message
from tests.relayer.steps.test_attest import granted
from tests.relayer.steps.world import (
    ETHER,
    SIGNED_CREDIT,
    kinds_booked,
    margin,
    stored_message,
)

Ending = Callable[[UnitOfWork, OutboxMessage], object]


def end(store: Store, message_id: bytes, *endings: Ending) -> list[object]:
    """End a message's hold, each time in a transaction of its own."""
    message = stored_message(store, message_id).message
    results = []
    for ending in endings:
        with store.unit_of_work() as uow:
            results.append(ending(uow, message))
    return results


def drop_hold(uow: UnitOfWork, message: OutboxMessage) -> None:
    """End a hold that was never in flight."""
    end_hold(uow, message, stage=DROPPED)


def return_hold(uow: UnitOfWork, message: OutboxMessage) -> None:
    """End a hold on proof."""
    end_hold(uow, message, stage=RETURNED)


def test_a_hold_is_settled_once(store: Store, catalog: Catalog) -> None:
    """The second time it is in flight already."""
    message_id = granted(store, catalog)

    assert end(store, message_id, settle_hold, settle_hold) == [True, False]

    assert kinds_booked(store) == ["unlock.held", "unlock.sent"]


@pytest.mark.parametrize(
    ("endings", "kinds"),
    [
        ((drop_hold, drop_hold), ["unlock.dropped"]),
        ((return_hold, return_hold), ["unlock.dropped"]),
        ((settle_hold, return_hold), ["unlock.sent", "unlock.returned"]),
        ((settle_hold, return_hold, return_hold), ["unlock.sent", "unlock.returned"]),
        ((drop_hold, settle_hold, return_hold), ["unlock.dropped"]),
    ],
)
def test_margin_comes_back_exactly_once(
    quick_store: Store, catalog: Catalog, endings: tuple[Ending, ...], kinds: list[str]
) -> None:
    """In whatever order the ends are asked for."""
    message_id = granted(quick_store, catalog)

    end(quick_store, message_id, *endings)

    assert kinds_booked(quick_store) == ["unlock.held", *kinds]
    assert margin(quick_store) == (10 * ETHER, 0)


def test_a_drop_after_the_quorum_gives_nothing_back(quick_store: Store, catalog: Catalog) -> None:
    """What is in flight may be executed."""
    message_id = granted(quick_store, catalog)

    end(quick_store, message_id, settle_hold, drop_hold)

    assert margin(quick_store) == (9 * ETHER, 0)


def test_a_grant_lapses_unless_it_arrived(quick_store: Store, catalog: Catalog) -> None:
    """One in force on the chain can still be drawn on."""
    message_id = granted(quick_store, catalog, SIGNED_CREDIT)
    with quick_store.unit_of_work() as uow:
        uow.grants.set_state(message_id, GrantState.SIGNED, GrantState.GRANTED)

    end(quick_store, message_id, return_hold)

    with quick_store.read() as uow:
        grant = uow.grants.get(message_id)
    assert grant is not None
    assert grant.state is GrantState.GRANTED


def test_a_message_whose_hold_is_missing_is_a_bug(quick_store: Store, catalog: Catalog) -> None:
    """And so is an entry that the ledger refuses."""
    message_id = granted(quick_store, catalog)
    message = stored_message(quick_store, message_id).message
    with quick_store.unit_of_work() as uow:
        with pytest.raises(InvariantError, match="no hold"):
            open_hold(uow, release_message())
        hold = open_hold(uow, message)
        assert hold is not None
        drop_hold(uow, message)
        with pytest.raises(InvariantError, match=r"unlock\.sent"):
            must_post(uow, sent_entry(hold, booked_at=uow.clock.now()))
