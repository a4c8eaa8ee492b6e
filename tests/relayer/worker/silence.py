"""Workers that hear nothing: what runs one, rings for it, and how long its work may take."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from relayer import wiring
from relayer.clock import UnixSeconds
from relayer.settings import Settings
from relayer.steps.fence import Fence
from relayer.steps.queues import ATTEST
from relayer.store.jobs import Job, Ring
from relayer.store.unit_of_work import Store
from relayer.worker.app import create_app
from relayer.worker.context import WorkContext
from relayer.worker.doorbell import Doorbell
from relayer.worker.lookout import JITTER, LOOK_SECONDS, QUIET_SECONDS
from relayer.worker.processing import Done, Outcome, Work
from relayer.worker.runner import EmbeddedWorker, worker_app
from tests.relayer.worker.kit import CORRELATION, wait_until

LOADED_SECONDS: Final = 6.0  # what a busy machine may add
# The table has whole seconds; then a pair is quiet, and then comes the longest look.
BOUND_SECONDS: Final = 1 + QUIET_SECONDS + LOOK_SECONDS * (1 + JITTER) + LOADED_SECONDS
END_SECONDS_MAX: Final = 15.0


class Doing:
    """Work that notes what it did."""

    def __init__(self, *kinds: str) -> None:
        self.done: list[str] = []
        self.works = tuple(Work(kind, self._do) for kind in kinds)

    def _do(self, _context: WorkContext, job: Job, _fence: Fence) -> Outcome:
        self.done.append(job.key)
        return Done()


@contextmanager
def running(
    settings: Settings, store: Store, doing: Doing, *, is_looking: bool = True
) -> Iterator[None]:
    """Run a worker, and nobody who rings; it ends in time."""
    app, context, doorbell = worker_app(settings, store, doing.works)
    worker = EmbeddedWorker(app, context, is_looking=is_looking)
    worker.start()
    try:
        yield
    finally:
        begun = time.monotonic()
        worker.stop()
        took_seconds = time.monotonic() - begun
        doorbell.close()
        context.keeper.close()
    assert took_seconds < END_SECONDS_MAX


@contextmanager
def ringing(settings: Settings, store: Store) -> Iterator[Doorbell]:
    """Yield a doorbell without a worker."""
    made = Doorbell(create_app(wiring.catalog_of(settings), settings), store, settings)
    try:
        yield made
    finally:
        made.close()


def ring_until(doorbell: Doorbell, is_done: Callable[[], object]) -> None:
    """Ring for what is due, as the sweeper does, until something is done."""

    def _ring() -> object:
        doorbell.ring_due()
        return is_done()

    wait_until(_ring, "work that was rung for")


def ring_attest(store: Store, key: str) -> None:
    """Wish a job in the queue `attest`."""
    with store.unit_of_work() as uow:
        due_at = UnixSeconds(uow.clock.now())
        uow.jobs.ring_all([Ring(ATTEST, key, ATTEST, due_at, CORRELATION)])
