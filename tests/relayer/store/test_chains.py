"""Tests of the cursor and rewinds."""

from dataclasses import replace

import pytest

from chains.errors import FinalityViolationError
from relayer.clock import FixedClock
from relayer.errors import CursorMovedError, InvariantError, LeaseLostError
from relayer.store.chains import BranchError, CheckpointState, Cursor
from relayer.store.leases import Lease
from relayer.store.observed_rows import Booked, EventFilter, EventState, LockConflictError
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.store.samples import (
    CHAIN,
    block,
    header,
    lock,
    started_chain,
    watch_lease,
)


def head_chain(store: Store, lease: Lease, *locks_at: int) -> Cursor:
    """Store final block 10 and seen blocks 11 to 14, with a lock in each named block."""
    cursor = started_chain(store, lease)
    with store.unit_of_work() as uow:
        for height in range(11, 15):
            events = [lock(height, height)] if height in locks_at else []
            cursor = uow.chains.store_block(cursor, header(height), events, lease)
    return cursor


def states(store: Store) -> list[EventState]:
    """Return the state of every stored event, by height."""
    with store.read() as uow:
        return [event.state for event in uow.chains.events(EventFilter(chain_id=CHAIN))]


def test_a_final_range_moves_head_and_final_block_together(store: Store) -> None:
    """An event first seen when it is final goes straight to FINAL."""
    lease = watch_lease(store)
    with store.unit_of_work() as uow:
        cursor = uow.chains.cursor(CHAIN)
        moved = uow.chains.store_finalized_range(cursor, [lock(7, 1)], header(10), lease)

    assert (cursor.head, cursor.version) == (None, 0)
    assert moved == Cursor(CHAIN, block(10), block(10), None, 1)
    assert states(store) == [EventState.FINAL]


def test_a_final_range_must_begin_at_the_cursor(store: Store) -> None:
    """Unfinal blocks in between, a range behind, or an event outside of it is a bug."""
    lease = watch_lease(store)
    cursor = started_chain(store, lease)

    with store.unit_of_work() as uow, pytest.raises(InvariantError, match="begin at the cursor"):
        uow.chains.store_finalized_range(cursor, (), header(10), lease)
    with store.unit_of_work() as uow, pytest.raises(InvariantError, match="outside"):
        uow.chains.store_finalized_range(cursor, [lock(9, 1)], header(12), lease)
    with store.unit_of_work() as uow:
        cursor = uow.chains.store_block(cursor, header(11), (), lease)
    with store.unit_of_work() as uow, pytest.raises(InvariantError, match="begin at the cursor"):
        uow.chains.store_finalized_range(cursor, (), header(20), lease)


def test_a_block_must_follow_the_cursor(store: Store) -> None:
    """Another parent means a reorg: the caller looks for the rewind target."""
    lease = watch_lease(store)
    cursor = started_chain(store, lease)

    with store.unit_of_work() as uow, pytest.raises(BranchError, match="rewind"):
        uow.chains.store_block(cursor, header(11, "b"), (), lease)

    with store.unit_of_work() as uow, pytest.raises(InvariantError, match="another block"):
        uow.chains.store_block(cursor, header(11), [lock(11, 1, "b")], lease)


def test_a_moved_cursor_drops_the_batch(store: Store) -> None:
    """The second of two writers that read one cursor loses, with all it stored."""
    lease = watch_lease(store)
    cursor = started_chain(store, lease)
    with store.unit_of_work() as uow:
        uow.chains.store_block(cursor, header(11), [lock(11, 1)], lease)

    with pytest.raises(CursorMovedError), store.unit_of_work() as uow:
        uow.chains.store_block(cursor, header(11), [lock(11, 1)], lease)

    with store.read() as uow:
        assert uow.chains.cursor(CHAIN).head == block(11)


