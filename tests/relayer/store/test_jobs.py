"""Tests of claiming, ending, failing and replaying jobs."""

import gc
import multiprocessing

import pytest

from relayer.clock import FixedClock, UnixSeconds
from relayer.errors import LeaseLostError, StateMovedError
from relayer.outbox.life import retry_delay_seconds
from relayer.store.engine import engine_of
from relayer.store.job_records import JobState, JobStatistic
from relayer.store.jobs import ATTEMPTS_MAX, LEASE_EXPIRED, Job, Ring
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.forked import FORKED
from tests.relayer.store.samples import FLOW

QUEUE = "risk"
LEASE_SECONDS = 30
RACERS = 2
RACE_JOBS = 200
RACE_SECONDS_MAX = 60
TURNS = 20
GARBAGE_PER_TURN_MAX = 40


def ring(store: Store, key: str = "ann", due_in_seconds: int = 0, kind: str = "assess") -> None:
    """Wish a job."""
    with store.unit_of_work() as uow:
        uow.jobs.ring(kind, key, QUEUE, UnixSeconds(uow.clock.now() + due_in_seconds), FLOW)


def claim(store: Store, limit: int = 10, kinds: tuple[str, ...] = ()) -> tuple[Job, ...]:
    """Claim jobs of the queue."""
    with store.unit_of_work() as uow:
        return uow.jobs.claim(QUEUE, limit, lease_seconds=LEASE_SECONDS, holder="me", kinds=kinds)


def state(store: Store, key: str = "ann") -> JobState:
    """Return the state of one job."""
    with store.read() as uow:
        return uow.jobs.job("assess", key).state


def complete(store: Store, job: Job) -> bool:
    """End a job."""
    with store.unit_of_work() as uow:
        return uow.jobs.complete(job)


def test_r22_a_job_leaves_little_for_the_collector_of_garbage(store: Store) -> None:
    """Of 12 objects in cycles for each bell it comes every few minutes, of 240 all the time."""

    def turn() -> None:
        ring(store)
        (job,) = claim(store, kinds=("assess",))
        assert not complete(store, job)

    turn()
    gc.collect()
    gc.disable()
    try:
        for _ in range(TURNS):
            turn()
        garbage = gc.collect()
    finally:
        gc.enable()

    assert garbage < TURNS * GARBAGE_PER_TURN_MAX


def test_a_rung_job_is_claimed_once_and_ends_idle(store: Store) -> None:
    """However often it was rung before."""
    ring(store)
    ring(store)
    (job,) = claim(store)

    assert claim(store) == ()
    assert (job.wanted, job.token, job.attempts, job.correlation_id) == (2, 1, 0, FLOW)
    assert job.lease_ends_at == NOW + LEASE_SECONDS
    assert not complete(store, job)
    assert state(store) is JobState.IDLE
    assert claim(store) == ()


def test_a_job_rung_while_it_runs_runs_again(store: Store, clock: FixedClock) -> None:
    """At the time it was rung for, so no news is lost."""
    ring(store)
    (job,) = claim(store)
    ring(store, due_in_seconds=5)

    assert complete(store, job)
    assert claim(store) == ()
    clock.move(5)
    (again,) = claim(store)
    assert (again.token, again.wanted) == (2, 2)


def test_the_earlier_of_two_due_times_counts(store: Store, clock: FixedClock) -> None:
    """A later ring does not put it off."""
    ring(store, due_in_seconds=60)
    ring(store, due_in_seconds=10)
    ring(store, due_in_seconds=30)
    assert claim(store) == ()

    clock.move(10)

    assert len(claim(store)) == 1


def test_claims_take_the_longest_ready_of_their_queue_and_kinds(store: Store) -> None:
    """At most the limit."""
    for offset_seconds, key in enumerate(("ann", "bob", "cid")):
        ring(store, key, -offset_seconds)
    ring(store, "dan", -9, kind="decide")

    assert [job.key for job in claim(store, 1, kinds=("assess",))] == ["cid"]
    assert [job.key for job in claim(store)] == ["dan", "bob", "ann"]
    with store.unit_of_work() as uow:
        assert uow.jobs.claim("other", 9, lease_seconds=1, holder="me") == ()
        with pytest.raises(ValueError, match="limit"):
            uow.jobs.claim(QUEUE, 0, lease_seconds=1, holder="me")


def test_a_job_whose_lease_ran_out_goes_to_the_next(store: Store, clock: FixedClock) -> None:
    """The old holder can do nothing to it any more."""
    ring(store)
    (old,) = claim(store)
    clock.move(LEASE_SECONDS)
    (new,) = claim(store)

    assert (new.token, new.attempts) == (old.token + 1, 1)
    with store.unit_of_work() as uow:
        for end in (
            lambda: uow.jobs.complete(old),
            lambda: uow.jobs.fail(old, "late"),
            lambda: uow.jobs.defer(old, UnixSeconds(NOW), "late"),
            lambda: uow.jobs.extend(old, 10),
        ):
            with pytest.raises(LeaseLostError, match="assess ann"):
                end()
    assert not complete(store, new)
    with pytest.raises(LeaseLostError, match="nobody"):
        complete(store, new)


