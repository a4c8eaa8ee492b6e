"""Run the API as a process: uvicorn under our logging, ended cleanly by SIGTERM."""

import os
import signal
import socket
import threading
from types import FrameType
from typing import Final

import uvicorn

from relayer import wiring
from relayer.api.app import create_app
from relayer.settings import Settings
from relayer.telemetry import configure_logging, event_log

SERVICE: Final = "api"
GRACE_SECONDS: Final = 10
KEEP_ALIVE_SECONDS: Final = 30
CONNECTIONS_MAX: Final = 1_000

log = event_log()


class _Server(uvicorn.Server):
    """A server that tells waiting requests to end when it is told to end."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop taking requests, finish those under way, and end with status 0."""
        self._stopping.set()
        if sig == signal.SIGINT:
            super().handle_exit(sig, frame)
        else:
            # The base class would raise SIGTERM again afterwards: an orderly end is no failure.
            self.should_exit = True


def serve(settings: Settings) -> None:
    """
    Serve the message API until SIGTERM or SIGINT.

    Raises:
        SchemaVersionError: the database is not at the version of the code.
        SettingsError: the configuration contradicts itself.
    """
    configure_logging(
        service=SERVICE,
        node=f"{socket.gethostname()}:{os.getpid()}",
        log_format=settings.log_format,
        log_level=settings.log_level,
    )
    store = wiring.open_store(settings)
    try:
        app = create_app(store, settings)
        config = uvicorn.Config(
            app,
            host=settings.api.listen_host,
            port=settings.api.listen_port,
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        log.info("process.started", host=settings.api.listen_host, port=settings.api.listen_port)
        _Server(config, app.state.doors.stopping).run()
        log.info("process.stopped")
    finally:
        store.close()
