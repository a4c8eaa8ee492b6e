"""The watcher process of one chain: watch in a loop, ring the doorbell for what it stored."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from chains.types import ChainId
from relayer import wiring
from relayer.settings import Settings
from relayer.steps.catalog import Catalog
from relayer.steps.stop import stop_at_signals, stopped_within
from relayer.steps.watch import Watch, on_new_place, watch
from relayer.store.engine import DATABASE_ERRORS
from relayer.store.unit_of_work import Store
from relayer.telemetry import event_log
from relayer.worker.app import create_app
from relayer.worker.collector import spare_collections
from relayer.worker.doorbell import Doorbell

PAUSE_SECONDS: Final = 2.0
log = event_log()


async def watch_chain(
    settings: Settings,
    chain_id: ChainId,
    *,
    parts: tuple[Store, Catalog],
    ring_due: Callable[[], object],
    stop: asyncio.Event,
) -> None:
    """
    Watch one chain on the running loop until told to stop; a database that is away is waited for.

    Args:
        ring_due: called in a thread for each new block.

    Raises:
        WrongChainError: the node serves another chain than the stored one.
    """
    wakeup = wiring.head_wakeup(settings, chain_id)

    async def _wait(seconds: float) -> None:
        if wakeup is None or seconds <= 0:
            await stopped_within(stop, seconds)
            return
        waiting = asyncio.create_task(wakeup.wait(seconds))
        stopping = asyncio.create_task(stop.wait())
        _, pending = await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()

    watcher = wiring.watch_of(settings, parts, chain_id, wait=_wait, on_news=on_new_place(ring_due))
    watcher = replace(watcher, pool=wiring.node_pool(watcher.reader))
    listening = None if wakeup is None else asyncio.create_task(wakeup.run())
    try:
        await _watch_on(watcher, stop)
    finally:
        if listening is not None:
            listening.cancel()
        await watcher.reader.close()


async def _watch_on(watcher: Watch, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await watch(watcher, stop)
        except DATABASE_ERRORS as exc:
            chain_id = watcher.reader.chain_id
            log.warning("chain.unread", chain_id=chain_id, reason=type(exc).__name__)
            await watcher.wait(PAUSE_SECONDS)


def run_watcher(settings: Settings, chain_id: ChainId) -> None:
    """
    Run one chain's watcher until SIGTERM or SIGINT.

    Raises:
        WrongChainError: the node serves another chain than the stored one.
    """
    store = wiring.open_store(settings)
    catalog = wiring.catalog_of(settings)
    doorbell = Doorbell(create_app(catalog, settings), store, settings)

    async def _main() -> None:
        await watch_chain(
            settings,
            chain_id,
            parts=(store, catalog),
            ring_due=doorbell.ring_soon,
            stop=stop_at_signals(),
        )

    spare_collections()
    try:
        asyncio.run(_main())
    finally:
        doorbell.close()
        store.close()
