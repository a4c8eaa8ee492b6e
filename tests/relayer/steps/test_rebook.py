"""Rebook: what a ledger learns late ends as if it had been learned in time."""

from dataclasses import replace

import pytest

from chains.command import LinkOwner
from chains.events import CollateralSeized, Repaid
from chains.message import Message
from relayer.api.guardian import book
from relayer.clock import FixedClock
from relayer.errors import NotYetError, RefusedError
from relayer.money import RAY
from relayer.outbox.life import MessageState
from relayer.steps.accept import IdempotencyKey, accept
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import PLACE_AGE_SECONDS_MAX, countersign
from relayer.steps.liquidate import liquidate_account
from relayer.steps.position import debt_state
from relayer.steps.reconcile import EVENTS_PER_BATCH, LIQUIDATION_WAIT_SECONDS, reconcile
from relayer.steps.review import DECISION_AGE_SECONDS_MAX
from relayer.store.observed_rows import EVENTS_PER_QUERY_MAX
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import ACCOUNT, ANN, BOB, CHAIN_A, CHAIN_C, LINE_C, VAULT_A
from tests.relayer.steps.mutations import LIQUIDATION, SEIZE, unlock
from tests.relayer.steps.world import (
    DOLLAR,
    FENCE,
    HEIGHT,
    LIQ,
    LIQ_ACCOUNT,
    LIQ_OPEN,
    PROTOCOL,
    SIGNATORY,
    SIGNED_OPEN,
    kinds_booked,
    lock_dollars,
    lock_ether,
    open_account,
    owe,
    owed,
    position_at,
    request_of,
    see_block,
    see_final,
    set_prices,
    settled_world,
    signed,
    watched,
)

OWED = 24_000 * DOLLAR
SIGNED_LIQ_OPEN = signed(LIQ_OPEN, LIQ)


@pytest.fixture
def replica(catalog: Catalog) -> Catalog:
    """The catalog of a guardian."""
    return replace(catalog, is_replica=True)


def world_without_liquidator(store: Store) -> None:
    """Settle what a guardian knows that was shown nothing of the liquidator."""
    open_account(store)
    lock_ether(store, 10 * 10**18)
    lock_dollars(store, 1_000_000 * DOLLAR, LIQ_ACCOUNT)
    owe(store, OWED)
    set_prices(store)
    watched(store)


def repaid(units: int, left: int, height: int = HEIGHT + 1, payer: bytes = LIQ.address) -> Repaid:
    """Return a repayment of the account's debt and what it leaves."""
    position = position_at(height, CHAIN_C, LINE_C, 0)
    return Repaid(position, ACCOUNT, payer, units, left, RAY)


def test_a_repayment_by_an_unknown_payer_is_booked_again_behind_its_liquidation(
    store: Store, replica: Catalog
) -> None:
    """The liquidator's part ends, and the borrower's stays."""
    world_without_liquidator(store)
    left = OWED - LIQUIDATION.repaid
    see_final(store, CHAIN_C, HEIGHT + 5, [repaid(LIQUIDATION.repaid, left)])
    reconcile(store, replica, CHAIN_C, fence=FENCE)
    assert owed(store) == left

    request = request_of(SEIZE, context=(SIGNED_OPEN, SIGNED_LIQ_OPEN))
    assert countersign(store, replica, SIGNATORY, request)

    assert (owed(store), owed(store, ACCOUNT, LIQ_ACCOUNT)) == (left, 0)


def see(store: Store, catalog: Catalog, height: int, *events: Repaid) -> None:
    """Let a ledger see final events of the debt, and book them."""
    see_final(store, CHAIN_C, height, events)
    reconcile(store, catalog, CHAIN_C, fence=FENCE)


