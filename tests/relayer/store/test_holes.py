"""Holes: stored late and counted once; gaps between lock ids; append-only."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from relayer.clock import FixedClock, UnixSeconds
from relayer.errors import InvariantError, LeaseLostError
from relayer.store.holes import HoleKind, HoleSource, LockGap, LockIds
from relayer.store.leases import Lease, watch_lease_name
from relayer.store.observed_rows import EventState
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.store.samples import (
    CHAIN,
    OTHER_CHAIN,
    VAULT,
    block,
    header,
    lock,
    watch_lease,
)


def read_once(store: Store, lease: Lease, *locks: tuple[int, int], height: int = 50) -> None:
    """Store a final range up to a height with locks, each at a height with an id."""
    with store.unit_of_work() as uow:
        cursor = uow.chains.cursor(CHAIN)
        events = [lock(at, lock_id) for at, lock_id in locks]
        uow.chains.store_finalized_range(cursor, events, header(height), lease)


def test_r3_a_second_reading_names_what_was_missed_and_counts_it_once(store: Store) -> None:
    """The same range again finds nothing; the height moves on."""
    lease = watch_lease(store)
    read_once(store, lease, (7, 1))
    both = [lock(7, 1), lock(8, 2)]

    with store.unit_of_work() as uow:
        first = uow.holes.store_second_reading(uow.chains.cursor(CHAIN), both, 40, lease)
    with store.unit_of_work() as uow:
        second = uow.holes.store_second_reading(uow.chains.cursor(CHAIN), both, 45, lease)

    assert (first, second) == ((lock(8, 2),), ())
    with store.read() as uow:
        assert uow.chains.cursor(CHAIN).reread_height == 45
        assert uow.holes.counts(CHAIN)[HoleKind.MISSED] == 1
        assert uow.holes.counts(OTHER_CHAIN)[HoleKind.MISSED] == 0
        assert [one.event_id for one in uow.holes.final_places(CHAIN, 8, 8)] == [
            lock(8, 2).position.event_id
        ]


def test_r3_a_hole_is_filled_anywhere_below_the_final_block(store: Store) -> None:
    """As final, without touching how far the rereading is; above it nothing is filled."""
    lease = watch_lease(store)
    read_once(store, lease)

    with store.unit_of_work() as uow:
        cursor = uow.chains.cursor(CHAIN)
        missed = uow.holes.fill(cursor, [lock(9, 1)], HoleSource.LOCK_COUNT, lease)
    with store.unit_of_work() as uow, pytest.raises(InvariantError, match="below the final"):
        uow.holes.fill(uow.chains.cursor(CHAIN), [lock(51, 2)], HoleSource.LOCK_COUNT, lease)

    assert missed == (lock(9, 1),)
    with store.read() as uow:
        stored = uow.chains.event(lock(9, 1).position.event_id)
        assert stored is not None
        assert stored.state is EventState.FINAL
        assert uow.chains.cursor(CHAIN).reread_height is None


def test_a_hole_is_filled_only_under_the_watchers_lease(store: Store) -> None:
    """A process that slept past its lease fills nothing."""
    lease = watch_lease(store)
    read_once(store, lease)
    stale = Lease(watch_lease_name(CHAIN), "watcher-1", lease.token - 1, lease.expires_at)

    with pytest.raises(LeaseLostError), store.unit_of_work() as uow:
        uow.holes.fill(uow.chains.cursor(CHAIN), [lock(9, 1)], HoleSource.LOCK_COUNT, stale)

    with store.read() as uow:
        assert uow.holes.counts(CHAIN)[HoleKind.MISSED] == 0


def test_each_difference_counts_once_per_kind(store: Store) -> None:
    """Told again, it is not new."""
    with store.unit_of_work() as uow:
        first = uow.holes.record([lock(7, 1)], HoleKind.DISPUTED, HoleSource.REREAD)
        again = uow.holes.record([lock(7, 1)], HoleKind.DISPUTED, HoleSource.LOCK_COUNT)
        other = uow.holes.record([lock(7, 1)], HoleKind.UNCONFIRMED, HoleSource.REREAD)

    assert (len(first), len(again), len(other)) == (1, 0, 1)
    with store.read() as uow:
        assert uow.holes.counts(CHAIN) == {
            HoleKind.MISSED: 0,
            HoleKind.UNCONFIRMED: 1,
            HoleKind.DISPUTED: 1,
        }


@pytest.mark.parametrize("change", ["UPDATE hole SET height = 1", "DELETE FROM hole"])
def test_what_was_found_cannot_be_changed(store: Store, change: str) -> None:
    """Raw SQL is refused by the database itself."""
    with store.unit_of_work() as uow:
        uow.holes.record([lock(7, 1)], HoleKind.DISPUTED, HoleSource.REREAD)

    with pytest.raises(DBAPIError), store.unit_of_work() as uow:
        uow.connection.execute(text(change))


@pytest.mark.parametrize(
    ("locks", "count", "gaps"),
    [
        ((), 0, ()),
        ((), 3, (LockGap(1, 3, None, None),)),
        (((5, 1), (6, 2)), 2, ()),
        (((5, 1), (6, 2)), 4, (LockGap(3, 4, 6, None),)),
        (((5, 3),), 3, (LockGap(1, 2, None, 5),)),
        (((5, 1), (9, 4), (9, 6)), 6, (LockGap(2, 3, 5, 9), LockGap(5, 5, 9, 9))),
        (((5, 1), (9, 90)), 3, (LockGap(2, 3, 5, 9),)),
    ],
)
def test_r3_gaps_are_what_is_missing_between_the_lock_ids(
    store: Store, locks: tuple[tuple[int, int], ...], count: int, gaps: tuple[LockGap, ...]
) -> None:
    """At the front, in the middle, at the end; an id that the vault never gave makes none."""
    read_once(store, watch_lease(store), *locks)

    with store.read() as uow:
        found = uow.holes.lock_gaps(CHAIN, VAULT, height=50, lock_count=count)
        ids = uow.holes.count_lock_ids(CHAIN, VAULT, height=50)

    assert found == gaps
    assert ids == LockIds(len(locks), max((lock_id for _, lock_id in locks), default=0))
    assert ids.is_exactly(count) == (not gaps)


def test_a_denied_lock_counts_no_more(store: Store) -> None:
    """An operator has been told of it; the others are still compared."""
    read_once(store, watch_lease(store), (5, 1), (6, 2))
    with store.unit_of_work() as uow:
        uow.holes.record([lock(6, 2)], HoleKind.UNCONFIRMED, HoleSource.REREAD)
        uow.chains.park(lock(6, 2).position.event_id, "denied_by_quorum")

    with store.read() as uow:
        assert uow.holes.count_lock_ids(CHAIN, VAULT, height=50) == LockIds(1, 1)
        assert [one.block.height for one in uow.holes.final_places(CHAIN, 0, 50)] == [5]


def test_a_denied_lock_that_was_found_after_all_counts_again(store: Store) -> None:
    """Once it is no longer set aside; the count of the vault would never be met otherwise."""
    read_once(store, watch_lease(store), (5, 1), (6, 2))
    event_id = lock(6, 2).position.event_id
    with store.unit_of_work() as uow:
        uow.holes.record([lock(6, 2)], HoleKind.UNCONFIRMED, HoleSource.REREAD)
        uow.chains.park(event_id, "denied_by_quorum")
        uow.chains.unpark(event_id)

    with store.read() as uow:
        assert uow.holes.count_lock_ids(CHAIN, VAULT, height=50) == LockIds(2, 2)
        assert [one.block.height for one in uow.holes.final_places(CHAIN, 0, 50)] == [5, 6]


def test_the_age_of_a_block_is_when_it_was_stored(store: Store, clock: FixedClock) -> None:
    """Not what its header says."""
    lease = watch_lease(store)
    read_once(store, lease, height=10)
    clock.move(50)
    read_once(store, lease, height=20)

    with store.read() as uow:
        heights = [
            uow.holes.height_read_by(CHAIN, UnixSeconds(NOW + seconds)) for seconds in (-1, 0, 50)
        ]
        first = uow.holes.first_height(CHAIN)

    assert heights == [None, 10, 20]
    assert (first, block(10).height) == (10, 10)
