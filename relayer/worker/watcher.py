"""The watcher process of one chain: watch in a loop, ring the doorbell for what it stored."""

import asyncio
import signal
from collections.abc import Callable
from typing import Final

from chains.types import ChainId
from relayer import wiring
from relayer.settings import Settings
from relayer.steps.catalog import Catalog
from relayer.steps.observe import Observation
from relayer.steps.watch import Watch, watch
from relayer.store.engine import DATABASE_ERRORS
from relayer.store.unit_of_work import Store
from relayer.telemetry import event_log
from relayer.worker.app import create_app
from relayer.worker.collector import spare_collections
from relayer.worker.doorbell import Doorbell

MILLISECONDS: Final = 1_000
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
    store, catalog = parts
    chain = settings.chain(chain_id)
    reader = wiring.chain_reader(settings, chain_id)
    wakeup = wiring.head_wakeup(settings, chain_id)
    listening = None if wakeup is None else asyncio.create_task(wakeup.run())

    async def _wait(seconds: float) -> None:
        if wakeup is not None and seconds > 0:
            waiting = asyncio.create_task(wakeup.wait(seconds))
            stopping = asyncio.create_task(stop.wait())
            _, pending = await asyncio.wait(
                (waiting, stopping), return_when=asyncio.FIRST_COMPLETED
            )
            for task in pending:
                task.cancel()
            return
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            return

    last_place: list[object] = [None]

    async def _on_news(observation: Observation) -> None:
        place = (observation.cursor.head, observation.cursor.finalized)
        if place != last_place[0]:  # all that is rung for comes with a block
            await asyncio.to_thread(ring_due)
            last_place[0] = place

    watcher = Watch(
        store=store,
        catalog=catalog,
        reader=reader,
        prices=wiring.price_source(reader),
        limits=wiring.observe_limits(settings, chain_id),
        poll_seconds=chain.poll_milliseconds / MILLISECONDS,
        holder=wiring.process_name(),
        wait=_wait,
        on_news=_on_news,
        backup=wiring.backup_of(settings, store, catalog, reader),
        pool=wiring.node_pool(reader),
        lease_seconds=chain.watch_lease_seconds,
    )
    try:
        await _watch_on(watcher, stop)
    finally:
        if listening is not None:
            listening.cancel()
        await reader.close()


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
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        await watch_chain(
            settings, chain_id, parts=(store, catalog), ring_due=doorbell.ring_soon, stop=stop
        )

    spare_collections()
    try:
        asyncio.run(_main())
    finally:
        doorbell.close()
        store.close()
