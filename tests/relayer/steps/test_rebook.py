"""Rebook: what a ledger learns late ends as if it had been learned in time."""

from dataclasses import replace

import pytest

from chains.events import Repaid
from relayer.money import RAY
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.steps.reconcile import reconcile
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import ACCOUNT, CHAIN_C, LINE_C
from tests.relayer.steps.mutations import LIQUIDATION, SEIZE
from tests.relayer.steps.world import (
    DOLLAR,
    FENCE,
    HEIGHT,
    LIQ,
    LIQ_ACCOUNT,
    LIQ_OPEN,
    SIGNATORY,
    SIGNED_OPEN,
    lock_dollars,
    lock_ether,
    open_account,
    owe,
    owed,
    position_at,
    request_of,
    see_final,
    set_prices,
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
