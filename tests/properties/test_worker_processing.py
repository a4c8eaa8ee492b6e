"""Whatever steps do and whenever processes die: no wish is lost, no job runs twice at once."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from relayer import wiring
from relayer.clock import FixedClock
from relayer.errors import NotYetError
from relayer.steps.fence import Fence
from relayer.steps.queues import DECIDE
from relayer.store.job_records import JobState
from relayer.store.jobs import ATTEMPTS_MAX, Job
from relayer.store.unit_of_work import Store
from relayer.worker.context import WorkContext
from relayer.worker.link import _Confirmations
from relayer.worker.processing import Done, Later, Outcome, Work, process_due
from tests.databases import NOW, TestDatabases
from tests.relayer.worker.kit import MEMORY_URL, ring_keys, worker_settings

ACTS = ("done", "later", "not_yet", "fail", "die", "ring_again")
A_DAY_SECONDS = 86_400
ROUNDS_MAX = 80


class ProcessDied(BaseException):
    """The process ends here; nothing after it is run."""


@dataclass
class Script:
    """What each run of each job does; after the last act a job is done."""

    store: Store
    acts: dict[str, list[str]]
    running: set[str] = field(default_factory=set)
    runs: Counter[str] = field(default_factory=Counter)
    done: set[str] = field(default_factory=set)

    def handle(self, _context: WorkContext, job: Job, _fence: Fence) -> Outcome:
        """Do the next act of a job."""
        self.runs[job.key] += 1
        acts = self.acts[job.key]
        match acts.pop(0) if acts else "done":
            case "later":
                return Later(5, "waits")
            case "not_yet":
                raise NotYetError(reason="price_refused", detail="stale")
            case "fail":
                raise ValueError("nonsense")
            case "die":
                raise ProcessDied
            case "ring_again":
                ring_keys(self.store, job.key)
        self.done.add(job.key)
        return Done()


def longest_row_of_failures(acts: list[str]) -> int:
    """Return how often a job fails or dies without anything else between."""
    longest = row = 0
    for act in acts:
        row = row + 1 if act in ("fail", "die") else 0
        longest = max(longest, row)
    return longest


@settings(max_examples=25)
@given(
    plans=st.lists(st.lists(st.sampled_from(ACTS), max_size=8), min_size=1, max_size=5),
    jobs_per_claim=st.sampled_from([1, 2, 16]),
)
def test_every_wish_is_served_or_waits_for_a_person(
    databases: TestDatabases, plans: list[list[str]], jobs_per_claim: int
) -> None:
    """
    A job ends idle after it was done, or in quarantine after five failures in a row of its own.

    Jobs that were claimed together with one that kills its process are not counted as failed
    often enough to be taken out with it.
    """
    clock = FixedClock(NOW)
    with databases.store("sqlite", clock) as store:
        settings_ = worker_settings(str(store.engine.url), MEMORY_URL, "test")
        context = WorkContext(settings_, store, wiring.catalog_of(settings_), ring_due=lambda: None)
        script = Script(store, {f"job-{n}": list(acts) for n, acts in enumerate(plans)})
        work = Work(DECIDE, script.handle, jobs_per_claim)
        ring_keys(store, *script.acts)

        for _ in range(ROUNDS_MAX):
            # The leases of a process that died run out; another one looks.
            with suppress(ProcessDied):
                process_due(context, work, DECIDE)
            clock.move(A_DAY_SECONDS)
            with store.read() as uow:
                if not uow.jobs.due_doorbells(clock.now()):
                    break
        context.keeper.close()

        with store.read() as uow:
            states = {key: uow.jobs.job(DECIDE, key).state for key in script.acts}
    for number, acts in enumerate(plans):
        key = f"job-{number}"
        if states[key] is JobState.IDLE:
            assert key in script.done
        else:
            assert states[key] is JobState.QUARANTINED
            assert longest_row_of_failures(acts) >= ATTEMPTS_MAX


@given(data=st.data(), count=st.integers(1, 40))
def test_confirmations_in_any_order_leave_what_is_unanswered(
    data: st.DataObject, count: int
) -> None:
    """Single ones and those that mean everything before them."""
    waiting = _Confirmations(set(range(1, count + 1)))
    answered: set[int] = set()
    answers = data.draw(
        st.lists(st.tuples(st.integers(1, count), st.booleans(), st.booleans()), max_size=30)
    )

    for tag, is_multiple, is_refused in answers:
        (waiting.refuse if is_refused else waiting.confirm)(tag, is_multiple)
        answered |= set(range(1, tag + 1)) if is_multiple else {tag}

    assert waiting.open_tags == set(range(1, count + 1)) - answered
    assert waiting.refused_tags == {tag for tag, _, is_refused in answers if is_refused}
