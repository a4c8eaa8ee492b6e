"""Give back: a liquidation that is undone leaves the debt as if nobody had ever decided it."""

from dataclasses import replace

import pytest

from chains.command import Liquidation, SignedCommand
from chains.events import Borrowed, Repaid
from relayer.money import RAY
from relayer.outbox.life import MessageEvent, WaitReason
from relayer.outbox.message import OutboxMessage
from relayer.steps.catalog import Catalog
from relayer.steps.compose import compose_seize
from relayer.steps.ending import settle_hold
from relayer.steps.give_back import drop_hold, return_hold
from relayer.steps.heights import final_heights, numbers_of_heights
from relayer.steps.liquidate import liquidate_account
from relayer.steps.position import debt_state
from relayer.steps.reconcile import reconcile
from relayer.store.chains import Cursor
from relayer.store.leases import watch_lease_name
from relayer.store.unit_of_work import Store
from tests.properties.debt_facts import OTHER_LIQ, opening_of
from tests.properties.debt_worlds import catalog_of_debts
from tests.relayer.api.kit import ACCOUNT, BOB, CHAIN_C, LINE_C
from tests.relayer.steps.bookings import BORROWER
from tests.relayer.steps.mutations import LIQUIDATION
from tests.relayer.steps.world import (
    DOLLAR,
    FENCE,
    HEIGHT,
    LIQ,
    PROTOCOL,
    block_of,
    kinds_booked,
    open_account,
    owed,
    position_at,
    see_block,
    see_final,
    settled_world,
    signed,
    stored_message,
)

DEBT = 24_000 * DOLLAR
# A repayment pays the parts of liquidators in the order of their accounts.
OTHER, LAST = sorted((LIQ, OTHER_LIQ), key=lambda key: opening_of(key).account)
OTHER_ACCOUNT, LAST_ACCOUNT = (opening_of(key).account for key in (OTHER, LAST))


@pytest.fixture
def liquidators() -> Catalog:
    """The hub's catalog, with two liquidators."""
    return catalog_of_debts(is_replica=False)


def liquidated(store: Store, catalog: Catalog, liquidator: bytes, repaid: int) -> OutboxMessage:
    """Let the hub book a liquidation of ann's, as it does once it has decided it."""
    command = replace(LIQUIDATION, liquidator=liquidator, repaid=repaid, seized=repaid, insured=0)
    return booked(store, catalog, signed(command), command)


def booked(
    store: Store, catalog: Catalog, command: SignedCommand, liquidation: Liquidation
) -> OutboxMessage:
    """Book a liquidation with its place."""
    command_id = liquidation.digest(catalog.hub)
    with store.unit_of_work() as uow:
        uow.ledger.lock()
        uow.commands.store(command_id, command)
        uow.requests.open(
            command_id=command_id, kind="Liquidation", account=ACCOUNT, correlation_id=command_id
        )
        message = compose_seize(uow, catalog, command, command_id)
        numbers = numbers_of_heights(final_heights(uow, catalog))
        uow.requests.grant(command_id, message_id=message.message_id, numbers=numbers)
    return stored_message(store, message.message_id).message


def two_liquidations(store: Store, catalog: Catalog) -> tuple[OutboxMessage, OutboxMessage]:
    """Return the messages of a liquidation of 60 and one of 30, of a debt of 100."""
    settled_world(store)
    open_account(store, opening_of(OTHER_LIQ), OTHER_LIQ)
    place = position_at(HEIGHT + 1, CHAIN_C, LINE_C, 0)
    see(store, catalog, HEIGHT + 1, Borrowed(place, ACCOUNT, BORROWER, BORROWER, 100, 100, RAY))
    return (
        liquidated(store, catalog, LAST_ACCOUNT, 60),
        liquidated(store, catalog, OTHER_ACCOUNT, 30),
    )


def repaid(units: int, left: int, payer: bytes) -> Repaid:
    """Return a repayment of ann's debt, and what it leaves."""
    return Repaid(position_at(HEIGHT + 2, CHAIN_C, LINE_C, 0), ACCOUNT, payer, units, left, RAY)


def see(store: Store, catalog: Catalog, height: int, *events: Borrowed | Repaid) -> None:
    """Let the ledger see final events of the debt, and book them."""
    see_final(store, CHAIN_C, height, events)
    reconcile(store, catalog, CHAIN_C, fence=FENCE)


def parts(store: Store) -> tuple[int, int, int]:
    """Return the borrower's own part, and those of both liquidators."""
    others = (owed(store, ACCOUNT, assumer) for assumer in (LAST_ACCOUNT, OTHER_ACCOUNT))
    return (owed(store), *others)  # type: ignore[return-value]


