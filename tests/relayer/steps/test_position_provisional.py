"""R19: a lock that is seen counts once it lies deep enough for its value, and never for credit."""

from dataclasses import replace

import pytest

from chains.events import CollateralLocked
from relayer.governor.confirmations import FINAL_ONLY, ConfirmationTier
from relayer.governor.rules import GovernorRules
from relayer.money import WAD
from relayer.steps.catalog import Catalog
from relayer.steps.position import position_of
from relayer.steps.reconcile import reconcile
from relayer.store.deficits import Deficit, DeficitAction
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import ACCOUNT, ANN, CHAIN_A, CHAIN_B, VAULT_A, WETH_A
from tests.relayer.steps.braking import PATH_A
from tests.relayer.steps.world import (
    ETHER,
    FENCE,
    HEIGHT,
    open_account,
    position_at,
    see_block,
    set_prices,
    watched,
)

TIERS = (ConfirmationTier(0, 1), ConfirmationTier(5_000 * WAD, 3))


def tiered(catalog: Catalog, tiers: tuple[ConfirmationTier, ...] = TIERS) -> Catalog:
    """Return the deployment with tiers on chain A."""
    return replace(catalog, governor=GovernorRules(tiers={CHAIN_A: tiers}))


def lock(store: Store, catalog: Catalog, height: int, *amounts: int) -> None:
    """See a block with locks of ann's, and book them as soft."""
    events = [
        CollateralLocked(
            position=position_at(height, CHAIN_A, VAULT_A, number),
            lock_id=height * 10 + number,
            account=ACCOUNT,
            token=WETH_A,
            depositor=ANN.address,
            units=units,
            held_after_units=0,
        )
        for number, units in enumerate(amounts)
    ]
    see_block(store, CHAIN_A, height, events)
    reconcile(store, catalog, CHAIN_A, fence=FENCE)


def soft(store: Store, catalog: Catalog) -> tuple[int, int]:
    """Return (final, soft) units of ann's ether that count."""
    with store.read() as uow:
        line = position_of(uow, catalog, ACCOUNT, store.clock.now()).line_of(PATH_A)
    return line.final_units, line.soft_units


@pytest.fixture
def seen(store: Store) -> Store:
    """A world with blocks and prices, in which ann has nothing yet."""
    open_account(store)
    set_prices(store)
    watched(store)
    return store


def test_r19_a_small_lock_counts_under_one_block(seen: Store, catalog: Catalog) -> None:
    """As soft, never as final."""
    governed = tiered(catalog)
    lock(seen, governed, HEIGHT + 1, ETHER)
    assert soft(seen, governed) == (0, 0)

    lock(seen, governed, HEIGHT + 2)

    assert soft(seen, governed) == (0, ETHER)


def test_r19_heights_without_a_block_do_not_make_a_lock_deep(seen: Store, catalog: Catalog) -> None:
    """Two ether need three blocks; ten heights were skipped, and only two blocks lie on them."""
    governed = tiered(catalog)
    lock(seen, governed, HEIGHT + 1, 2 * ETHER)
    for height, parent in ((HEIGHT + 6, HEIGHT + 1), (HEIGHT + 11, HEIGHT + 6)):
        see_block(seen, CHAIN_A, height, parent=parent)
        assert soft(seen, governed) == (0, 0)

    see_block(seen, CHAIN_A, HEIGHT + 12)

    assert soft(seen, governed) == (0, 2 * ETHER)


def test_r19_splitting_a_lock_does_not_make_it_small(seen: Store, catalog: Catalog) -> None:
    """Two ether of 3,000 USD together need three blocks, each of them alone would need one."""
    governed = tiered(catalog)
    lock(seen, governed, HEIGHT + 1, ETHER, ETHER)
    for depth in (1, 2):
        lock(seen, governed, HEIGHT + 1 + depth)
        assert soft(seen, governed) == (0, 0)

    lock(seen, governed, HEIGHT + 4)

    assert soft(seen, governed) == (0, 2 * ETHER)


def test_r19_without_tiers_only_what_is_final_counts(seen: Store, catalog: Catalog) -> None:
    """However deep it lies; a deployment that sets nothing in development counts at once."""
    lock(seen, catalog, HEIGHT + 1, ETHER)
    for depth in range(1, 10):
        lock(seen, catalog, HEIGHT + 1 + depth)

    assert soft(seen, tiered(catalog, FINAL_ONLY)) == (0, 0)
    assert soft(seen, catalog) == (0, ETHER)


def test_r19_of_what_is_seen_only_what_the_account_does_not_owe_counts(
    seen: Store, catalog: Catalog
) -> None:
    """It pays that once it is final; until then it must not look healthier by it."""
    owed = Deficit(ACCOUNT, PATH_A.asset_id, CHAIN_A, ETHER)
    with seen.unit_of_work() as uow:
        uow.deficits.record(b"\x01" * 32, DeficitAction.BOOKED, owed)
        uow.deficits.record(b"\x02" * 32, DeficitAction.BOOKED, replace(owed, chain_id=CHAIN_B))

    lock(seen, catalog, HEIGHT + 1, 3 * ETHER)

    assert soft(seen, catalog) == (0, 2 * ETHER)
