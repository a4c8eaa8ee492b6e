"""Liquidate: one sized move per look, to a liquidator who is somebody else and can carry it."""

from dataclasses import replace

import pytest

from chains.command import LinkOwner, Liquidation
from relayer.clock import FixedClock
from relayer.errors import NotYetError
from relayer.liquidation.sizing import LiquidationPlan, size_liquidation
from relayer.outbox.life import MessageEvent, WaitReason
from relayer.risk.margin import assess_health
from relayer.risk.parameters import Level
from relayer.steps.assess import assess, debtors
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.steps.give_back import drop_hold
from relayer.steps.liquidate import liquidate_account
from relayer.steps.position import position_of, prices_of
from relayer.steps.queues import ATTEST, DECIDE, LIQUIDATE
from relayer.store.job_records import JobState
from relayer.store.outbox import StoredMessage
from relayer.store.unit_of_work import Store
from tests.databases import TestDatabases
from tests.relayer.api.kit import ACCOUNT, ANN, CHAIN_A, CHAIN_B, HUB
from tests.relayer.steps.world import (
    DOLLAR,
    ETHER,
    FENCE,
    LIQ,
    LIQ_ACCOUNT,
    LIQ_RECIPIENT,
    SIGNATORY,
    kinds_booked,
    link_owner,
    margin,
    owe,
    owed,
    request_of,
    set_price,
    settled_world,
)


def only_message(store: Store) -> StoredMessage:
    """Return the one message of ann's account."""
    with store.read() as uow:
        (stored,) = uow.outbox.of_account(ACCOUNT)
    return stored


def decision(stored: StoredMessage) -> Liquidation:
    """Return the liquidation behind a message."""
    assert stored.message.command is not None
    command = stored.message.command.command
    assert isinstance(command, Liquidation)
    return command


def test_one_look_is_one_liquidation_of_the_right_size(store: Store, catalog: Catalog) -> None:
    """The move is what sizing says, booked with its hold, message and job."""
    settled_world(store, owed_usd=24_000)
    with store.read() as uow:
        now = uow.clock.now()
        plan = size_liquidation(
            position_of(uow, catalog, ACCOUNT, now),
            parameters=catalog.parameters,
            prices=prices_of(uow, catalog, now),
        )
    assert isinstance(plan, LiquidationPlan)

    command_id = liquidate_account(store, catalog, ACCOUNT, fence=FENCE)

    stored = only_message(store)
    command = decision(stored)
    assert command.digest(HUB) == command_id
    assert (command.repaid, command.seized, command.insured, command.recipient) == (
        plan.repaid_units,
        plan.seized_units,
        plan.insured_units,
        LIQ_RECIPIENT,
    )
    assert kinds_booked(store) == ["liquidation.moved", "seize.held"]
    assert margin(store) == (10 * ETHER - plan.taken_units, 0)
    assert margin(store, LIQ_ACCOUNT) == (0, plan.seized_units)
    assert owed(store) == 24_000 * DOLLAR - plan.repaid_units
    assert owed(store, ACCOUNT, LIQ_ACCOUNT) == plan.repaid_units
    with store.read() as uow:
        assert uow.jobs.job(ATTEST, stored.message_id.hex()).state is JobState.DUE
        report = uow.ledger.verify()
    assert report.is_sound


