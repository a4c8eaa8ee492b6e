"""Confirm: nonces are followed to finality, and only a final block gives anything back."""

import asyncio

import pytest

from chains.errors import RpcUnavailableError
from relayer.clock import FixedClock, UnixSeconds
from relayer.errors import StateMovedError
from relayer.outbox.life import MessageEvent, MessageState, WaitReason
from relayer.steps.attest import attest
from relayer.steps.catalog import Catalog
from relayer.steps.decide import decide
from relayer.steps.lapse import lapse_grants
from relayer.steps.queues import RELAY
from relayer.steps.reconcile import reconcile
from relayer.store.job_records import JobState
from relayer.store.send_rows import SendState
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import CHAIN_A, CHAIN_C
from tests.relayer.steps.braking import halt
from tests.relayer.steps.fakes import AWAY
from tests.relayer.steps.test_attest import doors
from tests.relayer.steps.test_decide import unlock_of
from tests.relayer.steps.test_relay import Carriers
from tests.relayer.steps.world import (
    ETHER,
    FENCE,
    HEIGHT,
    SIGNED_CREDIT,
    ask,
    header_of,
    kinds_booked,
    margin,
    released,
    see_block,
    see_final,
    stored_message,
)

EXPIRY = NOW + 3_600


@pytest.fixture
def world(store: Store, catalog: Catalog) -> Carriers:
    """One submitted message, on each kind of database."""
    made = Carriers(store, catalog)
    made.relay()
    return made


@pytest.fixture
def quick(quick_store: Store, catalog: Catalog) -> Carriers:
    """One submitted message, on SQLite."""
    made = Carriers(quick_store, catalog)
    made.relay()
    return made


def see_and_book(world: Carriers) -> None:
    """Let the watcher see the effect in a block that is not final, and book it."""
    message = stored_message(world.store, world.message_id).message.message
    see_block(world.store, CHAIN_A, HEIGHT + 1, [released(message)])
    reconcile(world.store, world.catalog, CHAIN_A, fence=FENCE)


def executed(world: Carriers) -> None:
    """Let the watcher see the effect in a final block, and book it."""
    message = stored_message(world.store, world.message_id).message.message
    world.bridge.executed[world.message_id] = HEIGHT + 1
    see_final(world.store, CHAIN_A, HEIGHT + 1, [released(message)])
    reconcile(world.store, world.catalog, CHAIN_A, fence=FENCE)


def test_mined_unmined_and_final_rows(world: Carriers) -> None:
    """The row follows its receipt; a block that is gone rings for the relay."""
    world.sender.mine(world.sender.sent[0], 195)
    world.confirm()
    assert world.rows() == [(7, SendState.MINED)]

    world.sender.receipts.clear()
    world.confirm()
    assert world.rows() == [(7, SendState.BROADCAST)]
    with world.store.read() as uow:
        assert uow.jobs.job(RELAY, world.message_id.hex()).state is JobState.DUE

    world.sender.mine(world.sender.sent[0], 190)
    world.confirm()
    assert world.rows() == [(7, SendState.FINAL)]


def test_a_failure_in_a_block_that_is_gone_did_not_happen(quick: Carriers) -> None:
    """The nonce is open again, and no hole is left behind."""
    quick.sender.mine(quick.sender.sent[0], 195, is_success=False)
    quick.confirm()
    assert quick.rows() == [(7, SendState.REVERTED)]

    quick.sender.receipts.clear()
    quick.confirm()

    assert quick.rows() == [(7, SendState.BROADCAST)]


def test_time_alone_gives_nothing_back(world: Carriers, clock: FixedClock) -> None:
    """Past the expiry it is disputed, and stays held while the final block is older."""
    clock.move(3_601)
    world.reader.finalized = header_of(190, EXPIRY)

    for _ in range(3):
        world.confirm()

    assert world.state() == (MessageState.DISPUTED, WaitReason.EXPIRY_PASSED)
    assert margin(world.store) == (10 * ETHER - 5, 0)
    assert kinds_booked(world.store) == ["unlock.held", "unlock.sent"]


def test_a_final_block_past_the_expiry_gives_it_back_once(
    world: Carriers, clock: FixedClock
) -> None:
    """The proof is in the message's life."""
    clock.move(3_700)
    world.reader.finalized = header_of(190, EXPIRY + 1)

    outcomes = [world.confirm() for _ in range(3)]

    assert world.state() == (MessageState.RETURNED, WaitReason.PROVEN_UNEXECUTED)
    assert outcomes[-1].state is MessageState.RETURNED
    assert kinds_booked(world.store) == ["unlock.held", "unlock.sent", "unlock.returned"]
    assert margin(world.store) == (10 * ETHER, 0)
    with world.store.read() as uow:
        assert "final block 190" in uow.outbox.life(world.message_id)[-1].detail


def test_r2_a_halted_chain_proves_nothing(world: Carriers, clock: FixedClock) -> None:
    """Its final blocks are in doubt: the message may stand on the branch that wins."""
    clock.move(3_700)
    world.reader.finalized = header_of(190, EXPIRY + 1)
    halt(world.store, CHAIN_A)

    for _ in range(3):
        world.confirm()

    assert world.state()[0] is MessageState.DISPUTED
    assert margin(world.store) == (10 * ETHER - 5, 0)


