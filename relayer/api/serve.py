"""Run the API as a process: uvicorn under our logging, ended cleanly by SIGTERM."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

import uvicorn

from relayer import wiring
from relayer.api.app import create_app
from relayer.settings import Settings

GRACE_SECONDS: Final = 10
KEEP_ALIVE_SECONDS: Final = 30
CONNECTIONS_MAX: Final = 1_000


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


def serve(settings: Settings, ring_due: Callable[[], object] | None = None) -> None:
    """
    Serve the message API until SIGTERM or SIGINT; logging is the caller's to set up.

    Args:
        ring_due: see create_app.

    Raises:
        SchemaVersionError: the database is not at the version of the code.
        SettingsError: the configuration contradicts itself.
    """
    store = wiring.open_store(settings)
    try:
        app = create_app(store, settings, ring_due)
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
        _Server(config, app.state.doors.stopping).run()
    finally:
        store.close()
