"""Overpaid: a repayment during a liquidation that is undone stays with the borrower."""

from relayer.ledger.chart import assumed_code, debt_code, lent_code
from relayer.steps.catalog import Catalog
from relayer.steps.ending import drop_hold
from relayer.steps.liquidate import liquidate_account
from relayer.steps.position import debt_state
from relayer.store.outbox import StoredMessage
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import ACCOUNT, CHAIN_C
from tests.relayer.steps.world import (
    DOLLAR,
    FENCE,
    LIQ_ACCOUNT,
    PROTOCOL,
    kinds_booked,
    owed,
    post,
    settled_world,
)

DEBT = 24_000 * DOLLAR


def liquidated(store: Store, catalog: Catalog) -> StoredMessage:
    """Return the message of a liquidation of ann's account."""
    settled_world(store, owed_usd=24_000)
    liquidate_account(store, catalog, ACCOUNT, fence=FENCE)
    with store.read() as uow:
        (stored,) = uow.outbox.of_account(ACCOUNT)
    return stored


def repay(store: Store, *, own: int, taken_over: int) -> None:
    """Book a repayment of both parts."""
    moves = {
        debt_code(PROTOCOL, ACCOUNT): -own,
        assumed_code(PROTOCOL, ACCOUNT, LIQ_ACCOUNT): -taken_over,
        lent_code(PROTOCOL): own + taken_over,
    }
    moves = {code: units for code, units in moves.items() if units}
    post(store, "repayment", moves, ("USDC", CHAIN_C))


def test_a_debt_repaid_during_a_liquidation_that_is_undone_is_repaid(
    store: Store, catalog: Catalog
) -> None:
    """Nobody owes anything afterwards, and no part is below zero."""
    stored = liquidated(store, catalog)
    taken_over = owed(store, ACCOUNT, LIQ_ACCOUNT)
    repay(store, own=DEBT - taken_over, taken_over=taken_over)

    with store.unit_of_work() as uow:
        drop_hold(uow, stored.message)

    assert (owed(store), owed(store, ACCOUNT, LIQ_ACCOUNT)) == (0, 0)
    assert kinds_booked(store)[-2:] == ["liquidation.dropped", "liquidation.overpaid"]
    with store.read() as uow:
        state = debt_state(uow, catalog.credit_line_of(PROTOCOL), ACCOUNT)
        assert uow.ledger.verify().is_sound
    assert state.total_units == 0


def test_a_part_repaid_is_taken_off_the_borrowers_debt(
    quick_store: Store, catalog: Catalog
) -> None:
    """The borrower owes what the chain says: the debt less the repayment."""
    stored = liquidated(quick_store, catalog)
    repay(quick_store, own=0, taken_over=10 * DOLLAR)

    with quick_store.unit_of_work() as uow:
        drop_hold(uow, stored.message)

    assert owed(quick_store) == DEBT - 10 * DOLLAR
    assert owed(quick_store, ACCOUNT, LIQ_ACCOUNT) == 0


def test_an_undone_liquidation_without_a_repayment_needs_nothing_more(
    quick_store: Store, catalog: Catalog
) -> None:
    """The reversal says it all."""
    stored = liquidated(quick_store, catalog)

    with quick_store.unit_of_work() as uow:
        drop_hold(uow, stored.message)

    assert owed(quick_store) == DEBT
    assert kinds_booked(quick_store)[-1] == "liquidation.dropped"
