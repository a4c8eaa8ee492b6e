"""Tests of going back below a final block: one transaction, nothing deleted."""

import pytest

from relayer.clock import UnixSeconds
from relayer.errors import CursorMovedError, InvariantError, LeaseLostError, StateMovedError
from relayer.store.chains import BranchError, CheckpointState, Cursor
from relayer.store.credit_lines import CreditLineState
from relayer.store.leases import Lease
from relayer.store.observed_rows import Booked, EventFilter, EventState
from relayer.store.recoveries import Order, Recovery
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.store.samples import (
    CHAIN,
    OTHER_CHAIN,
    VAULT,
    block,
    header,
    lock,
    started_chain,
    watch_lease,
)

ORDER = Order("checked with two nodes", "ann")


def chain_with_final_blocks(store: Store, lease: Lease) -> Cursor:
    """Store blocks 10 to 14, final up to 13, with a lock in each from 11 on."""
    cursor = started_chain(store, lease)
    with store.unit_of_work() as uow:
        for height in range(11, 15):
            events = [lock(height, height)]
            cursor = uow.chains.store_block(cursor, header(height), events, lease)
        cursor = uow.chains.advance_finalized(cursor, block(13), lease)
        uow.chains.halt(CHAIN, "a final block was replaced")
    return cursor


def recovered(store: Store, lease: Lease, cursor: Cursor, height: int | None) -> Recovery:
    """Recover to a stored block, or to before the first."""
    target = None if height is None else block(height)
    with store.unit_of_work() as uow:
        return uow.recoveries.recover(cursor, target, lease, ORDER)


def test_final_blocks_and_events_above_the_target_are_gone_and_kept(store: Store) -> None:
    """They are ORPHANED; the cursor stands at the target, which is final, and the halt stays."""
    lease = watch_lease(store)
    cursor = chain_with_final_blocks(store, lease)

    recovery = recovered(store, lease, cursor, 11)

    with store.read() as uow:
        moved = uow.chains.cursor(CHAIN)
        events = uow.chains.events(EventFilter(chain_id=CHAIN))
        newest = uow.chains.newest_checkpoints(CHAIN)
        (halt,) = uow.chains.halts()
        assert uow.recoveries.recoveries(CHAIN) == (recovery,)
        assert uow.recoveries.recoveries(OTHER_CHAIN) == ()
        assert not uow.recoveries.waits_to_be_taken_back(CHAIN)  # nothing was booked
    assert (moved.head, moved.finalized, moved.version) == (block(11), block(11), 7)
    assert [event.state for event in events] == [EventState.FINAL, *[EventState.ORPHANED] * 3]
    assert [found.header.block for found in newest] == [block(11), block(10)]
    assert newest[0].state is CheckpointState.FINAL
    assert (recovery.checkpoints_count, recovery.events_count) == (3, 3)
    assert (recovery.finalized, recovery.recovered_at) == (block(13), NOW)
    assert "recovered to block 11 by ann: checked with two nodes" in halt.reason


def test_everything_may_be_taken_back(store: Store) -> None:
    """The chain is then read from its start height again, the same blocks too."""
    lease = watch_lease(store)
    cursor = chain_with_final_blocks(store, lease)

    recovered(store, lease, cursor, None)

    with store.unit_of_work() as uow:
        empty = uow.chains.cursor(CHAIN)
        assert (empty.head, empty.finalized) == (None, None)
        again = uow.chains.store_finalized_range(empty, [lock(11, 11)], header(11), lease)
        assert again.finalized == block(11)
        first = uow.chains.events(EventFilter(chain_id=CHAIN))[0]
        assert first.state is EventState.FINAL


def test_what_was_booked_waits_to_be_taken_back_parked_events_too(store: Store) -> None:
    """A parked event of a gone block is unparked: its entries must go as well."""
    lease = watch_lease(store)
    cursor = chain_with_final_blocks(store, lease)
    parked, booked = lock(13, 13).position.event_id, lock(12, 12).position.event_id
    with store.unit_of_work() as uow:
        uow.chains.mark_booked([booked, parked], Booked.FINAL)
        uow.chains.park(parked, "test")
        assert uow.recoveries.count_living_above(CHAIN, 11) == (3, 3)
        newest = uow.recoveries.living_events_above(CHAIN, 11, limit=2)

    recovered(store, lease, cursor, 11)

    with store.read() as uow:
        waiting = uow.chains.unbooked_events(CHAIN, 10)
        assert uow.recoveries.waits_to_be_taken_back(CHAIN)
        assert uow.recoveries.count_living_above(CHAIN, 11) == (0, 0)
    assert [found.event.position.block.height for found in newest] == [14, 13]
    assert [found.event_id for found in waiting if found.state is EventState.ORPHANED] == [
        parked,
        booked,
    ]


def test_a_second_reading_goes_back_too(store: Store) -> None:
    """What is read anew is read a second time anew."""
    lease = watch_lease(store)
    cursor = chain_with_final_blocks(store, lease)
    with store.unit_of_work() as uow:
        cursor, _ = uow.chains.store_reread_range(cursor, (), 13, lease)

    recovered(store, lease, cursor, 11)

    with store.read() as uow:
        assert uow.chains.cursor(CHAIN).reread_height == 11


def test_what_a_credit_line_said_on_the_gone_branch_gives_way(store: Store) -> None:
    """Its next word counts, though its block is lower."""
    lease = watch_lease(store)
    cursor = chain_with_final_blocks(store, lease)
    with store.unit_of_work() as uow:
        uow.credit_lines.record(CreditLineState(CHAIN, VAULT, 9 * 10**27, UnixSeconds(NOW), 0, 14))

    recovered(store, lease, cursor, 11)

    with store.unit_of_work() as uow:
        uow.credit_lines.record(CreditLineState(CHAIN, VAULT, 10**27, UnixSeconds(NOW), 0, 12))
        state = uow.credit_lines.get(CHAIN, VAULT)
    assert state is not None
    assert state.index_ray == 10**27


def test_a_chain_that_is_not_halted_is_not_taken_back(store: Store) -> None:
    """Nor one of which nothing is stored; nothing changes."""
    lease = watch_lease(store)
    cursor = chain_with_final_blocks(store, lease)
    with store.unit_of_work() as uow:
        uow.chains.resume(CHAIN, "test")

    with pytest.raises(StateMovedError, match="halted"):
        recovered(store, lease, cursor, 11)
    with store.read() as uow:
        assert uow.chains.cursor(CHAIN) == cursor


def test_only_a_stored_block_at_or_below_the_final_one_is_a_target(store: Store) -> None:
    """And only for who holds the lease and saw the cursor as it is."""
    lease = watch_lease(store)
    cursor = chain_with_final_blocks(store, lease)

    with pytest.raises(BranchError):
        recovered(store, lease, cursor, 9)
    with pytest.raises(InvariantError, match="final block or below"):
        recovered(store, lease, cursor, 14)
    recovered(store, lease, cursor, 12)
    with pytest.raises(CursorMovedError):
        recovered(store, lease, cursor, 11)
    with store.unit_of_work() as uow:
        uow.leases.release(lease)
        cursor = uow.chains.cursor(CHAIN)
    with pytest.raises(LeaseLostError):
        recovered(store, lease, cursor, 11)


def test_an_order_has_a_reason_and_a_name() -> None:
    """Both are kept for good."""
    for reason, by in ((" ", "ann"), ("why", "")):
        with pytest.raises(ValueError, match="a reason and a name"):
            Order(reason, by)
