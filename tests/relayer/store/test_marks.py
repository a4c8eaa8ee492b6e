"""Tests of the mark below which nothing waits: whatever comes late is found again."""

from collections.abc import Callable

import pytest

from relayer.store.chains import Cursor
from relayer.store.holes import HoleSource
from relayer.store.leases import Lease
from relayer.store.marks import BookingMark
from relayer.store.observed_rows import Booked
from relayer.store.recoveries import Order
from relayer.store.reread import RereadTable
from relayer.store.unit_of_work import Store, UnitOfWork
from tests.relayer.store.samples import CHAIN, header, lock, started_chain, watch_lease

Act = Callable[[UnitOfWork, Cursor, Lease], object]


def waiting(store: Store) -> list[int]:
    """Return the heights of the events that wait to be booked, in their order."""
    with store.read() as uow:
        found = uow.chains.unbooked_events(CHAIN, 10)
    return [stored.event.position.block.height for stored in found]


def marked(store: Store) -> BookingMark:
    """Return the chain's mark."""
    with store.read() as uow:
        return uow.chains.booking_mark(CHAIN)


def raised(store: Store, height: int, mark: BookingMark | None = None) -> None:
    """Raise the mark as it was read, now when it was not."""
    mark = mark or marked(store)
    with store.unit_of_work() as uow:
        uow.chains.raise_mark(mark, height)


def test_a_chain_without_a_mark_is_looked_at_as_a_whole(store: Store) -> None:
    """As it is after an upgrade; the first raising makes the mark."""
    lease = watch_lease(store)
    cursor = started_chain(store, lease)
    with store.unit_of_work() as uow:
        uow.chains.store_block(cursor, header(11), [lock(11, 1)], lease)

    assert marked(store) == BookingMark(CHAIN, 0, 0)
    assert waiting(store) == [11]
    raised(store, 11)
    assert marked(store) == BookingMark(CHAIN, 11, 1)
    assert waiting(store) == [11]


def test_a_mark_never_falls_by_being_raised(store: Store) -> None:
    """A run that was slower than another says nothing new."""
    raised(store, 11)
    raised(store, 7)

    assert marked(store).height == 11


def test_a_run_that_missed_what_came_late_does_not_raise_the_mark(store: Store) -> None:
    """Its mark was read before; the event would never be seen again."""
    started_chain(store, watch_lease(store))
    for _ in range(2):  # without a mark at first, with one then
        before = marked(store)
        with store.unit_of_work() as uow:
            late = [lock(9 - before.version, 1 + before.version)]
            uow.chains._store_late(CHAIN, late)

        raised(store, 50, before)

        assert marked(store).height <= late[0].position.block.height
    assert waiting(store) == [8, 9]


def _finalize(uow: UnitOfWork, cursor: Cursor, lease: Lease) -> object:
    return uow.chains.advance_finalized(cursor, header(11).block, lease)


def _reread(uow: UnitOfWork, cursor: Cursor, lease: Lease) -> object:
    return uow.chains.store_reread_range(cursor, [lock(7, 2)], 10, lease)


def _rewind(uow: UnitOfWork, cursor: Cursor, lease: Lease) -> object:
    cursor, _ = uow.chains.rewind(cursor, header(10).block, lease)
    other = header(11, "b", parent_branch="a")
    return uow.chains.store_block(cursor, other, [lock(11, 2, "b")], lease)


def _unpark(uow: UnitOfWork, _cursor: Cursor, _lease: Lease) -> None:
    event_id = lock(11, 1).position.event_id
    uow.chains.park(event_id, "test")
    uow.chains.unpark(event_id)


@pytest.mark.parametrize(
    ("act", "found"), [(_finalize, [11]), (_reread, [7]), (_rewind, [11, 11]), (_unpark, [])]
)
def test_what_changes_behind_the_mark_waits_again(store: Store, act: Act, found: list[int]) -> None:
    """Finality, a second reading, a rewind and a person each lower the mark to what they touch."""
    lease = watch_lease(store)
    cursor = started_chain(store, lease)
    with store.unit_of_work() as uow:
        cursor = uow.chains.store_block(cursor, header(11), [lock(11, 1)], lease)
        uow.chains.mark_booked([lock(11, 1).position.event_id], Booked.SOFT)
    raised(store, 40)
    assert waiting(store) == []

    with store.unit_of_work() as uow:
        act(uow, cursor, lease)

    assert marked(store).height <= 11
    assert marked(store).version == 2
    assert waiting(store) == found


