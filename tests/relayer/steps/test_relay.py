"""Relay: the nonce and the bytes are stored before anything is sent, whatever dies in between."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from chains.errors import AccountNonceUsedError, GasFundsError
from relayer.clock import FixedClock
from relayer.outbox.life import MessageState, WaitReason
from relayer.steps.attest import attest
from relayer.steps.carrier import FEE_BUMP_SECONDS, Carrier
from relayer.steps.catalog import Catalog
from relayer.steps.confirm import ConfirmOutcome, Follower, confirm
from relayer.steps.decide import decide
from relayer.steps.queues import ATTEST, CONFIRM
from relayer.steps.relay import RelayOutcome, relay
from relayer.store.job_records import JobState
from relayer.store.send_rows import SenderKey, SendState
from relayer.store.unit_of_work import Store, UnitOfWork
from tests.relayer.api.kit import CHAIN_A, GUARDIANS, signer
from tests.relayer.steps.fakes import FakeBridge, FakeDoor, FakeReader, FakeSender
from tests.relayer.steps.test_decide import unlock_of
from tests.relayer.steps.world import (
    DOLLAR,
    FENCE,
    LIQ_ACCOUNT,
    ask,
    lock_dollars,
    settled_world,
    stored_message,
)


class KilledError(Exception):
    """The process ended here."""


class Carriers:
    """A store with attested messages, and what carries them."""

    def __init__(self, store: Store, catalog: Catalog, messages: int = 1) -> None:
        self.store, self.catalog = store, catalog
        self.sender, self.bridge, self.reader = FakeSender(), FakeBridge(), FakeReader()
        settled_world(store)
        self.message_ids = [self._attested(number) for number in range(messages)]
        self.message_id = self.message_ids[0]

    def _attested(self, number: int) -> bytes:
        command_id = ask(self.store, unlock_of(5, number))
        decide(self.store, self.catalog, command_id, fence=FENCE)
        with self.store.read() as uow:
            request = uow.requests.get(command_id)
        assert request is not None
        assert request.message_id is not None
        guardians = [FakeDoor(key) for key in GUARDIANS]
        asyncio.run(attest(self.store, self.catalog, guardians, request.message_id, fence=FENCE))
        return request.message_id

    def relay(self, message_id: bytes | None = None, holder: str = "one") -> RelayOutcome:
        """Relay once."""
        carrier = Carrier(self.sender, self.bridge, holder)
        word = message_id or self.message_id
        return asyncio.run(relay(self.store, self.catalog, carrier, word, fence=FENCE))

    def confirm(self, message_id: bytes | None = None) -> ConfirmOutcome:
        """Confirm once."""
        reader: Any = self.reader
        follower = Follower(reader, self.bridge, self.sender, self.catalog)
        word = message_id or self.message_id
        return asyncio.run(confirm(self.store, follower, word, fence=FENCE))

    def rows(self, message_id: bytes | None = None) -> list[tuple[int, SendState]]:
        """Return the nonces of a message and where they are."""
        with self.store.read() as uow:
            found = uow.nonces.rows_of_message(message_id or self.message_id)
        return [(row.account_nonce, row.state) for row in found]

    def state(self) -> tuple[MessageState, WaitReason]:
        """Return where the message is, and why."""
        stored = stored_message(self.store, self.message_id)
        return stored.state, stored.reason


@pytest.fixture
def world(store: Store, catalog: Catalog) -> Carriers:
    """One attested message, on each kind of database."""
    return Carriers(store, catalog)


@pytest.fixture
def quick(quick_store: Store, catalog: Catalog) -> Carriers:
    """One attested message, on SQLite."""
    return Carriers(quick_store, catalog)


def test_a_message_is_submitted_and_followed(world: Carriers) -> None:
    """One transaction goes out, and confirm is rung."""
    outcome = world.relay()

    assert outcome == RelayOutcome(MessageState.SUBMITTED, False, WaitReason.INCLUSION_AWAITED)
    assert len(world.sender.sent) == 1
    assert world.rows() == [(7, SendState.BROADCAST)]
    with world.store.read() as uow:
        assert uow.jobs.job(CONFIRM, world.message_id.hex()).state is JobState.DUE


def test_the_row_is_there_before_the_bytes_go(world: Carriers) -> None:
    """At the moment of the broadcast another connection reads nonce and bytes."""
    seen: list[Any] = []

    def _look() -> None:
        with world.store.read() as uow:
            seen.extend(uow.nonces.attempts(world.message_id))
        seen.extend(world.rows())

    world.sender.on_broadcast = _look

    world.relay()

    assert seen[0].raw == world.sender.sent[0]
    assert seen[1] == (7, SendState.BROADCAST)


@pytest.mark.parametrize("place", ["on_prepare", "on_broadcast"])
def test_who_dies_in_between_goes_on_with_the_same_nonce(world: Carriers, place: str) -> None:
    """After reserving, or after recording: the next process sends one transaction, nonce 7."""

    def _die() -> None:
        raise KilledError

    setattr(world.sender, place, _die)
    with pytest.raises(KilledError):
        world.relay()
    assert world.sender.sent == []
    with world.store.read() as uow:
        recorded = [attempt.raw for attempt in uow.nonces.attempts(world.message_id)]
    setattr(world.sender, place, lambda: None)

    world.relay()

    assert world.rows() == [(7, SendState.BROADCAST)]
    assert world.sender.sent == (recorded or world.sender.sent)
    assert len(world.sender.sent) == 1


def test_a_repeated_job_sends_the_same_bytes(world: Carriers) -> None:
    """However often, it is one transaction."""
    for _ in range(3):
        world.relay()

    assert len(world.sender.sent) == 3
    assert len(set(world.sender.sent)) == 1


def test_the_fence_that_fails_after_recording_costs_nothing(quick: Carriers) -> None:
    """The job was overtaken; the other process finds the bytes."""

    def _overtaken(uow: UnitOfWork) -> None:
        raise KilledError

    carrier = Carrier(quick.sender, quick.bridge, "one")
    with pytest.raises(KilledError):
        asyncio.run(relay(quick.store, quick.catalog, carrier, quick.message_id, fence=_overtaken))
    assert quick.state()[0] is MessageState.ATTESTED

    quick.relay()

    assert quick.rows() == [(7, SendState.BROADCAST)]


def test_a_contract_that_refuses_is_asked_again(world: Carriers) -> None:
    """Its words are kept, the nonce is free for others, and it succeeds later."""
    world.sender.revert_reason = "OutflowExceeded(5, 4)"

    outcome = world.relay()

    assert outcome == RelayOutcome(MessageState.ATTESTED, True, WaitReason.TARGET_REVERTS)
    assert world.rows() == [(7, SendState.FREED)]
    with world.store.read() as uow:
        assert uow.outbox.life(world.message_id)[-1].detail == "OutflowExceeded(5, 4)"
    world.sender.revert_reason = None
    assert world.relay().state is MessageState.SUBMITTED
    assert world.rows() == [(7, SendState.BROADCAST)]


def test_messages_take_one_nonce_each_and_fill_gaps(quick_store: Store, catalog: Catalog) -> None:
    """What one gave back the next takes."""
    lock_dollars(quick_store, DOLLAR, LIQ_ACCOUNT, name="more")
    quick = Carriers(quick_store, catalog, messages=3)
    first, second, third = quick.message_ids
    quick.sender.revert_reason = "paused"
    quick.relay(first)
    quick.sender.revert_reason = None

    quick.relay(second)
    quick.relay(third)
    quick.relay(first)

    assert [quick.rows(word)[-1][0] for word in (second, third, first)] == [7, 8, 9]


def test_a_stuck_transaction_is_replaced_once_per_period(
    world: Carriers, clock: FixedClock
) -> None:
    """At the same nonce and dearer; not again before the replacement had its time."""
    world.relay()
    clock.move(FEE_BUMP_SECONDS + 1)
    world.relay()
    world.relay()
    world.relay()
    assert len(set(world.sender.sent)) == 2

    clock.move(FEE_BUMP_SECONDS)
    world.relay()

    assert len(set(world.sender.sent)) == 3
    assert world.rows() == [(7, SendState.BROADCAST)]
    with world.store.read() as uow:
        fees = [attempt.fee_max_wei for attempt in uow.nonces.attempts(world.message_id)]
    assert fees == sorted(set(fees))


def test_an_executed_message_is_done(world: Carriers) -> None:
    """Somebody else carried it; nothing is sent, and a nonce kept for it is given back."""

    def _die() -> None:
        raise KilledError

    world.sender.on_prepare = _die
    with pytest.raises(KilledError):
        world.relay()
    assert world.rows() == [(7, SendState.RESERVED)]
    world.bridge.executed[world.message_id] = 150

    outcome = world.relay()

    assert (outcome.is_open, outcome.reason) == (False, WaitReason.FINALITY_AWAITED)
    assert world.sender.sent == []
    assert world.rows() == [(7, SendState.FREED)]


def test_a_second_process_with_the_same_key_waits(world: Carriers, clock: FixedClock) -> None:
    """Until the first one's lease has run out."""
    world.relay()

    outcome = world.relay(holder="two")

    assert (outcome.is_open, outcome.reason) == (True, WaitReason.SENDER_BUSY)
    assert len(world.sender.sent) == 1
    clock.move(21)
    assert world.relay(holder="two").reason is WaitReason.INCLUSION_AWAITED
    assert len(set(world.sender.sent)) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AccountNonceUsedError(chain_id=CHAIN_A, account_nonce=7), WaitReason.INCLUSION_AWAITED),
        (GasFundsError(chain_id=CHAIN_A, address="0x1"), WaitReason.GAS_FUNDS_LOW),
    ],
)
def test_what_the_node_refuses_waits_with_its_reason(
    quick: Carriers, error: Exception, reason: WaitReason
) -> None:
    """The message says what is missing; confirm looks for receipts."""
    quick.sender.broadcast_error = error

    outcome = quick.relay()

    assert outcome == RelayOutcome(MessageState.SUBMITTED, True, reason)
    assert quick.state() == (MessageState.SUBMITTED, reason)