def test_what_was_booked_before_is_reversed_and_nothing_is_booked_twice(
    store: Store, replica: Catalog
) -> None:
    """The same message shown again changes nothing."""
    world_without_liquidator(store)
    see(store, replica, HEIGHT + 5, repaid(LIQUIDATION.repaid, OWED - LIQUIDATION.repaid))
    request = request_of(SEIZE, context=(SIGNED_OPEN, SIGNED_LIQ_OPEN))

    first = countersign(store, replica, SIGNATORY, request)
    again = countersign(store, replica, SIGNATORY, request)
    reconcile(store, replica, CHAIN_C, fence=FENCE)

    assert first == again
    assert kinds_booked(store) == [
        "repay.final",
        "repay.reversed",
        "liquidation.moved",
        "seize.held",
        "repay.final",
    ]
    with store.read() as uow:
        assert uow.ledger.verify().is_sound


def test_a_repayment_by_the_borrower_is_split_as_if_it_came_behind_the_liquidation(
    store: Store, replica: Catalog
) -> None:
    """What it pays beyond the borrower's own part goes to the part taken over."""
    settled_world(store, owed_usd=24_000)
    seizure = request_of(SEIZE)
    see_final(store, CHAIN_A, HEIGHT + 5, [seized(seizure.message)])
    reconcile(store, replica, CHAIN_A, fence=FENCE)
    see(store, replica, HEIGHT + 5, repaid(OWED - 3, 3, payer=ANN.address))

    assert countersign(store, replica, SIGNATORY, seizure)

    assert (owed(store), owed(store, ACCOUNT, LIQ_ACCOUNT)) == (0, 3)


def test_the_hub_books_what_is_only_seen_behind_a_liquidation_that_it_decides(
    store: Store, catalog: Catalog
) -> None:
    """As every guardian does that saw it later; integrators hear of it once."""
    settled_world(store, owed_usd=24_000)
    see_block(store, CHAIN_C, HEIGHT + 1, [repaid(OWED - 3, 3, payer=ANN.address)])
    reconcile(store, catalog, CHAIN_C, fence=FENCE)

    assert liquidate_account(store, catalog, ACCOUNT, fence=FENCE) is not None

    assert kinds_booked(store) == [
        "repay.seen",
        "repay.reverted",
        "liquidation.moved",
        "seize.held",
        "repay.seen",
    ]
    with store.read() as uow:
        state = debt_state(uow, catalog.credit_line_of(PROTOCOL), ACCOUNT)
        told = [event.event_type for event in uow.feed.after(None, 0)]
    assert [topic for topic in told if topic.startswith("debt.")] == ["debt.repaid.seen"]
    assert state.own_units == 0
    assert state.total_units == 3


def test_a_liquidation_shown_before_an_earlier_one_counts_in_its_own_place(
    store: Store, replica: Catalog
) -> None:
    """A repayment between them pays the first one's part, and what is over the borrower's own."""
    settled_world(store, owed_usd=24_000)
    second = signed(replace(LIQUIDATION, repaid=7, seized=5, insured=0))
    earlier, later = request_of(SEIZE), request_of(second, nonce=2)
    later = replace(later, heights={**later.heights, CHAIN_C: HEIGHT + 3})
    effects = [seized(earlier.message), seized(later.message, HEIGHT + 2)]
    see_final(store, CHAIN_A, HEIGHT + 5, effects)
    reconcile(store, replica, CHAIN_A, fence=FENCE)
    units = LIQUIDATION.repaid + 100
    see(store, replica, HEIGHT + 5, repaid(units, OWED - units, HEIGHT + 2))

    for request in (later, earlier):
        assert countersign(store, replica, SIGNATORY, request)
        reconcile(store, replica, CHAIN_A, fence=FENCE)

    assert (owed(store), owed(store, ACCOUNT, LIQ_ACCOUNT)) == (OWED - units - 7, 7)


def test_an_unlock_waits_once_a_repayment_is_known_as_a_liquidators(
    quick_store: Store, replica: Catalog
) -> None:
    """The hub names the liquidators' addresses with every message, so nobody signs too early."""
    world_without_liquidator(quick_store)
    see(quick_store, replica, HEIGHT + 5, repaid(LIQUIDATION.repaid, OWED - LIQUIDATION.repaid))

    with pytest.raises(NotYetError, match="message_unknown"):
        context = (SIGNED_OPEN, SIGNED_LIQ_OPEN)
        countersign(quick_store, replica, SIGNATORY, request_of(unlock(amount=5), context=context))

    with quick_store.read() as uow:
        assert uow.outbox.in_state(*MessageState) == ()


