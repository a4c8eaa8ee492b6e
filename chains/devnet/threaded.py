"""What servers share that run in a thread and an event loop of their own."""

import asyncio
import contextlib
import threading
from abc import abstractmethod
from typing import Final

from chains.devnet.rpc import DevnetError
from chains.devnet.running import Running

HOST: Final = "127.0.0.1"
START_SECONDS_MAX: Final = 10.0


class ThreadedServer(Running):
    """
    Listens at one port of loopback; a context manager.

    Args:
        port: 0 for a free one.
    """

    def __init__(self, *, port: int) -> None:
        self.port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """
        Listen; after stop() the same port is taken again.

        Raises:
            DevnetError: the port is taken, or the server runs already.
        """
        if self._thread is not None:
            raise DevnetError("the server is running already")
        self._ready.clear()
        self._failure = None
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True)
        self._thread.start()
        self._ready.wait(START_SECONDS_MAX)
        if self._loop is None:
            self.stop()
            raise DevnetError(f"port {self.port} cannot be served: {self._failure}")

    def stop(self) -> None:
        """Close every connection and stop listening; calling it twice is fine."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._ending is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._ending.set)
        thread.join()
        self._loop = self._ending = None

    @abstractmethod
    async def _listen(self) -> int:
        """
        Take the port and return its number; in the server's event loop.

        Raises:
            OSError: it is taken.
        """

    @abstractmethod
    async def _close(self) -> None:
        """Close every connection; in the server's event loop."""

    async def _serve(self) -> None:
        self._ending = asyncio.Event()
        try:
            self.port = await self._listen()
        except OSError as exc:
            self._failure = exc
            self._ready.set()
            return
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        await self._ending.wait()
        await self._close()
