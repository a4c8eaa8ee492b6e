"""Conclude: nothing waits in the governor's queue for a message that has ended."""

from dataclasses import replace

import pytest

from relayer.clock import FixedClock
from relayer.errors import NotYetError, RefusedError
from relayer.guardian.request import AttestationRequest
from relayer.outbox.life import MessageState
from relayer.steps.catalog import Catalog
from relayer.steps.conclude import conclude_governed
from relayer.steps.countersign import countersign
from relayer.steps.overrule import Action, Overruling, overrule
from relayer.steps.reconcile import reconcile
from relayer.store.governor import GOVERNOR, ReleaseState
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.steps.braking import PATH_A, granted, limited, unlock
from tests.relayer.steps.test_govern import log_of, row, run_attest
from tests.relayer.steps.world import (
    ETHER,
    FENCE,
    HEIGHT,
    SIGNATORY,
    margin,
    released,
    request_of,
    see_block,
    see_final,
    set_prices,
    settled_world,
    stored_message,
)

EXPIRY = NOW + 3_600


def concluded(store: Store, catalog: Catalog) -> int:
    """Run the step."""
    with store.unit_of_work() as uow:
        return conclude_governed(uow, catalog)


def waiting(store: Store) -> int:
    """Return how many messages the governor holds back."""
    with store.read() as uow:
        return len(uow.governor.waiting())


def held_back(store: Store, governed: Catalog) -> AttestationRequest:
    """Return what a guardian was asked for, and holds back by its own limit."""
    settled_world(store)
    request = request_of(unlock(ETHER, 1, EXPIRY), expiry_seconds=EXPIRY)
    with pytest.raises(NotYetError, match="governor_queued"):
        countersign(store, governed, SIGNATORY, request)
    assert waiting(store) == 1
    return request


def test_r15_what_was_executed_waits_no_longer_and_counts(store: Store, catalog: Catalog) -> None:
    """The other guardians signed it: it left, and this guardian's window knows."""
    governed = limited(catalog, 1)
    request = held_back(store, governed)
    see_final(store, CHAIN_A, HEIGHT + 5, [released(request.message)])
    reconcile(store, governed, CHAIN_A, fence=FENCE)

    assert [concluded(store, governed) for _ in range(2)] == [1, 0]

    found = row(store, request.message.message_id)
    assert (found.state, found.is_counted) == (ReleaseState.RELEASED, True)
    assert found.reason.startswith("executed; ")
    assert waiting(store) == 0
    with store.read() as uow:
        assert len(uow.governor.outflows(PATH_A.chain_id, 0)) == 1
    assert countersign(store, governed, SIGNATORY, request)
    assert margin(store) == (9 * ETHER, ETHER)


def test_an_effect_that_is_not_final_or_not_of_the_vault_ends_nothing(
    quick_store: Store, catalog: Catalog
) -> None:
    """Its block may go, and anybody can emit an event."""
    governed = limited(catalog, 1)
    request = held_back(quick_store, governed)
    forged = released(request.message, HEIGHT + 2)
    forged = replace(forged, position=replace(forged.position, contract=b"\x66" * 32))
    see_final(quick_store, CHAIN_A, HEIGHT + 5, [forged])
    see_block(quick_store, CHAIN_A, HEIGHT + 6, [released(request.message, HEIGHT + 6)])
    reconcile(quick_store, governed, CHAIN_A, fence=FENCE)

    assert concluded(quick_store, governed) == 0
    assert waiting(quick_store) == 1


