"""Roots are made when they are due, told to everybody, and never over a changed journal."""

import pytest
from sqlalchemy import text

from relayer.errors import RefusedError
from relayer.steps.publish_root import ROOTS_PER_RUN_MAX, publish_due_roots, publish_root
from relayer.store.engine import POSTGRESQL
from relayer.store.roots import JournalBrokenError
from relayer.store.unit_of_work import Store
from tests.relayer.steps.world import lock_ether


def book(store: Store, count: int, name: str = "lock") -> None:
    """Book some locks."""
    for number in range(count):
        lock_ether(store, 1, name=f"{name} {number}")


def sizes(store: Store) -> list[int]:
    """Return the sizes of the published roots, oldest first."""
    with store.read() as uow:
        return [root.size for root in uow.roots.newest_roots()][::-1]


def test_a_root_is_due_at_every_multiple(store: Store) -> None:
    """Not before, and each only once; a root made by hand in between changes nothing."""
    book(store, 7)
    assert publish_due_roots(store, entries_per_root=3) == 2
    assert publish_due_roots(store, entries_per_root=3) == 0
    assert publish_root(store).size == 7
    book(store, 2, "later")

    assert publish_due_roots(store, entries_per_root=3) == 1
    assert sizes(store) == [3, 6, 7, 9]


def test_a_published_root_is_told_to_everybody(store: Store) -> None:
    """The event holds what a holder of proofs must note."""
    book(store, 3)

    made = publish_root(store)

    with store.read() as uow:
        (event,) = uow.feed.after(None, 0)
    assert event.event_type == "ledger.root"
    assert event.account is None
    assert event.content["size"] == "3"
    assert event.content["root"] == "0x" + made.root.hex()


def test_publishing_again_without_news_tells_nothing(quick_store: Store) -> None:
    """The newest root is the answer."""
    book(quick_store, 3)

    assert publish_root(quick_store) == publish_root(quick_store)
    with quick_store.read() as uow:
        assert len(uow.feed.after(None, 0)) == 1


def test_an_empty_journal_has_no_root(quick_store: Store) -> None:
    """There is nothing to commit to."""
    assert publish_due_roots(quick_store) == 0
    with pytest.raises(RefusedError, match="nothing is booked"):
        publish_root(quick_store)


def test_one_run_is_bounded(quick_store: Store) -> None:
    """A journal that grew for years without roots does not stop the sweeper."""
    book(quick_store, ROOTS_PER_RUN_MAX + 3)

    assert publish_due_roots(quick_store, entries_per_root=1) == ROOTS_PER_RUN_MAX
    assert publish_due_roots(quick_store, entries_per_root=1) == 3


def test_nothing_is_published_over_a_changed_journal(store: Store) -> None:
    """No row, no event."""
    book(store, 3)
    with store.engine.connect() as connection, connection.begin():
        if store.engine.dialect.name == POSTGRESQL:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            connection.execute(text("DROP TRIGGER journal_entry_no_update"))
        connection.execute(text("UPDATE journal_entry SET booked_at = 1 WHERE seq = 2"))

    with pytest.raises(JournalBrokenError, match="journal entry 2"):
        publish_root(store)

    assert sizes(store) == []
    with store.read() as uow:
        assert uow.feed.after(None, 0) == ()