def test_a_watcher_that_lost_its_lease_writes_nothing(store: Store, clock: FixedClock) -> None:
    """The thawed old owner is fenced by its token, whatever cursor it has."""
    old = watch_lease(store)
    started_chain(store, old)
    clock.move(61)
    new = watch_lease(store, "watcher-2")

    with pytest.raises(LeaseLostError), store.unit_of_work() as uow:
        cursor = uow.chains.cursor(CHAIN)
        uow.chains.store_block(cursor, header(11), [lock(11, 1)], old)

    assert states(store) == []
    with store.unit_of_work() as uow:
        cursor = uow.chains.cursor(CHAIN)
        assert uow.chains.store_block(cursor, header(11), (), new).head == block(11)


def test_finality_takes_what_is_at_or_below(store: Store) -> None:
    """Events up to the block become final with the time it happened; later ones stay seen."""
    lease = watch_lease(store)
    cursor = head_chain(store, lease, 11, 12, 13)

    with store.unit_of_work() as uow:
        moved = uow.chains.advance_finalized(cursor, block(12), lease)
        again = uow.chains.advance_finalized(moved, block(12), lease)

    assert moved == again
    assert (moved.head, moved.finalized) == (block(14), block(12))
    assert states(store) == [EventState.FINAL, EventState.FINAL, EventState.SEEN]
    with store.read() as uow:
        first = uow.chains.event(lock(11, 11).position.event_id)
        checkpoints = uow.chains.newest_checkpoints(CHAIN)
    assert first is not None
    assert (first.seen_at, first.final_at) == (NOW, NOW)
    assert [c.state for c in checkpoints] == [CheckpointState.CANONICAL] * 2 + [
        CheckpointState.FINAL
    ] * 3


def test_depth_is_counted_in_living_blocks(store: Store) -> None:
    """Five are stored and one of a dead branch; under five or more of them lies none."""
    lease = watch_lease(store)
    cursor = head_chain(store, lease)
    with store.unit_of_work() as uow:
        cursor, _ = uow.chains.rewind(cursor, block(13), lease)
        uow.chains.store_block(cursor, header(14, "b", parent_branch="a"), (), lease)

    with store.read() as uow:
        found = [uow.chains.height_under(CHAIN, blocks) for blocks in range(7)]
        from_height = uow.chains.checkpoints_from(CHAIN, 13)

    assert found == [14, 13, 12, 11, 10, None, None]
    assert [one.header.block for one in from_height] == [block(14, "b"), block(13)]


def test_finality_of_a_strange_block_is_refused(store: Store) -> None:
    """A block of another branch needs a rewind; one below the final block is a violation."""
    lease = watch_lease(store)
    cursor = head_chain(store, lease)

    with store.unit_of_work() as uow, pytest.raises(BranchError):
        uow.chains.advance_finalized(cursor, block(12, "b"), lease)
    with store.unit_of_work() as uow, pytest.raises(FinalityViolationError):
        uow.chains.advance_finalized(cursor, block(9), lease)


def test_a_rewind_orphans_what_is_above_and_deletes_nothing(store: Store) -> None:
    """The new branch follows from the target; the same transaction is another event there."""
    lease = watch_lease(store)
    cursor = head_chain(store, lease, 11, 13)

    with store.unit_of_work() as uow:
        cursor, gone = uow.chains.rewind(cursor, block(12), lease)
        child = header(13, "b", parent_branch="a")
        cursor = uow.chains.store_block(cursor, child, [lock(13, 13, "b")], lease)

    assert gone == 1
    assert cursor.head == block(13, "b")
    assert sorted(state.value for state in states(store)) == ["ORPHANED", "SEEN", "SEEN"]
    with store.read() as uow:
        living = uow.chains.canonical_checkpoint(CHAIN, 99)
        target = uow.chains.canonical_checkpoint(CHAIN, 12)
    assert living is not None
    assert target is not None
    assert (living.header.block, target.header.block) == (block(13, "b"), block(12))


