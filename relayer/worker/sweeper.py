"""The sweeper: rings again for due work, and winds the clocks that no event winds."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from relayer import wiring
from relayer.settings import Settings
from relayer.steps.catalog import Catalog
from relayer.steps.conclude import conclude_governed
from relayer.steps.lapse import lapse_grants
from relayer.steps.observe import ring_assess
from relayer.steps.publish_root import publish_due_roots
from relayer.steps.queues import CUSTODY, reconcile_queue
from relayer.steps.stop import stop_at_signals, stopped_within
from relayer.store.engine import DATABASE_ERRORS
from relayer.store.roots import JournalBrokenError
from relayer.store.unit_of_work import Store
from relayer.telemetry import event_log
from relayer.worker.app import create_app
from relayer.worker.doorbell import Doorbell

SWEEP_SECONDS: Final = 1.0
PAST_SECONDS: Final = 0.005
CUSTODY_SECONDS: Final = 5
ASSESS_SECONDS: Final = 5
ROOT_SECONDS: Final = 10
log = event_log()


async def sweep(store: Store, catalog: Catalog, doorbell: Doorbell, stop: asyncio.Event) -> None:
    """
    Ring for due work each second until told to stop; a failure only costs one round of its own.

    What winds clocks and what rings are apart: a broker that lets one wait, or a database that
    refuses one, keeps none of the others from running.
    """
    clocks = (
        _Clock(CUSTODY_SECONDS, lambda: _ring_custody(store, catalog)),
        _Clock(CUSTODY_SECONDS, lambda: _end_what_is_over(store, catalog)),
        _Clock(ASSESS_SECONDS, lambda: _ring_assess(store)),
        _Clock(ROOT_SECONDS, lambda: _publish_roots(store)),
    )
    await asyncio.gather(_wind(clocks, store, doorbell, stop), _ring(doorbell, stop))


@dataclass
class _Clock:
    """What is done once in so many seconds; what failed is tried again a second later."""

    seconds: int
    act: Callable[[], None]
    last: int = 0


async def _wind(
    clocks: Sequence[_Clock], store: Store, doorbell: Doorbell, stop: asyncio.Event
) -> None:
    while not stop.is_set():
        now = store.clock.now()
        is_wound = False
        for clock in clocks:
            if now - clock.last >= clock.seconds and await _has_done(clock.act):
                clock.last = now
                is_wound = True
        if is_wound:
            doorbell.ring_soon()
        await stopped_within(stop, _until_next_second())


async def _ring(doorbell: Doorbell, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await _has_done(doorbell.ring_due)
        await stopped_within(stop, _until_next_second())


async def _has_done(act: Callable[[], object]) -> bool:
    try:
        await asyncio.to_thread(act)
    except DATABASE_ERRORS as exc:
        log.warning("sweep.failed", reason=type(exc).__name__)
        return False
    except Exception:  # the sweeper is what makes everything else good: it never ends by itself
        log.exception("sweep.failed")
        return False
    return True


def _until_next_second() -> float:
    """Return how long to wait: times in the job table are whole seconds, so it is swept on them."""
    return SWEEP_SECONDS - time.time() % SWEEP_SECONDS + PAST_SECONDS


def _ring_custody(store: Store, catalog: Catalog) -> None:
    with store.unit_of_work() as uow:
        for chain_id in catalog.vaults:
            uow.jobs.ring(CUSTODY, chain_id, reconcile_queue(chain_id), uow.clock.now(), bytes(32))


def _end_what_is_over(store: Store, catalog: Catalog) -> None:
    with store.unit_of_work() as uow:
        lapse_grants(uow, catalog)
        conclude_governed(uow, catalog)


def _ring_assess(store: Store) -> None:
    with store.unit_of_work() as uow:
        ring_assess(uow)


def _publish_roots(store: Store) -> None:
    try:
        publish_due_roots(store)
    except JournalBrokenError as exc:
        # The work goes on as before: what was published proves what is wrong, and to whom.
        log.error("root.refused", seq=exc.seq, reason=exc.reason)


def run_sweeper(settings: Settings) -> None:
    """Run the sweeper until SIGTERM or SIGINT."""
    store = wiring.open_store(settings)
    catalog = wiring.catalog_of(settings)
    doorbell = Doorbell(create_app(catalog, settings), store, settings)

    async def _main() -> None:
        await sweep(store, catalog, doorbell, stop_at_signals())

    try:
        asyncio.run(_main())
    finally:
        doorbell.close()
        store.close()