def test_after_a_change_of_guardians_the_new_ones_are_asked(quick: Carriers) -> None:
    """Signatures of the old set prove nothing to the target."""
    new = replace(quick.catalog.guardian_set, index=1)
    quick.catalog = replace(quick.catalog, guardian_set=new)
    with quick.store.unit_of_work() as uow:
        (job,) = uow.jobs.claim(ATTEST, 1, lease_seconds=5, holder="test")
        uow.jobs.complete(job)

    outcome = quick.relay()

    assert (outcome.is_open, outcome.reason) == (True, WaitReason.SIGNATURES_MISSING)
    with quick.store.read() as uow:
        assert uow.jobs.job(ATTEST, quick.message_id.hex()).state is JobState.DUE


def test_what_is_mined_is_left_to_confirm(quick: Carriers) -> None:
    """A job that comes late signs nothing new with a used nonce."""
    quick.relay()
    quick.sender.mine(quick.sender.sent[0], 195)
    quick.confirm()

    outcome = quick.relay()

    assert (outcome.is_open, outcome.reason) == (False, WaitReason.FINALITY_AWAITED)
    assert quick.rows() == [(7, SendState.MINED)]


def test_a_transaction_that_fails_in_a_block_is_followed_by_one_more(world: Carriers) -> None:
    """Under a new nonce, and the old receipt is not taken for the new one's."""
    world.relay()
    world.sender.mine(world.sender.sent[0], 180, is_success=False)
    world.sender.account_nonce = 8
    world.confirm()
    assert world.state() == (MessageState.SUBMITTED, WaitReason.TARGET_REVERTS)

    world.relay()
    world.confirm()
    world.confirm()

    assert world.rows() == [(7, SendState.FINAL), (8, SendState.BROADCAST)]
    world.sender.mine(world.sender.sent[1], 185)
    world.confirm()
    assert world.rows() == [(7, SendState.FINAL), (8, SendState.FINAL)]


def test_another_key_takes_over_with_its_own_bytes(quick: Carriers) -> None:
    """What the old key signed is not sent in the new key's name."""
    quick.relay()
    quick.sender = FakeSender(signer("other gas"))

    for _ in range(3):
        quick.relay(holder="two")

    with quick.store.read() as uow:
        key = SenderKey(CHAIN_A, quick.sender.address)
        (attempt,) = uow.nonces.attempts_of(key, 7)
    assert set(quick.sender.sent) == {attempt.raw}
