"""Claim the due jobs of one kind from one queue and run their step; the same for every kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

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
from relayer.store.jobs import Job
from relayer.telemetry import bind_correlation
from relayer.worker.context import WorkContext

JOBS_PER_CLAIM_MAX: Final = 16
RETRY_SECONDS: Final = 1
log = structlog.get_logger(__name__)


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


def process_due(context: WorkContext, kind: str, queue: str, handler: Handler) -> int:
    """
    Run the due jobs of a kind; return how many were claimed.

    Raises:
        InvariantError: only a bug can cause it; the job is counted as failed first.
    """
    lease_seconds = context.settings.messages.lease_seconds
    with context.store.unit_of_work() as uow:
        jobs = uow.jobs.claim(
            queue,
            JOBS_PER_CLAIM_MAX,
            lease_seconds=lease_seconds,
            holder=context.holder,
            kinds=(kind,),
        )
    for job in jobs:
        with bind_correlation("0x" + job.correlation_id.hex()):
            _process(context, job, handler, lease_seconds)
    if jobs:
        context.ring_due()
    return len(jobs)


def _process(context: WorkContext, job: Job, handler: Handler, lease_seconds: int) -> None:
    try:
        outcome = handler(context, job, job_fence(job, lease_seconds))
    except (LeaseLostError, StateMovedError, CursorMovedError) as exc:
        log.info("job.overtaken", kind=job.kind, key=job.key, reason=str(exc))
        outcome = Later(RETRY_SECONDS, "overtaken")
    except NotYetError as exc:
        outcome = Later(RETRY_SECONDS, exc.reason)
    except TransientChainError as exc:
        log.warning("chain.unread", kind=job.kind, key=job.key, reason=str(exc))
        outcome = Later(RETRY_SECONDS, "rpc_unavailable")
    except InvariantError as exc:
        log.error("invariant.broken", kind=job.kind, key=job.key, reason=str(exc))
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
            uow.jobs.fail(job, reason[:500])
    except LeaseLostError as exc:
        log.info("job.overtaken", kind=job.kind, key=job.key, reason=str(exc))
