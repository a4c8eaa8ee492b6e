"""Tests of what still needs a journal entry, of parking and of counting."""

import pytest

from chains.types import BlockRef, ChainId
from relayer.errors import StateMovedError
from relayer.store.chains import Cursor
from relayer.store.leases import Lease
from relayer.store.observed_rows import Booked, EventFilter, EventState, MalformedLog
from relayer.store.unit_of_work import Store
from tests.relayer.store.samples import (
    ANN,
    BOB,
    CHAIN,
    OTHER_CHAIN,
    VAULT,
    block,
    header,
    lock,
    started_chain,
    watch_lease,
)

FIRST, SECOND, THIRD = lock(11, 1), lock(11, 2, account=BOB), lock(12, 3)


def seen(store: Store) -> tuple[Cursor, Lease]:
    """Store three locks in two seen blocks."""
    lease = watch_lease(store)
    cursor = started_chain(store, lease)
    with store.unit_of_work() as uow:
        cursor = uow.chains.store_block(cursor, header(11), [FIRST, SECOND], lease)
        return uow.chains.store_block(cursor, header(12), [THIRD], lease), lease


def unbooked(store: Store) -> list[object]:
    """Return the events that lag."""
    with store.read() as uow:
        return [stored.event for stored in uow.chains.unbooked_events(CHAIN, 10)]


def test_an_event_comes_back_as_it_was_stored(store: Store) -> None:
    """Every field survives, up to 2^256 - 1."""
    seen(store)

    with store.read() as uow:
        stored = uow.chains.event(FIRST.position.event_id)
        missing = uow.chains.event(b"\x00" * 32)

    assert stored is not None
    assert (stored.event, stored.state, stored.booked) == (FIRST, EventState.SEEN, Booked.NONE)
    assert stored.event_id == FIRST.position.event_id
    assert missing is None


def test_events_lag_until_each_stage_is_booked(store: Store) -> None:
    """Seen asks for a soft entry, final for a final one; the order is that of the chain."""
    cursor, lease = seen(store)
    assert unbooked(store) == [FIRST, SECOND, THIRD]
    ids = [event.position.event_id for event in (FIRST, SECOND, THIRD)]

    with store.unit_of_work() as uow:
        uow.chains.mark_booked(ids, Booked.SOFT)
    assert unbooked(store) == []
    with store.unit_of_work() as uow:
        uow.chains.advance_finalized(cursor, block(11), lease)
    assert unbooked(store) == [FIRST, SECOND]
    with store.unit_of_work() as uow:
        uow.chains.mark_booked(ids[:2], Booked.FINAL)

    assert unbooked(store) == []


def test_gone_events_are_taken_back_before_new_ones_are_booked(store: Store) -> None:
    """So nothing counts twice; what was never booked needs nothing."""
    cursor, lease = seen(store)
    with store.unit_of_work() as uow:
        uow.chains.mark_booked([THIRD.position.event_id], Booked.SOFT)
        cursor, _ = uow.chains.rewind(cursor, block(10), lease)
        moved = lock(11, 3, "b")
        uow.chains.store_block(cursor, header(11, "b", parent_branch="a"), [moved], lease)

    assert unbooked(store) == [THIRD, moved]


def test_booking_what_changed_meanwhile_is_refused(store: Store) -> None:
    """A soft entry for an event that is final by now would be wrong."""
    cursor, lease = seen(store)
    with store.unit_of_work() as uow:
        uow.chains.advance_finalized(cursor, block(11), lease)

    with store.unit_of_work() as uow, pytest.raises(StateMovedError, match="SEEN"):
        uow.chains.mark_booked([FIRST.position.event_id], Booked.SOFT)
    with store.unit_of_work() as uow, pytest.raises(ValueError, match="use park"):
        uow.chains.mark_booked([FIRST.position.event_id], Booked.PARKED)


def test_neighbours_are_booked_in_their_place_and_nothing_between_them(store: Store) -> None:
    """What came between them meanwhile waits; what lies outside is not found."""
    seen(store)
    ids = [FIRST.position.event_id, THIRD.position.event_id]

    with store.unit_of_work() as uow:
        uow.chains.mark_booked(ids, Booked.SOFT, among=(CHAIN, 11, 12))
    assert unbooked(store) == [SECOND]
    for among in ((CHAIN, 12, 12), (ChainId("eip155:5"), 11, 12)):
        with store.unit_of_work() as uow, pytest.raises(StateMovedError):
            uow.chains.mark_booked([SECOND.position.event_id], Booked.SOFT, among=among)
    assert unbooked(store) == [SECOND]


