"""Tests of stored messages, their life and their signatures."""

import pytest
from sqlalchemy.exc import IntegrityError

from relayer.clock import UnixSeconds
from relayer.errors import StateMovedError
from relayer.outbox.life import MessageEvent, MessageState, TransitionError, WaitReason
from relayer.store.outbox import MessageFilter, MessageTransaction
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.store.samples import ANN, BOB, CHAIN, FLOW, OTHER_CHAIN, VAULT, release

LATER = UnixSeconds(NOW + 30)


def enqueue(store: Store, *nonces: int) -> list[bytes]:
    """Store releases and return their ids."""
    messages = [release(nonce) for nonce in nonces]
    with store.unit_of_work() as uow:
        assert all(uow.outbox.enqueue(message) for message in messages)
    return [message.message_id for message in messages]


def test_a_message_comes_back_with_all_that_was_stored(store: Store) -> None:
    """Bytes, hold, command and signatures; the second time changes nothing."""
    (message_id,) = enqueue(store, 1)

    with store.unit_of_work() as uow:
        again = uow.outbox.enqueue(release(1))
        stored = uow.outbox.get(message_id)
        missing = uow.outbox.get(bytes(32))

    assert not again
    assert missing is None
    assert stored is not None
    assert stored.message == release(1)
    assert (stored.state, stored.reason) == (MessageState.PENDING, WaitReason.COMPOSED)
    assert (stored.next_attempt_at, stored.deadline_at) == (NOW, NOW + 1_800)


def test_a_lane_counts_without_gaps_and_takes_a_nonce_once(store: Store) -> None:
    """A dropped transaction gives its nonce back; lanes do not share."""
    with store.unit_of_work() as uow:
        assert [uow.outbox.next_nonce(CHAIN, VAULT) for _ in range(3)] == [1, 2, 3]
        assert uow.outbox.next_nonce(OTHER_CHAIN, VAULT) == 1
    with pytest.raises(RuntimeError), store.unit_of_work() as uow:
        assert uow.outbox.next_nonce(CHAIN, VAULT) == 4
        raise RuntimeError
    with store.unit_of_work() as uow:
        assert uow.outbox.next_nonce(CHAIN, VAULT) == 4
        uow.outbox.enqueue(release(4))

    with pytest.raises(IntegrityError), store.unit_of_work() as uow:
        uow.outbox.enqueue(release(4, account=BOB))


def test_a_message_moves_by_the_table_and_its_life_is_kept(store: Store) -> None:
    """Each step with its reason, in order and without gaps."""
    (message_id,) = enqueue(store, 1)

    with store.unit_of_work() as uow:
        move = uow.outbox.move
        assert (
            move(message_id, MessageEvent.DISPATCH, WaitReason.SIGNATURES_MISSING, "0 of 2", LATER)
            is MessageState.DISPATCHED
        )
        move(message_id, MessageEvent.ATTEST, WaitReason.QUORUM_REACHED, "2 of 2", LATER)
        with pytest.raises(TransitionError):
            move(message_id, MessageEvent.CONFIRM, WaitReason.EFFECT_FINAL, "", LATER)

    with store.read() as uow:
        stored = uow.outbox.get(message_id)
        life = uow.outbox.life(message_id)
    assert stored is not None
    assert (stored.state, stored.reason) == (MessageState.ATTESTED, WaitReason.QUORUM_REACHED)
    assert [(entry.seq, entry.event, entry.after.value, entry.at) for entry in life] == [
        (1, "COMPOSE", "PENDING", NOW),
        (2, "DISPATCH", "DISPATCHED", LATER),
        (3, "ATTEST", "ATTESTED", LATER),
    ]
    assert (life[0].before, life[1].detail) == (None, "0 of 2")


def test_an_unknown_message_cannot_be_moved(store: Store) -> None:
    """Nor waited for."""
    with store.unit_of_work() as uow:
        with pytest.raises(StateMovedError):
            uow.outbox.move(ANN, MessageEvent.DISPATCH, WaitReason.COMPOSED, "", LATER)
        with pytest.raises(StateMovedError):
            uow.outbox.wait(ANN, WaitReason.CHAIN_HALTED, next_attempt_at=LATER)