def test_r16_what_may_still_execute_is_not_sent_to_fill_its_nonce(
    quick: Carriers, clock: FixedClock
) -> None:
    """By the target's clock it may be in time, and a brake that is on would be evaded."""
    clock.move(3_601)
    quick.reader.finalized = header_of(190, EXPIRY)
    quick.confirm()
    sent = len(quick.sender.sent)

    quick.confirm()

    assert quick.state()[0] is MessageState.DISPUTED
    assert len(quick.sender.sent) == sent


def test_what_executed_in_time_is_waited_for(quick: Carriers, clock: FixedClock) -> None:
    """The target says so at the final block; its event is on the way."""
    clock.move(3_700)
    quick.reader.finalized = header_of(190, EXPIRY + 1)
    quick.bridge.executed[quick.message_id] = 180

    quick.confirm()

    assert quick.state()[0] is MessageState.DISPUTED
    assert margin(quick.store) == (10 * ETHER - 5, 0)


def test_an_effect_seen_late_is_a_delivery(world: Carriers, clock: FixedClock) -> None:
    """Disputed, then delivered, then confirmed."""
    clock.move(3_700)
    world.reader.finalized = header_of(190, EXPIRY)
    world.confirm()
    assert world.state()[0] is MessageState.DISPUTED

    executed(world)

    assert world.state() == (MessageState.CONFIRMED, WaitReason.EFFECT_FINAL)
    assert kinds_booked(world.store) == ["unlock.held", "unlock.sent", "release.final"]


def test_an_effect_seen_while_confirm_looked_wins(quick: Carriers, clock: FixedClock) -> None:
    """The state is read again in the transaction that would give back."""
    clock.move(3_700)
    quick.reader.finalized = header_of(190, EXPIRY + 1)

    quick.bridge.on_status = lambda: see_and_book(quick)

    quick.confirm()

    assert quick.state()[0] is MessageState.DELIVERED
    assert "unlock.returned" not in kinds_booked(quick.store)


def test_a_message_without_quorum_comes_back_too(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """What was only held is dropped, on the same proof."""
    quick = Carriers(quick_store, catalog, messages=1)
    command_id = ask(quick_store, unlock_of(7, 99))
    decide(quick_store, catalog, command_id, fence=FENCE)
    with quick_store.read() as uow:
        request = uow.requests.get(command_id)
    assert request is not None
    assert request.message_id is not None
    clock.move(3_700)
    asyncio.run(
        attest(quick_store, catalog, doors(AWAY, AWAY, AWAY), request.message_id, fence=FENCE)
    )
    quick.reader.finalized = header_of(190, EXPIRY + 1)

    quick.confirm(request.message_id)

    assert stored_message(quick_store, request.message_id).state is MessageState.RETURNED
    assert "unlock.dropped" in kinds_booked(quick_store)


def test_a_grant_that_lapsed_before_is_returned_all_the_same(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """Both ends of its life meet at the expiry."""
    quick = Carriers(quick_store, catalog)
    command_id = ask(quick_store, SIGNED_CREDIT)
    decide(quick_store, catalog, command_id, fence=FENCE)
    with quick_store.unit_of_work() as uow:
        request = uow.requests.get(command_id)
        assert request is not None
        assert request.message_id is not None
        uow.outbox.move(
            request.message_id,
            MessageEvent.EXPIRE,
            WaitReason.EXPIRY_PASSED,
            "",
            UnixSeconds(NOW),
        )
    clock.move(3_700)
    see_final(quick_store, CHAIN_C, HEIGHT + 1, at=EXPIRY + 1)
    with quick_store.unit_of_work() as uow:
        assert lapse_grants(uow, catalog) == 1
    quick.reader.finalized = header_of(190, EXPIRY + 1)

    quick.confirm(request.message_id)

    assert stored_message(quick_store, request.message_id).state is MessageState.RETURNED


def test_a_transaction_nobody_needs_still_fills_its_nonce(quick: Carriers) -> None:
    """Somebody else delivered, and the node forgot ours: all later nonces would wait for it."""
    executed(quick)
    sent = len(quick.sender.sent)

    outcome = quick.confirm()

    assert (outcome.state, outcome.is_open) == (MessageState.CONFIRMED, True)
    assert quick.sender.sent[sent:] == quick.sender.sent[:1]
    quick.sender.mine(quick.sender.sent[0], 180, is_success=False)
    quick.confirm()
    assert quick.rows() == [(7, SendState.FINAL)]
    assert quick.confirm().is_open is False
    assert quick.state() == (MessageState.CONFIRMED, WaitReason.EFFECT_FINAL)


def test_a_nonce_used_by_something_else_is_given_up(quick: Carriers) -> None:
    """The chain's final nonce is past it, so no gap is left to fill."""
    executed(quick)
    quick.sender.final_nonce = 8

    assert quick.confirm().is_open is False


def test_a_node_that_is_down_changes_nothing(quick: Carriers) -> None:
    """The job asks again."""
    quick.reader.is_down = True

    with pytest.raises(RpcUnavailableError):
        quick.confirm()

    assert quick.rows() == [(7, SendState.BROADCAST)]


def test_an_unknown_message_is_named(quick: Carriers) -> None:
    """The job is overtaken."""
    with pytest.raises(StateMovedError):
        quick.confirm(bytes(31) + b"\x01")
