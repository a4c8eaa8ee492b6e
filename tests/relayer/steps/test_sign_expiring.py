"""Tests of sending where transactions expire: one attempt at a time, whatever fails in between."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from chains.devnet.solana_actors import SOLANA_BOB
from chains.devnet.solana_kit import USDC, SolanaKit
from chains.errors import RpcTimeoutError
from chains.finality import Finality
from chains.message import MessageKind
from relayer.clock import FixedClock
from relayer.errors import LeaseLostError, StateMovedError
from relayer.outbox.life import WaitReason
from relayer.steps.carrier import ExpiringCarrier
from relayer.steps.mend import mend
from relayer.store.attempt_rows import AttemptState, Purpose
from relayer.store.unit_of_work import Store
from tests.databases import BACKENDS, NOW, TestDatabases
from tests.relayer.steps.expiring_world import (
    ORDINARY_PRICE,
    ExpiringWorld,
    looked_at,
    relayed,
    running_kit,
    states,
    stranger,
)
from tests.relayer.steps.sending_world import LEASE_SECONDS, ProcessDied
from tests.relayer.steps.world import FENCE

BLOCKHASH_SLOTS = 150
FINAL_SLOTS = 32


@pytest.fixture(scope="module")
def shared() -> Iterator[SolanaKit]:
    """A cluster with a vault."""
    with running_kit() as kit:
        yield kit


@pytest.fixture
def clock() -> FixedClock:
    """A clock that moves with the slots."""
    return FixedClock(NOW)


@pytest.fixture(params=BACKENDS)
def store(
    request: pytest.FixtureRequest, databases: TestDatabases, clock: FixedClock
) -> Iterator[Store]:
    """An empty database of each kind."""
    with databases.store(request.param, clock) as made:
        yield made


@pytest.fixture
def world(shared: SolanaKit, store: Store, clock: FixedClock) -> Iterator[ExpiringWorld]:
    """A process that carries to the cluster; afterwards the cluster has no faults."""
    made = ExpiringWorld(store, clock, shared)
    made.number = shared.net.slot * 1_000  # nonces of its own
    yield made
    made.close()
    shared.net.faults.drop_next = shared.net.faults.drop_bps = 0
    shared.net.faults.inclusion_delay_slots = 0
    shared.net.advance(2)


def test_a_delivery_is_stored_sent_landed_and_final(world: ExpiringWorld) -> None:
    """The row is there before the bytes go out; each look brings it level with the chain."""
    (word,) = world.store_messages(1)
    at_broadcast: list[list[str]] = []
    world.hooks.before = lambda call: (
        at_broadcast.append(states(world.attempts(word))) if call == "broadcast" else None
    )

    outcome = relayed(world, word)
    world.pass_slots(2)
    landed = states(looked_at(world, word))
    world.pass_slots(FINAL_SLOTS)
    final = looked_at(world, word)

    assert (outcome.is_open, outcome.reason) == (False, WaitReason.INCLUSION_AWAITED)
    assert at_broadcast == [["LIVE"]]
    assert (landed, states(final)) == (["LANDED"], ["FINAL"])
    assert relayed(world, word).reason is WaitReason.FINALITY_AWAITED


def test_the_same_bytes_go_out_again_until_they_expire(world: ExpiringWorld) -> None:
    """Relay and mend send what is stored; the next one is signed on the final view, dearer."""
    (word,) = world.store_messages(1)
    world.kit.net.faults.drop_next = 1_000
    sent: list[str] = []
    world.hooks.before = sent.append

    relayed(world, word)
    for _ in range(3):
        relayed(world, word)
        world.loop.run_until_complete(mend(world.store, world.catalog, world.carrier, fence=FENCE))
        world.pass_slots(30)
    first = world.attempts(word)
    world.pass_slots(BLOCKHASH_SLOTS)
    world.kit.net.faults.drop_next = 0
    relayed(world, word)
    both = world.attempts(word)

    assert sent.count("prepare") == 2
    assert sent.count("broadcast") == 8
    assert states(first) == ["LIVE"]
    assert states(both) == ["EXPIRED", "LIVE"]
    fees = [one.transaction.fee.micro_lamports for one in both]
    assert fees == [1_000, 1_500]


def test_the_newest_view_expires_nothing(world: ExpiringWorld) -> None:
    """Past its last block and not final yet: it could come back with another fork."""
    (word,) = world.store_messages(1)
    world.kit.net.faults.drop_next = 1_000
    relayed(world, word)

    world.pass_slots(BLOCKHASH_SLOTS + 5)
    relayed(world, word)

    assert states(world.attempts(word)) == ["LIVE"]


def test_a_process_that_dies_between_storing_and_broadcasting_loses_nothing(
    world: ExpiringWorld,
) -> None:
    """The next one sends the bytes that are stored."""
    (word,) = world.store_messages(1)

    def die(call: str) -> None:
        if call == "broadcast":
            raise ProcessDied

    world.hooks.before = die
    with pytest.raises(ProcessDied):
        relayed(world, word)
    world.hooks.before = lambda call: None
    (stored,) = world.attempts(word)
    world.clock.move(LEASE_SECONDS)
    world.start_process()
    relayed(world, word)
    world.pass_slots(2)

    (landed,) = looked_at(world, word)
    assert landed.transaction == stored.transaction
    assert landed.state is AttemptState.LANDED


def test_an_answer_that_is_lost_after_the_node_took_it_sends_nothing_twice(
    world: ExpiringWorld,
) -> None:
    """It has landed under the signature that is stored."""
    (word,) = world.store_messages(1)

    def lose(call: str) -> None:
        if call == "broadcast":
            raise RpcTimeoutError(chain_id=world.chain_id, method=call)

    world.hooks.after = lose
    with pytest.raises(RpcTimeoutError):
        relayed(world, word)
    world.hooks.after = lambda call: None
    world.pass_slots(2)

    assert relayed(world, word).reason is WaitReason.FINALITY_AWAITED
    assert states(looked_at(world, word)) == ["LANDED"]


def test_a_message_that_somebody_else_delivered_is_done(world: ExpiringWorld) -> None:
    """Nothing is signed for it."""
    (word,) = world.store_messages(1)
    with world.store.read() as uow:
        stored = uow.outbox.get(word)
    assert stored is not None
    world.kit.chain_s.execute(stored.message.message)
    world.pass_slots(2)

    outcome = relayed(world, word)

    assert (outcome.is_open, outcome.reason) == (False, WaitReason.FINALITY_AWAITED)
    assert world.attempts(word) == ()


def test_what_a_rollback_takes_back_goes_out_again_as_it_is(world: ExpiringWorld) -> None:
    """Confirmed was not final; the bytes are still good."""
    (word,) = world.store_messages(1)
    world.pass_slots(4)
    relayed(world, word)
    world.pass_slots(2)
    before = looked_at(world, word)
    world.kit.net.rollback(3)
    world.pass_slots(2)

    back = looked_at(world, word)
    relayed(world, word)
    world.pass_slots(2)
    again = looked_at(world, word)

    assert (states(before), states(back), states(again)) == (["LANDED"], ["LIVE"], ["LANDED"])
    assert len({one.transaction for one in (*before, *back, *again)}) == 1


def test_a_failure_in_a_block_is_an_attempt_with_a_reason(world: ExpiringWorld) -> None:
    """The next is signed once that block is final, a pause has passed, and trying it succeeds."""
    (word,) = world.store_messages(1)
    world.kit.net.faults.inclusion_delay_slots = 3
    relayed(world, word)
    with world.store.read() as uow:
        stored = uow.outbox.get(word)
    assert stored is not None
    empty = {"account": bytes(32), "recipient": bytes(32)}
    pause = world.message(kind=MessageKind.PAUSE, amount_units=1, **empty)
    world.kit.net.faults.inclusion_delay_slots = 0
    world.kit.chain_s.execute(pause)
    world.pass_slots(6)

    failed = looked_at(world, word)
    early = relayed(world, word)
    world.kit.chain_s.execute(world.message(kind=MessageKind.PAUSE, amount_units=0, **empty))
    world.pass_slots(FINAL_SLOTS)
    paused = relayed(world, word)
    spent = world.attempts(word)
    world.clock.move(30)
    relayed(world, word)

    assert [(one.state, one.reason) for one in failed] == [(AttemptState.FAILED, "PAUSED (7070)")]
    assert (early.is_open, early.reason) == (True, WaitReason.TARGET_REVERTS)
    assert (paused.is_open, paused.reason) == (True, WaitReason.TARGET_REVERTS)
    assert states(spent) == ["SPENT"]
    assert states(world.attempts(word)) == ["SPENT", "LIVE"]


def test_what_the_program_would_refuse_is_never_signed(world: ExpiringWorld) -> None:
    """The message waits with the program's reason, and no lamport is spent."""
    (word,) = world.store_messages(1, amount_units=10**15)

    outcome = relayed(world, word)

    assert (outcome.is_open, outcome.reason) == (True, WaitReason.TARGET_REVERTS)
    assert world.attempts(word) == ()
    with world.store.read() as uow:
        stored = uow.outbox.get(word)
        details = [one.detail for one in uow.outbox.life(word)]
    assert stored is not None
    assert stored.reason is WaitReason.TARGET_REVERTS
    assert "INSUFFICIENT (7072)" in details[-1]


