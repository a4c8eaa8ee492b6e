"""Expire: a guardian gives back on its own proof, and on nothing less."""

from dataclasses import replace

import pytest

from relayer.clock import FixedClock
from relayer.errors import RefusedError
from relayer.outbox.life import MessageEvent, MessageState, WaitReason
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.steps.expire import return_expired
from relayer.steps.reconcile import reconcile
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import ACCOUNT, CHAIN_A
from tests.relayer.steps.mutations import SEIZE
from tests.relayer.steps.world import (
    ETHER,
    FENCE,
    HEIGHT,
    LIQ_ACCOUNT,
    SIGNATORY,
    SIGNED_CREDIT,
    SIGNED_UNLOCK,
    kinds_booked,
    margin,
    owed,
    released,
    request_of,
    see_block,
    see_final,
    settled_world,
    stored_message,
)

EXPIRY = NOW + 3_600


def returned(store: Store, catalog: Catalog) -> int:
    """Run the step."""
    with store.unit_of_work() as uow:
        return return_expired(uow, catalog)


def signed_unlock(store: Store, catalog: Catalog) -> bytes:
    """Return a message that the guardian has signed."""
    settled_world(store)
    request = request_of(SIGNED_UNLOCK)
    countersign(store, catalog, SIGNATORY, request)
    return request.message.message_id


def test_a_final_block_past_the_expiry_returns_the_hold_once(
    store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """And the message is not signed a second time, for no guardian set."""
    message_id = signed_unlock(store, catalog)
    clock.move(4_000)
    see_final(store, CHAIN_A, HEIGHT + 1, at=EXPIRY + 1)

    assert [returned(store, catalog) for _ in range(2)] == [1, 0]

    assert kinds_booked(store) == ["unlock.held", "unlock.dropped"]
    assert margin(store) == (10 * ETHER, 0)
    assert stored_message(store, message_id).state is MessageState.RETURNED


def test_an_effect_whose_block_was_replaced_does_not_keep_the_hold(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """The message was delivered on a dead branch and expired: its hold comes back all the same."""
    message_id = signed_unlock(quick_store, catalog)
    now = clock.now()
    with quick_store.unit_of_work() as uow:
        reason = WaitReason.FINALITY_AWAITED
        uow.outbox.move(message_id, MessageEvent.DELIVER, reason, "", now)
        reason = WaitReason.BLOCK_REORGED
        uow.outbox.move(message_id, MessageEvent.REORG, reason, "", now)
    clock.move(4_000)
    see_final(quick_store, CHAIN_A, HEIGHT + 1, at=EXPIRY + 1)

    assert returned(quick_store, catalog) == 1

    assert margin(quick_store) == (10 * ETHER, 0)
    assert stored_message(quick_store, message_id).state is MessageState.RETURNED


def test_neither_time_nor_an_early_block_is_a_proof(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """A block at the very second of the expiry may still have executed it."""
    signed_unlock(quick_store, catalog)
    clock.move(4_000)
    assert returned(quick_store, catalog) == 0

    see_final(quick_store, CHAIN_A, HEIGHT + 1, at=EXPIRY)

    assert returned(quick_store, catalog) == 0
    assert margin(quick_store) == (9 * ETHER, ETHER)


def test_an_effect_that_is_not_booked_or_parked_is_no_proof(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """Seen is enough to wait."""
    message_id = signed_unlock(quick_store, catalog)
    message = stored_message(quick_store, message_id).message.message
    clock.move(4_000)
    see_final(quick_store, CHAIN_A, HEIGHT + 1, at=EXPIRY + 1)
    see_block(quick_store, CHAIN_A, HEIGHT + 2, [released(message, HEIGHT + 2)])
    assert returned(quick_store, catalog) == 0

    reconcile(quick_store, catalog, CHAIN_A, fence=FENCE)

    assert returned(quick_store, catalog) == 0
    assert stored_message(quick_store, message_id).state is MessageState.DELIVERED


def test_a_halted_chain_proves_nothing(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """Its final blocks are in doubt."""
    signed_unlock(quick_store, catalog)
    clock.move(4_000)
    see_final(quick_store, CHAIN_A, HEIGHT + 1, at=EXPIRY + 1)
    with quick_store.unit_of_work() as uow:
        uow.chains.halt(CHAIN_A, "final block replaced")

    assert returned(quick_store, catalog) == 0


def test_a_seizure_that_expired_is_reversed(
    store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """The debt is the borrower's again."""
    settled_world(store, owed_usd=24_000)
    countersign(store, catalog, SIGNATORY, request_of(SEIZE))
    clock.move(4_000)
    see_final(store, CHAIN_A, HEIGHT + 1, at=EXPIRY + 1)

    assert returned(store, catalog) == 1

    assert (margin(store), margin(store, LIQ_ACCOUNT)) == ((10 * ETHER, 0), (0, 0))
    assert owed(store, ACCOUNT, LIQ_ACCOUNT) == 0


def test_a_grant_needs_a_final_block_of_its_own_chain(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """Another chain's clock says nothing about it."""
    settled_world(quick_store)
    countersign(quick_store, catalog, SIGNATORY, request_of(SIGNED_CREDIT))
    clock.move(4_000)
    see_final(quick_store, CHAIN_A, HEIGHT + 1, at=EXPIRY + 1)

    assert returned(quick_store, catalog) == 0


def test_what_was_returned_is_not_signed_again(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """A new guardian set has to be asked with a new message."""
    signed_unlock(quick_store, catalog)
    clock.move(4_000)
    see_final(quick_store, CHAIN_A, HEIGHT + 1, at=EXPIRY + 1)
    returned(quick_store, catalog)
    rotated = replace(catalog, guardian_set=replace(catalog.guardian_set, index=1))

    with pytest.raises(RefusedError, match="message_ended"):
        countersign(quick_store, rotated, SIGNATORY, request_of(SIGNED_UNLOCK))
