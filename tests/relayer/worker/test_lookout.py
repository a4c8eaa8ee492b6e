"""The lookout: what is due without a bell is worked off from the table, and nothing else is."""

import threading
from collections.abc import Iterator
from typing import Final

import pytest
from sqlalchemy.exc import OperationalError

from relayer import wiring
from relayer.clock import FixedClock, UnixSeconds
from relayer.steps.queues import ATTEST, DECIDE
from relayer.store.jobs import Ring
from relayer.store.unit_of_work import Store
from relayer.worker.context import WorkContext
from relayer.worker.lookout import QUIET_SECONDS, Lookout
from tests.databases import NOW
from tests.relayer.worker.kit import CORRELATION, MEMORY_URL, wait_until, worker_settings

LONG_SECONDS: Final = 30.0
QUEUES: Final = (DECIDE, ATTEST)


class Runs:
    """What works off queues: it notes which; a kind in `hanging` waits until it is let go."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.hanging: set[str] = set()
        self.error: Exception | None = None
        self.letting_go = threading.Event()

    def of(self, kind: str) -> None:
        """Work off a queue; the queue's name is the kind's in these tests."""
        if kind in self.hanging:
            self.letting_go.wait(LONG_SECONDS)
        self.done.append(kind)
        if self.error is not None:
            raise self.error


@pytest.fixture
def runs() -> Iterator[Runs]:
    """What the lookout calls."""
    made = Runs()
    yield made
    made.letting_go.set()


@pytest.fixture
def context(still_store: Store, database_url: str) -> Iterator[WorkContext]:
    """A context on a store whose clock stands still."""
    settings = worker_settings(database_url, MEMORY_URL, "test")
    made = WorkContext(settings, still_store, wiring.catalog_of(settings), ring_due=lambda: None)
    yield made
    made.keeper.close()


@pytest.fixture
def lookout(context: WorkContext, runs: Runs) -> Iterator[Lookout]:
    """A lookout that looks when told to."""
    made = Lookout(context, dict.fromkeys(QUEUES, runs.of), QUEUES)
    yield made
    runs.letting_go.set()
    made.close()


def ring(store: Store, *queues: str, due_seconds: float = 0) -> None:
    """Wish a job in each queue that has been due for so long."""
    due_at = UnixSeconds(int(NOW - due_seconds))
    with store.unit_of_work() as uow:
        uow.jobs.ring_all([Ring(name, "key", name, due_at, CORRELATION) for name in queues])


def test_what_has_been_due_for_long_is_worked_off(
    lookout: Lookout, runs: Runs, still_store: Store
) -> None:
    """No bell came for it."""
    ring(still_store, DECIDE, due_seconds=QUIET_SECONDS)

    assert lookout.look() == 1

    wait_until(lambda: runs.done == [DECIDE], "its queue")


def test_a_bell_has_time_to_come_first(lookout: Lookout, runs: Runs, still_store: Store) -> None:
    """Where the broker works, the lookout does nothing."""
    ring(still_store, DECIDE, due_seconds=QUIET_SECONDS - 1)

    assert lookout.look() == 0
    assert runs.done == []


def test_a_pair_whose_bell_was_heard_is_left_alone(lookout: Lookout, still_store: Store) -> None:
    """A backlog is no silence."""
    ring(still_store, DECIDE, due_seconds=3_600)

    lookout.hear(DECIDE, DECIDE)

    assert lookout.look() == 0


def test_a_mute_pair_waits_no_second_time(
    lookout: Lookout, runs: Runs, still_store: Store, clock: FixedClock
) -> None:
    """A message takes several steps: each of them would wait again."""
    ring(still_store, DECIDE, due_seconds=QUIET_SECONDS)
    assert lookout.look() == 1
    wait_until(lambda: runs.done == [DECIDE], "the first time")
    with still_store.unit_of_work() as uow:
        (job,) = uow.jobs.claim(DECIDE, 1, lease_seconds=15, holder="test")
        uow.jobs.complete(job)
    ring(still_store, DECIDE)

    wait_until(lookout.look, "another look")

    wait_until(lambda: runs.done == [DECIDE, DECIDE], "the second time")
    assert clock.now() == NOW


def test_a_bell_ends_the_muteness(lookout: Lookout, runs: Runs, still_store: Store) -> None:
    """From then on its bells have time to come first again."""
    ring(still_store, DECIDE, due_seconds=QUIET_SECONDS)
    lookout.look()
    wait_until(lambda: runs.done == [DECIDE], "the first time")

    lookout.hear(DECIDE, DECIDE)

    assert lookout.look() == 0


def test_a_pair_that_hangs_has_one_thread_and_holds_up_no_other(
    lookout: Lookout, runs: Runs, still_store: Store
) -> None:
    """However often it is looked at."""
    runs.hanging.add(DECIDE)
    ring(still_store, DECIDE, due_seconds=QUIET_SECONDS)
    assert lookout.look() == 1
    assert lookout.look() == 0
    ring(still_store, ATTEST, due_seconds=QUIET_SECONDS)

    assert lookout.look() == 1

    wait_until(lambda: runs.done == [ATTEST], "the other one")


def test_queues_of_other_workers_are_none_of_its_own(
    context: WorkContext, runs: Runs, still_store: Store
) -> None:
    """A worker that was given some queues takes from no other, and does what it knows."""
    lookout = Lookout(context, {DECIDE: runs.of, ATTEST: runs.of}, (DECIDE,))
    ring(still_store, ATTEST, due_seconds=3_600)
    due_at = UnixSeconds(NOW - 3_600)
    with still_store.unit_of_work() as uow:
        uow.jobs.ring_all([Ring("strange", "key", DECIDE, due_at, CORRELATION)])

    assert lookout.look() == 0
    lookout.close()


@pytest.mark.parametrize("error", [OperationalError("SELECT 1", None, Exception()), KeyError("x")])
def test_a_failure_costs_one_look(
    lookout: Lookout, runs: Runs, still_store: Store, error: Exception
) -> None:
    """The pair is looked at again."""
    runs.error = error
    ring(still_store, DECIDE, due_seconds=QUIET_SECONDS)
    lookout.start()

    wait_until(lambda: len(runs.done) >= 2, "a second try", seconds=20)


def test_a_process_that_stops_begins_nothing(
    context: WorkContext, lookout: Lookout, runs: Runs, still_store: Store
) -> None:
    """Its thread ends by itself."""
    context.stopping.set()
    ring(still_store, DECIDE, due_seconds=3_600)

    lookout.start()
    lookout.close()

    assert runs.done == []