def test_what_was_given_up_is_decided_again_one_second_later(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """In the same second it would be the very same command, whose entry is in the journal."""
    settled_world(quick_store, owed_usd=24_000)
    liquidate_account(quick_store, catalog, ACCOUNT, fence=FENCE)
    refused = only_message(quick_store)
    with quick_store.unit_of_work() as uow:
        drop_hold(uow, catalog, refused.message)
        reason = WaitReason.GUARDIANS_REFUSED
        now = uow.clock.now()
        uow.outbox.move(refused.message_id, MessageEvent.REJECT, reason, "", now)

    with pytest.raises(NotYetError, match="decided_already"):
        liquidate_account(quick_store, catalog, ACCOUNT, fence=FENCE)
    clock.move(1)
    again = liquidate_account(quick_store, catalog, ACCOUNT, fence=FENCE)

    assert again not in (None, decision(refused).digest(HUB))


def test_the_second_look_finds_a_healthy_account(store: Store, catalog: Catalog) -> None:
    """Whoever comes second does nothing."""
    settled_world(store, owed_usd=24_000)
    liquidate_account(store, catalog, ACCOUNT, fence=FENCE)

    assert liquidate_account(store, catalog, ACCOUNT, fence=FENCE) is None

    with store.read() as uow:
        now = uow.clock.now()
        health = assess_health(
            position_of(uow, catalog, ACCOUNT, now),
            parameters=catalog.parameters,
            prices=prices_of(uow, catalog, now),
            level=Level.MAINTENANCE,
        )
        assert len(uow.outbox.of_account(ACCOUNT)) == 1
    assert not health.is_below_one


def test_a_healthy_account_is_left_alone(quick_store: Store, catalog: Catalog) -> None:
    """Nothing is booked."""
    settled_world(quick_store, owed_usd=22_000)

    assert liquidate_account(quick_store, catalog, ACCOUNT, fence=FENCE) is None
    assert kinds_booked(quick_store) == []


def test_a_liquidator_who_cannot_carry_it_waits(quick_store: Store, catalog: Catalog) -> None:
    """The reason is for people."""
    settled_world(quick_store, owed_usd=24_000)
    owe(quick_store, 899_000 * DOLLAR, LIQ_ACCOUNT)

    with pytest.raises(NotYetError, match="no_liquidator"):
        liquidate_account(quick_store, catalog, ACCOUNT, fence=FENCE)
    assert kinds_booked(quick_store) == []


def test_without_any_liquidator_it_waits(quick_store: Store, catalog: Catalog) -> None:
    """None is configured, or none has an address on the chain."""
    settled_world(quick_store, owed_usd=24_000)
    (only,) = catalog.liquidators
    elsewhere = replace(only, recipients={CHAIN_B: LIQ_RECIPIENT})

    for liquidators in ((), (elsewhere,)):
        with pytest.raises(NotYetError, match="no_liquidator"):
            liquidate_account(
                quick_store, replace(catalog, liquidators=liquidators), ACCOUNT, fence=FENCE
            )


@pytest.mark.parametrize("account", [ACCOUNT, LIQ_ACCOUNT])
def test_nobody_liquidates_an_account_of_the_same_owner(
    quick_store: Store, catalog: Catalog, account: bytes
) -> None:
    """The opener of one is linked to the other."""
    settled_world(quick_store, owed_usd=24_000)
    owner, linked = (ANN, LIQ) if account == ACCOUNT else (LIQ, ANN)
    link_owner(quick_store, LinkOwner(account, CHAIN_A, linked.address), owner, linked)

    with pytest.raises(NotYetError, match="no_liquidator"):
        liquidate_account(quick_store, catalog, ACCOUNT, fence=FENCE)


def test_the_next_liquidator_is_asked_when_the_first_is_unfit(
    quick_store: Store, catalog: Catalog
) -> None:
    """The account itself is no liquidator of its own."""
    settled_world(quick_store, owed_usd=24_000)
    (fit,) = catalog.liquidators
    itself = replace(fit, account=ACCOUNT)

    liquidate_account(
        quick_store, replace(catalog, liquidators=(itself, fit)), ACCOUNT, fence=FENCE
    )

    assert decision(only_message(quick_store)).liquidator == LIQ_ACCOUNT


def test_an_insolvent_account_is_closed_and_guardians_agree(
    store: Store, catalog: Catalog, databases: TestDatabases
) -> None:
    """All collateral at plain prices; the rest of the debt stays for a person."""
    settled_world(store, owed_usd=24_000)
    set_price(store, 2_000)

    liquidate_account(store, catalog, ACCOUNT, fence=FENCE)

    stored = only_message(store)
    command = decision(stored)
    assert (command.repaid, command.seized, command.insured) == (
        20_000 * DOLLAR,
        10 * ETHER,
        0,
    )
    with pytest.raises(NotYetError, match="insolvent"):
        liquidate_account(store, catalog, ACCOUNT, fence=FENCE)
    assert owed(store) == 4_000 * DOLLAR
    assert stored.message.command is not None
    with databases.store("sqlite", store.clock) as own:
        settled_world(own, owed_usd=24_000)
        set_price(own, 2_000)
        assert countersign(own, catalog, SIGNATORY, request_of(stored.message.command))


def test_a_missing_price_liquidates_nobody(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """The job waits with the asset's name."""
    settled_world(quick_store, owed_usd=24_000)
    clock.move(7_200)

    with pytest.raises(NotYetError, match=r"price_refused"):
        liquidate_account(quick_store, catalog, ACCOUNT, fence=FENCE)


def test_an_assessment_rings_for_each_account_below_one(store: Store, catalog: Catalog) -> None:
    """Debts taken over are assessed with those who took them."""
    settled_world(store, owed_usd=24_000)

    assessed = assess(store, catalog, fence=FENCE)

    assert assessed.accounts == 1
    assert [health.account for health in assessed.assessment.liquidatable] == [ACCOUNT]
    with store.read() as uow:
        job = uow.jobs.job(LIQUIDATE, ACCOUNT.hex())
        events = [event.event_type for event in uow.feed.after(ACCOUNT, 0)]
    assert (job.state, job.queue) == (JobState.DUE, DECIDE)
    assert events == ["account.health.changed"]
    liquidate_account(store, catalog, ACCOUNT, fence=FENCE)
    with store.read() as uow:
        assert debtors(uow) == tuple(sorted((ACCOUNT, LIQ_ACCOUNT)))
    assert assess(store, catalog, fence=FENCE).assessment.liquidatable == ()


def test_a_healthy_book_rings_for_nobody(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """Nor does one without prices, which is named."""
    settled_world(quick_store, owed_usd=1_000)
    assert assess(quick_store, catalog, fence=FENCE).assessment.liquidatable == ()

    clock.move(7_200)

    waiting = assess(quick_store, catalog, fence=FENCE).assessment.waiting
    assert [entry.account for entry in waiting] == [ACCOUNT]
