"""Govern by a lane's bucket: hub and guardian wait for it, and only a person goes past it."""

from typing import Any

import pytest

from chains.types import ChainId
from relayer.clock import FixedClock, UnixSeconds
from relayer.errors import NotYetError
from relayer.governor.buckets import Bucket, BucketLimit, Lane
from relayer.governor.rules import Mode
from relayer.money import WAD
from relayer.outbox.life import MessageState, WaitReason
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.steps.gauge import bucket_of
from relayer.steps.liquidate import liquidate_account
from relayer.steps.overrule import Action, Overruling, overrule
from relayer.store.governor import ReleaseState
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, CHAIN_B, HUB
from tests.relayer.steps.braking import granted, limited, unlock
from tests.relayer.steps.test_govern import DAY, FAR, log_of, queued, row, run_attest
from tests.relayer.steps.world import (
    ETHER,
    SIGNATORY,
    request_of,
    set_prices,
    settled_world,
    stored_message,
)

ETHER_USD = 3_000
LANE = Lane(HUB, CHAIN_A)


def bucketed(catalog: Catalog, capacity_usd: int, refill_usd: int = 1, **rules: Any) -> Catalog:
    """Return the deployment with a bucket on the lane to chain A, and no window."""
    bucket = BucketLimit(LANE, capacity_usd * WAD, refill_usd * WAD)
    return limited(catalog, None, **({"limits": (), "buckets": (bucket,)} | rules))


def bucket_in(store: Store, catalog: Catalog) -> Bucket:
    """Return the bucket as the store has it."""
    with store.read() as uow:
        return bucket_of(uow, catalog.governor.buckets[0])


def missing_usd(store: Store, catalog: Catalog) -> int:
    """Return how many whole dollars the bucket lacks now."""
    missing_wad = bucket_in(store, catalog).missing_wad(store.clock.now())
    assert missing_wad % WAD == 0
    return missing_wad // WAD


