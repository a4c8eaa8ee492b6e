"""Keeps the leases of running jobs alive: a slow chain must not look like a dead process."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from relayer.errors import LeaseLostError
from relayer.store.engine import DATABASE_ERRORS
from relayer.store.jobs import Job
from relayer.store.unit_of_work import Store
from relayer.telemetry import event_log

KEEP_SECONDS_MAX: Final = 60
EXTENSIONS_PER_LEASE: Final = 3
JOIN_SECONDS_MAX: Final = 10.0
log = event_log()

JobName = tuple[str, str]


class LeaseKeeper:
    """
    Extends what is held, three times per lease, for at most KEEP_SECONDS_MAX.

    After that the job counts as stuck: its lease runs out, another process takes it, and what
    the stuck one still wants to commit is refused by its fence.
    """

    def __init__(self, store: Store, lease_seconds: int) -> None:
        self._store = store
        self._lease_seconds = lease_seconds
        self._lock = threading.Lock()
        self._held: dict[JobName, tuple[Job, float]] = {}
        self._closing = threading.Event()
        self._holds = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def keeping(self, jobs: Iterable[Job]) -> Iterator[None]:
        """Keep jobs inside the block; see release for one that ends earlier."""
        chosen = tuple(jobs)
        now = time.monotonic()
        with self._lock:
            self._held.update((_name(job), (job, now)) for job in chosen)
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
                self._thread.start()
        self._holds.set()
        try:
            yield
        finally:
            for job in chosen:
                self.release(job)

    def release(self, job: Job) -> None:
        """Stop keeping a job: it ended."""
        with self._lock:
            held = self._held.get(_name(job))
            if held is not None and held[0].token == job.token:
                del self._held[_name(job)]

    def extend_held(self) -> int:
        """Extend what is held and not stuck; return how many jobs were."""
        oldest = time.monotonic() - KEEP_SECONDS_MAX
        with self._lock:
            chosen = [job for job, since in self._held.values() if since > oldest]
        return sum(self._extend(job) for job in chosen)

    def close(self) -> None:
        """Stop; the leases run out by themselves."""
        self._closing.set()
        self._holds.set()
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS_MAX)

    def _extend(self, job: Job) -> bool:
        try:
            with self._store.unit_of_work() as uow:
                uow.jobs.extend(job, self._lease_seconds)
        except LeaseLostError:
            self.release(job)  # it ended meanwhile, or another process has it
            return False
        except DATABASE_ERRORS as exc:
            log.warning("lease.lost", kind=job.kind, key=job.key, reason=type(exc).__name__)
            return False
        return True

    def _run(self) -> None:
        while not self._closing.is_set():
            self._holds.wait()
            self._closing.wait(self._lease_seconds / EXTENSIONS_PER_LEASE)
            if self._closing.is_set():
                return
            self.extend_held()
            with self._lock:
                if not self._held:
                    self._holds.clear()


def _name(job: Job) -> JobName:
    return job.kind, job.key