@pytest.mark.slow
def test_a_seizure_may_offer_more_than_a_release(world: ExpiringWorld) -> None:
    """Each has its cap: the dearer market is met for the one and not for the other."""
    (release,) = world.store_messages(1)
    (seizure,) = world.store_messages(1, kind=MessageKind.SEIZE)
    world.kit.net.faults.drop_next = 10_000

    for _ in range(26):
        for word in (release, seizure):
            relayed(world, word)
        world.pass_slots(BLOCKHASH_SLOTS + FINAL_SLOTS + 2)

    dearest = [
        max(one.transaction.fee.micro_lamports for one in world.attempts(word))
        for word in (release, seizure)
    ]
    assert dearest[0] == ORDINARY_PRICE
    assert dearest[1] > ORDINARY_PRICE
    assert relayed(world, release).reason is WaitReason.FEE_ABOVE_CAP


def test_an_account_is_opened_first_where_there_is_no_room(
    databases: TestDatabases, clock: FixedClock
) -> None:
    """Two transactions, each stored with what it is for; the second waits for the first."""
    wallet = bytes(stranger("opened first"))
    with running_kit(guardians=9, threshold=8) as kit, databases.store("sqlite", clock) as store:
        world = ExpiringWorld(store, clock, kit)
        (word,) = world.store_messages(1, recipient=wallet)

        relayed(world, word)
        world.pass_slots(2)
        looked_at(world, word)
        relayed(world, word)
        world.pass_slots(2)

        found = looked_at(world, word)
        units = kit.chain_s.chain.units_of(kit.chain_s.tokens["USDC"], wallet)
        with store.read() as uow:
            roles = [one.role for one in uow.outbox.transactions(word)]
        world.close()
    assert [(one.purpose, one.state) for one in found] == [
        (Purpose.PREPARE, AttemptState.LANDED),
        (Purpose.DELIVER, AttemptState.LANDED),
    ]
    assert units == USDC
    assert sorted(roles) == ["deliver", "prepare"]


