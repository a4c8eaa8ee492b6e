"""Tests of account nonces of sending keys."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relayer.clock import FixedClock
from relayer.errors import InvariantError, LeaseLostError, StateMovedError
from relayer.store.leases import Lease, sender_lease_name
from relayer.store.send_rows import SendAttempt, SenderKey, SendRow, SendState
from relayer.store.unit_of_work import Store
from tests.databases import TestDatabases
from tests.relayer.store.samples import ANN, BOB, CHAIN, block, watch_lease

KEY = SenderKey(CHAIN, ANN)


def key_lease(store: Store, holder: str = "sender-1") -> Lease:
    """Take the lease of the key for a minute."""
    with store.unit_of_work() as uow:
        lease = uow.leases.acquire(sender_lease_name(CHAIN, ANN), holder, 60)
    assert lease is not None
    return lease


def message(number: int) -> bytes:
    """Return the id of a message."""
    return number.to_bytes(32, "big")


def attempt(number: int) -> SendAttempt:
    """Return a signed transaction."""
    return SendAttempt(message(number), b"raw%d" % number, 100 + number, 2)


def reserve(store: Store, lease: Lease, number: int, first: int = 0) -> SendRow:
    """Reserve a nonce for a message."""
    with store.unit_of_work() as uow:
        return uow.nonces.reserve(KEY, message(number), first, lease)


def broadcast(store: Store, lease: Lease, row: SendRow, number: int) -> bool:
    """Record an attempt with a nonce."""
    with store.unit_of_work() as uow:
        return uow.nonces.record_attempt(row, attempt(number), lease)


def test_nonces_follow_each_other_from_the_chains_count(store: Store) -> None:
    """A message asked for twice keeps its nonce."""
    lease = key_lease(store)

    rows = [reserve(store, lease, number, 7) for number in (1, 2, 1)]

    assert [row.account_nonce for row in rows] == [7, 8, 7]
    assert rows[0] == rows[2]
    assert (rows[0].state, rows[0].sender) == (SendState.RESERVED, KEY)


def test_a_freed_nonce_is_used_again_before_a_new_one(store: Store) -> None:
    """So no gap stays; one that was broadcast is never freed."""
    lease = key_lease(store)
    first, second = reserve(store, lease, 1), reserve(store, lease, 2)
    broadcast(store, lease, second, 2)

    with store.unit_of_work() as uow:
        uow.nonces.free(KEY, first.account_nonce, lease)
        with pytest.raises(StateMovedError, match="RESERVED"):
            uow.nonces.free(KEY, second.account_nonce, lease)

    assert [reserve(store, lease, number).account_nonce for number in (3, 4)] == [0, 2]


def test_a_lagging_node_does_not_bring_back_a_used_nonce(store: Store) -> None:
    """What is mined is a floor, whatever the node says."""
    lease = key_lease(store)
    row = reserve(store, lease, 1, 7)
    broadcast(store, lease, row, 1)
    with store.unit_of_work() as uow:
        uow.nonces.mark_mined(KEY, 7, message(1), block(1))
        uow.nonces.mark_final(KEY, 7)

    assert reserve(store, lease, 2, 3).account_nonce == 8


def test_every_attempt_is_kept_and_the_best_one_counts(store: Store) -> None:
    """Replacements share the nonce; a gone block puts it back to broadcast."""
    lease = key_lease(store)
    row = reserve(store, lease, 1)
    assert broadcast(store, lease, row, 11)
    assert broadcast(store, lease, row, 12)
    assert not broadcast(store, lease, row, 12)
    with store.unit_of_work() as uow:
        nonces = uow.nonces
        assert [found.account_nonce for found in nonces.pending(KEY)] == [0]
        nonces.mark_mined(KEY, 0, message(11), block(5))
        (mined,) = nonces.mined(KEY)
        nonces.mark_unmined(KEY, 0)
        (pending,) = nonces.pending(KEY)
        nonces.mark_mined(KEY, 0, message(12), block(6))
        nonces.mark_final(KEY, 0)

    assert (mined.mined_tx_hash, mined.mined_block) == (message(11), block(5))
    assert (pending.state, pending.mined_block) == (SendState.BROADCAST, None)
    with store.unit_of_work() as uow:
        assert uow.nonces.attempts(message(1)) == (attempt(11), attempt(12))
        assert [found.state for found in uow.nonces.rows_of_message(message(1))] == [
            SendState.FINAL
        ]
        with pytest.raises(StateMovedError):
            uow.nonces.mark_mined(KEY, 0, message(11), block(7))
        with pytest.raises(StateMovedError):
            uow.nonces.record_attempt(row, attempt(13), lease)
        with pytest.raises(InvariantError, match="never reserved"):
            uow.nonces.row(KEY, 99)


def test_bytes_are_refused_for_a_nonce_that_went_to_another_message(store: Store) -> None:
    """Whoever signed for the first one stood still too long; nothing of it is stored."""
    lease = key_lease(store)
    old = reserve(store, lease, 1)
    with store.unit_of_work() as uow:
        uow.nonces.free(KEY, old.account_nonce, lease)
    new = reserve(store, lease, 2)
    assert new.account_nonce == old.account_nonce

    with pytest.raises(StateMovedError, match="same message"):
        broadcast(store, lease, old, 1)

    with store.read() as uow:
        assert uow.nonces.attempts_of(KEY, new.account_nonce) == ()
    assert broadcast(store, lease, new, 2)


def test_a_lost_nonce_is_used_up_and_never_handed_out_again(store: Store) -> None:
    """Its message gets the next one."""
    lease = key_lease(store)
    row = reserve(store, lease, 1)
    broadcast(store, lease, row, 1)
    with store.unit_of_work() as uow:
        uow.nonces.mark_lost(KEY, 0)

    assert reserve(store, lease, 1).account_nonce == 1
    with store.unit_of_work() as uow:
        with pytest.raises(StateMovedError):
            uow.nonces.mark_lost(KEY, 0)
        with pytest.raises(StateMovedError):
            uow.nonces.record_attempt(row, attempt(2), lease)


def test_a_filler_takes_only_what_is_free_below_the_highest(store: Store) -> None:
    """Its made-up id tells it from every message."""
    lease = key_lease(store)
    hole, top = reserve(store, lease, 1), reserve(store, lease, 2)
    with store.unit_of_work() as uow:
        uow.nonces.free(KEY, hole.account_nonce, lease)
        row = uow.nonces.fill(KEY, 0, top.account_nonce, lease)
        assert row is not None
        assert (row.account_nonce, row.is_filler) == (0, True)
        assert uow.nonces.fill(KEY, 0, top.account_nonce, lease) is None


def test_a_reverted_transaction_uses_its_nonce_up(store: Store) -> None:
    """The message gets another nonce, at once."""
    lease = key_lease(store)
    row = reserve(store, lease, 1)
    broadcast(store, lease, row, 1)
    with store.unit_of_work() as uow:
        uow.nonces.mark_mined(KEY, 0, message(1), block(5), is_reverted=True)

    assert reserve(store, lease, 1).account_nonce == 1


def test_a_key_is_used_by_the_holder_of_its_lease_only(store: Store, clock: FixedClock) -> None:
    """The thawed old owner and another lease's owner are refused."""
    old = key_lease(store)
    row = reserve(store, old, 1)
    clock.move(61)
    key_lease(store, "sender-2")
    other = watch_lease(store)

    for lease in (old, other):
        with store.unit_of_work() as uow:
            with pytest.raises(LeaseLostError):
                uow.nonces.reserve(KEY, message(2), 0, lease)
            with pytest.raises(LeaseLostError):
                uow.nonces.record_attempt(row, attempt(1), lease)
            with pytest.raises(LeaseLostError):
                uow.nonces.free(KEY, row.account_nonce, lease)