@pytest.mark.parametrize("is_hub", [True, False], ids=["hub", "guardian"])
def test_what_an_address_repaid_before_it_was_linked_counts_as_the_liquidators(
    store: Store, catalog: Catalog, replica: Catalog, is_hub: bool
) -> None:
    """Hub and guardians learn of a link at different times."""
    used = catalog if is_hub else replica
    settled_world(store, ether=20, owed_usd=24_000)
    seizure = request_of(SEIZE)
    see_final(store, CHAIN_A, HEIGHT + 5, [seized(seizure.message)])
    reconcile(store, used, CHAIN_A, fence=FENCE)
    countersign(store, used, SIGNATORY, seizure)
    reconcile(store, used, CHAIN_A, fence=FENCE)
    left = OWED - LIQUIDATION.repaid
    see(store, used, HEIGHT + 5, repaid(LIQUIDATION.repaid, left, payer=BOB.address))
    link = signed(LinkOwner(LIQ_ACCOUNT, CHAIN_C, BOB.address), LIQ, BOB)
    assert owed(store) == left - LIQUIDATION.repaid

    if is_hub:
        accept(store, used, link, idempotency=IdempotencyKey("key", bytes(32)))
    else:
        context = (SIGNED_OPEN, link)
        request = request_of(unlock(amount=5), context=context, nonce=2)
        countersign(store, used, SIGNATORY, request)

    assert (owed(store), owed(store, ACCOUNT, LIQ_ACCOUNT)) == (left, 0)


def test_a_liquidation_is_not_placed_before_repayments_of_long_ago(
    quick_store: Store, replica: Catalog
) -> None:
    """They would pay the liquidator's part, and it would keep what it seized for nothing."""
    settled_world(quick_store, owed_usd=24_000)
    request = request_of(SEIZE)

    with pytest.raises(RefusedError, match="place_stale"):
        placed = replace(request, heights={**request.heights, CHAIN_C: HEIGHT - 1})
        countersign(quick_store, replica, SIGNATORY, placed)

    assert countersign(quick_store, replica, SIGNATORY, request)


def test_nothing_stays_of_a_liquidation_that_a_guardian_cannot_hold(
    store: Store, replica: Catalog
) -> None:
    """What was set aside for it is as it was."""
    settled_world(store, owed_usd=24_000)
    seizure = request_of(signed(replace(LIQUIDATION, seized=11 * 10**18)))
    see_final(store, CHAIN_A, HEIGHT + 5, [seized(seizure.message)])
    reconcile(store, replica, CHAIN_A, fence=FENCE)
    see(store, replica, HEIGHT + 5, repaid(9, OWED - 9, payer=ANN.address))

    with pytest.raises(RefusedError, match="insufficient_collateral"):
        countersign(store, replica, SIGNATORY, seizure)

    assert kinds_booked(store) == ["repay.final"]
    assert owed(store) == OWED - 9


def seized(message: Message, height: int = HEIGHT + 1) -> CollateralSeized:
    """Return the event with which the vault executed a seizure."""
    return CollateralSeized(
        position=position_at(height, CHAIN_A, VAULT_A, 0),
        message_id=message.message_id,
        account=message.account,
        token=message.token,
        recipient=message.recipient,
        units=message.amount_units,
        held_after_units=0,
    )


def parked_count(store: Store) -> int:
    """Return how many events are set aside."""
    with store.read() as uow:
        return len(uow.chains.parked_events())


def unlock_signed(store: Store, replica: Catalog) -> bytes:
    """Ask a guardian for a small unlock of the borrower's."""
    expiry_seconds = store.clock.now() + 3_600
    wish = unlock(amount=5, deadline=expiry_seconds)
    request = request_of(wish, expiry_seconds=expiry_seconds)
    return countersign(store, replica, SIGNATORY, request)


