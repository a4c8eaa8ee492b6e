"""The watcher process of one chain: watch in a loop, ring the doorbell for what it stored."""

import asyncio
import signal
from collections.abc import Callable

from chains.types import ChainId
from relayer import wiring
from relayer.settings import Settings
from relayer.steps.catalog import Catalog
from relayer.steps.observe import Observation
from relayer.steps.watch import Watch, watch
from relayer.store.unit_of_work import Store
from relayer.worker.app import create_app
from relayer.worker.doorbell import Doorbell

MILLISECONDS = 1_000


async def watch_chain(
    settings: Settings,
    chain_id: ChainId,
    *,
    parts: tuple[Store, Catalog],
    ring_due: Callable[[], int],
    stop: asyncio.Event,
) -> None:
    """Watch one chain on the running loop until told to stop."""
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

    async def _on_news(observation: Observation) -> None:
        del observation
        await asyncio.to_thread(ring_due)

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
    )
    try:
        await watch(watcher, stop)
    finally:
        if listening is not None:
            listening.cancel()
        await reader.close()


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
            settings, chain_id, parts=(store, catalog), ring_due=doorbell.ring_due, stop=stop
        )

    try:
        asyncio.run(_main())
    finally:
        store.close()
