"""Countersign, late: a guardian that was away is shown messages after their effects."""

from dataclasses import replace

import pytest

from chains.attestation import attestation_digest, recover_signer
from chains.command import Liquidation
from chains.events import CollateralExited, CollateralSeized, Repaid
from chains.message import Message
from chains.types import ChainId
from relayer.errors import NotYetError, RefusedError
from relayer.ledger.chart import BAD_DEBT, INSURANCE, Side, vault_code
from relayer.money import RAY, AssetId
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.steps.reconcile import reconcile
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    CHAIN_A,
    CHAIN_B,
    CHAIN_C,
    LINE_C,
    UNLOCK,
    VAULT_A,
    WETH_A,
)
from tests.relayer.steps.braking import halt
from tests.relayer.steps.mutations import LIQUIDATION, SEIZE, unlock
from tests.relayer.steps.world import (
    DOLLAR,
    ETHER,
    FENCE,
    HEIGHT,
    LIQ,
    LIQ_ACCOUNT,
    SIGNATORY,
    SIGNED_UNLOCK,
    kinds_booked,
    margin,
    owed,
    position_at,
    released,
    request_of,
    see_block,
    see_final,
    settled_world,
)

OWED_USD = 24_000


@pytest.fixture
def replica(catalog: Catalog) -> Catalog:
    """The catalog of a guardian."""
    return replace(catalog, is_replica=True)


def repaid(units: int, total_after_units: int) -> Repaid:
    """Return the event of a liquidator that repays for the borrower."""
    return Repaid(
        position=position_at(HEIGHT + 1, CHAIN_C, LINE_C, 0),
        account=ACCOUNT,
        payer=LIQ.address,
        units=units,
        scaled_after=total_after_units,
        index_ray=RAY,
    )


def seized(message: Message) -> CollateralSeized:
    """Return the event with which the vault executed a seizure."""
    return CollateralSeized(
        position=position_at(HEIGHT + 1, CHAIN_A, VAULT_A, 0),
        message_id=message.message_id,
        account=message.account,
        token=message.token,
        recipient=message.recipient,
        units=message.amount_units,
        held_after_units=0,
    )


def see_repayment(store: Store, catalog: Catalog) -> None:
    """Let a ledger see that the liquidator repaid what it took over, before the liquidation."""
    left = OWED_USD * DOLLAR - LIQUIDATION.repaid
    see_final(store, CHAIN_C, HEIGHT + 5, [repaid(LIQUIDATION.repaid, left)])
    reconcile(store, catalog, CHAIN_C, fence=FENCE)


def test_a_liquidators_repayment_waits_for_the_liquidation(
    quick_store: Store, replica: Catalog
) -> None:
    """Booked before it, the borrower's part would fall and the liquidator's never end."""
    settled_world(quick_store, owed_usd=OWED_USD)

    see_repayment(quick_store, replica)

    assert kinds_booked(quick_store) == []
    with pytest.raises(NotYetError, match="message_unknown"):
        countersign(quick_store, replica, SIGNATORY, request_of(unlock(amount=5)))


def test_the_hub_books_a_liquidators_repayment_at_once(
    quick_store: Store, catalog: Catalog
) -> None:
    """The hub took every liquidation itself, so this one is a gift."""
    settled_world(quick_store, owed_usd=OWED_USD)

    see_repayment(quick_store, catalog)

    assert owed(quick_store) == OWED_USD * DOLLAR - LIQUIDATION.repaid


def test_a_liquidation_shown_after_its_repayment_is_signed_and_both_are_booked(
    store: Store, replica: Catalog
) -> None:
    """The two parts end as they do at the hub."""
    settled_world(store, owed_usd=OWED_USD)
    see_repayment(store, replica)

    assert countersign(store, replica, SIGNATORY, request_of(SEIZE))
    reconcile(store, replica, CHAIN_C, fence=FENCE)

    assert kinds_booked(store) == ["liquidation.moved", "seize.held", "repay.final"]
    left = OWED_USD * DOLLAR - LIQUIDATION.repaid
    assert (owed(store), owed(store, ACCOUNT, LIQ_ACCOUNT)) == (left, 0)