def test_r15_what_expired_waits_no_longer_and_never_counts(
    store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """Its last second is still its own."""
    governed = limited(catalog, 1)
    message_id = held_back(store, governed).message.message_id
    clock.move(EXPIRY - NOW)
    assert concluded(store, governed) == 0
    clock.move(1)

    assert concluded(store, governed) == 1

    found = row(store, message_id)
    assert (found.state, found.reason, found.who) == (ReleaseState.DROPPED, "expired", GOVERNOR)
    assert waiting(store) == 0
    assert log_of(store, message_id) == [("queue", GOVERNOR), ("drop", GOVERNOR)]
    with store.read() as uow:
        assert uow.governor.outflows(PATH_A.chain_id, 0) == ()


def test_what_expired_here_and_was_executed_in_time_is_booked_and_counts(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """This guardian saw the effect late: its own drop is not the last word."""
    governed = limited(catalog, 1)
    request = held_back(quick_store, governed)
    clock.move(EXPIRY - NOW + 1)
    assert concluded(quick_store, governed) == 1
    see_final(quick_store, CHAIN_A, HEIGHT + 5, [released(request.message)])
    reconcile(quick_store, governed, CHAIN_A, fence=FENCE)

    assert countersign(quick_store, governed, SIGNATORY, request)

    found = row(quick_store, request.message.message_id)
    assert (found.state, found.is_counted) == (ReleaseState.RELEASED, True)


def refused(store: Store, governed: Catalog, request: AttestationRequest) -> None:
    """Let a guardian refuse what it is shown: the context is no context."""
    other = replace(request, context=(request.command,))
    with pytest.raises(RefusedError, match="context"):
        countersign(store, governed, SIGNATORY, other)


def test_r15_what_a_guardian_refuses_waits_no_longer(store: Store, catalog: Catalog) -> None:
    """With the refusal's code as the reason."""
    governed = limited(catalog, 1)
    request = held_back(store, governed)

    refused(store, governed, request)

    found = row(store, request.message.message_id)
    assert (found.state, found.reason) == (ReleaseState.DROPPED, "refused: context_invalid")
    assert waiting(store) == 0


def test_what_is_shown_again_after_a_refusal_waits_on(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """A refusal may end, for example with a price."""
    governed = limited(catalog, 1)
    request = held_back(quick_store, governed)
    refused(quick_store, governed, request)
    clock.move(60)
    set_prices(quick_store)

    with pytest.raises(NotYetError, match="governor_queued"):
        countersign(quick_store, governed, SIGNATORY, request)

    found = row(quick_store, request.message.message_id)
    assert (found.state, found.queued_at, found.decided_at) == (ReleaseState.QUEUED, NOW, None)
    actions = [action for action, _ in log_of(quick_store, request.message.message_id)]
    assert actions == ["queue", "drop", "queue"]


@pytest.mark.parametrize("big_usd", [None, 1_000])
def test_nothing_waits_its_time_out_while_nobody_sees_it_wait(
    quick_store: Store, catalog: Catalog, clock: FixedClock, big_usd: int | None
) -> None:
    """A hub that lets its message be refused at once and shows it a day later has won nothing."""
    governed = limited(catalog, 1, big_usd=big_usd)
    settled_world(quick_store)
    expiry = NOW + 6 * 86_400
    request = request_of(unlock(ETHER, 1, expiry), expiry_seconds=expiry)
    for _ in range(2):
        with pytest.raises(NotYetError, match="governor_queued"):
            countersign(quick_store, governed, SIGNATORY, request)
        clock.move(40_000)
        refused(quick_store, governed, request)
        clock.move(86_400)
        set_prices(quick_store)

    with pytest.raises(NotYetError, match="governor_queued"):
        countersign(quick_store, governed, SIGNATORY, request)
    clock.move(86_400)
    set_prices(quick_store)

    assert countersign(quick_store, governed, SIGNATORY, request)


def test_a_refusal_does_not_shorten_the_time_that_a_person_set(
    quick_store: Store, catalog: Catalog
) -> None:
    """Shown again it still waits as long."""
    governed = limited(catalog, 1)
    request = held_back(quick_store, governed)
    message_id = request.message.message_id
    with pytest.raises(RefusedError, match="past_expiry"):
        overrule(quick_store, catalog, message_id, Overruling(Action.EXTEND, "ann", "look", 60))
    with quick_store.unit_of_work() as uow:
        before = uow.governor.get(message_id)
        assert before is not None
        asked = replace(before, state=ReleaseState.DELAYED, who="ann")
        uow.governor.change(before, asked, "extend")

    refused(quick_store, governed, request)

    assert row(quick_store, message_id) == asked


def test_what_a_person_dropped_is_not_judged_again(quick_store: Store, catalog: Catalog) -> None:
    """However often it is shown; and nobody may call themselves the governor."""
    governed = limited(catalog, 1)
    request = held_back(quick_store, governed)
    dropping = Overruling(Action.DROP, "ann", "stolen key")
    overrule(quick_store, catalog, request.message.message_id, dropping)

    with pytest.raises(NotYetError, match="stolen key"):
        countersign(quick_store, catalog, SIGNATORY, request)
    with pytest.raises(RefusedError, match="is no person"):
        Overruling(Action.DROP, GOVERNOR, "x")


def test_at_the_hub_what_was_executed_from_a_copy_of_it_waits_no_longer(
    quick_store: Store, catalog: Catalog
) -> None:
    """A hub that was restored from a backup may not know yet that its message was carried."""
    governed = limited(catalog, 1)
    settled_world(quick_store)
    message_id = granted(quick_store, catalog, unlock(ETHER, 1))
    run_attest(quick_store, governed, message_id)
    assert concluded(quick_store, governed) == 0
    message = stored_message(quick_store, message_id).message.message
    see_final(quick_store, CHAIN_A, HEIGHT + 5, [released(message)])
    reconcile(quick_store, governed, CHAIN_A, fence=FENCE)

    assert concluded(quick_store, governed) == 1

    assert stored_message(quick_store, message_id).state is MessageState.CONFIRMED
    assert row(quick_store, message_id).state is ReleaseState.RELEASED


def test_at_the_hub_the_gate_ends_what_expires(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """Whoever ended it earlier would let the gate show an expired message to guardians."""
    governed = limited(catalog, 1)
    settled_world(quick_store)
    message_id = granted(quick_store, catalog, unlock(ETHER, 1))
    run_attest(quick_store, governed, message_id)
    clock.move(3_601)

    assert concluded(quick_store, governed) == 0

    assert run_attest(quick_store, governed, message_id)[0].state is MessageState.DISPUTED
    assert waiting(quick_store) == 0
