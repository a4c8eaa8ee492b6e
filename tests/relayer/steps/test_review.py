"""Review: a liquidation is signed when the guardian would have decided it, and only then."""

from collections.abc import Iterator

import pytest

from relayer.clock import FixedClock
from relayer.errors import NotYetError, RefusedError
from relayer.guardian.request import AttestationRequest
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.relayer.api.kit import (
    ACCOUNT,
    BOB,
    CHAIN_A,
    CHAIN_B,
    USDC_B,
    VAULT_B,
)
from tests.relayer.steps.mutations import (
    LIQUIDATION,
    SEIZE,
    SEIZE_MUTATIONS,
    liquidation,
    named,
    refused,
)
from tests.relayer.steps.world import (
    DOLLAR,
    ETHER,
    LIQ_ACCOUNT,
    SIGNATORY,
    kinds_booked,
    lock_dollars,
    margin,
    owe,
    request_of,
    set_price,
    settled_world,
)

WAIT_SECONDS = 60


@pytest.fixture(scope="module")
def falling_store(databases: TestDatabases) -> Iterator[Store]:
    """The same, with ann's account below one."""
    with databases.store("sqlite", FixedClock(NOW)) as made:
        settled_world(made, owed_usd=24_000)
        yield made


@pytest.mark.parametrize(("request_", "word"), named(SEIZE_MUTATIONS))
def test_every_change_of_a_liquidation_is_refused_by_name(
    falling_store: Store, catalog: Catalog, request_: AttestationRequest, word: str
) -> None:
    """Though the account is really liquidatable."""
    assert word in str(refused(falling_store, catalog, request_))


def test_an_honest_liquidation_is_signed_and_booked(store: Store, catalog: Catalog) -> None:
    """Debt and collateral move in the guardian's ledger as in the hub's."""
    settled_world(store, owed_usd=24_000)

    countersign(store, catalog, SIGNATORY, request_of(SEIZE))

    assert kinds_booked(store) == ["liquidation.moved", "seize.held"]
    assert margin(store, LIQ_ACCOUNT) == (0, LIQUIDATION.seized)


def test_a_healthy_account_is_not_liquidated(quick_store: Store, catalog: Catalog) -> None:
    """The guardian's own prices decide."""
    settled_world(quick_store, owed_usd=22_000)

    assert "factor" in str(refused(quick_store, catalog, request_of(SEIZE)))


def test_a_liquidation_is_not_signed_twice(quick_store: Store, catalog: Catalog) -> None:
    """A second decision about the same account finds it healed."""
    settled_world(quick_store, owed_usd=23_500)
    healing = {"repaid": 5_900 * DOLLAR, "seized": 199 * ETHER // 100}
    first = liquidation(**healing)
    countersign(quick_store, catalog, SIGNATORY, request_of(first))

    again = request_of(liquidation(**healing, decided_at=NOW + 1), nonce=2)

    assert "factor" in str(refused(quick_store, catalog, again))


def test_a_liquidator_who_cannot_carry_the_debt_is_refused(
    quick_store: Store, catalog: Catalog
) -> None:
    """It would need help itself."""
    settled_world(quick_store, owed_usd=24_000)
    owe(quick_store, 899_000 * DOLLAR, LIQ_ACCOUNT)

    assert refused(quick_store, catalog, request_of(SEIZE)).code == "liquidator_unfit"


def test_a_liquidator_who_shares_an_owner_is_refused(quick_store: Store, catalog: Catalog) -> None:
    """Bob owns a key of both accounts."""
    settled_world(quick_store, owed_usd=24_000)
    for number, account in enumerate((ACCOUNT, LIQ_ACCOUNT)):
        with quick_store.unit_of_work() as uow:
            uow.accounts.link(
                account,
                chain_id=CHAIN_A,
                owner=BOB.address,
                command_id=bytes(31) + bytes([number]),
                at=uow.clock.now(),
            )

    assert refused(quick_store, catalog, request_of(SEIZE)).code == "liquidator_unfit"


def test_an_insolvent_account_is_closed_at_plain_prices(
    quick_store: Store, catalog: Catalog
) -> None:
    """All collateral for its value; less for it, or a bonus, is refused."""
    settled_world(quick_store, owed_usd=24_000)
    set_price(quick_store, 2_000)
    whole = {"seized": 10 * ETHER, "insured": 0}
    dear = request_of(liquidation(repaid=19_000 * DOLLAR, **whole))
    assert "repaid_units" in str(refused(quick_store, catalog, dear))
    bonus = request_of(liquidation(repaid=20_000 * DOLLAR, seized=9 * ETHER, insured=ETHER))
    assert "insolvent" in str(refused(quick_store, catalog, bonus))

    countersign(
        quick_store, catalog, SIGNATORY, request_of(liquidation(repaid=20_000 * DOLLAR, **whole))
    )

    assert margin(quick_store) == (0, 0)


@pytest.mark.parametrize(("age_seconds", "error"), [(0, NotYetError), (31, RefusedError)])
def test_a_young_liquidation_waits_for_the_one_that_comes_first(
    quick_store: Store, catalog: Catalog, age_seconds: int, error: type[Exception]
) -> None:
    """Ether heals more per dollar; the decision that took it may be on its way here."""
    settled_world(quick_store, owed_usd=27_000)
    lock_dollars(quick_store, 2_000 * DOLLAR)
    place = {"collateral_chain": CHAIN_B, "vault": VAULT_B, "token": USDC_B}
    taken = {"repaid": 99 * DOLLAR, "seized": 99 * DOLLAR, "insured": DOLLAR // 10}
    second = liquidation(**place, **taken, decided_at=NOW - age_seconds)

    with pytest.raises(error, match="heals more per USD"):
        countersign(quick_store, catalog, SIGNATORY, request_of(second))
