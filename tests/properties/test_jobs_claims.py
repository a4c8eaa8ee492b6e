"""Any interleaving of rings, claims, ends and lost leases against a model of one queue."""

from contextlib import ExitStack

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from relayer.clock import FixedClock, UnixSeconds
from relayer.errors import LeaseLostError
from relayer.store.job_records import JobState
from relayer.store.jobs import ATTEMPTS_MAX, Job
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases

KEYS = ("ann", "bob", "cid")
QUEUE = "risk"
LEASE_SECONDS = 10


class JobMachine(RuleBasedStateMachine):
    """
    Workers that forget nothing they claimed, also not after their lease ran out.

    wishes counts the rings of a key that no completed run has covered yet.
    """

    databases: TestDatabases
    backend: str

    def __init__(self) -> None:
        super().__init__()
        self.resources = ExitStack()
        self.clock = FixedClock(NOW)
        self.claims: list[Job] = []
        self.newest_token = dict.fromkeys(KEYS, 0)
        self.rings = dict.fromkeys(KEYS, 0)
        self.covered = dict.fromkeys(KEYS, 0)

    @initialize()
    def begin(self) -> None:
        """Start on an empty database."""
        self.store: Store = self.resources.enter_context(
            self.databases.store(self.backend, self.clock)
        )

    def teardown(self) -> None:
        """Remove the database."""
        self.resources.close()

    @rule(key=st.sampled_from(KEYS), delay_seconds=st.integers(0, 5))
    def ring(self, key: str, delay_seconds: int) -> None:
        """Wish a job now or soon."""
        with self.store.unit_of_work() as uow:
            due_at = UnixSeconds(self.clock.now() + delay_seconds)
            uow.jobs.ring("assess", key, QUEUE, due_at, bytes(32))
        self.rings[key] += 1

    @rule(seconds=st.integers(1, LEASE_SECONDS + 1))
    def let_time_pass(self, seconds: int) -> None:
        """Move the clock: leases may run out."""
        self.clock.move(seconds)

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        """Claim; whoever holds a live lease must not lose it."""
        live = {job.key: job for job in self.claims if self._is_live(job)}
        with self.store.unit_of_work() as uow:
            jobs = uow.jobs.claim(QUEUE, limit, lease_seconds=LEASE_SECONDS, holder="w")
        for job in jobs:
            assert job.key not in live
            assert job.token == self.newest_token[job.key] + 1
            assert job.wanted == self.rings[job.key]
            assert job.attempts < ATTEMPTS_MAX
            self.newest_token[job.key] = job.token
            self.claims.append(job)

    @rule(choice=st.integers(0, 99), end=st.sampled_from(["complete", "defer", "fail"]))
    def end(self, choice: int, end: str) -> None:
        """End any claim ever made: only the newest holder of the key may."""
        if not self.claims:
            return
        job = self.claims[choice % len(self.claims)]
        is_owner = self._is_owner(job)
        try:
            with self.store.unit_of_work() as uow:
                match end:
                    case "complete":
                        is_due = uow.jobs.complete(job)
                        assert is_due == (self.rings[job.key] > job.wanted)
                        self.covered[job.key] = job.wanted
                    case "defer":
                        uow.jobs.defer(job, UnixSeconds(self.clock.now() + 3), "later")
                    case _:
                        uow.jobs.fail(job, "broken")
        except LeaseLostError:
            assert not is_owner
        else:
            assert is_owner
            self.claims.remove(job)

    @invariant()
    def nothing_is_lost(self) -> None:
        """Find each job with uncovered rings due, claimed or quarantined, the others idle."""
        if not hasattr(self, "store"):
            return
        with self.store.read() as uow:
            for key in KEYS:
                if self.rings[key] == 0:
                    continue
                record = uow.jobs.job("assess", key)
                is_wanted = self.rings[key] > self.covered[key]
                assert is_wanted == (record.state is not JobState.IDLE)
                is_timed = record.state in (JobState.DUE, JobState.CLAIMED)
                assert is_timed == (record.ready_at is not None)

    def _is_owner(self, job: Job) -> bool:
        """Return whether the database still has this claim, expired or not."""
        with self.store.read() as uow:
            is_claimed = uow.jobs.job("assess", job.key).state is JobState.CLAIMED
        return is_claimed and job.token == self.newest_token[job.key]

    def _is_live(self, job: Job) -> bool:
        return self._is_owner(job) and self.clock.now() < job.lease_ends_at


@pytest.mark.parametrize(("backend", "runs"), [("sqlite", 60), ("postgresql", 10)])
def test_no_interleaving_loses_or_doubles_a_job(
    databases: TestDatabases, backend: str, runs: int
) -> None:
    """Never two live holders, never one token twice, nothing wanted is forgotten."""

    class Machine(JobMachine):
        """The machine on one kind of database."""

    Machine.databases, Machine.backend = databases, backend
    Machine.TestCase.settings = settings(max_examples=runs, stateful_step_count=30, deadline=None)
    Machine.TestCase().runTest()
