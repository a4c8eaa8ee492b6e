"""Brakes: what is halted, broken or switched off stops; everything else goes on."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from chains.command import OpenAccount
from chains.types import ChainId
from relayer.errors import InvariantError, NotYetError
from relayer.governor.switches import Direction
from relayer.guardian.request import AttestationRequest
from relayer.outbox.life import MessageState, WaitReason
from relayer.steps.attest import AttestOutcome, attest
from relayer.steps.brakes import UNKNOWN_CHAIN, leaving_of, leaving_of_message, may_wait
from relayer.steps.carrier import Carrier
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.steps.decide import decide
from relayer.steps.heights import final_heights
from relayer.steps.liquidate import liquidate_account
from relayer.steps.relay import relay
from relayer.store.requests import RequestState
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, CHAIN_B, CHAIN_C, GUARDIANS, UNLOCK
from tests.relayer.steps.braking import break_custody, granted, halt, switch_off, unlock
from tests.relayer.steps.fakes import FakeBridge, FakeDoor, FakeSender
from tests.relayer.steps.world import (
    DOLLAR,
    ETHER,
    FENCE,
    SIGNATORY,
    SIGNED_CREDIT,
    SIGNED_UNLOCK,
    ask,
    kinds_booked,
    lock_dollars,
    message_of,
    request_of,
    settled_world,
    stored_message,
)

Trouble = Callable[[Store, Catalog], object]
STOPPING: list[tuple[str, Trouble, WaitReason]] = [
    ("halt", lambda store, _: halt(store, CHAIN_A), WaitReason.CHAIN_HALTED),
    ("break", lambda store, _: break_custody(store, CHAIN_A, "WETH"), WaitReason.CUSTODY_BREAK),
    ("all", switch_off, WaitReason.SWITCHED_OFF),
    ("chain", lambda store, c: switch_off(store, c, CHAIN_A), WaitReason.SWITCHED_OFF),
    ("out", lambda store, c: switch_off(store, c, None, Direction.OUT), WaitReason.SWITCHED_OFF),
    (
        "asset",
        lambda store, c: switch_off(store, c, CHAIN_A, Direction.OUT, "WETH"),
        WaitReason.SWITCHED_OFF,
    ),
]
HARMLESS: list[tuple[str, Trouble]] = [
    ("halt", lambda store, _: halt(store, CHAIN_B)),
    ("break elsewhere", lambda store, _: break_custody(store, CHAIN_B, "USDC")),
    ("other asset", lambda store, _: break_custody(store, CHAIN_A, "USDC")),
    ("chain", lambda store, c: switch_off(store, c, CHAIN_B)),
    ("in", lambda store, c: switch_off(store, c, CHAIN_A, Direction.IN)),
    ("asset", lambda store, c: switch_off(store, c, None, None, "USDC")),
]
stopping = pytest.mark.parametrize(
    ("trouble", "reason"),
    [case[1:] for case in STOPPING],
    ids=[case[0] for case in STOPPING],
)
harmless = pytest.mark.parametrize(
    "trouble", [case[1] for case in HARMLESS], ids=[case[0] for case in HARMLESS]
)


def run_attest(store: Store, catalog: Catalog, message_id: bytes) -> tuple[AttestOutcome, int]:
    """Attest once; return the outcome and how many guardians were asked."""
    doors = [FakeDoor(key) for key in GUARDIANS]
    outcome = asyncio.run(attest(store, catalog, doors, message_id, fence=FENCE))
    return outcome, sum(len(door.asked) for door in doors)


def carry(store: Store, catalog: Catalog, message_id: bytes, sender: FakeSender) -> WaitReason:
    """Relay once."""
    carrier = Carrier(sender, FakeBridge(), "me")
    return asyncio.run(relay(store, catalog, carrier, message_id, fence=FENCE)).reason


@stopping
def test_a_request_that_would_leave_is_refused_with_its_reason(
    quick_store: Store, catalog: Catalog, trouble: Trouble, reason: WaitReason
) -> None:
    """Nothing is held."""
    settled_world(quick_store)
    trouble(quick_store, catalog)
    command_id = ask(quick_store, SIGNED_UNLOCK)

    assert decide(quick_store, catalog, command_id, fence=FENCE) is RequestState.REFUSED

    with quick_store.read() as uow:
        request = uow.requests.get(command_id)
    assert request is not None
    assert request.code == reason.value
    assert kinds_booked(quick_store) == []


@stopping
def test_no_guardian_is_asked_for_what_is_stopped(
    quick_store: Store, catalog: Catalog, trouble: Trouble, reason: WaitReason
) -> None:
    """The message waits where it is, with its reason."""
    settled_world(quick_store)
    message_id = granted(quick_store, catalog, SIGNED_UNLOCK)
    trouble(quick_store, catalog)

    outcome, asked = run_attest(quick_store, catalog, message_id)

    assert (outcome.state, outcome.is_open, outcome.reason) == (MessageState.PENDING, True, reason)
    assert asked == 0
    assert stored_message(quick_store, message_id).reason is reason


@stopping
def test_a_guardian_signs_nothing_that_is_stopped_in_its_own_view(
    quick_store: Store, catalog: Catalog, trouble: Trouble, reason: WaitReason
) -> None:
    """Later, not never."""
    settled_world(quick_store)
    trouble(quick_store, catalog)

    with pytest.raises(NotYetError) as caught:
        countersign(quick_store, catalog, SIGNATORY, request_of(SIGNED_UNLOCK))

    assert caught.value.reason == reason.value
    assert kinds_booked(quick_store) == []


@stopping
def test_a_guardian_does_not_hand_out_again_what_it_signed(
    quick_store: Store, catalog: Catalog, trouble: Trouble, reason: WaitReason
) -> None:
    """Whoever lost it does not get it while it is stopped, also with another command beside it."""
    settled_world(quick_store)
    countersign(quick_store, catalog, SIGNATORY, request_of(SIGNED_UNLOCK))
    trouble(quick_store, catalog)

    for shown in (request_of(SIGNED_UNLOCK), _beside_another_command()):
        with pytest.raises(NotYetError) as caught:
            countersign(quick_store, catalog, SIGNATORY, shown)
        assert caught.value.reason == reason.value


def _beside_another_command() -> AttestationRequest:
    return replace(request_of(SIGNED_CREDIT), message=message_of(SIGNED_UNLOCK))


@stopping
def test_nothing_that_is_stopped_is_sent(
    quick_store: Store, catalog: Catalog, trouble: Trouble, reason: WaitReason
) -> None:
    """Though a quorum has signed it; no account nonce is taken for it."""
    settled_world(quick_store)
    message_id = granted(quick_store, catalog, SIGNED_UNLOCK)
    run_attest(quick_store, catalog, message_id)
    trouble(quick_store, catalog)
    sender = FakeSender()

    assert carry(quick_store, catalog, message_id, sender) is reason

    assert sender.sent == []
    with quick_store.read() as uow:
        assert uow.nonces.rows_of_message(message_id) == ()


def test_a_switch_between_signing_and_sending_stops_the_sending(
    quick_store: Store, catalog: Catalog
) -> None:
    """It is looked at right before; the same bytes go once it is on again."""
    settled_world(quick_store)
    message_id = granted(quick_store, catalog, SIGNED_UNLOCK)
    run_attest(quick_store, catalog, message_id)
    sender = FakeSender()
    sender.on_prepare = lambda: switch_off(quick_store, catalog)

    assert carry(quick_store, catalog, message_id, sender) is WaitReason.SWITCHED_OFF
    assert sender.sent == []

    sender.on_prepare = lambda: None
    switch_off(quick_store, catalog, is_off=False)
    assert carry(quick_store, catalog, message_id, sender) is WaitReason.INCLUSION_AWAITED
    assert len(sender.sent) == 1


@harmless
def test_what_is_stopped_elsewhere_stops_nothing_here(
    quick_store: Store, catalog: Catalog, trouble: Trouble
) -> None:
    """Decided, signed by all, sent, and signed by a guardian with the same trouble."""
    settled_world(quick_store)
    trouble(quick_store, catalog)
    message_id = granted(quick_store, catalog, SIGNED_UNLOCK)
    sender = FakeSender()

    assert run_attest(quick_store, catalog, message_id)[0].signatures == 3
    assert carry(quick_store, catalog, message_id, sender) is WaitReason.INCLUSION_AWAITED
    assert len(sender.sent) == 1


def test_what_is_let_go_on_goes_on(store: Store, catalog: Catalog) -> None:
    """The message that waited is signed by all."""
    settled_world(store)
    message_id = granted(store, catalog, SIGNED_UNLOCK)
    switch_off(store, catalog, CHAIN_A)
    run_attest(store, catalog, message_id)

    switch_off(store, catalog, CHAIN_A, is_off=False)

    outcome, asked = run_attest(store, catalog, message_id)
    assert (outcome.state, outcome.signatures, asked) == (MessageState.ATTESTED, 3, 3)


@pytest.mark.parametrize(
    "trouble",
    [
        lambda store, _: halt(store, CHAIN_A),
        lambda store, _: break_custody(store, CHAIN_A, "WETH"),
        lambda store, c: switch_off(store, c, CHAIN_A, Direction.IN),
    ],
    ids=["halt", "break", "in"],
)
def test_collateral_that_is_stopped_carries_no_new_credit(
    quick_store: Store, catalog: Catalog, trouble: Trouble
) -> None:
    """The request waits, and is granted when collateral elsewhere suffices."""
    settled_world(quick_store)
    trouble(quick_store, catalog)
    command_id = ask(quick_store, SIGNED_CREDIT)

    with pytest.raises(NotYetError, match="collateral_stopped"):
        decide(quick_store, catalog, command_id, fence=FENCE)

    lock_dollars(quick_store, 100_000 * DOLLAR)
    assert decide(quick_store, catalog, command_id, fence=FENCE) is RequestState.GRANTED


def test_an_unlock_elsewhere_does_not_lean_on_a_halted_chain(
    quick_store: Store, catalog: Catalog
) -> None:
    """Its debt would be carried by ether whose chain is not believed now."""
    settled_world(quick_store, owed_usd=1_000)
    lock_dollars(quick_store, 5_000 * DOLLAR)
    halt(quick_store, CHAIN_B)
    within = ask(quick_store, unlock(10 * ETHER, 1))
    beyond = ask(quick_store, unlock(ETHER, 2))

    with pytest.raises(NotYetError, match="collateral_stopped"):
        decide(quick_store, catalog, within, fence=FENCE)
    assert decide(quick_store, catalog, beyond, fence=FENCE) is RequestState.GRANTED


def test_an_account_with_a_debt_on_a_halted_chain_waits(
    quick_store: Store, catalog: Catalog
) -> None:
    """What it owes there is not seen; who owes nothing there goes on."""
    settled_world(quick_store, owed_usd=1_000)
    halt(quick_store, CHAIN_C)
    command_id = ask(quick_store, SIGNED_UNLOCK)

    with pytest.raises(NotYetError, match="debt there is not seen"):
        decide(quick_store, catalog, command_id, fence=FENCE)


@pytest.mark.parametrize("chain_id", [CHAIN_A, CHAIN_C])
def test_a_liquidation_waits_for_both_its_chains(
    quick_store: Store, catalog: Catalog, chain_id: ChainId
) -> None:
    """A repayment on the debt's chain may be unseen."""
    settled_world(quick_store, owed_usd=24_000)
    halt(quick_store, chain_id)

    with pytest.raises(NotYetError, match="chain_halted"):
        liquidate_account(quick_store, catalog, ACCOUNT, fence=FENCE)

    assert kinds_booked(quick_store) == []