def test_jobs_end_together_or_not_at_all(store: Store, clock: FixedClock) -> None:
    """One lost lease drops the whole batch, so its transaction writes nothing."""
    ring(store, "ann")
    (lost,) = claim(store)
    clock.move(LEASE_SECONDS)
    for key in ("bob", "cid"):
        ring(store, key)
    jobs = claim(store)
    bob, cid = (job for job in jobs if job.key != "ann")
    ring(store, "cid")

    with pytest.raises(LeaseLostError, match="ann"), store.unit_of_work() as uow:
        uow.jobs.complete_all([bob, cid, lost])
    assert state(store, "bob") is JobState.CLAIMED
    with store.unit_of_work() as uow:
        assert uow.jobs.complete_all([bob, cid]) == (cid,)
        assert uow.jobs.complete_all([]) == ()
    assert (state(store, "bob"), state(store, "cid")) == (JobState.IDLE, JobState.DUE)


def test_an_extended_lease_lasts_longer(store: Store, clock: FixedClock) -> None:
    """A long job keeps others away."""
    ring(store)
    (job,) = claim(store)
    clock.move(LEASE_SECONDS - 1)
    with store.unit_of_work() as uow:
        uow.jobs.extend(job, LEASE_SECONDS)
    clock.move(LEASE_SECONDS - 1)

    assert claim(store) == ()
    assert not complete(store, job)


def test_r12_deadlines_and_the_ladder_survive_a_restart(store: Store, clock: FixedClock) -> None:
    """All of a failing job's state is in the table: a new process sees the same step and time."""
    ring(store)
    for attempts in (1, 2):
        (job,) = claim(store)
        with store.unit_of_work() as uow:
            uow.jobs.fail(job, "nonsense")
        clock.move(retry_delay_seconds(attempts, "assess ann"))
    with store.read() as uow:
        before = uow.jobs.job("assess", "ann")

    store.close()
    again = Store(engine_of(store.engine.url.render_as_string(hide_password=False)), clock)
    with again.read() as uow:
        assert uow.jobs.job("assess", "ann") == before
        assert uow.jobs.due_doorbells(clock.now())  # nothing but the table says that there is work
    (job,) = claim(again)
    with again.unit_of_work() as uow:
        uow.jobs.fail(job, "nonsense")
        after = uow.jobs.job("assess", "ann")
    again.close()

    assert (before.attempts, job.attempts, after.attempts) == (2, 2, 3)
    assert after.ready_at == clock.now() + retry_delay_seconds(3, "assess ann")


def test_a_failing_job_climbs_the_ladder_and_is_quarantined(
    store: Store, clock: FixedClock
) -> None:
    """With its last reason; ringing neither hurries it nor frees it, an operator does."""
    ring(store)
    delays = []
    for _ in range(ATTEMPTS_MAX - 1):
        (job,) = claim(store)
        with store.unit_of_work() as uow:
            assert uow.jobs.fail(job, "price_refused") is JobState.DUE
            ready_at = uow.jobs.job("assess", "ann").ready_at
        ring(store)
        assert ready_at is not None
        delays.append(ready_at - clock.now())
        assert claim(store) == ()
        clock.move(delays[-1])
    (job,) = claim(store)
    with store.unit_of_work() as uow:
        assert uow.jobs.fail(job, "price_refused") is JobState.QUARANTINED
    ring(store)

    assert delays == [retry_delay_seconds(n, "assess ann") for n in (1, 2, 3, 4)]
    assert 105 <= sum(delays) <= 116  # quarantined within two minutes
    with store.unit_of_work() as uow:
        (record,) = uow.jobs.quarantined()
        assert (record.reason, record.attempts, record.key) == ("price_refused", 5, "ann")
        uow.jobs.replay("assess", "ann")
        with pytest.raises(StateMovedError, match="QUARANTINED"):
            uow.jobs.replay("assess", "ann")
    assert claim(store)[0].attempts == 0


def test_a_job_that_kills_its_process_is_quarantined_too(store: Store, clock: FixedClock) -> None:
    """Each lost lease is a failed attempt."""
    ring(store)
    ring(store, "bob")
    for attempts in range(ATTEMPTS_MAX):
        (job,) = (job for job in claim(store) if job.key == "ann")
        assert job.attempts == attempts
        clock.move(LEASE_SECONDS)

    assert claim(store) == ()
    with store.read() as uow:
        assert {record.reason for record in uow.jobs.quarantined()} == {LEASE_EXPIRED}


