"""The websocket beside the HTTP address: takes subscriptions, and can be cut."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Final

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from chains.devnet.solana.hub import Hub
from chains.devnet.threaded import HOST, START_SECONDS_MAX, ThreadedServer

MESSAGE_BYTES_MAX: Final = 50 * 1024
QUEUE_MAX: Final = 100_000
CLOSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class QueuedLine:
    """What waits to be sent over one websocket."""

    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[str | None]

    def put(self, text: str) -> None:
        """Send a text; a line that does not keep up is cut."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and the line with it
            self.loop.call_soon_threadsafe(self._put, text)

    def _put(self, text: str) -> None:
        if self.queue.qsize() < QUEUE_MAX:
            self.queue.put_nowait(text)
        elif self.queue.qsize() == QUEUE_MAX:
            self.queue.put_nowait(None)


class WebsocketServer(ThreadedServer):
    """Serves subscriptions at one port, in a thread of its own; a context manager."""

    def __init__(self, hub: Hub, *, port: int) -> None:
        super().__init__(port=port)
        self._hub = hub
        self._server: Server | None = None
        self._open: set[ServerConnection] = set()

    @property
    def url(self) -> str:
        """The websocket's address."""
        return f"ws://{HOST}:{self.port}"

    def cut(self) -> None:
        """End every connection without a word, as a line that breaks."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(START_SECONDS_MAX)

    async def _cut(self) -> None:
        for connection in tuple(self._open):
            connection.transport.abort()

    async def _listen(self) -> int:
        self._server = await serve(
            self._converse,
            HOST,
            self.port,
            max_size=MESSAGE_BYTES_MAX,
            close_timeout=CLOSE_SECONDS,
            compression=None,
            logger=_silent(),
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _converse(self, connection: ServerConnection) -> None:
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        subscriber = self._hub.join(QueuedLine(asyncio.get_running_loop(), queue))
        self._open.add(connection)
        writer = asyncio.create_task(_write(connection, queue))
        try:
            async for raw in connection:
                self._hub.receive(subscriber, raw)
        except ConnectionClosed:
            pass  # the asker did not wait
        finally:
            self._hub.leave(subscriber)
            self._open.discard(connection)
            writer.cancel()


def _silent() -> logging.Logger:
    """Return a logger that no handler of the process hears: who runs the cluster says what is."""
    logger = logging.getLogger(__name__)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger


async def _write(connection: ServerConnection, queue: asyncio.Queue[str | None]) -> None:
    with contextlib.suppress(ConnectionClosed):
        while (text := await queue.get()) is not None:
            await connection.send(text)
        connection.transport.abort()
