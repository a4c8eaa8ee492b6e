"""Countersign: whatever is changed is refused by name; what is right is held once and signed."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chains.attestation import attestation_digest, recover_signer
from chains.command import LinkOwner, SignedCommand
from chains.events import CollateralSeized
from relayer.clock import FixedClock
from relayer.errors import NotYetError, RefusedError, StalePriceError
from relayer.guardian.request import AttestationRequest
from relayer.money import AssetId
from relayer.outbox.life import MessageState
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.steps.reconcile import reconcile
from relayer.steps.reread import DENIED
from relayer.store.breaks import CustodyDifference
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    BOB,
    CHAIN_A,
    CHAIN_B,
    GUARDIANS,
    HUB,
    LINK,
    OPEN,
    UNLOCK,
    VAULT_A,
    WETH_A,
    signer,
)
from tests.relayer.steps.mutations import (
    CREDIT_MUTATIONS,
    RELEASE_MUTATIONS,
    SEIZE,
    WORD,
    credit,
    named,
    refused,
    unlock,
)
from tests.relayer.steps.world import (
    DOLLAR,
    ETHER,
    FENCE,
    GUARDIAN,
    HEIGHT,
    LIQ,
    LIQ_ACCOUNT,
    LIQ_OPEN,
    LIQ_RECIPIENT,
    SIGNATORY,
    SIGNED_OPEN,
    SIGNED_UNLOCK,
    block_of,
    kinds_booked,
    margin,
    message_of,
    position_at,
    released,
    request_of,
    see_block,
    see_final,
    settled_world,
    signed,
    stored_message,
)

WAIT_SECONDS = 60


def test_an_honest_release_is_held_and_signed(store: Store, catalog: Catalog) -> None:
    """The signature is the guardian's own over exactly this message."""
    settled_world(store)
    request = request_of(SIGNED_UNLOCK)

    signature = countersign(store, catalog, SIGNATORY, request)

    digest = attestation_digest(
        chain_id=CHAIN_A,
        contract=VAULT_A,
        message_id=request.message.message_id,
        guardian_set_index=0,
    )
    assert recover_signer(digest, signature) == GUARDIAN.key.address
    assert margin(store) == (9 * ETHER, ETHER)
    assert stored_message(store, request.message.message_id).state is MessageState.DISPATCHED