def test_a_halted_chain_keeps_no_guardian_waiting_for_it(
    quick_store: Store, catalog: Catalog
) -> None:
    """The hub does not ask for a height that nobody can reach."""
    settled_world(quick_store)
    halt(quick_store, CHAIN_B)

    with quick_store.read() as uow:
        assert set(final_heights(uow, catalog)) == {CHAIN_A, CHAIN_C}


def test_a_message_leaves_what_its_own_bytes_say(catalog: Catalog) -> None:
    """Whatever command is shown beside it; of an unknown chain and token, unknown ones."""
    leaving = leaving_of_message(catalog, message_of(SIGNED_UNLOCK), SIGNED_CREDIT.command)
    strange = message_of(SIGNED_UNLOCK, target=bytes(32), token=bytes(32))

    assert leaving == leaving_of(catalog, UNLOCK)
    assert leaving_of_message(catalog, strange, UNLOCK).chain_id == UNKNOWN_CHAIN


def test_an_opening_leaves_nothing(catalog: Catalog) -> None:
    """Only a bug asks."""
    with pytest.raises(InvariantError):
        leaving_of(catalog, OpenAccount(bytes(32), bytes(32)))


def test_only_an_unlock_waits_for_the_governor() -> None:
    """A grant takes nothing out of a vault."""
    assert may_wait(UNLOCK)
    assert not may_wait(SIGNED_CREDIT.command)
