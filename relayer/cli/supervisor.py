"""`relayer up`: watchers, worker, sweeper and API of a small deployment in one process."""

import asyncio
import signal
import threading
from typing import Final

import structlog
import uvicorn

from relayer import wiring
from relayer.api.app import create_app
from relayer.settings import Settings
from relayer.store.unit_of_work import Store
from relayer.worker.runner import EmbeddedWorker, worker_app
from relayer.worker.sweeper import sweep
from relayer.worker.watcher import watch_chain

STOP_SECONDS_MAX: Final = 10.0
log = structlog.get_logger(__name__)


def run_up(settings: Settings) -> None:
    """
    Run everything but the guardians until SIGTERM or SIGINT.

    Guardians are never started from here: each has its own key, database and configuration.

    Raises:
        SchemaVersionError: the database is not at the version of the code.
        WrongChainError: a node serves another chain than the stored one.
    """
    store = wiring.open_store(settings)
    app, context, doorbell = worker_app(settings, store)
    worker = EmbeddedWorker(app, context)
    server = _server(settings, store)
    serving = threading.Thread(target=server.run, name="api", daemon=True)
    worker.start()
    serving.start()

    async def _main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        tasks = [
            asyncio.create_task(
                watch_chain(
                    settings,
                    chain_id,
                    parts=(store, context.catalog),
                    ring_due=doorbell.ring_due,
                    stop=stop,
                )
            )
            for chain_id in context.catalog.chain_ids
        ]
        tasks.append(asyncio.create_task(sweep(store, context.catalog, doorbell, stop)))
        done, _ = await asyncio.wait(
            (*tasks, asyncio.create_task(stop.wait())), return_when=asyncio.FIRST_COMPLETED
        )
        stop.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    log.info("process.started", service="up")
    try:
        asyncio.run(_main())
    finally:
        server.should_exit = True
        serving.join(STOP_SECONDS_MAX)
        worker.stop()
        context.close()
        log.info("process.stopped", service="up")


def _server(settings: Settings, store: Store) -> uvicorn.Server:
    app = create_app(store, settings)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.api.listen_host,
            port=settings.api.listen_port,
            log_config=None,
            access_log=False,
            server_header=False,
        )
    )
