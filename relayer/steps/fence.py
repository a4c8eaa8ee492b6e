"""Fences: what a step calls first in each transaction that writes on behalf of a job."""

from collections.abc import Callable

from relayer.store.jobs import Job
from relayer.store.unit_of_work import UnitOfWork

Fence = Callable[[UnitOfWork], None]


def job_fence(job: Job, lease_seconds: int, *, is_effect: bool = False) -> Fence:
    """
    Return a fence that keeps a claimed job claimed, and fails once another process has it.

    Inside the transaction the job's row is locked, so a process that slept past its lease commits
    nothing.

    Args:
        is_effect: each transaction does a part of the job for good, see JobTable.extend.
    """

    def _fence(uow: UnitOfWork) -> None:
        uow.jobs.extend(job, lease_seconds, is_effect=is_effect)

    return _fence


def open_fence(uow: UnitOfWork) -> None:
    """Let everything pass: for a process that is alone with its database."""
    del uow