def test_a_liquidators_repayment_without_a_liquidation_does_not_stop_an_account_for_good(
    quick_store: Store, replica: Catalog, clock: FixedClock
) -> None:
    """Anybody may repay: once no liquidation can come that stands before it, it is anybody's."""
    settled_world(quick_store, ether=20, owed_usd=24_000)
    see(quick_store, replica, HEIGHT + 5, repaid(9, OWED - 9))
    see(quick_store, replica, HEIGHT + 9, repaid(10, OWED - 19, HEIGHT + 9, payer=ANN.address))
    with pytest.raises(NotYetError, match="message_unknown"):
        unlock_signed(quick_store, replica)

    book(quick_store, replica, CHAIN_C)
    assert parked_count(quick_store) == 1
    clock.move(LIQUIDATION_WAIT_SECONDS + 1)
    book(quick_store, replica, CHAIN_C)

    assert (parked_count(quick_store), owed(quick_store)) == (0, OWED - 19)
    set_prices(quick_store)
    assert unlock_signed(quick_store, replica)


def test_what_was_taken_for_anybodys_is_the_liquidators_once_its_liquidation_is_shown(
    store: Store, replica: Catalog, clock: FixedClock
) -> None:
    """The vault had executed it, and this guardian was away."""
    settled_world(store, owed_usd=24_000)
    seizure = request_of(SEIZE)
    see(store, replica, HEIGHT + 5, repaid(9, OWED - 9))
    clock.move(LIQUIDATION_WAIT_SECONDS + 1)
    book(store, replica, CHAIN_C)
    assert (owed(store), owed(store, ACCOUNT, LIQ_ACCOUNT)) == (OWED - 9, 0)
    see_final(store, CHAIN_A, HEIGHT + 5, [seized(seizure.message)])
    reconcile(store, replica, CHAIN_A, fence=FENCE)

    assert countersign(store, replica, SIGNATORY, seizure)

    moved = LIQUIDATION.repaid
    assert (owed(store), owed(store, ACCOUNT, LIQ_ACCOUNT)) == (OWED - moved, moved - 9)


def test_no_liquidation_is_decided_before_what_is_taken_for_anybodys() -> None:
    """Its place would be too old, or its decision."""
    assert LIQUIDATION_WAIT_SECONDS >= PLACE_AGE_SECONDS_MAX + DECISION_AGE_SECONDS_MAX


def test_no_liquidation_is_decided_behind_a_backlog_that_hides_an_event_of_its_debt(
    quick_store: Store, catalog: Catalog
) -> None:
    """However much of the chain waits to be booked before it."""
    settled_world(quick_store, owed_usd=24_000)
    others = [
        replace(
            repaid(1, 1), account=BOB.address, position=position_at(HEIGHT + 1, CHAIN_C, LINE_C, n)
        )
        for n in range(EVENTS_PER_BATCH)
    ]
    see_final(quick_store, CHAIN_C, HEIGHT + 2, [*others, repaid(9, OWED - 9, HEIGHT + 2)])

    with pytest.raises(NotYetError, match="behind"):
        liquidate_account(quick_store, catalog, ACCOUNT, fence=FENCE)


def test_an_unknown_effect_on_an_account_is_found_behind_those_on_many_others(
    quick_store: Store, replica: Catalog
) -> None:
    """However many others a guardian that was away has set aside."""
    settled_world(quick_store)
    effect = seized(request_of(SEIZE).message)
    others = [
        replace(
            effect,
            account=BOB.address,
            message_id=number.to_bytes(32, "big"),
            position=position_at(HEIGHT + 1, CHAIN_A, VAULT_A, number),
        )
        for number in range(EVENTS_PER_QUERY_MAX)
    ]
    behind = replace(effect, position=position_at(HEIGHT + 2, CHAIN_A, VAULT_A, 0))
    see_final(quick_store, CHAIN_A, HEIGHT + 2, [*others, behind])
    while reconcile(quick_store, replica, CHAIN_A, fence=FENCE).has_more:
        pass

    with pytest.raises(NotYetError, match="message_unknown"):
        countersign(quick_store, replica, SIGNATORY, request_of(unlock(amount=5)))
