"""Take back: messages and grants whose final effect is gone wait for another effect or a proof."""

import asyncio
from dataclasses import replace

import pytest

from relayer.ledger.chart import BAD_DEBT
from relayer.outbox.life import MessageState
from relayer.steps.give_back import drop_hold
from relayer.steps.queues import CONFIRM
from relayer.steps.recover import plan_recovery, recover
from relayer.store.grants import GrantState
from relayer.store.recoveries import Order
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import CHAIN_A, CHAIN_C
from tests.relayer.steps.bookings import (
    Bench,
    grant_message,
    granted,
    leave,
    lock,
    release,
    unlock_message,
)
from tests.simulated_chain import SimulatedChain, Tx


def with_final(bench: Bench, *transactions: Tx) -> None:
    """Mine one block for each transaction, seen first and then final."""
    for transaction in transactions:
        bench.chain.mine(transaction)
        bench.catch_up()
        bench.chain.finalize()
        bench.catch_up()


def taken_back(bench: Bench, depth: int) -> None:
    """Replace final blocks by empty ones, and recover."""
    bench.chain.final_height -= depth
    bench.chain.reorg(depth, *([[]] * depth))
    with bench.store.unit_of_work() as uow:
        uow.chains.halt(bench.chain_id, "a final block was replaced")
    plan = asyncio.run(plan_recovery(bench.store, bench.chain))
    recover(bench.store, plan, lease=bench.lease(), order=Order("why", "ann"))
    bench.book()


def state_of(bench: Bench, message_id: bytes) -> MessageState:
    """Return where a message is."""
    with bench.store.read() as uow:
        found = uow.outbox.get(message_id)
    assert found is not None
    return found.state


@pytest.mark.parametrize("is_replica", [False, True])
def test_a_release_that_is_gone_is_in_flight_again(store: Store, is_replica: bool) -> None:
    """What it takes is not given back; when it executes again it settles once."""
    bench = Bench(store, SimulatedChain(CHAIN_A))
    bench.catalog = replace(bench.catalog, is_replica=is_replica)
    with_final(bench, lock("one", 50))
    message = unlock_message(20)
    bench.compose(message)
    with_final(bench, release("release", message))
    before = (bench.available(), bench.custody(), state_of(bench, message.message_id))

    taken_back(bench, 1)
    gone = (bench.available(), bench.custody(), state_of(bench, message.message_id))
    with store.read() as uow:
        rung = [kind for _, kind in uow.jobs.due_doorbells(store.clock.now()) if kind == CONFIRM]
    with_final(bench, release("release", message))

    assert before == (30, 30, MessageState.CONFIRMED)
    assert gone == (30, 50, MessageState.DISPUTED)
    assert bool(rung) is not is_replica
    assert (bench.available(), bench.custody()) == (30, 30)
    assert state_of(bench, message.message_id) is MessageState.CONFIRMED
    assert bench.parked() == ()
    assert bench.is_sound()


def test_a_grant_that_is_gone_brings_back_those_that_it_replaced(store: Store) -> None:
    """The newest that is still final is in force; those that were never seen may arrive yet."""
    bench = Bench(store, SimulatedChain(CHAIN_C))
    bench.chain.mine()
    bench.chain.finalize()
    bench.catch_up()
    messages = [grant_message(100 * nonce, nonce) for nonce in (1, 2, 3, 4)]
    for message in messages:
        bench.compose(message)
    one, two, three, four = messages
    with_final(bench, granted("one", one), granted("two", two), granted("four", four))
    before = [bench.grant_state(message) for message in messages]

    taken_back(bench, 1)
    after = [bench.grant_state(message) for message in messages]
    with_final(bench, granted("three", three))

    replaced, in_force, signed = GrantState.REPLACED, GrantState.GRANTED, GrantState.SIGNED
    assert before == [replaced, replaced, replaced, in_force]
    assert after == [replaced, in_force, signed, signed]
    assert state_of(bench, four.message_id) is MessageState.DISPUTED
    assert bench.grant_state(three) is in_force


def test_an_exit_that_is_gone_gives_back_what_covered_it(store: Store) -> None:
    """A returned hold made the exit good; without the exit it is the owner's again, once."""
    bench = Bench(store, SimulatedChain(CHAIN_A))
    with_final(bench, lock("one", 10))
    message = bench.compose(unlock_message(4))
    with_final(bench, leave("exit", 10))
    with store.unit_of_work() as uow:
        drop_hold(uow, bench.catalog, message)
    covered = (bench.available(), bench.units(BAD_DEBT), bench.custody())

    taken_back(bench, 1)
    gone = (bench.available(), bench.units(BAD_DEBT), bench.custody())
    with_final(bench, leave("exit", 10))
    again = (bench.available(), bench.units(BAD_DEBT), bench.custody())
    taken_back(bench, 1)

    assert covered == again == (0, 0, 0)
    assert gone == (10, 0, 10)
    assert (bench.available(), bench.units(BAD_DEBT), bench.custody()) == (10, 0, 10)
    assert bench.parked() == ()
    assert bench.is_sound()
