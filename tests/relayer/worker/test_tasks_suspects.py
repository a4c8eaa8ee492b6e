"""Booking after deaths: innocent work gets on, and an event that kills is cornered."""

from collections.abc import Iterator
from dataclasses import fields

import pytest

from chains.types import ChainId
from relayer.assets import Asset
from relayer.clock import FixedClock
from relayer.steps.catalog import Catalog
from relayer.steps.queues import RECONCILE, reconcile_queue
from relayer.store.job_records import JobRecord, JobState
from relayer.store.jobs import ATTEMPTS_MAX, Ring
from relayer.store.unit_of_work import Store
from relayer.worker.context import WorkContext
from relayer.worker.processing import process_due
from relayer.worker.tasks import WORKS
from tests.relayer.api.kit import CHAIN_A, contract
from tests.relayer.steps.bookings import CATALOG, Bench, lock
from tests.relayer.worker.kit import CORRELATION, MEMORY_URL, worker_settings
from tests.simulated_chain import SimulatedChain

LOCKS = 3_000  # more than a booking takes at once
POISON = contract("a token that kills")
QUEUE = reconcile_queue(CHAIN_A)
DEATHS_MAX = 8
(WORK,) = (work for work in WORKS if work.kind == RECONCILE)


class DeathError(BaseException):
    """The process ends here; nothing of ours catches it."""


class DeadlyCatalog(Catalog):
    """A deployment in which looking at one token kills the process."""

    def asset_of(self, chain_id: ChainId, token: bytes) -> Asset:
        if token == POISON:
            raise DeathError
        return super().asset_of(chain_id, token)


@pytest.fixture
def bench(still_store: Store) -> Bench:
    """A store and a chain."""
    return Bench(still_store, SimulatedChain(CHAIN_A))


@pytest.fixture
def bells() -> list[bool]:
    """What each ring does from now on: True kills the process."""
    return []


@pytest.fixture
def context(bench: Bench, bells: list[bool]) -> Iterator[WorkContext]:
    """A worker's context that dies by rule."""

    def _ring() -> None:
        if bells and bells.pop(0):
            raise DeathError

    catalog = DeadlyCatalog(*(getattr(CATALOG, each.name) for each in fields(CATALOG)))
    settings = worker_settings(str(bench.store.engine.url), MEMORY_URL, "test")
    made = WorkContext(settings, bench.store, catalog, ring_due=_ring)
    yield made
    made.keeper.close()


def prepare(bench: Bench, *, poison_at: int | None = None) -> None:
    """Let many locks be final and unbooked, with one that kills among them, and wish a booking."""
    for place in range(LOCKS):
        token = {"token": POISON} if place == poison_at else {}
        bench.chain.mine(lock(f"lock {place}", 1, **token))
    bench.chain.finalize()
    bench.follow()
    with bench.store.unit_of_work() as uow:
        uow.jobs.ring_all([Ring(RECONCILE, CHAIN_A, QUEUE, uow.clock.now(), CORRELATION)])


def record_of(bench: Bench) -> JobRecord:
    """Return the job as an operator sees it."""
    with bench.store.read() as uow:
        return uow.jobs.job(RECONCILE, CHAIN_A)


def die_once(bench: Bench, context: WorkContext, clock: FixedClock) -> None:
    """Process until death, and let the lease run out."""
    with pytest.raises(DeathError):
        process_due(context, WORK, QUEUE)
    clock.move(context.settings.messages.lease_seconds + 1)


def test_r4_deaths_between_bookings_never_put_a_chain_into_quarantine(
    bench: Bench, context: WorkContext, bells: list[bool], clock: FixedClock
) -> None:
    """Killed after each first batch, more often than a poison job is tried: all is booked."""
    prepare(bench)

    deaths = 0
    while record_of(bench).state is not JobState.IDLE:
        assert record_of(bench).state is not JobState.QUARANTINED
        bells[:] = [True]
        die_once(bench, context, clock)
        deaths += 1

    assert deaths > ATTEMPTS_MAX
    assert bench.custody() == LOCKS
    assert record_of(bench).attempts == 0


def test_r12_an_event_that_kills_is_cornered_and_what_stands_before_it_is_booked(
    bench: Bench, context: WorkContext, clock: FixedClock
) -> None:
    """After a few deaths every lock before it counts, and the job waits for a person."""
    poison_at = 700
    prepare(bench, poison_at=poison_at)

    deaths = 0
    while True:
        try:
            process_due(context, WORK, QUEUE)
        except DeathError:
            deaths += 1
            clock.move(context.settings.messages.lease_seconds + 1)
            continue
        break

    assert record_of(bench).state is JobState.QUARANTINED
    assert bench.custody() == poison_at
    assert ATTEMPTS_MAX <= deaths <= DEATHS_MAX


def test_r12_a_job_that_kills_at_once_is_quarantined_after_five_attempts(
    bench: Bench, context: WorkContext, clock: FixedClock
) -> None:
    """Without any effect in between each death counts."""
    prepare(bench, poison_at=0)

    for _ in range(ATTEMPTS_MAX):
        die_once(bench, context, clock)
    process_due(context, WORK, QUEUE)

    assert record_of(bench).state is JobState.QUARANTINED
    assert bench.custody() == 0
