"""Govern: the hub queues by value, guardians have their own limits, a restart changes nothing."""

import asyncio
from dataclasses import replace

import pytest

from relayer.clock import FixedClock
from relayer.errors import NotYetError, RefusedError
from relayer.governor.rules import Mode
from relayer.money import WAD
from relayer.outbox.life import MessageState, WaitReason
from relayer.steps.attest import AttestOutcome, attest
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.steps.decide import decide
from relayer.steps.liquidate import liquidate_account
from relayer.steps.overrule import Action, Overruling, overrule
from relayer.steps.queues import ATTEST, CONFIRM
from relayer.steps.reconcile import reconcile
from relayer.store.governor import GovernorRelease, ReleaseState
from relayer.store.job_records import JobState
from relayer.store.requests import RequestState
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, GUARDIANS
from tests.relayer.steps.braking import PATH_A, granted, limited, unlock
from tests.relayer.steps.fakes import FakeDoor
from tests.relayer.steps.world import (
    ETHER,
    FENCE,
    HEIGHT,
    SIGNATORY,
    ask,
    margin,
    released,
    request_of,
    see_final,
    set_prices,
    settled_world,
    stored_message,
)

DAY = 86_400
FAR = NOW + 3 * DAY


def run_attest(store: Store, catalog: Catalog, message_id: bytes) -> tuple[AttestOutcome, int]:
    """Attest once; return the outcome and how many guardians were asked."""
    doors = [FakeDoor(key) for key in GUARDIANS]
    outcome = asyncio.run(attest(store, catalog, doors, message_id, fence=FENCE))
    return outcome, sum(len(door.asked) for door in doors)


def row(store: Store, message_id: bytes) -> GovernorRelease:
    """Return what the governor keeps of a message."""
    with store.read() as uow:
        found = uow.governor.get(message_id)
    assert found is not None
    return found


def log_of(store: Store, message_id: bytes) -> list[tuple[str, str]]:
    """Return (action, who) of a message, oldest first."""
    with store.read() as uow:
        return [(each.action, each.who) for each in uow.governor.entries(message_id)][::-1]


def queued(store: Store, catalog: Catalog) -> bytes:
    """Let one message leave, and return a second for which there is no room yet."""
    settled_world(store)
    run_attest(store, catalog, granted(store, catalog, unlock(ETHER, 1, FAR)))
    message_id = granted(store, catalog, unlock(ETHER, 2, FAR))
    outcome, asked = run_attest(store, catalog, message_id)
    assert (outcome.reason, asked) == (WaitReason.GOVERNOR_QUEUED, 0)
    return message_id


