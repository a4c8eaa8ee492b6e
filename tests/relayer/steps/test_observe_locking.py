"""Watcher and reconciler take their rows in one order: neither blocks the other for good."""

import threading
import time

import pytest
from sqlalchemy import text

from relayer.clock import FixedClock
from relayer.steps.fence import job_fence
from relayer.steps.queues import RECONCILE, reconcile_queue
from relayer.steps.reconcile import reconcile
from relayer.store.unit_of_work import Store, UnitOfWork
from tests.databases import NOW, TestDatabases
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.steps.bookings import Bench, lock
from tests.simulated_chain import SimulatedChain

WAIT_SECONDS = 20
WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def until_blocked(store: Store) -> None:
    """Return once a transaction waits for another one."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        with store.engine.connect() as connection:
            if connection.scalar(WAITING):
                return
        threading.Event().wait(0.02)
    raise AssertionError("nobody waits for anybody")


@pytest.mark.parametrize("kind", ["postgresql"])
@pytest.mark.parametrize("what", ["finality", "reorg"])
def test_booking_while_the_same_events_move_is_no_deadlock(
    kind: str, what: str, databases: TestDatabases
) -> None:
    """The watcher waits until the batch is booked, then goes on."""
    with databases.store(kind, FixedClock(NOW)) as store:
        bench = Bench(store, SimulatedChain(CHAIN_A))
        bench.chain.mine(lock("one", 5))
        bench.follow()
        with store.unit_of_work() as uow:
            (job,) = uow.jobs.claim(
                reconcile_queue(CHAIN_A), 1, lease_seconds=60, holder="w", kinds=(RECONCILE,)
            )
        if what == "finality":
            bench.chain.finalize()
        else:
            bench.chain.reorg(1, [], [])
        faults: list[BaseException] = []

        def follow() -> None:
            try:
                bench.follow()
            except Exception as exc:  # noqa: BLE001 - it is what the test asserts on
                faults.append(exc)

        watcher = threading.Thread(target=follow)

        def fence(uow: UnitOfWork) -> None:
            job_fence(job, 60)(uow)
            watcher.start()
            until_blocked(store)

        found = reconcile(store, bench.catalog, CHAIN_A, fence=fence)
        watcher.join(WAIT_SECONDS)
        bench.catch_up()

        assert not watcher.is_alive()
        assert faults == []
        assert found.booked == 1
        assert (bench.available(), bench.soft()) == ((5, 0) if what == "finality" else (0, 0))