def test_executed_messages_of_one_account_do_not_wait_for_each_other(
    quick_store: Store, replica: Catalog
) -> None:
    """Whatever the order in which they are shown."""
    settled_world(quick_store, owed_usd=OWED_USD)
    release, seizure = request_of(SIGNED_UNLOCK), request_of(SEIZE, nonce=2)
    release_effect = released(release.message)
    seize_effect = replace(
        seized(seizure.message), position=position_at(HEIGHT + 2, CHAIN_A, VAULT_A, 0)
    )
    see_final(quick_store, CHAIN_A, HEIGHT + 5, [release_effect, seize_effect])
    reconcile(quick_store, replica, CHAIN_A, fence=FENCE)
    see_repayment(quick_store, replica)

    assert countersign(quick_store, replica, SIGNATORY, seizure)
    for chain_id in (CHAIN_A, CHAIN_C):
        reconcile(quick_store, replica, chain_id, fence=FENCE)
    assert countersign(quick_store, replica, SIGNATORY, release)
    reconcile(quick_store, replica, CHAIN_A, fence=FENCE)

    command = SEIZE.command
    assert isinstance(command, Liquidation)
    taken = command.seized + command.insured + release.message.amount_units
    assert margin(quick_store) == (10 * 10**18 - taken, 0)
    assert margin(quick_store, LIQ_ACCOUNT) == (0, 0)
    assert owed(quick_store, ACCOUNT, LIQ_ACCOUNT) == 0


def left(units: int) -> CollateralExited:
    """Return the event of an owner who took all that the vault had left of the account's."""
    place = position_at(HEIGHT + 2, CHAIN_A, VAULT_A, 0)
    return CollateralExited(place, ACCOUNT, WETH_A, ANN.address, ANN.address, units, 0)


@pytest.mark.parametrize("is_exit_first", [True, False])
def test_an_executed_seizure_is_booked_the_same_before_and_after_its_owner_left(
    store: Store, replica: Catalog, is_exit_first: bool
) -> None:
    """What was insured is not in the vault's payment, so the owner took it too, and owes it."""
    settled_world(store, owed_usd=OWED_USD)
    request = request_of(SEIZE)
    exit_event = left(10 * ETHER - LIQUIDATION.seized)
    see_final(store, CHAIN_A, HEIGHT + 1, [seized(request.message)])
    if is_exit_first:
        see_final(store, CHAIN_A, HEIGHT + 2, [exit_event])
    reconcile(store, replica, CHAIN_A, fence=FENCE)

    assert countersign(store, replica, SIGNATORY, request)
    if not is_exit_first:
        see_final(store, CHAIN_A, HEIGHT + 2, [exit_event])
    reconcile(store, replica, CHAIN_A, fence=FENCE)

    place = (AssetId("WETH"), CHAIN_A)
    with store.read() as uow:
        lost, insured = (uow.ledger.counters(code, *place) for code in (BAD_DEBT, INSURANCE))
        vault = uow.ledger.counters(vault_code(VAULT_A), *place)
        owed_units = [owing.units for owing in uow.deficits.open(CHAIN_A, ACCOUNT)]
    assert margin(store) == (0, 0)
    assert owed_units == [lost.posted(Side.DEBIT)] == [insured.posted(Side.CREDIT)]
    assert owed_units == [LIQUIDATION.insured]
    assert vault.posted(Side.DEBIT) == 0


def test_an_executed_message_whose_block_may_go_takes_no_more_than_the_account_has(
    quick_store: Store, replica: Catalog
) -> None:
    """A guardian lends on what is final only."""
    settled_world(quick_store)
    request = request_of(SIGNED_UNLOCK)
    see_final(quick_store, CHAIN_A, HEIGHT + 2, [left(10 * ETHER - UNLOCK.amount + 1)])
    see_block(quick_store, CHAIN_A, HEIGHT + 3, [released(request.message, HEIGHT + 3)])
    reconcile(quick_store, replica, CHAIN_A, fence=FENCE)

    with pytest.raises(RefusedError, match="insufficient_collateral"):
        countersign(quick_store, replica, SIGNATORY, request)


def test_r16_what_is_shown_with_a_held_message_opens_no_brake(
    quick_store: Store, catalog: Catalog
) -> None:
    """The debt chain of a liquidation is read from what was held, not from another command."""
    settled_world(quick_store, owed_usd=24_000)
    request = request_of(SEIZE)
    countersign(quick_store, catalog, SIGNATORY, request)
    halt(quick_store, ChainId(LIQUIDATION.debt_chain))
    shown = replace(request, command=SIGNED_UNLOCK)

    with pytest.raises(NotYetError, match="chain_halted"):
        countersign(quick_store, catalog, SIGNATORY, shown)


def test_a_held_message_is_signed_for_its_own_target_only(
    quick_store: Store, catalog: Catalog
) -> None:
    """For another guardian set too, whatever target the request names."""
    settled_world(quick_store)
    request = request_of(SIGNED_UNLOCK)
    countersign(quick_store, catalog, SIGNATORY, request)
    rotated = replace(catalog, guardian_set=replace(catalog.guardian_set, index=1))

    signature = countersign(quick_store, rotated, SIGNATORY, replace(request, target_chain=CHAIN_B))

    digest = attestation_digest(
        chain_id=CHAIN_A,
        contract=VAULT_A,
        message_id=request.message.message_id,
        guardian_set_index=1,
    )
    assert recover_signer(digest, signature) == SIGNATORY.address