def test_a_parked_event_blocks_nobody_and_can_be_tried_again(store: Store) -> None:
    """It is listed with its reason and goes on from what was booked."""
    seen(store)
    event_id = FIRST.position.event_id
    with store.unit_of_work() as uow:
        uow.chains.mark_booked([event_id], Booked.SOFT)
        uow.chains.park(event_id, "unknown_asset")

    with store.unit_of_work() as uow:
        (parked,) = uow.chains.parked_events()
        with pytest.raises(StateMovedError):
            uow.chains.park(event_id, "again")
        uow.chains.unpark(event_id)
        restored = uow.chains.event(event_id)
        with pytest.raises(StateMovedError):
            uow.chains.unpark(event_id)

    assert (parked.booked, parked.parked_reason) == (Booked.PARKED, "unknown_asset")
    assert restored is not None
    assert (restored.booked, restored.parked_reason) == (Booked.SOFT, None)
    assert unbooked(store) == [SECOND, THIRD]


def test_a_parked_event_whose_block_goes_is_taken_back(store: Store) -> None:
    """Parking must not keep a soft entry alive."""
    cursor, lease = seen(store)
    event_id = THIRD.position.event_id
    with store.unit_of_work() as uow:
        uow.chains.mark_booked([event_id], Booked.SOFT)
        uow.chains.park(event_id, "unknown_asset")

    with store.unit_of_work() as uow:
        uow.chains.rewind(cursor, block(11), lease)

    assert unbooked(store) == [THIRD, FIRST, SECOND]


def test_events_are_found_by_account_kind_chain_and_state(store: Store) -> None:
    """Each condition narrows the list."""
    seen(store)

    with store.read() as uow:
        events = uow.chains.events
        of_bob = [stored.event for stored in events(EventFilter(account=BOB))]
        of_ann = [stored.event for stored in events(EventFilter(CHAIN, account=ANN, limit=1))]
        others = [
            *events(EventFilter(chain_id=OTHER_CHAIN)),
            *events(EventFilter(kinds=("Repaid",))),
            *events(EventFilter(states=(EventState.FINAL,))),
            *events(EventFilter(message_id=b"\x01" * 32)),
        ]

    assert (of_bob, of_ann, others) == ([SECOND], [FIRST], [])


def test_locks_are_counted_to_compare_with_the_vaults_counter(store: Store) -> None:
    """By height, and final ones apart."""
    cursor, lease = seen(store)
    with store.unit_of_work() as uow:
        uow.chains.advance_finalized(cursor, block(11), lease)

    with store.read() as uow:
        count = uow.chains.count_locks
        assert count(CHAIN, VAULT, height=12, is_final_only=False) == 3
        assert count(CHAIN, VAULT, height=11, is_final_only=False) == 2
        assert count(CHAIN, VAULT, height=12, is_final_only=True) == 2
        assert count(CHAIN, ANN, height=12, is_final_only=False) == 0


def test_a_malformed_log_is_kept_once(store: Store) -> None:
    """Two readings of one bad log are one line for the operator."""
    log = MalformedLog(CHAIN, BlockRef(3, b"\x03" * 32), b"\x04" * 32, 0, VAULT, "shape")

    with store.unit_of_work() as uow:
        uow.chains.add_malformed([log, log])
        uow.chains.add_malformed([log])
        uow.chains.add_malformed([])

    with store.read() as uow:
        assert uow.chains.malformed(CHAIN) == (log,)


def test_what_is_gone_is_taken_back_newest_first(store: Store) -> None:
    """What was built on another event goes before it."""
    cursor, lease = seen(store)
    with store.unit_of_work() as uow:
        ids = [event.position.event_id for event in (FIRST, SECOND, THIRD)]
        uow.chains.mark_booked(ids, Booked.SOFT)
        uow.chains.rewind(cursor, block(10), lease)

    assert unbooked(store) == [THIRD, SECOND, FIRST]


def test_the_newest_booked_event_of_an_account_is_found(store: Store) -> None:
    """Not one that waits for its entry, is parked, or whose block is gone."""

    def newest(account: bytes = ANN, kind: str = "CollateralLocked") -> object:
        with store.read() as uow:
            found = uow.chains.newest_event(CHAIN, contract=VAULT, account=account, kinds=(kind,))
        return None if found is None else found.event

    cursor, lease = seen(store)
    unbooked_yet = newest()
    with store.unit_of_work() as uow:
        uow.chains.mark_booked([FIRST.position.event_id], Booked.SOFT)
    older = newest()
    with store.unit_of_work() as uow:
        uow.chains.mark_booked([THIRD.position.event_id], Booked.SOFT)
    newer = newest()
    with store.unit_of_work() as uow:
        uow.chains.rewind(cursor, block(11), lease)

    assert (unbooked_yet, older, newer, newest()) == (None, FIRST, THIRD, FIRST)
    assert newest(account=BOB) is None
    assert newest(kind="Borrowed") is None
    with store.unit_of_work() as uow:
        uow.chains.park(FIRST.position.event_id, "a reason")
    assert newest() is None


def test_parked_events_are_found_by_account(store: Store) -> None:
    """A grant waits for those of its borrower only."""
    seen(store)
    with store.unit_of_work() as uow:
        for event in (FIRST, SECOND):
            uow.chains.park(event.position.event_id, "a reason")

    with store.read() as uow:
        found = uow.chains.parked_events(account=BOB)

    assert [stored.event for stored in found] == [SECOND]