def test_a_deferred_job_waits_without_blame(store: Store, clock: FixedClock) -> None:
    """Until its stored time, or an earlier ring."""
    ring(store)
    (job,) = claim(store)
    with store.unit_of_work() as uow:
        uow.jobs.defer(job, UnixSeconds(NOW + 100), "finality_awaited")
        record = uow.jobs.job("assess", "ann")
    assert (record.attempts, record.reason) == (0, "finality_awaited")
    assert (record.ready_at, record.waiting_since) == (NOW + 100, NOW)
    assert claim(store) == ()

    ring(store, due_in_seconds=3)
    clock.move(3)
    (job,) = claim(store)
    ring(store, due_in_seconds=4)
    with store.unit_of_work() as uow:
        uow.jobs.defer(job, UnixSeconds(NOW + 100), "finality_awaited")
        assert uow.jobs.job("assess", "ann").ready_at == NOW + 7


def test_the_sweeper_sees_queues_with_work(store: Store, clock: FixedClock) -> None:
    """Due jobs and lost leases ring; idle, later and quarantined ones do not."""
    ring(store)
    with store.unit_of_work() as uow:
        later = UnixSeconds(NOW + 60)
        uow.jobs.ring_all([Ring("send", "k", "sends", later, FLOW)])
        assert uow.jobs.due_doorbells(UnixSeconds(NOW)) == ((QUEUE, "assess"),)
    claim(store)
    with store.read() as uow:
        assert uow.jobs.due_doorbells(UnixSeconds(NOW)) == ()
        clock.move(60)
        assert uow.jobs.due_doorbells(clock.now()) == ((QUEUE, "assess"), ("sends", "send"))


def test_statistics_tell_counts_and_ages(store: Store, clock: FixedClock) -> None:
    """Overdue is from the due time, oldest from the first ring."""
    ring(store, "ann", due_in_seconds=4)
    ring(store, "bob", due_in_seconds=9)
    clock.move(10)

    with store.read() as uow:
        stats = uow.jobs.stats(clock.now())
        with pytest.raises(KeyError):
            uow.jobs.job("assess", "eve")

    assert stats == (JobStatistic("assess", JobState.DUE, 2, 6, 10),)


def race(url: str, holder: str, done: "multiprocessing.Queue[tuple[str, str, int]]") -> None:
    """Claim and complete until nothing is left."""
    store = Store(engine_of(url), FixedClock(NOW))
    while True:
        with store.unit_of_work() as uow:
            jobs = uow.jobs.claim(QUEUE, 7, lease_seconds=LEASE_SECONDS, holder=holder)
        if not jobs:
            break
        with store.unit_of_work() as uow:
            for job in jobs:
                uow.jobs.complete(job)
        for job in jobs:
            done.put((holder, job.key, job.token))
    store.close()
    done.put((holder, "", 0))


def test_two_processes_share_the_work_and_do_each_job_once(store: Store) -> None:
    """No job is claimed twice and none is left."""
    with store.unit_of_work() as uow:
        uow.jobs.ring_all(
            Ring("assess", f"k{number}", QUEUE, UnixSeconds(NOW), FLOW)
            for number in range(RACE_JOBS)
        )
    url = store.engine.url.render_as_string(hide_password=False)
    done: multiprocessing.Queue[tuple[str, str, int]] = FORKED.Queue()
    racers = [FORKED.Process(target=race, args=(url, f"p{n}", done)) for n in range(RACERS)]
    for racer in racers:
        racer.start()
    ended = [done.get(timeout=RACE_SECONDS_MAX) for _ in range(RACE_JOBS + RACERS)]
    for racer in racers:
        racer.join(timeout=RACE_SECONDS_MAX)

    assert [racer.exitcode for racer in racers] == [0] * RACERS
    finished = sorted(key for _, key, token in ended if token == 1)
    assert finished == sorted(f"k{number}" for number in range(RACE_JOBS))
    with store.read() as uow:
        (stat,) = uow.jobs.stats(UnixSeconds(NOW))
    assert (stat.state, stat.count) == (JobState.IDLE, RACE_JOBS)


def test_a_released_job_is_due_at_once_with_its_failures_as_they_were(
    store: Store, clock: FixedClock
) -> None:
    """It was not started, so it neither failed nor recovered."""
    ring(store)
    (job,) = claim(store)
    with store.unit_of_work() as uow:
        uow.jobs.fail(job, "nonsense")
        before = uow.jobs.job("assess", "ann")
    clock.move(1_000)
    (again,) = claim(store)

    with store.unit_of_work() as uow:
        uow.jobs.release(again, "process_stopping")

    with store.read() as uow:
        record = uow.jobs.job("assess", "ann")
        assert (record.state, record.attempts) == (JobState.DUE, before.attempts)
    assert [one.attempts for one in claim(store)] == [1]
    with pytest.raises(LeaseLostError), store.unit_of_work() as uow:
        uow.jobs.release(again, "process_stopping")
