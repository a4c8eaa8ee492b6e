"""The sweeper: rings for what is due each second, and goes on whatever fails."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.exc import OperationalError

from relayer.clock import UnixSeconds
from relayer.money import AssetId
from relayer.settings import Settings
from relayer.steps.catalog import Catalog
from relayer.steps.queues import ASSESS, CUSTODY
from relayer.store.governor import GOVERNOR, GovernorRelease, ReleaseState
from relayer.store.job_records import JobState
from relayer.store.roots import JournalBrokenError
from relayer.store.unit_of_work import Store
from relayer.worker import sweeper
from relayer.worker.app import create_app
from relayer.worker.doorbell import Doorbell
from relayer.worker.sweeper import sweep
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.worker.kit import wait_until


class CountingDoorbell(Doorbell):
    """A doorbell that counts sweeps and fails when told to."""

    sweeps = 0
    error: Exception | None = None
    hanging: threading.Event | None = None

    def ring_due(self) -> int:
        """Count, and fail if told to."""
        self.sweeps += 1
        if self.hanging is not None:
            self.hanging.wait(60)
        if self.error is not None:
            raise self.error
        return super().ring_due()


@pytest.fixture
def doorbell(
    memory_settings: Settings, catalog: Catalog, store: Store
) -> Iterator[CountingDoorbell]:
    """A doorbell on the embedded broker."""
    made = CountingDoorbell(create_app(catalog, memory_settings), store, memory_settings)
    yield made
    made.close()


@contextmanager
def sweeping(store: Store, catalog: Catalog, doorbell: Doorbell) -> Iterator[Callable[[], bool]]:
    """Sweep in a thread; yields whether it still does."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(
        target=loop.run_until_complete, args=(sweep(store, catalog, doorbell, stop),)
    )
    thread.start()
    try:
        yield thread.is_alive
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        assert not thread.is_alive()
        loop.close()


def test_it_sweeps_again_and_again(
    store: Store, catalog: Catalog, doorbell: CountingDoorbell
) -> None:
    """About once a second."""
    with sweeping(store, catalog, doorbell):
        wait_until(lambda: doorbell.sweeps >= 3, "three sweeps", seconds=10)


def test_it_winds_the_clocks_that_no_event_winds(
    store: Store, catalog: Catalog, doorbell: CountingDoorbell
) -> None:
    """Custody is compared, and accounts are assessed at prices that did not move."""
    with sweeping(store, catalog, doorbell):
        wait_until(lambda: is_rung(store, CUSTODY, CHAIN_A), "custody", seconds=10)
        wait_until(lambda: is_rung(store, ASSESS, "all"), "assessing", seconds=10)


@pytest.mark.parametrize("error", [OperationalError("SELECT 1", None, Exception()), KeyError("x")])
def test_a_failure_costs_one_sweep(
    store: Store, catalog: Catalog, doorbell: CountingDoorbell, error: Exception
) -> None:
    """It is what makes everything else good, so it never ends by itself."""
    doorbell.error = error
    with sweeping(store, catalog, doorbell) as goes_on:
        wait_until(lambda: doorbell.sweeps >= 2, "a second try", seconds=10)
        assert goes_on()


PARTS = ("_ring_custody", "_end_what_is_over", "_ring_assess", "_publish_roots")


@pytest.mark.parametrize("broken", PARTS)
def test_a_part_that_fails_keeps_no_other_from_running(
    store: Store,
    catalog: Catalog,
    doorbell: CountingDoorbell,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
) -> None:
    """Whichever it is, and it is tried again itself."""
    ran: Counter[str] = Counter()

    def _noting(part: str) -> Callable[..., None]:
        def _note(*_: object) -> None:
            ran[part] += 1
            if part == broken:
                raise OperationalError("SELECT 1", None, Exception())

        return _note

    for part in PARTS:
        monkeypatch.setattr(sweeper, part, _noting(part))

    with sweeping(store, catalog, doorbell):
        wait_until(lambda: ran[broken] >= 2 and doorbell.sweeps >= 2, "a second try", seconds=10)

    assert set(ran) == set(PARTS)


def test_a_doorbell_that_hangs_keeps_no_clock_from_being_wound(
    store: Store, catalog: Catalog, doorbell: CountingDoorbell
) -> None:
    """A broker that does not answer costs its bells, not custody and assessing."""
    letting_go = threading.Event()
    doorbell.hanging = letting_go

    with sweeping(store, catalog, doorbell):
        wait_until(lambda: is_rung(store, CUSTODY, CHAIN_A), "custody", seconds=10)
        wait_until(lambda: is_rung(store, ASSESS, "all"), "assessing", seconds=10)
        hung = doorbell.sweeps
        letting_go.set()

    assert hung == 1


def is_rung(store: Store, kind: str, key: str) -> bool:
    """Return whether a job was wished."""
    with store.read() as uow:
        try:
            return uow.jobs.job(kind, key).state is JobState.DUE
        except KeyError:
            return False


def test_it_publishes_the_roots_that_are_due(
    store: Store, catalog: Catalog, doorbell: CountingDoorbell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first sweep makes them; a journal that was changed stops no sweep."""
    published: list[Store] = []

    def refuse(asked: Store) -> int:
        published.append(asked)
        raise JournalBrokenError(seq=1, reason="changed")

    monkeypatch.setattr(sweeper, "publish_due_roots", refuse)
    with sweeping(store, catalog, doorbell) as goes_on:
        wait_until(lambda: doorbell.sweeps >= 2, "two sweeps", seconds=10)
        assert goes_on()

    assert published == [store]


def test_it_ends_what_the_governor_holds_back_of_messages_that_ended(
    store: Store, catalog: Catalog, doorbell: CountingDoorbell
) -> None:
    """The row is of a message that is not stored here and whose last second is over."""
    held = GovernorRelease(
        message_id=b"m" * 32,
        path=catalog.path_of(AssetId("WETH"), CHAIN_A),
        units=1,
        value_wad=1,
        state=ReleaseState.QUEUED,
        is_counted=True,
        queued_at=UnixSeconds(1),
        due_at=UnixSeconds(2),
        expires_at=UnixSeconds(3),
        decided_at=None,
        reason="full",
        who=GOVERNOR,
    )
    with store.unit_of_work() as uow:
        uow.governor.add(held)

    def is_waiting() -> bool:
        with store.read() as uow:
            return bool(uow.governor.waiting())

    with sweeping(store, catalog, doorbell):
        wait_until(lambda: not is_waiting(), "the row to be dropped", seconds=10)