def _take_over(world: ExpiringWorld, word: bytes, carrier: ExpiringCarrier) -> None:
    other = ExpiringWorld(world.store, world.clock, world.kit)
    assert relayed(other, word, carrier).reason is WaitReason.INCLUSION_AWAITED
    other.close()


@pytest.mark.parametrize("frozen_before", ["prepare", "broadcast"])
def test_a_leader_that_thaws_signs_nothing_new(world: ExpiringWorld, frozen_before: str) -> None:
    """Its lease is another's: what it signed is not stored, and what it sends was stored."""
    (word,) = world.store_messages(1)
    old, new = world.new_carrier("old"), world.new_carrier("new")

    def freeze(call: str) -> None:
        if call != frozen_before:
            return
        world.hooks.before = lambda _: None
        world.clock.move(LEASE_SECONDS + 1)
        with ThreadPoolExecutor(1) as pool:  # another process: with a loop of its own
            pool.submit(_take_over, world, word, new).result()

    world.hooks.before = freeze
    with suppress(LeaseLostError, StateMovedError):
        relayed(world, word, old)
    world.pass_slots(2)

    assert states(looked_at(world, word)) == ["LANDED"]
    assert world.landed([word]) == {word: 1}


def test_two_live_attempts_would_still_have_one_effect(world: ExpiringWorld) -> None:
    """Past all rules of ours, the vault's mark refuses the second."""
    (word,) = world.store_messages(1)
    sender = world.carrier.sender
    with world.store.read() as uow:
        stored = uow.outbox.get(word)
    assert stored is not None
    message = stored.message.message
    attested = world.kit.chain_s.attest(message)
    had = world.kit.chain_s.chain.units_of(message.token, SOLANA_BOB.address)

    async def twice() -> None:
        (call,) = await world.carrier.bridge.deliver(message, attested)
        fee = await sender.suggest_fee(call)  # type: ignore[arg-type]
        dear = sender.bump_fee(fee, fee)
        signed = [await sender.prepare(call, one) for one in (fee, dear)]  # type: ignore[arg-type]
        for one in signed:
            await sender.broadcast(one)

    world.loop.run_until_complete(twice())
    world.pass_slots(2)

    assert world.is_executed(word, Finality.SAFE)
    assert world.kit.chain_s.chain.units_of(message.token, SOLANA_BOB.address) == had + USDC
