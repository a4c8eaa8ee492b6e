"""Fences: a process that lost its job commits nothing."""

import pytest

from relayer.errors import LeaseLostError
from relayer.steps.fence import job_fence, open_fence
from relayer.steps.tell import tell
from relayer.store.jobs import Job
from relayer.store.unit_of_work import Store
from tests.databases import NOW

LEASE_SECONDS = 30


def claimed(store: Store, holder: str) -> tuple[Job, ...]:
    """Claim what is due on a queue."""
    with store.unit_of_work() as uow:
        return uow.jobs.claim("q", 1, lease_seconds=LEASE_SECONDS, holder=holder, kinds=("k",))


@pytest.fixture
def job(store: Store) -> Job:
    """A job that a first process claimed."""
    with store.unit_of_work() as uow:
        uow.jobs.ring("k", "one", "q", uow.clock.now(), bytes(32))
    (found,) = claimed(store, "first")
    return found


def test_a_fence_keeps_the_job_claimed(store: Store, job: Job) -> None:
    """Each transaction begins the lease anew."""
    store.clock.move(LEASE_SECONDS - 1)  # type: ignore[attr-defined]
    with store.unit_of_work() as uow:
        job_fence(job, LEASE_SECONDS)(uow)
    store.clock.move(LEASE_SECONDS - 1)  # type: ignore[attr-defined]

    assert claimed(store, "second") == ()
    assert store.clock.now() > NOW + LEASE_SECONDS


def test_a_process_that_slept_past_its_lease_commits_nothing(store: Store, job: Job) -> None:
    """Another one has the job by now."""
    store.clock.move(LEASE_SECONDS + 1)  # type: ignore[attr-defined]
    assert len(claimed(store, "second")) == 1

    with pytest.raises(LeaseLostError), store.unit_of_work() as uow:
        tell(uow, "late", {}, account=None, correlation_id=bytes(32))
        job_fence(job, LEASE_SECONDS)(uow)

    with store.read() as uow:
        assert uow.feed.after(None, 0) == ()


def test_an_open_fence_lets_everything_pass(store: Store) -> None:
    """For a process that is alone with its database."""
    with store.unit_of_work() as uow:
        open_fence(uow)
