"""
A worker process of a test: the real runner, with one kind of work that does what a job's key says.

Run as: python -m tests.relayer.worker.program <database> <broker> <prefix> <lease> <folder> <quiet>
"""

import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

from relayer.errors import InvariantError, RelayerError
from relayer.steps.fence import Fence
from relayer.steps.queues import DECIDE
from relayer.store.jobs import Job
from relayer.telemetry import configure_logging
from relayer.worker.context import WorkContext
from relayer.worker.processing import Done, Outcome, Work
from relayer.worker.runner import run_worker
from tests.relayer.worker.kit import worker_settings

HANG_SECONDS_MAX = 120
SLOW_SECONDS = 0.05


def handler_in(folder: Path) -> "Work":
    """Return work that leaves its traces in a folder and, fenced, in the database."""

    def _handle(context: WorkContext, job: Job, fence: Fence) -> Outcome:
        running = folder / f"running-{job.key}"
        name = f"{os.getpid()}-{threading.get_ident()}"
        try:
            with running.open("x") as file:
                file.write(name)
        except FileExistsError:
            # What a killed process left behind is no overlap; a living one is.
            if is_alive(int(running.read_text().partition("-")[0] or 0)):
                (folder / f"overlap-{job.key}-{name}").touch()
        try:
            return _do(context, job, fence)
        finally:
            with suppress(FileNotFoundError):
                running.unlink()

    return Work(DECIDE, _handle, jobs_per_claim=4)


def is_alive(process_id: int) -> bool:
    """Return whether a process runs."""
    try:
        os.kill(process_id, 0)
    except OSError:
        return False
    return process_id != 0


def _do(context: WorkContext, job: Job, fence: Fence) -> Outcome:
    what = job.key.partition("-")[0]
    if what == "hang" and not job.attempts:
        threading.Event().wait(HANG_SECONDS_MAX)
    if what == "killer":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "bug":
        raise InvariantError("sums differ")
    if what == "slow":
        threading.Event().wait(SLOW_SECONDS)
    with context.store.unit_of_work() as uow:
        fence(uow)
        uow.feed.append(
            "test.ran",
            {"key": job.key, "process": str(os.getpid())},
            account=None,
            correlation_id=job.correlation_id,
            at=uow.clock.now(),
        )
    return Done()


def main(arguments: list[str]) -> int:
    """Run the worker; 2 with the reason on standard error when it is broken."""
    database_url, broker_url, prefix, lease_seconds, folder, quiet_seconds = arguments
    configure_logging(service="worker", node="test", log_format="json")
    settings = worker_settings(database_url, broker_url, prefix, lease_seconds=int(lease_seconds))
    try:
        works = (handler_in(Path(folder)),)
        run_worker(settings, (), works=works, quiet_seconds=float(quiet_seconds))
    except RelayerError as exc:
        sys.stderr.write(f"{type(exc).__name__}: {exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
