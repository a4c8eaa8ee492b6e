"""Processing: what becomes of a job after each outcome, on a clock that stands still."""

import threading
from collections.abc import Callable, Iterator

import pytest

from chains.errors import PermanentChainError, TransientChainError
from relayer import wiring
from relayer.clock import FixedClock
from relayer.errors import InvariantError, LeaseLostError, NotYetError, StateMovedError
from relayer.steps.fence import Fence
from relayer.steps.queues import DECIDE, LIQUIDATE
from relayer.store.engine import DATABASE_ERRORS
from relayer.store.job_records import JobRecord, JobState
from relayer.store.jobs import ATTEMPTS_MAX, Job
from relayer.store.unit_of_work import Store
from relayer.worker.context import WorkContext
from relayer.worker.processing import Done, Handler, Later, Outcome, Work, process_due
from tests.relayer.worker.kit import MEMORY_URL, ring_keys, worker_settings

RETRY_SECONDS_MAX = 86_400


@pytest.fixture
def rung() -> list[int]:
    """One entry for each time the doorbell was asked."""
    return []


@pytest.fixture
def context(still_store: Store, rung: list[int]) -> Iterator[WorkContext]:
    """A worker's context without a broker."""
    settings = worker_settings(str(still_store.engine.url), MEMORY_URL, "test")
    catalog = wiring.catalog_of(settings)
    made = WorkContext(settings, still_store, catalog, ring_due=lambda: rung.append(1))
    yield made
    made.keeper.close()


def record_of(context: WorkContext, key: str, kind: str = DECIDE) -> JobRecord:
    """Return a job as an operator sees it."""
    with context.store.read() as uow:
        return uow.jobs.job(kind, key)


def raising(error: Exception) -> Handler:
    """Return a handler that fails."""

    def _handle(_context: WorkContext, _job: Job, _fence: Fence) -> Outcome:
        raise error

    return _handle


def answering(outcome: Outcome) -> Handler:
    """Return a handler that ends well."""
    return lambda _context, _job, _fence: outcome


def test_a_done_job_is_idle_and_the_doorbell_rings_for_what_it_caused(
    context: WorkContext, rung: list[int]
) -> None:
    """The step may have wished other jobs."""
    ring_keys(context.store, "a")

    assert process_due(context, Work(DECIDE, answering(Done())), DECIDE) == 1

    assert record_of(context, "a").state is JobState.IDLE
    assert rung


def test_nothing_due_rings_for_nothing(context: WorkContext, rung: list[int]) -> None:
    """A bell that comes twice costs one look at the table."""
    assert process_due(context, Work(DECIDE, answering(Done())), DECIDE) == 0
    assert not rung


def test_a_job_of_another_kind_in_the_queue_is_left(context: WorkContext) -> None:
    """Each kind has its own bell."""
    ring_keys(context.store, "a", kind=LIQUIDATE)

    assert process_due(context, Work(DECIDE, answering(Done())), DECIDE) == 0

    assert record_of(context, "a", LIQUIDATE).state is JobState.DUE


@pytest.mark.parametrize("jobs_per_claim", [1, 3, 16])
def test_all_due_jobs_are_done_whatever_a_claim_takes(
    context: WorkContext, jobs_per_claim: int
) -> None:
    """One bell is enough for many jobs."""
    keys = [f"job-{number}" for number in range(20)]
    ring_keys(context.store, *keys)
    seen: list[str] = []

    def _handle(_context: WorkContext, job: Job, _fence: Fence) -> Outcome:
        seen.append(job.key)
        return Done()

    assert process_due(context, Work(DECIDE, _handle, jobs_per_claim), DECIDE) == 20

    assert sorted(seen) == sorted(keys)