def dropped(store: Store, catalog: Catalog, message: OutboxMessage) -> None:
    """Let all guardians refuse a message."""
    with store.unit_of_work() as uow:
        uow.ledger.lock()
        reason = WaitReason.GUARDIANS_REFUSED
        uow.outbox.move(message.message_id, MessageEvent.REJECT, reason, "test", uow.clock.now())
        drop_hold(uow, catalog, message)


def test_a_repayment_that_had_gone_on_to_another_liquidators_part_comes_back(
    store: Store, liquidators: Catalog
) -> None:
    """Without the liquidation it pays the borrower's own part, which is large enough for it."""
    first, _ = two_liquidations(store, liquidators)
    see(store, liquidators, HEIGHT + 2, repaid(50, 50, BOB.address))
    before = parts(store)

    dropped(store, liquidators, first)

    assert before == (0, 50, 0)
    assert parts(store) == (20, 0, 30)
    with store.read() as uow:
        assert uow.ledger.verify().is_sound


def test_the_liquidators_own_repayment_pays_the_borrowers_debt_once_it_is_undone(
    store: Store, liquidators: Catalog
) -> None:
    """It had paid the part taken over; nobody took anything over."""
    first, _ = two_liquidations(store, liquidators)
    see(store, liquidators, HEIGHT + 2, repaid(60, 40, LAST.address))
    assert parts(store) == (10, 0, 30)

    dropped(store, liquidators, first)

    assert parts(store) == (10, 0, 30)
    assert kinds_booked(store)[-4:] == [
        *("seize.dropped", "repay.reversed", "liquidation.dropped", "repay.final")
    ]


def test_a_repayment_that_is_reorganised_away_after_the_end_of_its_liquidation_is_owed_again(
    store: Store, liquidators: Catalog
) -> None:
    """By the borrower: no part of a liquidation that was undone comes back with it."""
    first, _ = two_liquidations(store, liquidators)
    see_block(store, CHAIN_C, HEIGHT + 2, [repaid(60, 40, LAST.address)])
    reconcile(store, liquidators, CHAIN_C, fence=FENCE)
    dropped(store, liquidators, first)

    gone(store)
    reconcile(store, liquidators, CHAIN_C, fence=FENCE)

    with store.read() as uow:
        state = debt_state(uow, liquidators.credit_line_of(PROTOCOL), ACCOUNT)
    units = {part.assumer: part.units for part in state.assumed}
    assert state.own_units == 70
    assert (units.get(LAST_ACCOUNT, 0), units[OTHER_ACCOUNT]) == (0, 30)


def gone(store: Store) -> None:
    """Replace the newest block of the debt's chain."""
    with store.unit_of_work() as uow:
        lease = uow.leases.lease(watch_lease_name(CHAIN_C))
        assert lease is not None
        cursor: Cursor = uow.chains.cursor(CHAIN_C)
        uow.chains.rewind(cursor, block_of(HEIGHT + 1), lease)


def test_a_liquidation_that_is_undone_twice_is_undone_once(
    quick_store: Store, liquidators: Catalog
) -> None:
    """What is booked behind it is not touched again."""
    first, _ = two_liquidations(quick_store, liquidators)
    see(quick_store, liquidators, HEIGHT + 2, repaid(5, 95, BOB.address))
    with quick_store.unit_of_work() as uow:
        settle_hold(uow, first)
        return_hold(uow, liquidators, first)
    kinds = kinds_booked(quick_store)

    with quick_store.unit_of_work() as uow:
        return_hold(uow, liquidators, first)

    assert kinds_booked(quick_store) == kinds
    assert kinds[-4:] == ["seize.returned", "repay.reversed", "liquidation.returned", "repay.final"]
    assert parts(quick_store) == (65, 0, 30)


def test_a_liquidation_of_a_credit_line_that_is_configured_no_more_is_undone(
    quick_store: Store, catalog: Catalog
) -> None:
    """Its reversal says it all: nobody reads that debt any more."""
    settled_world(quick_store, owed_usd=24_000)
    liquidate_account(quick_store, catalog, ACCOUNT, fence=FENCE)
    with quick_store.read() as uow:
        (stored,) = uow.outbox.of_account(ACCOUNT)

    with quick_store.unit_of_work() as uow:
        drop_hold(uow, replace(catalog, credit_lines=()), stored.message)

    assert owed(quick_store) == DEBT
    assert kinds_booked(quick_store)[-1] == "liquidation.dropped"
