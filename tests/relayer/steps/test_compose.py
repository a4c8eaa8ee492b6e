"""Compose: a message says exactly what its command asks, and is stored with what it reserves."""

from dataclasses import replace

import pytest

from chains.command import SignedCommand
from chains.message import MessageKind
from chains.types import chain_key
from relayer.clock import FixedClock
from relayer.errors import InvariantError, RefusedError
from relayer.guardian.checks import GuardianView, check_binding
from relayer.steps.catalog import Catalog
from relayer.steps.compose import (
    compose_credit_grant,
    compose_release,
    compose_seize,
    liquidate,
    store_message,
    terms_of,
)
from relayer.steps.queues import ATTEST
from relayer.store.job_records import JobState
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import CHAIN_A, HUB, UNLOCK
from tests.relayer.steps.mutations import SEIZE
from tests.relayer.steps.world import (
    ETHER,
    LIQ_ACCOUNT,
    SIGNED_CREDIT,
    SIGNED_OPEN,
    SIGNED_UNLOCK,
    kinds_booked,
    margin,
    message_of,
    request_of,
    settled_world,
    stored_message,
)

COMPOSERS = {
    MessageKind.RELEASE: (compose_release, SIGNED_UNLOCK),
    MessageKind.CREDIT_GRANT: (compose_credit_grant, SIGNED_CREDIT),
    MessageKind.SEIZE: (compose_seize, SEIZE),
}
CORRELATION = bytes(31) + b"\x05"


@pytest.mark.parametrize("kind", COMPOSERS)
def test_a_message_is_bound_to_its_command(
    store: Store, catalog: Catalog, kind: MessageKind
) -> None:
    """A guardian's checks find nothing, and the job for them is there."""
    settled_world(store)
    composer, command = COMPOSERS[kind]

    with store.unit_of_work() as uow:
        message = composer(uow, catalog, command, CORRELATION)

    assert (message.kind, message.nonce, message.origin) == (kind, 1, chain_key(HUB))
    view = GuardianView(hub=HUB, epoch=1, target_contract=message.vault, now=store.clock.now())
    check_binding(replace(request_of(command), message=message), view)
    stored = stored_message(store, message.message_id)
    assert stored.message.command == command
    assert stored.message.correlation_id == CORRELATION
    with store.read() as uow:
        assert uow.jobs.job(ATTEST, message.message_id.hex()).state is JobState.DUE


def test_nonces_have_no_gaps_after_a_refusal(store: Store, catalog: Catalog) -> None:
    """What is rolled back gives its number back."""
    settled_world(store)
    much = SignedCommand(replace(UNLOCK, amount=99 * ETHER), ())
    with (
        pytest.raises(RefusedError, match="insufficient_collateral"),
        store.unit_of_work() as uow,
    ):
        compose_release(uow, catalog, much, CORRELATION)

    with store.unit_of_work() as uow:
        assert compose_release(uow, catalog, SIGNED_UNLOCK, CORRELATION).nonce == 1
    assert margin(store) == (9 * ETHER, ETHER)


def test_a_seizure_holds_the_liquidators_part(quick_store: Store, catalog: Catalog) -> None:
    """The collateral is the liquidator's before it is held."""
    settled_world(quick_store)

    with quick_store.unit_of_work() as uow:
        message = compose_seize(uow, catalog, SEIZE, CORRELATION)

    assert margin(quick_store, LIQ_ACCOUNT) == (0, message.amount_units)
    assert kinds_booked(quick_store) == ["liquidation.moved", "seize.held"]


def test_a_liquidation_of_more_than_there_is_is_refused(
    quick_store: Store, catalog: Catalog
) -> None:
    """By the ledger itself."""
    settled_world(quick_store, ether=1)

    with (
        pytest.raises(RefusedError, match="insufficient_collateral"),
        quick_store.unit_of_work() as uow,
    ):
        compose_seize(uow, catalog, SEIZE, CORRELATION)
    assert kinds_booked(quick_store) == []


def test_what_makes_no_message_is_a_bug(quick_store: Store, catalog: Catalog) -> None:
    """An opening has no terms, an unlock liquidates nobody."""
    with pytest.raises(InvariantError, match="OpenAccount"):
        terms_of(SIGNED_OPEN, expiry_seconds=NOW)
    with quick_store.unit_of_work() as uow, pytest.raises(InvariantError, match="RequestUnlock"):
        liquidate(uow, catalog, SIGNED_UNLOCK, CORRELATION, height=0)


def test_a_message_stored_after_its_expiry_keeps_its_deadline(
    quick_store: Store, clock: FixedClock
) -> None:
    """A guardian may learn late of what was executed."""
    clock.move(10_000)
    message = message_of(SIGNED_UNLOCK)

    with quick_store.unit_of_work() as uow:
        store_message(uow, message, SIGNED_UNLOCK, CORRELATION, hold_entry_id=bytes(32))

    stored = stored_message(quick_store, message.message_id)
    assert stored.deadline_at == stored.message.created_at == NOW + 3_600
    assert stored.message.target_chain == CHAIN_A
