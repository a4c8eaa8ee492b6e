"""Mend: gaps are filled, strangers are noticed, and what nobody needs makes way."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from chains.errors import FeeAboveCapError, RpcTimeoutError
from chains.port import Fees
from relayer.clock import FixedClock
from relayer.outbox.life import MessageState, WaitReason
from relayer.steps.carrier import FEE_BUMP_SECONDS, Carrier, SendLimits
from relayer.steps.catalog import Catalog
from relayer.steps.confirm import Follower, confirm
from relayer.steps.mend import MendOutcome, mend
from relayer.steps.queues import RELAY
from relayer.steps.relay import RelayOutcome, relay
from relayer.store.fleet_tables import OUTBOX_MESSAGE
from relayer.store.job_records import JobState
from relayer.store.send_rows import SendState
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.steps.pool_node import (
    FILLER,
    FINAL_DEPTH,
    PoolBridge,
    PoolNode,
    PoolReader,
    PoolSender,
    parsed,
)
from tests.relayer.steps.sending_world import ProcessDied, store_messages
from tests.relayer.steps.world import FENCE

B, F, L = SendState.BROADCAST, SendState.FINAL, SendState.LOST


class Sending:
    """Attested messages, an honest node, and one process."""

    def __init__(self, store: Store, catalog: Catalog, clock: FixedClock) -> None:
        self.store, self.catalog, self.clock = store, catalog, clock
        self.node = PoolNode()
        self.bridge, self.reader = PoolBridge(self.node), PoolReader(self.node)
        self.sender = PoolSender(self.node)
        self.carrier = Carrier(self.sender, self.bridge, "one")
        self.ids = store_messages(store, catalog, 4, seizure_every=4)

    def relay(self, number: int) -> RelayOutcome:
        """Relay a message, counted from 0; the last is a seizure."""
        word = self.ids[number]
        return asyncio.run(relay(self.store, self.catalog, self.carrier, word, fence=FENCE))

    def confirm(self, number: int) -> None:
        """Confirm a message."""
        reader: Any = self.reader
        follower = Follower(reader, self.bridge, self.sender, self.catalog)
        asyncio.run(confirm(self.store, follower, self.ids[number], fence=FENCE))

    def mend(self) -> MendOutcome:
        """Mend once."""
        return asyncio.run(mend(self.store, self.catalog, self.carrier, fence=FENCE))

    def mine(self, blocks: int = 1) -> None:
        """Let blocks pass."""
        for _ in range(blocks):
            self.node.mine(int(self.clock.now()))

    def finish(self) -> None:
        """Let all that is mined become final."""
        self.mine(FINAL_DEPTH + 1)

    def kill_at(self, call: str, number: int) -> None:
        """Let the process die while it relays a message."""

        def _die(made: str) -> None:
            if made == call:
                raise ProcessDied

        self.sender.before = _die
        with pytest.raises(ProcessDied):
            self.relay(number)
        self.sender.before = lambda _: None

    def end(self, number: int, state: MessageState, reason: WaitReason) -> None:
        """Let a message be elsewhere in its life."""
        with self.store.unit_of_work() as uow:
            uow.connection.execute(
                update(OUTBOX_MESSAGE)
                .where(OUTBOX_MESSAGE.c.message_id == self.ids[number])
                .values(state=state.value, reason=reason.value)
            )

    def rows(self, number: int) -> list[tuple[int, SendState]]:
        """Return the nonces of a message."""
        with self.store.read() as uow:
            found = uow.nonces.rows_of_message(self.ids[number])
        return [(row.account_nonce, row.state) for row in found]


@pytest.fixture
def world(store: Store, catalog: Catalog, clock: FixedClock) -> Sending:
    """Four messages, on each kind of database."""
    return Sending(store, catalog, clock)


@pytest.fixture
def quick(quick_store: Store, catalog: Catalog, clock: FixedClock) -> Sending:
    """Four messages, on SQLite."""
    return Sending(quick_store, catalog, clock)


def test_a_nonce_that_a_stranger_used_is_lost_once_that_is_final(world: Sending) -> None:
    """Not before; then the message goes out under another one, and lands once."""
    world.relay(0)
    world.node.use_elsewhere(NOW)
    world.mend()
    world.relay(0)
    assert world.rows(0) == [(0, B)]

    world.finish()
    world.mend()
    assert world.rows(0) == [(0, L)]
    with world.store.read() as uow:
        assert uow.jobs.job(RELAY, world.ids[0].hex()).state is JobState.DUE
    world.relay(0)
    world.finish()
    world.confirm(0)

    assert world.rows(0) == [(0, L), (1, F)]
    assert world.node.landed()[world.ids[0]] == 1
    assert world.mend().is_open is False


def test_our_own_transaction_under_an_older_hash_is_no_stranger(quick: Sending) -> None:
    """A block took what was replaced already: the nonce is final, not lost."""
    quick.relay(0)
    quick.clock.move(FEE_BUMP_SECONDS)
    quick.relay(0)
    older, newer = (parsed(raw) for raw in quick.node.seen)
    assert older.tx_hash != newer.tx_hash
    quick.node.pool[0] = older
    quick.finish()

    quick.mend()

    assert quick.rows(0) == [(0, F)]


def test_a_gap_below_others_is_filled(world: Sending, clock: FixedClock) -> None:
    """Its process died before it signed; nobody comes back for it."""
    world.kill_at("prepare", 0)
    clock.move(10)
    world.relay(1)
    world.relay(2)
    with world.store.unit_of_work() as uow:
        lease = uow.leases.lease(f"send:{CHAIN_A}:0x{world.sender.address.hex()}")
        assert lease is not None
        # Message 1 took the stale nonce over, so a gap is made behind its back.
        hole = uow.nonces.reserve(world.carrier.key, world.ids[0], 2, lease)
        uow.nonces.free(world.carrier.key, hole.account_nonce, lease)
        last = uow.nonces.reserve(world.carrier.key, world.ids[3], 3, lease)
    assert (hole.account_nonce, last.account_nonce) == (2, 3)
    world.relay(3)
    before = world.node.gap

    world.mend()

    assert (before, world.node.gap) == (2, None)
    assert world.node.pool[2].intent == FILLER
    world.finish()
    for number in (1, 2, 3):
        world.confirm(number)
    world.mend()
    assert world.mend().is_open is False


def test_a_reserved_nonce_is_left_alone_while_somebody_may_sign(quick: Sending) -> None:
    """One transaction is in the making per key; the others wait until its time is over."""
    quick.kill_at("prepare", 0)

    assert quick.relay(1).reason is WaitReason.SENDER_BUSY
    quick.clock.move(10)
    assert quick.relay(1).reason is WaitReason.INCLUSION_AWAITED
    assert quick.rows(0) == []
    assert quick.rows(1) == [(0, B)]


def test_what_nobody_needs_is_replaced_by_nothing(quick: Sending, clock: FixedClock) -> None:
    """Only the lowest, only if others wait behind it, and only after its time."""
    quick.node.base_fee_wei *= 100
    quick.relay(0)
    quick.node.base_fee_wei //= 100
    quick.relay(1)
    quick.end(0, MessageState.RETURNED, WaitReason.PROVEN_UNEXECUTED)
    quick.mend()
    assert quick.node.pool[0].intent == quick.ids[0]

    clock.move(FEE_BUMP_SECONDS)
    quick.mend()

    assert quick.node.pool[0].intent == FILLER
    assert quick.node.pool[1].intent == quick.ids[1]
    quick.finish()
    quick.mend()
    assert quick.rows(0) == [(0, L)]


def test_a_refused_message_makes_way_and_is_sent_again_later(
    quick: Sending, clock: FixedClock
) -> None:
    """Its transaction was broadcast, then the contract began to refuse; it lands once."""
    quick.relay(0)
    quick.relay(1)
    quick.end(0, MessageState.SUBMITTED, WaitReason.TARGET_REVERTS)
    clock.move(FEE_BUMP_SECONDS)
    quick.mend()
    assert quick.relay(0).reason is WaitReason.INCLUSION_AWAITED
    assert quick.node.pool[0].intent == FILLER

    quick.finish()
    quick.confirm(0)
    quick.relay(0)
    quick.finish()

    assert quick.rows(0) == [(0, L), (2, B)]
    assert quick.node.landed()[quick.ids[0]] == 1


def test_what_the_pool_dropped_is_sent_again(quick: Sending) -> None:
    """The same bytes."""
    quick.relay(0)
    quick.relay(1)
    quick.node.pool.clear()

    quick.mend()

    assert sorted(quick.node.pool) == [0, 1]
    assert len(set(quick.node.seen)) == 2


def test_what_a_reorganisation_dropped_goes_to_the_front(quick: Sending) -> None:
    """Before every message that waits since later."""
    quick.relay(0)
    quick.mine()
    quick.confirm(0)
    assert quick.rows(0) == [(0, SendState.MINED)]
    quick.node.reorganise(1, keeps=lambda _: False)
    quick.clock.move(100)

    quick.confirm(0)

    with quick.store.read() as uow:
        assert uow.jobs.job(RELAY, quick.ids[0].hex()).ready_at == NOW
    quick.relay(0)
    quick.finish()
    assert quick.node.landed()[quick.ids[0]] == 1


def test_a_second_process_does_not_mend(quick: Sending) -> None:
    """Who has the key does."""
    quick.relay(0)
    quick.carrier = Carrier(quick.sender, quick.bridge, "two")

    assert quick.mend() == MendOutcome(True, WaitReason.SENDER_BUSY)


def test_the_limit_of_what_is_in_flight_makes_others_wait(quick: Sending) -> None:
    """With its reason; a seizure may go beyond it, once more as many."""
    limits = SendLimits(in_flight_max=1, queued_max=2)
    quick.carrier = Carrier(quick.sender, quick.bridge, "one", limits=limits)
    quick.relay(0)

    reasons = [quick.relay(number).reason for number in (1, 2, 3)]

    assert set(reasons[:2]) <= {WaitReason.SENDS_IN_FLIGHT, WaitReason.SENDER_QUEUE_FULL}
    assert reasons[2] is WaitReason.INCLUSION_AWAITED
    with quick.store.read() as uow:
        stored = uow.outbox.get(quick.ids[1])
    assert stored is not None
    assert stored.reason is reasons[0]
    few = SendLimits(in_flight_max=1, queued_max=1)
    quick.carrier = Carrier(quick.sender, quick.bridge, "one", limits=few)
    found = {quick.relay(number).reason for number in (1, 2)}
    assert found == {WaitReason.SENDS_IN_FLIGHT, WaitReason.SENDER_QUEUE_FULL}


def test_r10_at_the_cap_it_stops_and_says_so_once(quick: Sending, clock: FixedClock) -> None:
    """The bytes stay as they are; reason, feed and log name the cap."""

    def _capped(old: Fees, suggested: Fees) -> Fees:
        raise FeeAboveCapError(chain_id=CHAIN_A, cap_wei=old.max_fee_wei)

    quick.sender.bump = _capped
    quick.relay(0)
    clock.move(FEE_BUMP_SECONDS)

    outcomes = [quick.relay(0) for _ in range(3)]

    assert {outcome.reason for outcome in outcomes} == {WaitReason.FEE_ABOVE_CAP}
    assert len(set(quick.node.seen)) == 1
    with quick.store.read() as uow:
        life = [entry.reason for entry in uow.outbox.life(quick.ids[0])]
    assert life.count(WaitReason.FEE_ABOVE_CAP) == 1
    quick.sender.bump = lambda old, _: Fees(2 * old.max_fee_wei, 2 * old.priority_fee_wei)
    assert quick.relay(0).reason is WaitReason.INCLUSION_AWAITED
    with quick.store.read() as uow:
        stored = uow.outbox.get(quick.ids[0])
    assert stored is not None
    assert stored.reason is WaitReason.INCLUSION_AWAITED


def test_r10_a_seizure_pays_for_what_waits_before_it(quick: Sending, clock: FixedClock) -> None:
    """Its cap is the higher one, and it holds for every nonce below its own."""

    def _capped(old: Fees, suggested: Fees) -> Fees:
        raise FeeAboveCapError(chain_id=CHAIN_A, cap_wei=old.max_fee_wei)

    quick.sender.bump = _capped
    urgent = PoolSender(quick.node)
    quick.carrier = Carrier(quick.sender, quick.bridge, "one", urgent=urgent)
    quick.relay(0)
    clock.move(FEE_BUMP_SECONDS)
    assert quick.relay(0).reason is WaitReason.FEE_ABOVE_CAP

    quick.relay(3)

    assert quick.relay(0).reason is WaitReason.INCLUSION_AWAITED
    assert len(set(quick.node.seen)) == 3


def test_a_transient_fault_while_signing_blocks_nobody(quick: Sending) -> None:
    """The nonce is free for the next message at once."""

    def _fail(made: str) -> None:
        if made == "prepare":
            raise RpcTimeoutError(chain_id=CHAIN_A, method=made)

    quick.sender.before = _fail
    with pytest.raises(RpcTimeoutError):
        quick.relay(0)
    quick.sender.before = lambda _: None

    assert quick.relay(1).reason is WaitReason.INCLUSION_AWAITED
    assert quick.rows(1) == [(0, B)]