def test_a_branch_that_comes_back_revives_its_events(store: Store) -> None:
    """Taken back and seen again, an event asks to be booked under a new revival."""
    lease = watch_lease(store)
    cursor = head_chain(store, lease, 13)
    event_id = lock(13, 13).position.event_id
    with store.unit_of_work() as uow:
        uow.chains.mark_booked([event_id], Booked.SOFT)
        cursor, _ = uow.chains.rewind(cursor, block(12), lease)
        uow.chains.mark_booked([event_id], Booked.VOID)
        assert uow.chains.unbooked_events(CHAIN, 10) == ()

    with store.unit_of_work() as uow:
        cursor = uow.chains.store_block(cursor, header(13), [lock(13, 13)], lease)

    with store.read() as uow:
        (event,) = uow.chains.unbooked_events(CHAIN, 10)
    assert (event.state, event.booked, event.revivals) == (EventState.SEEN, Booked.NONE, 1)


def test_a_branch_that_comes_back_before_it_was_taken_back_changes_nothing(store: Store) -> None:
    """The soft entry is still there and still right."""
    lease = watch_lease(store)
    cursor = head_chain(store, lease, 13)
    event_id = lock(13, 13).position.event_id
    with store.unit_of_work() as uow:
        uow.chains.mark_booked([event_id], Booked.SOFT)
        cursor, _ = uow.chains.rewind(cursor, block(12), lease)
        uow.chains.store_block(cursor, header(13), [lock(13, 13)], lease)

    with store.read() as uow:
        event = uow.chains.event(event_id)
        assert uow.chains.unbooked_events(CHAIN, 10) == ()
    assert event is not None
    assert (event.state, event.booked, event.revivals) == (EventState.SEEN, Booked.SOFT, 0)


def test_a_rewind_below_the_final_block_is_a_violation(store: Store) -> None:
    """What was final is never declared gone; the chain is to be halted."""
    lease = watch_lease(store)
    cursor = head_chain(store, lease)
    with store.unit_of_work() as uow:
        cursor = uow.chains.advance_finalized(cursor, block(12), lease)

    with store.unit_of_work() as uow, pytest.raises(FinalityViolationError):
        uow.chains.rewind(cursor, block(11), lease)
    with store.unit_of_work() as uow, pytest.raises(BranchError):
        uow.chains.rewind(cursor, block(13, "b"), lease)


def test_a_second_reading_finds_what_the_first_missed(store: Store) -> None:
    """Missing events are added as final and counted; known ones change nothing."""
    lease = watch_lease(store)
    with store.unit_of_work() as uow:
        cursor = uow.chains.cursor(CHAIN)
        cursor = uow.chains.store_finalized_range(cursor, [lock(7, 1)], header(10), lease)

    with store.unit_of_work() as uow:
        moved, missed = uow.chains.store_reread_range(cursor, [lock(7, 1), lock(8, 2)], 9, lease)

    assert (missed, moved.reread_height) == (1, 9)
    assert states(store) == [EventState.FINAL] * 2
    with store.unit_of_work() as uow, pytest.raises(InvariantError, match="only final"):
        uow.chains.store_reread_range(moved, (), 11, lease)


def test_one_lock_number_is_never_held_by_two_living_events(store: Store) -> None:
    """A second event with the same lock is refused by name, before the database refuses it."""
    lease = watch_lease(store)
    cursor = head_chain(store, lease, 13)

    with pytest.raises(LockConflictError, match="lock 13"), store.unit_of_work() as uow:
        uow.chains.store_block(cursor, header(15), [lock(15, 13)], lease)
    with pytest.raises(LockConflictError, match="lock 20"), store.unit_of_work() as uow:
        first = lock(15, 20)
        second = replace(first, position=replace(first.position, tx_hash=b"\x99" * 32))
        uow.chains.store_block(cursor, header(15), [first, second], lease)