def test_r15_what_the_bucket_lacks_waits_to_the_second(
    store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """2,000 of 5,000 USD are left after one ether; the second needs 1,000 more, at 10 a second."""
    governed = bucketed(catalog, 5_000, 10)
    message_id = queued(store, governed)
    clock.move(99)
    early, asked_early = run_attest(store, governed, message_id)
    clock.move(1)

    outcome, asked = run_attest(store, governed, message_id)

    assert (early.state, asked_early, early.delay_seconds) == (MessageState.PENDING, 0, 1)
    assert (outcome.state, asked) == (MessageState.ATTESTED, 3)
    assert log_of(store, message_id) == [("queue", "governor"), ("release", "governor")]
    assert missing_usd(store, governed) == 5_000


def test_r15_a_restart_does_not_refill_the_bucket(
    store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """Another process with the same database goes on at the same level."""
    governed = bucketed(catalog, 5_000, 10)
    message_id = queued(store, governed)
    before = bucket_in(store, governed)
    clock.move(40)
    store.close()
    again = Store(store.engine, clock)

    assert bucket_in(again, governed) == before
    assert missing_usd(again, governed) == ETHER_USD - 400
    assert run_attest(again, governed, message_id)[1] == 0
    clock.move(60)
    assert run_attest(again, governed, message_id)[0].state is MessageState.ATTESTED


def test_r15_no_day_in_the_queue_goes_past_the_bucket(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """The windows let it leave after a day; the bucket has refilled by half a dollar only."""
    governed = bucketed(catalog, 5_000, 1)
    message_id = queued(quick_store, governed)
    slow = BucketLimit(LANE, 5_000 * WAD, WAD // (2 * DAY))
    governed = bucketed(catalog, 0, buckets=(slow,), limits=limited(catalog, 0).governor.limits)
    clock.move(DAY)
    set_prices(quick_store)

    outcome, asked = run_attest(quick_store, governed, message_id)

    assert (outcome.reason, asked) == (WaitReason.GOVERNOR_QUEUED, 0)
    assert "bucket hub:" in row(quick_store, message_id).reason


def test_r15_what_the_bucket_never_holds_waits_for_a_person(
    store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """It says so at once, no time helps, and released by a person it empties no bucket."""
    governed = bucketed(catalog, ETHER_USD - 1)
    settled_world(store)
    message_id = granted(store, governed, unlock(ETHER, 1, FAR))

    held, asked = run_attest(store, governed, message_id)
    clock.move(DAY)
    set_prices(store)
    still_held, _ = run_attest(store, governed, message_id)

    assert (held.reason, held.is_open, asked) == (WaitReason.GOVERNOR_HELD, True, 0)
    assert held.delay_seconds == 60
    assert still_held.reason is WaitReason.GOVERNOR_HELD
    assert "a person must release it" in row(store, message_id).reason

    overrule(store, catalog, message_id, Overruling(Action.RELEASE, "ann", "known customer"))

    assert run_attest(store, governed, message_id)[0].state is MessageState.ATTESTED
    assert missing_usd(store, governed) == 0
    assert log_of(store, message_id) == [("queue", "governor"), ("release", "ann")]


def test_a_big_transfer_needs_the_bucket_too_once_its_delay_is_over(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """It fills no window, but it is as much value on the lane as any."""
    limits = limited(catalog, None, big_usd=6_000).governor.limits
    governed = bucketed(catalog, 6_000, 1, limits=limits)
    settled_world(quick_store)
    big = granted(quick_store, governed, unlock(2 * ETHER, 1, FAR))
    assert run_attest(quick_store, governed, big)[1] == 0
    clock.move(DAY)
    set_prices(quick_store)
    small = granted(quick_store, governed, unlock(ETHER, 2, FAR))
    assert run_attest(quick_store, governed, small)[0].state is MessageState.ATTESTED

    assert run_attest(quick_store, governed, big)[0].reason is WaitReason.GOVERNOR_QUEUED
    assert row(quick_store, big).state is ReleaseState.DELAYED
    clock.move(ETHER_USD)
    assert run_attest(quick_store, governed, big)[0].state is MessageState.ATTESTED
    assert not row(quick_store, big).is_counted
    assert missing_usd(quick_store, governed) == 6_000


def test_a_seizure_takes_what_is_not_there_and_others_wait_longer(
    quick_store: Store, catalog: Catalog
) -> None:
    """It is never held back, and the bucket then lacks more than it holds."""
    governed = bucketed(catalog, 1)
    settled_world(quick_store, owed_usd=24_000)
    liquidate_account(quick_store, governed, ACCOUNT, fence=lambda uow: None)
    with quick_store.read() as uow:
        (stored,) = uow.outbox.of_account(ACCOUNT)

    assert run_attest(quick_store, governed, stored.message_id)[0].state is MessageState.ATTESTED

    bucket = bucket_in(quick_store, governed)
    found = row(quick_store, stored.message_id)
    assert bucket.missing_wad(quick_store.clock.now()) == found.value_wad > WAD
    assert "it may not wait: bucket" in found.reason.replace("(", "").replace(")", "")


def test_log_only_takes_from_the_bucket_and_holds_nothing_back(
    quick_store: Store, catalog: Catalog
) -> None:
    """So that its size can be found before it stops anything."""
    watching = bucketed(catalog, 1, mode=Mode.LOG)
    settled_world(quick_store)
    message_id = granted(quick_store, watching, unlock(ETHER, 1))

    assert run_attest(quick_store, watching, message_id)[0].state is MessageState.ATTESTED
    assert "log only" in row(quick_store, message_id).reason
    assert missing_usd(quick_store, watching) == ETHER_USD


def test_the_bucket_counts_at_the_floor_where_that_is_higher(
    quick_store: Store, catalog: Catalog
) -> None:
    """A price that was pushed down lets no more out; without any price nothing leaves."""
    path = catalog.path_of(catalog.assets_on(CHAIN_A)[0], CHAIN_A)
    governed = bucketed(catalog, 10_000, floors_wad={path: 4_000 * WAD})
    settled_world(quick_store)

    run_attest(quick_store, governed, granted(quick_store, governed, unlock(ETHER, 1)))

    assert missing_usd(quick_store, governed) == 4_000


@pytest.mark.parametrize("lane", [Lane(HUB, CHAIN_B), Lane(ChainId("hub:other"), CHAIN_A)])
def test_another_lanes_bucket_holds_nothing_back(
    quick_store: Store, catalog: Catalog, lane: Lane
) -> None:
    """Neither to another chain nor from another hub, and nothing is kept of the message."""
    governed = bucketed(catalog, 0, buckets=(BucketLimit(lane, 0, 1),))
    settled_world(quick_store)
    message_id = granted(quick_store, governed, unlock(ETHER, 1))

    assert run_attest(quick_store, governed, message_id)[0].state is MessageState.ATTESTED
    with quick_store.read() as uow:
        assert uow.governor.get(message_id) is None
        assert uow.governor.shortage(lane) is None


def test_what_waits_for_the_bucket_does_not_expire_meanwhile(
    quick_store: Store, catalog: Catalog
) -> None:
    """The bucket lacks so much that it takes longer than the day of the windows."""
    governed = bucketed(catalog, ETHER_USD, mode=Mode.LOG)
    settled_world(quick_store)
    for number in range(1, 4):
        message_id = granted(quick_store, catalog, unlock(ETHER, number))
        run_attest(quick_store, governed, message_id)
    slow = bucketed(catalog, 0, buckets=(BucketLimit(LANE, ETHER_USD * WAD, WAD // 20),))

    message_id = granted(quick_store, slow, unlock(ETHER, 4, FAR + DAY))

    message = stored_message(quick_store, message_id).message.message
    leaves_at = NOW + 3 * ETHER_USD * 20
    assert missing_usd(quick_store, slow) == 3 * ETHER_USD
    assert leaves_at > NOW + DAY
    assert message.expiry_seconds == leaves_at + catalog.times.expiry_seconds


def test_a_guardian_has_a_bucket_of_its_own(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """A hub without one gets no signature before the guardian's bucket holds the value."""
    governed = bucketed(catalog, 5_000, 10)
    settled_world(quick_store)
    first = request_of(unlock(ETHER, 1, FAR), expiry_seconds=FAR, nonce=1)
    request = request_of(unlock(ETHER, 2, FAR), expiry_seconds=FAR, nonce=2)
    assert countersign(quick_store, governed, SIGNATORY, first)
    with pytest.raises(NotYetError, match="governor_queued"):
        countersign(quick_store, governed, SIGNATORY, request)
    assert missing_usd(quick_store, governed) == ETHER_USD

    clock.move(100)

    assert countersign(quick_store, governed, SIGNATORY, request)
    assert missing_usd(quick_store, governed) == 5_000
    assert countersign(quick_store, governed, SIGNATORY, request)
    assert missing_usd(quick_store, governed) == 5_000
    assert bucket_in(quick_store, governed).full_at(UnixSeconds(NOW)) is not None
