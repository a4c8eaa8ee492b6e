"""`relayer up`: watchers, worker, sweeper and API of a small deployment in one process."""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from typing import Any, Final

import uvicorn

from relayer import wiring
from relayer.api.app import create_app
from relayer.errors import RelayerError, SettingsError
from relayer.settings import Settings
from relayer.steps.stop import stop_at_signals, stopped_within
from relayer.store.unit_of_work import Store
from relayer.worker.context import WorkContext
from relayer.worker.doorbell import Doorbell
from relayer.worker.runner import EmbeddedWorker, worker_app
from relayer.worker.sweeper import sweep
from relayer.worker.watcher import watch_chain

STOP_SECONDS_MAX: Final = 10.0
LOOK_SECONDS: Final = 0.5
GRACE_SECONDS: Final = 5
BACKLOG: Final = 128


class PartEndedError(RelayerError):
    """A part of the process ended by itself, so the process ends as a whole."""

    def __init__(self, *, name: str) -> None:
        super().__init__(f"{name} ended by itself; everything else was stopped")
        self.name = name


def run_up(settings: Settings) -> None:
    """
    Run everything but the guardians until SIGTERM or SIGINT; what fails ends all of it.

    Guardians are never started from here: each has its own key, database and configuration.

    Raises:
        SchemaVersionError: the database is not at the version of the code.
        SettingsError: the API's port is taken.
        WrongChainError: a node serves another chain than the stored one.
        InvariantError: a step met what only a bug can cause.
        PartEndedError: a part ended although nobody asked it to.
    """
    store = wiring.open_store(settings)
    try:
        app, context, doorbell = worker_app(settings, store)
    except BaseException:
        store.close()
        raise
    try:
        api = _Api(settings, store, doorbell)
        worker = EmbeddedWorker(app, context)
        worker.start()
        try:
            api.start()
            asyncio.run(_run_parts(settings, context, doorbell, api))
        finally:
            api.stop()
            worker.stop()
    finally:
        doorbell.close()
        context.close()


async def _run_parts(
    settings: Settings, context: WorkContext, doorbell: Doorbell, api: "_Api"
) -> None:
    """Run watchers and sweeper beside the API; the first that ends stops all."""
    stop = stop_at_signals()
    store, catalog = context.store, context.catalog
    parts: dict[str, Coroutine[Any, Any, None]] = {
        f"the watcher of {chain_id}": watch_chain(
            settings, chain_id, parts=(store, catalog), ring_due=doorbell.ring_soon, stop=stop
        )
        for chain_id in catalog.chain_ids
    }
    parts["the sweeper"] = sweep(store, catalog, doorbell, stop)
    parts["the message API"] = api.watch(stop)
    tasks = [asyncio.create_task(part, name=name) for name, part in parts.items()]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    was_told = stop.is_set()
    stop.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
        if not was_told:
            raise PartEndedError(name=task.get_name())


class _Api:
    """The message API in a thread; the port is taken before anything else starts."""

    def __init__(self, settings: Settings, store: Store, doorbell: Doorbell) -> None:
        self._socket = _listening(settings.api.listen_host, settings.api.listen_port)
        self._app = create_app(store, settings, doorbell.ring_soon)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    async def watch(self, stop: asyncio.Event) -> None:
        """Return once told to stop, or when the thread has ended by itself."""
        while self._thread.is_alive() and not stop.is_set():
            await stopped_within(stop, LOOK_SECONDS)

    def stop(self) -> None:
        """Finish the requests under way."""
        self._app.state.doors.stopping.set()
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS_MAX)
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (host, port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=BACKLOG,
        )
    except OSError as exc:
        reason = f"{host}:{port} cannot be taken: {exc.strerror}"
        raise SettingsError((f"api.listen_port: {reason}; name a free one",)) from exc