def test_a_job_that_waits_is_due_at_its_time(context: WorkContext, clock: FixedClock) -> None:
    """Its reason stands in the table."""
    ring_keys(context.store, "a")

    process_due(context, Work(DECIDE, answering(Later(7, "too_early"))), DECIDE)

    record = record_of(context, "a")
    assert (record.state, record.ready_at, record.reason) == (
        JobState.DUE,
        clock.now() + 7,
        "too_early",
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotYetError(reason="price_refused", detail="WETH: stale"), "price_refused"),
        (TransientChainError("the node is away"), "rpc_unavailable"),
        (StateMovedError(what="a message", expected="OPEN"), "overtaken"),
        (LeaseLostError(name="send:eip155:1", holder="another"), "overtaken"),
        (DATABASE_ERRORS[0]("SELECT 1", None, Exception("gone")), "database_unavailable"),
    ],
)
def test_what_passes_by_itself_is_no_failure_of_the_job(
    context: WorkContext, clock: FixedClock, error: Exception, reason: str
) -> None:
    """However long an outage lasts, nothing goes into quarantine."""
    ring_keys(context.store, "a")

    for _ in range(ATTEMPTS_MAX + 1):
        assert process_due(context, Work(DECIDE, raising(error)), DECIDE) == 1
        clock.move(RETRY_SECONDS_MAX)

    record = record_of(context, "a")
    assert (record.state, record.attempts, record.reason) == (JobState.DUE, 0, reason)


@pytest.mark.parametrize("error", [ValueError("nonsense"), PermanentChainError("it reverts")])
def test_a_job_that_fails_five_times_is_quarantined_while_others_go_on(
    context: WorkContext, clock: FixedClock, error: Exception
) -> None:
    """Its neighbours in the same claim are done each time."""
    others: list[str] = []

    def _handle(_context: WorkContext, job: Job, _fence: Fence) -> Outcome:
        if job.key == "poison":
            raise error
        others.append(job.key)
        return Done()

    for attempt in range(ATTEMPTS_MAX):
        ring_keys(context.store, "poison", f"before-{attempt}", f"zz-after-{attempt}")
        process_due(context, Work(DECIDE, _handle), DECIDE)
        clock.move(RETRY_SECONDS_MAX)

    record = record_of(context, "poison")
    assert (record.state, record.attempts) == (JobState.QUARANTINED, ATTEMPTS_MAX)
    assert str(error) in str(record.reason)
    assert len(others) == 2 * ATTEMPTS_MAX


def test_what_only_a_bug_can_break_is_raised_and_the_rest_given_back(context: WorkContext) -> None:
    """The failing job is counted; its neighbours do not wait for a lease to run out."""
    ring_keys(context.store, "a", "b", "c")

    with pytest.raises(InvariantError, match="sums"):
        process_due(context, Work(DECIDE, raising(InvariantError("sums differ"))), DECIDE)

    records = [record_of(context, key) for key in ("a", "b", "c")]
    assert [record.state for record in records] == [JobState.DUE] * 3
    assert sorted(record.attempts for record in records) == [0, 0, 1]


def test_a_job_whose_lease_was_lost_commits_nothing(
    context: WorkContext, clock: FixedClock
) -> None:
    """A process that slept past its lease finds another holder in its first transaction."""
    ring_keys(context.store, "a")

    def _sleep_and_write(_context: WorkContext, _job: Job, fence: Fence) -> Outcome:
        clock.move(context.settings.messages.lease_seconds + 1)
        with context.store.unit_of_work() as uow:
            assert uow.jobs.claim(DECIDE, 1, lease_seconds=60, holder="another")
        with context.store.unit_of_work() as uow:
            ring_keys_inside(uow.jobs.ring, clock)
            fence(uow)
        raise AssertionError("the fence let a stale holder pass")

    process_due(context, Work(DECIDE, _sleep_and_write), DECIDE)

    assert record_of(context, "a").holder == "another"
    with context.store.read() as uow, pytest.raises(KeyError):
        uow.jobs.job(DECIDE, "effect")