def test_waiting_stores_reason_and_times_and_logs_each_reason_once(store: Store) -> None:
    """A restart finds the same next attempt, and the life is not flooded."""
    (message_id,) = enqueue(store, 1)

    with store.unit_of_work() as uow:
        for seconds in (10, 20, 30):
            uow.outbox.wait(
                message_id,
                WaitReason.OUTFLOW_EXHAUSTED,
                next_attempt_at=UnixSeconds(NOW + seconds),
                detail="window full",
            )
        uow.outbox.wait(
            message_id,
            WaitReason.CHAIN_HALTED,
            next_attempt_at=UnixSeconds(NOW + 40),
            deadline_at=UnixSeconds(NOW + 2_000),
        )

    with store.read() as uow:
        stored = uow.outbox.get(message_id)
        events = [(entry.event, entry.reason) for entry in uow.outbox.life(message_id)[1:]]
    assert stored is not None
    assert (stored.attempts, stored.next_attempt_at) == (4, NOW + 40)
    assert (stored.deadline_at, stored.state) == (NOW + 2_000, MessageState.PENDING)
    assert events == [
        ("WAIT", WaitReason.OUTFLOW_EXHAUSTED),
        ("WAIT", WaitReason.CHAIN_HALTED),
    ]


def test_messages_are_listed_by_state_account_flow_and_time(store: Store) -> None:
    """Oldest first; pages join without gap or repeat."""
    ids = enqueue(store, 1, 2, 3)
    with store.unit_of_work() as uow:
        uow.outbox.enqueue(release(9, account=BOB, created_at=NOW + 5))
        move = uow.outbox.move
        move(ids[0], MessageEvent.DISPATCH, WaitReason.SIGNATURES_MISSING, "", LATER)

    with store.read() as uow:
        outbox = uow.outbox
        assert [m.message_id for m in outbox.in_state(MessageState.DISPATCHED)] == ids[:1]
        assert [m.message.message.nonce for m in outbox.of_account(BOB)] == [9]
        assert len(outbox.list(MessageFilter(target_chain=CHAIN, correlation_id=FLOW))) == 4
        assert len(outbox.list(MessageFilter(attempt_due_by=UnixSeconds(NOW)))) == 2
        first = outbox.list(MessageFilter(limit=2))
        rest = outbox.list(MessageFilter(after=first[-1]))
    assert {m.message_id for m in first + rest} >= set(ids)
    assert len(first + rest) == 4
    assert rest[-1].message.created_at == NOW + 5


def test_a_signature_is_kept_once_per_set_and_signer(store: Store) -> None:
    """Sets do not mix: a rotated set signs again."""
    (message_id,) = enqueue(store, 1)

    with store.unit_of_work() as uow:
        add = uow.outbox.add_signature
        assert add(message_id, 1, BOB, b"\x02" * 65)
        assert add(message_id, 1, ANN, b"\x01" * 65)
        assert not add(message_id, 1, ANN, b"\x03" * 65)
        assert add(message_id, 2, ANN, b"\x04" * 65)

    with store.read() as uow:
        found = uow.outbox.signatures(message_id, 1)
    assert list(found.items()) == [(ANN, b"\x01" * 65), (BOB, b"\x02" * 65)]


def test_every_transaction_of_a_message_is_kept(store: Store) -> None:
    """Once each."""
    (message_id,) = enqueue(store, 1)

    with store.unit_of_work() as uow:
        assert uow.outbox.add_transaction(message_id, CHAIN, b"\x05" * 32, "deliver")
        assert not uow.outbox.add_transaction(message_id, CHAIN, b"\x05" * 32, "deliver")

        assert uow.outbox.transactions(message_id) == (
            MessageTransaction(CHAIN, b"\x05" * 32, "deliver", UnixSeconds(NOW)),
        )
