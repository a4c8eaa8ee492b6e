"""Tests of transactions that expire: stored first, one at a time, and nothing is forgotten."""

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from chains.sending import ExpiringTransaction, PriorityFee
from relayer.clock import FixedClock
from relayer.errors import LeaseLostError, StateMovedError
from relayer.store.attempt_rows import Attempt, AttemptState, Purpose
from relayer.store.attempt_tables import EXPIRING_ATTEMPT
from relayer.store.attempts import LIVE_SECONDS_MAX
from relayer.store.leases import Lease, sender_lease_name
from relayer.store.send_rows import SenderKey
from relayer.store.unit_of_work import Store
from tests.relayer.store.samples import ANN, BOB, CHAIN, block

KEY = SenderKey(CHAIN, ANN)
MESSAGE = b"\x07" * 32


def key_lease(store: Store, holder: str = "sender-1", key: SenderKey = KEY) -> Lease:
    """Take the lease of the key for a minute."""
    with store.unit_of_work() as uow:
        lease = uow.leases.acquire(sender_lease_name(CHAIN, key.address), holder, 60)
    assert lease is not None
    return lease


def attempt(
    number: int,
    *,
    key: SenderKey = KEY,
    message_id: bytes = MESSAGE,
    purpose: Purpose = Purpose.DELIVER,
) -> Attempt:
    """Return a signed transaction."""
    fee = PriorityFee(1_000 + number)
    transaction = ExpiringTransaction(CHAIN, bytes([number]) * 64, b"raw", fee, 150, 9)
    return Attempt(key, message_id, purpose, transaction)


def record(store: Store, lease: Lease, made: Attempt) -> Attempt:
    """Store an attempt."""
    with store.unit_of_work() as uow:
        return uow.attempts.record(made, lease)


def mark(store: Store, known: Attempt, state: AttemptState, reason: str = "") -> Attempt:
    """Say what became of an attempt, and return it as it is now."""
    is_in_block = state not in (AttemptState.LIVE, AttemptState.EXPIRED)
    with store.unit_of_work() as uow:
        uow.attempts.mark(known, state, block(5) if is_in_block else None, reason)
        (now,) = (
            one
            for one in uow.attempts.of_message(known.message_id)
            if one.transaction == known.transaction
        )
    return now


def test_what_is_stored_comes_back_whole(store: Store) -> None:
    """Bytes, fee, both ends of its life, and its number."""
    made = attempt(1)

    found = record(store, key_lease(store), made)

    assert found.transaction == made.transaction
    assert (found.seq, found.state, found.block) == (1, AttemptState.LIVE, None)
    with store.read() as uow:
        assert uow.attempts.of_message(MESSAGE) == uow.attempts.unfinal(CHAIN) == (found,)
        assert uow.attempts.live_count(KEY) == 1


def test_what_no_node_can_end_does_not_use_the_key_up(store: Store, clock: FixedClock) -> None:
    """Nodes that forgot its time never say that it expired; others are sent all the same."""
    found = record(store, key_lease(store), attempt(1))
    clock.move(LIVE_SECONDS_MAX)
    with store.read() as uow:
        last = uow.attempts.live_count(KEY)
    clock.move(1)

    with store.read() as uow:
        assert (last, uow.attempts.live_count(KEY)) == (1, 0)
        assert uow.attempts.unfinal(CHAIN) == (found,)


@pytest.mark.parametrize("state", [AttemptState.LIVE, AttemptState.LANDED, AttemptState.FAILED])
def test_a_second_one_waits_for_the_end_of_the_first(store: Store, state: AttemptState) -> None:
    """Even under another key: what the first may yet do, the second must not do too."""
    lease, other = key_lease(store), SenderKey(CHAIN, BOB)
    first = record(store, lease, attempt(1))
    if state is not AttemptState.LIVE:
        first = mark(store, first, state)

    for key, held in ((KEY, lease), (other, key_lease(store, key=other))):
        with pytest.raises(StateMovedError, match="may land"):
            record(store, held, attempt(2, key=key))


@pytest.mark.parametrize("states", [("EXPIRED",), ("FAILED", "SPENT")])
def test_after_its_end_another_one_takes_its_place(store: Store, states: tuple[str, ...]) -> None:
    """With the next number."""
    lease = key_lease(store)
    first = record(store, lease, attempt(1))
    for state in states:
        first = mark(store, first, AttemptState(state))

    assert record(store, lease, attempt(2)).seq == 2


def test_a_final_delivery_is_the_last_one(store: Store) -> None:
    """What made room for it may be needed again."""
    lease = key_lease(store)
    for number, purpose in enumerate(Purpose, 1):
        mark(store, record(store, lease, attempt(number, purpose=purpose)), AttemptState.FINAL)

    with pytest.raises(StateMovedError):
        record(store, lease, attempt(3))
    assert record(store, lease, attempt(4, purpose=Purpose.PREPARE)).seq == 2


def test_a_preparation_does_not_hold_the_delivery_up(store: Store) -> None:
    """Each purpose has its own one."""
    lease = key_lease(store)
    record(store, lease, attempt(1, purpose=Purpose.PREPARE))

    assert record(store, lease, attempt(2)).seq == 1


def test_nothing_is_stored_without_the_lease(store: Store) -> None:
    """Of another name, or with an older token."""
    old = key_lease(store)
    with store.unit_of_work() as uow:
        uow.leases.release(old)
    key_lease(store, "sender-2")

    for lease in (old, Lease("sender:another", "x", 1, old.expires_at)):
        with pytest.raises(LeaseLostError):
            record(store, lease, attempt(1))


def test_a_look_that_is_older_than_another_changes_nothing(store: Store) -> None:
    """Who read the row before it changed is told so; an end is for ever."""
    live = record(store, key_lease(store), attempt(1))
    landed = mark(store, live, AttemptState.LANDED)

    with pytest.raises(StateMovedError):
        mark(store, live, AttemptState.EXPIRED)
    back = mark(store, landed, AttemptState.LIVE)
    over = mark(store, back, AttemptState.EXPIRED)
    with pytest.raises(StateMovedError):
        mark(store, over, AttemptState.LANDED)
    assert over.state is AttemptState.EXPIRED


def test_why_it_failed_is_kept(store: Store) -> None:
    """With the block of its failure."""
    live = record(store, key_lease(store), attempt(1))

    failed = mark(store, live, AttemptState.FAILED, "EXPIRED (7051)")

    assert (failed.reason, failed.block) == ("EXPIRED (7051)", block(5))


def test_the_database_itself_keeps_one_open_and_the_signed_bytes(store: Store) -> None:
    """Whatever the code does: no second open one, no change of bytes, no deletion."""
    record(store, key_lease(store), attempt(1))
    table = EXPIRING_ATTEMPT
    with store.read() as uow:
        row = dict(uow.connection.execute(table.select()).one()._mapping)
    for change in (
        delete(table),
        update(table).values(raw=b"other"),
        update(table).values(state="ELSEWHERE"),
        update(table).values(state="LANDED"),
    ):
        with pytest.raises(DBAPIError), store.unit_of_work() as uow:
            uow.connection.execute(change)
    with pytest.raises(IntegrityError), store.unit_of_work() as uow:
        uow.connection.execute(table.insert(), [row | {"tx_hash": bytes(64), "seq": 2}])