def test_keys_do_not_share_nonces(store: Store) -> None:
    """Each (chain, key) counts for itself."""
    lease = key_lease(store)
    reserve(store, lease, 1)
    other = SenderKey(CHAIN, BOB)
    with store.unit_of_work() as uow:
        theirs = uow.leases.acquire(sender_lease_name(CHAIN, BOB), "sender-1", 60)
        assert theirs is not None

        assert uow.nonces.reserve(other, message(2), 0, theirs).account_nonce == 0
        assert uow.nonces.pending(other)[0].message_id == message(2)


@settings(max_examples=25)
@given(steps=st.lists(st.sampled_from(["reserve", "free", "send", "mine"]), max_size=25))
def test_no_order_of_steps_leaves_a_gap(databases: TestDatabases, steps: list[str]) -> None:
    """Below the highest nonce in use, what is missing is the next to be reserved."""
    with databases.store("sqlite", FixedClock(1)) as store:
        lease = key_lease(store)
        for number, step in enumerate(steps):
            with store.unit_of_work() as uow:
                pending = uow.nonces.pending(KEY)
                reserved = [row for row in pending if row.state is SendState.RESERVED]
                sent = [row for row in pending if row.state is SendState.BROADCAST]
                match step:
                    case "reserve":
                        taken = {row.account_nonce for row in pending}
                        taken |= {row.account_nonce for row in uow.nonces.mined(KEY)}
                        row = uow.nonces.reserve(KEY, message(number), 0, lease)
                        free = set(range(len(taken) + 1)) - taken
                        assert row.account_nonce == min(free)
                    case "free" if reserved:
                        uow.nonces.free(KEY, reserved[0].account_nonce, lease)
                    case "send" if reserved:
                        uow.nonces.record_attempt(reserved[-1], attempt(number), lease)
                    case "mine" if sent and sent[0] == pending[0]:
                        is_next = sent[0].account_nonce == len(uow.nonces.mined(KEY))
                        if is_next:
                            nonce = sent[0].account_nonce
                            uow.nonces.mark_mined(KEY, nonce, message(number), block(1))
