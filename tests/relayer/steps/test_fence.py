"""Fences: a process that lost its job commits nothing."""

import pytest

from relayer.errors import LeaseLostError
from relayer.steps.fence import job_fence, open_fence
from relayer.steps.tell import tell
from relayer.store.job_records import JobState
from relayer.store.jobs import ATTEMPTS_MAX, Job
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


@pytest.mark.parametrize("is_effect", [True, False])
def test_r4_a_death_after_an_effect_is_no_failed_attempt(
    store: Store, job: Job, *, is_effect: bool
) -> None:
    """Where a commit does a part of the job for good, deaths after it never add up."""
    for _ in range(ATTEMPTS_MAX + 1):
        with store.unit_of_work() as uow:
            job_fence(job, LEASE_SECONDS, is_effect=is_effect)(uow)
        store.clock.move(LEASE_SECONDS + 1)  # type: ignore[attr-defined]
        found = claimed(store, "next")
        if not found:
            break
        (job,) = found

    with store.read() as uow:
        record = uow.jobs.job("k", "one")
    assert record.attempts == (1 if is_effect else ATTEMPTS_MAX)
    assert record.state is (JobState.CLAIMED if is_effect else JobState.QUARANTINED)


def test_an_effect_that_is_rolled_back_is_none(store: Store, job: Job) -> None:
    """A process that dies inside the transaction has failed."""
    with pytest.raises(KeyboardInterrupt), store.unit_of_work() as uow:
        job_fence(job, LEASE_SECONDS, is_effect=True)(uow)
        raise KeyboardInterrupt
    store.clock.move(LEASE_SECONDS + 1)  # type: ignore[attr-defined]

    assert claimed(store, "next")[0].attempts == 1


def test_an_open_fence_lets_everything_pass(store: Store) -> None:
    """For a process that is alone with its database."""
    with store.unit_of_work() as uow:
        open_fence(uow)