def ring_keys_inside(ring: Callable[..., None], clock: FixedClock) -> None:
    """Leave a trace in an open transaction."""
    ring(DECIDE, "effect", DECIDE, clock.now(), bytes(32))


def test_a_process_that_stops_gives_back_what_it_did_not_start(context: WorkContext) -> None:
    """The job under way ends, the others are due at once, nothing is claimed any more."""
    ring_keys(context.store, "a", "b", "c")
    started: list[str] = []

    def _handle(_context: WorkContext, job: Job, _fence: Fence) -> Outcome:
        started.append(job.key)
        context.stopping.set()
        return Done()

    process_due(context, Work(DECIDE, _handle), DECIDE)

    assert len(started) == 1
    states = {key: record_of(context, key).state for key in ("a", "b", "c")}
    assert states.pop(started[0]) is JobState.IDLE
    assert set(states.values()) == {JobState.DUE}
    assert process_due(context, Work(DECIDE, _handle), DECIDE) == 0


def test_a_job_rung_while_it_runs_is_due_again(context: WorkContext) -> None:
    """What happened meanwhile may not be in what the step has read."""
    ring_keys(context.store, "a")
    runs: list[int] = []

    def _handle(_context: WorkContext, _job: Job, _fence: Fence) -> Outcome:
        if not runs:
            ring_keys(context.store, "a")
        runs.append(1)
        return Done()

    process_due(context, Work(DECIDE, _handle), DECIDE)
    process_due(context, Work(DECIDE, _handle), DECIDE)

    assert len(runs) == 2
    assert record_of(context, "a").state is JobState.IDLE


def test_r12_a_job_whose_process_died_runs_alone_in_its_process(
    context: WorkContext, clock: FixedClock
) -> None:
    """What another thread holds would be blamed for its next death too."""
    ring_keys(context.store, "suspect")
    with context.store.unit_of_work() as uow:
        uow.jobs.claim(DECIDE, 1, lease_seconds=1, holder="dead")
    clock.move(2)
    ring_keys(context.store, "other", kind=LIQUIDATE)
    beside, entered, may_end = list[str](), threading.Event(), threading.Event()

    def _other(_context: WorkContext, _job: Job, _fence: Fence) -> Outcome:
        entered.set()
        may_end.wait(RETRY_SECONDS_MAX)
        beside.append("other ends")
        return Done()

    def _suspect(_context: WorkContext, job: Job, _fence: Fence) -> Outcome:
        assert job.attempts == 1
        beside.append("suspect runs")
        return Done()

    other = threading.Thread(target=process_due, args=(context, Work(LIQUIDATE, _other), DECIDE))
    other.start()
    assert entered.wait(RETRY_SECONDS_MAX)
    suspect = threading.Thread(target=process_due, args=(context, Work(DECIDE, _suspect), DECIDE))
    suspect.start()
    while record_of(context, "suspect").reason != "another_runs_alone":
        threading.Event().wait(0.01)
    may_end.set()
    for thread in (other, suspect):
        thread.join()

    assert beside == ["other ends", "suspect runs"]
    assert record_of(context, "suspect").attempts == 0


def test_two_threads_never_run_one_job_at_once(context: WorkContext) -> None:
    """The claim decides, however many bells there were."""
    ring_keys(context.store, *(f"job-{number}" for number in range(30)))
    running: set[str] = set()
    twice: list[str] = []
    lock = threading.Lock()

    def _handle(_context: WorkContext, job: Job, _fence: Fence) -> Outcome:
        with lock:
            if job.key in running:
                twice.append(job.key)
            running.add(job.key)
        threading.Event().wait(0.005)
        with lock:
            running.discard(job.key)
        return Done()

    work = Work(DECIDE, _handle, jobs_per_claim=1)
    threads = [threading.Thread(target=process_due, args=(context, work, DECIDE)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not twice
    with context.store.read() as uow:
        assert {(one.state, one.count) for one in uow.jobs.stats(uow.clock.now())} == {
            (JobState.IDLE, 30)
        }