def test_r15_what_is_over_the_limit_waits_until_there_is_room(
    store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """One ether of 3,000 USD fits into 5,000 USD, the second leaves exactly a day after it."""
    governed = limited(catalog, 5_000)
    message_id = queued(store, governed)
    clock.move(DAY - 1)
    set_prices(store)
    early, asked_early = run_attest(store, governed, message_id)
    clock.move(1)
    set_prices(store)

    outcome, asked = run_attest(store, governed, message_id)

    assert (early.state, asked_early) == (MessageState.PENDING, 0)
    assert (outcome.state, asked) == (MessageState.ATTESTED, 3)
    assert log_of(store, message_id) == [("queue", "governor"), ("release", "governor")]
    assert row(store, message_id).is_counted


def test_r15_a_restart_in_the_middle_changes_nothing(
    store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """Another process with the same database continues with the same queue and windows."""
    governed = limited(catalog, 5_000)
    message_id = queued(store, governed)
    before = row(store, message_id)
    store.close()
    again = Store(store.engine, clock)

    clock.move(60)
    assert run_attest(again, governed, message_id)[1] == 0
    assert row(again, message_id) == before
    with again.read() as uow:
        assert len(uow.governor.outflows(PATH_A.chain_id, NOW - 1)) == 1
    clock.move(DAY - 60)
    set_prices(again)
    assert run_attest(again, governed, message_id)[0].state is MessageState.ATTESTED


def test_r15_a_big_transfer_waits_its_delay_and_fills_no_window(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """Smaller ones pass it meanwhile."""
    governed = limited(catalog, 10_000, big_usd=6_000)
    settled_world(quick_store)
    big = granted(quick_store, governed, unlock(2 * ETHER, 1, FAR))
    small = granted(quick_store, governed, unlock(ETHER, 2, FAR))

    assert run_attest(quick_store, governed, big)[1] == 0
    assert run_attest(quick_store, governed, small)[0].state is MessageState.ATTESTED
    assert row(quick_store, big).state is ReleaseState.DELAYED
    clock.move(DAY)
    set_prices(quick_store)
    assert run_attest(quick_store, governed, big)[0].state is MessageState.ATTESTED
    assert not row(quick_store, big).is_counted


def test_what_may_be_queued_does_not_expire_meanwhile(quick_store: Store, catalog: Catalog) -> None:
    """Its expiry counts from when it leaves at the latest."""
    governed = limited(catalog, 0)
    settled_world(quick_store)

    message_id = granted(quick_store, governed, unlock(ETHER, 1, FAR))

    message = stored_message(quick_store, message_id).message.message
    assert message.expiry_seconds == NOW + DAY + catalog.times.expiry_seconds


def test_a_request_whose_deadline_comes_first_is_refused_with_the_time(
    quick_store: Store, catalog: Catalog
) -> None:
    """Guardians would refuse it after the queue, and the owner would have waited for nothing."""
    settled_world(quick_store)
    command_id = ask(quick_store, unlock(ETHER, 1, NOW + DAY - 1))

    assert decide(quick_store, limited(catalog, 0), command_id, fence=FENCE) is RequestState.REFUSED

    with quick_store.read() as uow:
        request = uow.requests.get(command_id)
    assert request is not None
    assert request.code == "deadline_too_early"
    assert str(NOW + DAY) in request.detail


@pytest.mark.parametrize(
    ("floor_usd", "reason", "value_usd"),
    [
        (None, WaitReason.PRICE_REFUSED, 9_000),
        (100, WaitReason.QUORUM_REACHED, 9_000),
        (4_000, WaitReason.GOVERNOR_QUEUED, 12_000),
    ],
)
def test_a_dead_feed_lets_less_out_not_more(
    quick_store: Store,
    catalog: Catalog,
    floor_usd: int | None,
    reason: WaitReason,
    value_usd: int,
) -> None:
    """Without a floor nothing; else at the floor, or at the last price if that is higher."""
    floors = {} if floor_usd is None else {PATH_A: floor_usd * WAD}
    governed = limited(catalog, 10_000, floors_wad=floors)
    settled_world(quick_store)
    message_id = granted(quick_store, catalog, unlock(3 * ETHER, 1, FAR))

    outcome, _ = run_attest(quick_store, replace(governed, feed_rules=()), message_id)

    assert outcome.reason is reason
    assert row(quick_store, message_id).value_wad == value_usd * WAD


def test_log_only_counts_and_holds_nothing_back(quick_store: Store, catalog: Catalog) -> None:
    """What would have waited is in the log, and fills the window."""
    watching = limited(catalog, 1, mode=Mode.LOG)
    settled_world(quick_store)

    message_id = granted(quick_store, watching, unlock(ETHER, 1))

    assert run_attest(quick_store, watching, message_id)[0].state is MessageState.ATTESTED
    found = row(quick_store, message_id)
    assert (found.state, found.is_counted) == (ReleaseState.RELEASED, True)
    assert "log only" in found.reason


def test_a_seizure_counts_and_is_not_held_back(quick_store: Store, catalog: Catalog) -> None:
    """Its decision would be too old tomorrow."""
    governed = limited(catalog, 1)
    settled_world(quick_store, owed_usd=24_000)
    liquidate_account(quick_store, governed, ACCOUNT, fence=FENCE)
    with quick_store.read() as uow:
        (stored,) = uow.outbox.of_account(ACCOUNT)

    assert run_attest(quick_store, governed, stored.message_id)[0].state is MessageState.ATTESTED
    assert row(quick_store, stored.message_id).is_counted


def test_a_guardian_has_limits_of_its_own_and_keeps_since_when_it_waits(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """A hub without limits gets no signature; nothing is held here meanwhile."""
    governed = limited(catalog, 1)
    settled_world(quick_store)
    request = request_of(unlock(ETHER, 1, FAR), expiry_seconds=FAR)
    for _ in range(2):
        with pytest.raises(NotYetError, match="governor_queued"):
            countersign(quick_store, governed, SIGNATORY, request)
        clock.move(60)

    assert row(quick_store, request.message.message_id).queued_at == NOW
    assert margin(quick_store) == (10 * ETHER, 0)
    clock.move(DAY)
    set_prices(quick_store)
    assert countersign(quick_store, governed, SIGNATORY, request)
    assert margin(quick_store) == (9 * ETHER, ETHER)


@pytest.mark.parametrize(
    "overruling",
    [Overruling(Action.DROP, "ann", "no"), Overruling(Action.EXTEND, "ann", "later", 86_400)],
)
def test_what_the_target_executed_is_booked_whatever_a_guardian_decided(
    quick_store: Store, catalog: Catalog, overruling: Overruling
) -> None:
    """The others signed: a replica that went on refusing would never be level again."""
    governed = limited(catalog, 1)
    settled_world(quick_store)
    request = request_of(unlock(ETHER, 1, FAR), expiry_seconds=FAR)
    with pytest.raises(NotYetError, match="governor_queued"):
        countersign(quick_store, governed, SIGNATORY, request)
    overrule(quick_store, catalog, request.message.message_id, overruling)
    see_final(quick_store, CHAIN_A, HEIGHT + 5, [released(request.message)])
    reconcile(quick_store, governed, CHAIN_A, fence=FENCE)

    assert countersign(quick_store, governed, SIGNATORY, request)
    assert reconcile(quick_store, governed, CHAIN_A, fence=FENCE).booked == 1
    assert margin(quick_store) == (9 * ETHER, 0)


def test_what_expires_in_the_queue_is_given_back_by_proof(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """No guardian is asked about it any more."""
    governed = limited(catalog, 1)
    settled_world(quick_store)
    message_id = granted(quick_store, catalog, unlock(ETHER, 1, FAR))
    run_attest(quick_store, governed, message_id)
    clock.move(3_601)

    outcome, asked = run_attest(quick_store, governed, message_id)

    assert (outcome.state, outcome.is_open, asked) == (MessageState.DISPUTED, False, 0)
    assert row(quick_store, message_id).state is ReleaseState.DROPPED
    with quick_store.read() as uow:
        assert uow.jobs.job(CONFIRM, message_id.hex()).state is JobState.DUE


def test_r15_a_person_releases_what_waits(store: Store, catalog: Catalog) -> None:
    """It leaves at once, fills no window, and who and why are kept."""
    governed = limited(catalog, 5_000)
    message_id = queued(store, governed)

    overrule(store, catalog, message_id, Overruling(Action.RELEASE, "ann", "known customer"))

    with store.read() as uow:
        assert uow.jobs.job(ATTEST, message_id.hex()).state is JobState.DUE
        assert len(uow.governor.outflows(PATH_A.chain_id, 0)) == 1
    assert run_attest(store, governed, message_id)[0].state is MessageState.ATTESTED
    assert log_of(store, message_id) == [("queue", "governor"), ("release", "ann")]


def test_r15_a_person_drops_what_waits(store: Store, catalog: Catalog) -> None:
    """No guardian ever saw it, so its hold comes back at once, and it cannot be dropped twice."""
    message_id = queued(store, limited(catalog, 5_000))

    overrule(store, catalog, message_id, Overruling(Action.DROP, "ann", "stolen key"))

    stored = stored_message(store, message_id)
    assert (stored.state, stored.reason) == (MessageState.FAILED, WaitReason.GOVERNOR_DROPPED)
    assert margin(store) == (9 * ETHER, 0)
    with pytest.raises(RefusedError, match="is DROPPED"):
        overrule(store, catalog, message_id, Overruling(Action.RELEASE, "ann", "x"))


def test_r15_a_person_lets_it_wait_longer_whatever_room_there_is(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """At most until its expiry."""
    governed = limited(catalog, 5_000)
    message_id = queued(quick_store, governed)
    with pytest.raises(RefusedError, match="past_expiry"):
        overrule(quick_store, catalog, message_id, Overruling(Action.EXTEND, "ann", "x", 3_600))

    overrule(quick_store, catalog, message_id, Overruling(Action.EXTEND, "ann", "checking", 60))

    clock.move(DAY)
    set_prices(quick_store)
    assert run_attest(quick_store, governed, message_id)[1] == 0
    clock.move(60)
    assert run_attest(quick_store, governed, message_id)[0].state is MessageState.ATTESTED


@pytest.mark.parametrize(
    ("action", "reason", "seconds"),
    [
        (Action.RELEASE, "", 0),
        (Action.DROP, "x" * 501, 0),
        (Action.EXTEND, "x", 0),
        (Action.EXTEND, "x", 30 * DAY + 1),
    ],
)
def test_a_change_needs_a_reason_and_a_time(action: Action, reason: str, seconds: int) -> None:
    """At most 30 days."""
    with pytest.raises(RefusedError, match=r"--reason|--seconds"):
        Overruling(action, "ann", reason, seconds)


def test_what_the_governor_does_not_hold_cannot_be_changed(
    quick_store: Store, catalog: Catalog
) -> None:
    """The id may be a slip."""
    with pytest.raises(RefusedError, match="unknown to the governor"):
        overrule(quick_store, catalog, bytes(32), Overruling(Action.DROP, "ann", "x"))