def test_the_same_request_twice_has_one_signature_and_one_hold(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """Also when the world has moved on meanwhile."""
    settled_world(quick_store)
    request = request_of(SIGNED_UNLOCK)
    first = countersign(quick_store, catalog, SIGNATORY, request)
    clock.move(86_400)

    assert countersign(quick_store, catalog, SIGNATORY, request) == first

    assert kinds_booked(quick_store) == ["unlock.held"]


@pytest.fixture(scope="module")
def calm_store(databases: TestDatabases) -> Iterator[Store]:
    """A guardian's store that only sees what is refused, so that it stays as it is."""
    with databases.store("sqlite", FixedClock(NOW)) as made:
        settled_world(made)
        yield made


@pytest.mark.parametrize(("request_", "word"), named(RELEASE_MUTATIONS + CREDIT_MUTATIONS))
def test_every_change_of_a_request_is_refused_by_name(
    calm_store: Store, catalog: Catalog, request_: AttestationRequest, word: str
) -> None:
    """The field or the missing signer is in the refusal."""
    assert word in str(refused(calm_store, catalog, request_))


def test_a_nonce_is_signed_for_once(quick_store: Store, catalog: Catalog) -> None:
    """However many messages the lane had."""
    settled_world(quick_store)
    countersign(quick_store, catalog, SIGNATORY, request_of(unlock(amount=5)))

    other = refused(quick_store, catalog, request_of(unlock(amount=6)))

    assert other.code == "nonce_reused"
    assert "nonce: 1" in other.detail


def test_two_messages_that_share_a_unit_are_not_both_signed(store: Store, catalog: Catalog) -> None:
    """The hold of the first is in the way of the second."""
    settled_world(store)
    countersign(store, catalog, SIGNATORY, request_of(unlock(amount=6 * ETHER)))

    other = refused(store, catalog, request_of(unlock(amount=5 * ETHER), nonce=2))

    assert other.code == "insufficient_collateral"


def test_at_the_same_moment_too(store: Store, catalog: Catalog) -> None:
    """A grant and an unlock that exceed the margin together, in two threads."""
    settled_world(store)
    requests = (
        request_of(credit(limit=20_000 * DOLLAR)),
        request_of(unlock(amount=5 * ETHER), nonce=2),
    )
    barrier = threading.Barrier(2)
    results: list[str] = []

    def _sign(request: AttestationRequest) -> None:
        barrier.wait(WAIT_SECONDS)
        try:
            countersign(store, catalog, SIGNATORY, request)
            results.append("signed")
        except RefusedError as exc:
            results.append(exc.code)

    threads = [threading.Thread(target=_sign, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)

    assert sorted(results) == ["insufficient_margin", "signed"]


def test_who_is_behind_waits(quick_store: Store, catalog: Catalog) -> None:
    """By the hub's heights, and by its own events that are not booked."""
    settled_world(quick_store)
    ahead = replace(request_of(SIGNED_UNLOCK), heights={CHAIN_B: HEIGHT + 1})
    with pytest.raises(NotYetError, match=f"behind: {CHAIN_B}: at {HEIGHT}"):
        countersign(quick_store, catalog, SIGNATORY, ahead)

    see_block(quick_store, CHAIN_A, HEIGHT + 1, [released(message_of(unlock(amount=7)))])
    with pytest.raises(NotYetError, match="wait to be booked"):
        countersign(quick_store, catalog, SIGNATORY, request_of(SIGNED_UNLOCK))


def test_who_has_seen_nothing_waits(quick_store: Store, catalog: Catalog) -> None:
    """A hub that names no heights does not help."""
    blind = replace(request_of(SIGNED_UNLOCK), heights={})

    with pytest.raises(NotYetError, match="behind"):
        countersign(quick_store, catalog, SIGNATORY, blind)


def test_trouble_in_its_own_view_waits(quick_store: Store, catalog: Catalog) -> None:
    """A halted chain or a break may be repaired: that is no refusal for good."""
    settled_world(quick_store)
    with quick_store.unit_of_work() as uow:
        found = uow.breaks.record(
            CustodyDifference(CHAIN_A, AssetId("WETH"), VAULT_A, 5, 4, block_of(1))
        )
    with pytest.raises(NotYetError, match="custody_break"):
        countersign(quick_store, catalog, SIGNATORY, request_of(SIGNED_UNLOCK))
    with quick_store.unit_of_work() as uow:
        uow.breaks.clear(found.break_id, "checked", "op")
        uow.chains.halt(CHAIN_A, "final block replaced")

    with pytest.raises(NotYetError, match="chain_halted"):
        countersign(quick_store, catalog, SIGNATORY, request_of(SIGNED_UNLOCK))


def test_a_missing_price_waits(quick_store: Store, catalog: Catalog, clock: FixedClock) -> None:
    """It is not the account's fault."""
    settled_world(quick_store, owed_usd=1_000)
    clock.move(3_600 * 2)
    late = request_of(unlock(deadline=NOW + 90_000), expiry_seconds=NOW + 9_000)

    with pytest.raises(StalePriceError):
        countersign(quick_store, catalog, SIGNATORY, late)


def test_a_key_outside_the_set_signs_nothing(quick_store: Store, catalog: Catalog) -> None:
    """The configuration is wrong, and says so."""
    settled_world(quick_store)

    with pytest.raises(RefusedError, match="not_a_member"):
        countersign(
            quick_store,
            catalog,
            replace(SIGNATORY, address=BOB.address),
            request_of(SIGNED_UNLOCK),
        )


def test_what_was_executed_before_it_was_shown_is_booked_once_and_signed(
    store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """A guardian that was away learns of it late, even after the expiry and at another epoch."""
    settled_world(store)
    request = request_of(SIGNED_UNLOCK)
    see_final(store, CHAIN_A, HEIGHT + 5, [released(request.message)])
    assert reconcile(store, catalog, CHAIN_A, fence=FENCE).parked == 1
    with pytest.raises(NotYetError, match="message_unknown"):
        countersign(store, catalog, SIGNATORY, request_of(unlock(amount=5), nonce=2))
    clock.move(7_200)
    later = replace(catalog, parameters=replace(catalog.parameters, epoch=2))

    first = countersign(store, later, SIGNATORY, request)
    reconcile(store, later, CHAIN_A, fence=FENCE)

    assert countersign(store, later, SIGNATORY, request) == first
    assert kinds_booked(store) == ["unlock.held", "unlock.sent", "release.final"]
    assert margin(store) == (9 * ETHER, 0)
    assert stored_message(store, request.message.message_id).state is MessageState.CONFIRMED


def test_an_effect_that_a_quorum_denies_is_no_execution(
    quick_store: Store, catalog: Catalog
) -> None:
    """It was set aside as unknown before; no signature follows from what was forged."""
    settled_world(quick_store)
    request = request_of(SIGNED_UNLOCK)
    event = released(request.message)
    see_final(quick_store, CHAIN_A, HEIGHT + 5, [event])
    reconcile(quick_store, catalog, CHAIN_A, fence=FENCE)
    with quick_store.unit_of_work() as uow:
        uow.chains.unpark(event.position.event_id)
        uow.chains.park(event.position.event_id, f"{DENIED}: a later reading does not have it")
    later = replace(catalog, parameters=replace(catalog.parameters, epoch=2))

    assert refused(quick_store, later, request).code == "message_mismatch"


def test_an_effect_elsewhere_is_not_taken_for_execution(
    quick_store: Store, catalog: Catalog
) -> None:
    """Only the target itself can say that it accepted a quorum."""
    settled_world(quick_store)
    request = request_of(unlock(amount=11 * ETHER))
    elsewhere = released(request.message, chain_id=CHAIN_B)
    see_final(quick_store, CHAIN_B, HEIGHT + 5, [elsewhere])
    reconcile(quick_store, catalog, CHAIN_B, fence=FENCE)

    assert refused(quick_store, catalog, request).code == "insufficient_collateral"


def test_an_unknown_seizure_keeps_every_liquidator_waiting(
    quick_store: Store, catalog: Catalog
) -> None:
    """The event names the borrower; the debt may be any liquidator's now."""
    settled_world(quick_store)
    seized = CollateralSeized(
        position=position_at(HEIGHT + 1, CHAIN_A, VAULT_A, 0),
        message_id=WORD,
        account=WORD,
        token=WETH_A,
        recipient=LIQ_RECIPIENT,
        units=ETHER,
        held_after_units=0,
    )
    see_final(quick_store, CHAIN_A, HEIGHT + 5, [seized])
    reconcile(quick_store, catalog, CHAIN_A, fence=FENCE)

    with pytest.raises(NotYetError, match="message_unknown"):
        countersign(quick_store, catalog, SIGNATORY, request_of(SEIZE))
    assert countersign(quick_store, catalog, SIGNATORY, request_of(unlock(amount=5)))


def test_another_guardian_set_gets_a_signature_of_its_own(
    quick_store: Store, catalog: Catalog
) -> None:
    """The message is held once, whatever the set's index."""
    settled_world(quick_store)
    request = request_of(SIGNED_UNLOCK)
    first = countersign(quick_store, catalog, SIGNATORY, request)
    rotated = replace(catalog, guardian_set=replace(catalog.guardian_set, index=1))

    second = countersign(quick_store, rotated, SIGNATORY, request)

    assert second != first
    assert kinds_booked(quick_store) == ["unlock.held"]


def test_context_makes_unknown_owners_known(quick_store: Store, catalog: Catalog) -> None:
    """Bob was linked by ann, and asks."""
    settled_world(quick_store)
    link = signed(LINK, ANN, BOB)
    request = request_of(signed(UNLOCK, BOB), context=(SIGNED_OPEN, link))

    assert countersign(quick_store, catalog, SIGNATORY, request)
    with quick_store.read() as uow:
        assert uow.accounts.is_owner(ACCOUNT, None, BOB.address)


@pytest.mark.parametrize(
    ("link", "word"),
    [
        (signed(LINK, BOB, BOB), "signer_not_owner"),
        (signed(LINK, ANN, ANN), "signer_not_owner"),
        (signed(LINK, ANN), "signatures_missing"),
        (signed(LinkOwner(ACCOUNT, "eip155:9", BOB.address), ANN, BOB), "signer_not_owner"),
        (signed(LinkOwner(ACCOUNT, "\x00 ", BOB.address), ANN, BOB), "signer_not_owner"),
        (signed(replace(OPEN, salt=WORD), BOB), "opener"),
        (signed(UNLOCK, ANN), "context"),
    ],
)
def test_forged_context_is_refused_and_forgotten(
    quick_store: Store, catalog: Catalog, link: SignedCommand, word: str
) -> None:
    """Nobody becomes an owner by the hub's word."""
    settled_world(quick_store)
    request = request_of(signed(UNLOCK, BOB), context=(SIGNED_OPEN, link))

    assert word in str(refused(quick_store, catalog, request))
    with quick_store.read() as uow:
        assert not uow.accounts.is_owner(ACCOUNT, None, BOB.address)


def test_links_on_a_chain_that_a_guardian_does_not_have_yet_stop_no_message(
    quick_store: Store, catalog: Catalog
) -> None:
    """Every message names those of the liquidators; a chain is new at the hub first."""
    settled_world(quick_store)
    new, next_one = signer("on the new chain"), signer("linked by it")
    links = (
        signed(LinkOwner(LIQ_ACCOUNT, "eip155:9", new.address), LIQ, new),
        signed(LinkOwner(LIQ_ACCOUNT, CHAIN_A, next_one.address), new, next_one),
    )
    context = (SIGNED_OPEN, signed(LIQ_OPEN, LIQ), *links)

    assert countersign(quick_store, catalog, SIGNATORY, request_of(SIGNED_UNLOCK, context=context))

    with quick_store.read() as uow:
        owners = uow.accounts.owners(LIQ_ACCOUNT)
        assert not any(uow.commands.command(link.command.digest(HUB)) for link in links)
    assert not {new.address, next_one.address} & {owner.owner for owner in owners}


def test_each_guardian_signs_with_its_own_key(quick_store: Store, catalog: Catalog) -> None:
    """Members of the set are told apart by their keys."""
    assert len({guardian.address for guardian in GUARDIANS}) == 3
    assert GUARDIAN.key.address in catalog.guardian_set.members


def test_a_command_is_carried_out_by_one_message(store: Store, catalog: Catalog) -> None:
    """The same signed unlock at another nonce would be paid twice."""
    settled_world(store)
    countersign(store, catalog, SIGNATORY, request_of(SIGNED_UNLOCK))

    second = refused(store, catalog, request_of(SIGNED_UNLOCK, nonce=2))

    assert second.code == "command_used"
    assert kinds_booked(store) == ["unlock.held"]
