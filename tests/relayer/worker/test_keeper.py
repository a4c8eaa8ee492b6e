"""The lease keeper: what runs long is kept, what is stuck or gone is not."""

import threading
from collections.abc import Iterator

import pytest

from relayer.clock import FixedClock
from relayer.steps.queues import DECIDE
from relayer.store.jobs import Job
from relayer.store.unit_of_work import Store
from relayer.worker import keeper as keeper_module
from relayer.worker.keeper import LeaseKeeper
from tests.relayer.worker.kit import ring_keys, wait_until

LEASE_SECONDS = 12


@pytest.fixture
def keeper(still_store: Store) -> Iterator[LeaseKeeper]:
    """A keeper that extends when it is told to; its thread comes too late for the test."""
    made = LeaseKeeper(still_store, LEASE_SECONDS * 100)
    yield made
    made.close()


def claim(store: Store, *, lease_seconds: int = LEASE_SECONDS) -> Job:
    """Claim the job that is due."""
    with store.unit_of_work() as uow:
        (job,) = uow.jobs.claim(DECIDE, 1, lease_seconds=lease_seconds, holder="us")
    return job


def claimable(store: Store) -> bool:
    """Return whether another process would get the job."""
    with store.read() as uow:
        return bool(uow.jobs.due_doorbells(uow.clock.now()))


def test_a_long_step_keeps_its_lease(
    keeper: LeaseKeeper, still_store: Store, clock: FixedClock
) -> None:
    """A slow node is no dead process."""
    ring_keys(still_store, "a")
    job = claim(still_store)

    with keeper.keeping([job]):
        clock.move(LEASE_SECONDS - 1)
        assert keeper.extend_held() == 1
        clock.move(LEASE_SECONDS - 1)
        assert not claimable(still_store)


def test_a_job_that_ended_is_kept_no_longer(keeper: LeaseKeeper, still_store: Store) -> None:
    """At the end of the block and by release."""
    ring_keys(still_store, "a")
    job = claim(still_store)

    with keeper.keeping([job]):
        keeper.release(job)
        assert keeper.extend_held() == 0
    with keeper.keeping([job]):
        pass

    assert keeper.extend_held() == 0


def test_a_job_that_another_process_has_is_let_go(
    keeper: LeaseKeeper, still_store: Store, clock: FixedClock
) -> None:
    """Its lease is not ours to extend."""
    ring_keys(still_store, "a")
    job = claim(still_store)

    with keeper.keeping([job]):
        clock.move(LEASE_SECONDS + 1)
        claim(still_store)
        assert keeper.extend_held() == 0
        clock.move(LEASE_SECONDS + 1)
        assert claimable(still_store)


def test_a_stuck_job_loses_its_lease(
    keeper: LeaseKeeper, still_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that never returns must not hold a job for ever."""
    monkeypatch.setattr(keeper_module, "KEEP_SECONDS_MAX", 0)
    ring_keys(still_store, "a")

    with keeper.keeping([claim(still_store)]):
        assert keeper.extend_held() == 0


def test_the_thread_extends_by_itself(store: Store) -> None:
    """Three times per lease; nothing is asked of who runs the step."""
    keeper = LeaseKeeper(store, 1)
    ring_keys(store, "a")
    job = claim(store, lease_seconds=1)

    with keeper.keeping([job]):
        first = lease_of(store)
        wait_until(lambda: lease_of(store) > first + 1, "two extensions", seconds=10)
        assert not claimable(store)
    keeper.close()

    assert not any(thread.name == "lease-keeper" for thread in threading.enumerate())


def lease_of(store: Store) -> int:
    """Return the second at which the job's lease ends."""
    with store.read() as uow:
        return uow.jobs.job(DECIDE, "a").ready_at or 0
