"""Claim the due jobs of one kind from one queue and run their step; the same for every kind."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from chains.errors import PermanentChainError, TransientChainError
from relayer.clock import UnixSeconds
from relayer.errors import (
    CursorMovedError,
    InvariantError,
    LeaseLostError,
    NotYetError,
    StateMovedError,
)
from relayer.steps.fence import Fence, job_fence
from relayer.store.engine import DATABASE_ERRORS
from relayer.store.job_records import JobState
from relayer.store.jobs import Job
from relayer.telemetry import bind_correlation, event_log
from relayer.worker.context import WorkContext

BATCH: Final = 16
JOBS_PER_RUN_MAX: Final = 256
RUN_SECONDS_MAX: Final = 15.0
RETRY_SECONDS: Final = 1
REASON_LENGTH_MAX: Final = 500
log = event_log()


@dataclass(frozen=True, slots=True)
class Done:
    """The job ended."""


@dataclass(frozen=True, slots=True)
class Later:
    """The job waits: after so many seconds it is due again. reason is machine-readable."""

    delay_seconds: int
    reason: str


Outcome = Done | Later
Handler = Callable[[WorkContext, Job, Fence], Outcome]


@dataclass(frozen=True, slots=True)
class Work:
    """
    How the jobs of a kind are done.

    jobs_per_claim is 1 where a step waits for a network: what one thread holds, no other takes.
    Each commit of a step that is_steady does a part of its job for good, and the part is never done
    again: so a death after it is no failed attempt. One that takes a nonce and then sends is not.
    """

    kind: str
    handler: Handler
    jobs_per_claim: int = BATCH
    is_steady: bool = False


def process_due(context: WorkContext, work: Work, queue: str) -> int:
    """
    Run the due jobs of a kind until there are none, or for a while; return how many were claimed.

    Raises:
        InvariantError: only a bug can cause it; the job is counted as failed first.
    """
    deadline = time.monotonic() + RUN_SECONDS_MAX
    count = 0
    try:
        while not context.stopping.is_set():
            with context.turns.shared():
                jobs = _claim(context, work, queue)
                has_suspect = any(job.attempts for job in jobs)
                if has_suspect:
                    _give_back(context, jobs, "another_runs_alone")
                else:
                    count += len(jobs)
                    _process_all(context, work, jobs)
            if has_suspect:
                with context.turns.alone():
                    jobs = _alone_if_suspect(context, _claim(context, work, queue))
                    count += len(jobs)
                    _process_all(context, work, jobs)
            if len(jobs) < work.jobs_per_claim and not has_suspect:
                break
            if count >= JOBS_PER_RUN_MAX or time.monotonic() > deadline:
                break
    except DATABASE_ERRORS as exc:
        # Nothing is lost: leases run out, and the sweeper rings when the database is back.
        log.warning("job.overtaken", kind=work.kind, queue=queue, reason=type(exc).__name__)
    finally:
        if count:
            context.ring_due()
    return count


def _claim(context: WorkContext, work: Work, queue: str) -> tuple[Job, ...]:
    with context.store.unit_of_work() as uow:
        return uow.jobs.claim(
            queue,
            work.jobs_per_claim,
            lease_seconds=context.settings.messages.lease_seconds,
            holder=context.holder,
            kinds=(work.kind,),
        )


def _process_all(context: WorkContext, work: Work, jobs: Sequence[Job]) -> None:
    with context.keeper.keeping(jobs):
        for place, job in enumerate(jobs):
            if context.stopping.is_set():
                _give_back(context, jobs[place:], "process_stopping")
                return
            try:
                with bind_correlation(job.correlation_id):
                    _process(context, job, work)
            except InvariantError:
                _give_back(context, jobs[place + 1 :], "process_stopping")
                raise
            context.keeper.release(job)


def _process(context: WorkContext, job: Job, work: Work) -> None:
    lease_seconds = context.settings.messages.lease_seconds
    fence = job_fence(job, lease_seconds, is_effect=work.is_steady)
    try:
        outcome = work.handler(context, job, fence)
    except (LeaseLostError, StateMovedError, CursorMovedError) as exc:
        log.info("job.overtaken", kind=job.kind, key=job.key, reason=str(exc))
        outcome = Later(RETRY_SECONDS, "overtaken")
    except NotYetError as exc:
        log.debug("job.deferred", kind=job.kind, key=job.key, reason=str(exc))
        outcome = Later(RETRY_SECONDS, exc.reason)
    except TransientChainError as exc:
        log.warning("chain.unread", kind=job.kind, key=job.key, reason=str(exc))
        outcome = Later(RETRY_SECONDS, "rpc_unavailable")
    except DATABASE_ERRORS as exc:
        # No fault of the job: five outages in a row must not put it into quarantine.
        log.warning("job.deferred", kind=job.kind, key=job.key, reason=type(exc).__name__)
        outcome = Later(RETRY_SECONDS, "database_unavailable")
    except InvariantError as exc:
        log.error("invariant.broken", kind=job.kind, key=job.key, reason=str(exc))
        with suppress(*DATABASE_ERRORS):
            _fail(context, job, f"invariant: {exc}")
        raise
    except PermanentChainError as exc:
        log.error("job.failed", kind=job.kind, key=job.key, reason=str(exc))
        _fail(context, job, str(exc))
        return
    except Exception as exc:  # a fault of one job must not stop the others; it is counted
        log.exception("job.failed", kind=job.kind, key=job.key)
        _fail(context, job, f"{type(exc).__name__}: {exc}")
        return
    _end(context, job, outcome)


def _end(context: WorkContext, job: Job, outcome: Outcome) -> None:
    try:
        with context.store.unit_of_work() as uow:
            match outcome:
                case Done():
                    uow.jobs.complete(job)
                case Later(delay_seconds, reason):
                    due_at = UnixSeconds(uow.clock.now() + delay_seconds)
                    uow.jobs.defer(job, due_at, reason)
    except LeaseLostError as exc:
        log.info("job.overtaken", kind=job.kind, key=job.key, reason=str(exc))


def _fail(context: WorkContext, job: Job, reason: str) -> None:
    try:
        with context.store.unit_of_work() as uow:
            state = uow.jobs.fail(job, reason[:REASON_LENGTH_MAX])
    except LeaseLostError as exc:
        log.info("job.overtaken", kind=job.kind, key=job.key, reason=str(exc))
        return
    if state is JobState.QUARANTINED:
        log.error("job.quarantined", kind=job.kind, key=job.key, reason=reason)


def _alone_if_suspect(context: WorkContext, jobs: tuple[Job, ...]) -> tuple[Job, ...]:
    """
    Return what to run of a claim: a job that failed before is run alone.

    It may kill the process, and what is claimed with it would be counted as failed too. Other
    threads hold nothing meanwhile, see Turns.
    """
    suspects = [job for job in jobs if job.attempts]
    if not suspects or len(jobs) == 1:
        return jobs
    chosen = max(suspects, key=lambda job: job.attempts)
    _give_back(context, [job for job in jobs if job is not chosen], "another_runs_alone")
    return (chosen,)


def _give_back(context: WorkContext, jobs: Sequence[Job], reason: str) -> None:
    """Make claimed jobs due that this process does not start."""
    for job in jobs:
        try:
            with context.store.unit_of_work() as uow:
                uow.jobs.release(job, reason)
        except LeaseLostError as exc:
            log.info("job.overtaken", kind=job.kind, key=job.key, reason=str(exc))