LATE = lock(7, 2)


def _store_reading(uow: UnitOfWork, cursor: Cursor, lease: Lease) -> object:
    return uow.holes.store_second_reading(cursor, [LATE], 10, lease)


def _fill(uow: UnitOfWork, cursor: Cursor, lease: Lease) -> object:
    return uow.holes.fill(cursor, [LATE], HoleSource.LOCK_COUNT, lease)


def _read_again(uow: UnitOfWork, _cursor: Cursor, _lease: Lease) -> object:
    return RereadTable(uow.connection, uow.clock).store_final(CHAIN, [LATE], (1, 10))


@pytest.mark.parametrize("act", [_store_reading, _fill, _read_again])
def test_what_is_found_in_final_blocks_waits_below_the_mark(store: Store, act: Act) -> None:
    """By a second reading, by a count of locks, by a person who lets a range be read again."""
    lease = watch_lease(store)
    cursor = started_chain(store, lease)
    raised(store, 40)

    with store.unit_of_work() as uow:
        act(uow, cursor, lease)

    assert waiting(store) == [7]


def test_what_a_reading_lets_be_tried_again_waits_below_the_mark(store: Store) -> None:
    """It was stored and parked before, so the reading finds nothing new."""
    lease = watch_lease(store)
    cursor = started_chain(store, lease)
    with store.unit_of_work() as uow:
        uow.chains.store_reread_range(cursor, [LATE], 10, lease)
        uow.chains.park(LATE.position.event_id, "test")
    raised(store, 40)
    assert waiting(store) == []

    with store.unit_of_work() as uow:
        found = RereadTable(uow.connection, uow.clock).store_final(CHAIN, [LATE], (1, 10))

    assert (found.new, found.unparked) == (0, 1)
    assert waiting(store) == [7]


@pytest.mark.parametrize("is_whole", [False, True])
def test_what_the_chain_has_after_a_recovery_waits_below_the_mark(
    store: Store, is_whole: bool
) -> None:
    """The branch that stands begins far below what was booked of the one that is gone."""
    lease = watch_lease(store)
    target = None if is_whole else header(5).block
    with store.unit_of_work() as uow:
        cursor = uow.chains.cursor(CHAIN)
        cursor = uow.chains.store_finalized_range(cursor, (), header(5), lease)
        cursor = uow.chains.store_finalized_range(cursor, (), header(10), lease)
        uow.chains.halt(CHAIN, "a final block was replaced")
    raised(store, 40)
    with store.unit_of_work() as uow:
        uow.recoveries.recover(cursor, target, lease, Order("checked", "ann"))
        uow.chains.resume(CHAIN, "recovered")

    with store.unit_of_work() as uow:
        cursor = uow.chains.cursor(CHAIN)
        uow.chains.store_finalized_range(cursor, [lock(7, 2, "b")], header(10, "b"), lease)

    assert waiting(store) == [7]


def test_a_gone_event_that_a_reading_finds_after_all_waits_below_the_mark(store: Store) -> None:
    """It was taken back with its block, and a final block has it again."""
    lease = watch_lease(store)
    cursor = started_chain(store, lease)
    gone = lock(11, 1)
    with store.unit_of_work() as uow:
        cursor = uow.chains.store_block(cursor, header(11), [gone], lease)
        uow.chains.mark_booked([gone.position.event_id], Booked.SOFT)
        cursor, _ = uow.chains.rewind(cursor, header(10).block, lease)
        uow.chains.mark_booked([gone.position.event_id], Booked.VOID)
        cursor = uow.chains.store_finalized_range(cursor, (), header(20), lease)
    raised(store, 40)
    assert waiting(store) == []

    with store.unit_of_work() as uow:
        uow.holes.fill(cursor, [gone], HoleSource.LOCK_COUNT, lease)

    assert waiting(store) == [11]
