"""A small HTTP server on loopback for nodes and proxies: kept alive, and able to misbehave."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from chains.devnet.rpc import DevnetError
from chains.devnet.running import Running

HOST: Final = "127.0.0.1"
HEAD_BYTES_MAX: Final = 64 * 1024
BODY_BYTES_MAX: Final = 64 * 1024 * 1024
START_SECONDS_MAX: Final = 10.0
STATUS_OK: Final = 200
STATUS_TOO_LARGE: Final = 413
CONTENT_LENGTH: Final = b"content-length:"
LINGER_NONE: Final = struct.pack("ii", 1, 0)  # closing sends a reset
REASONS: Final = {
    200: "OK",
    401: "Unauthorized",
    403: "Forbidden",
    413: "Payload Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What goes back over the line.

    Args:
        announced_bytes: promise more than body holds; the connection then ends.
        is_reset: nothing is sent, the connection ends.
    """

    body: bytes = b""
    status: int = STATUS_OK
    headers: tuple[tuple[str, str], ...] = ()
    announced_bytes: int | None = None
    is_reset: bool = False

    @property
    def raw(self) -> bytes:
        """The bytes of the answer."""
        length = len(self.body) if self.announced_bytes is None else self.announced_bytes
        extra = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        head = (
            f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Unknown')}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n{extra}\r\n"
        )
        return head.encode() + self.body


Handle = Callable[[bytes], Awaitable[Reply]]
Closing = Callable[[], Awaitable[None]]


class LoopbackServer(Running):
    """
    Serves POST requests in a thread of its own; a context manager.

    Args:
        handle: answers the body of one request, in the server's event loop.
        port: 0 for a free one.
        closing: called in the server's event loop once no connection is left.
    """

    def __init__(self, handle: Handle, *, port: int = 0, closing: Closing | None = None) -> None:
        self.port = port
        self._closing = closing
        self._handle = handle
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The server's HTTP address."""
        return f"http://{HOST}:{self.port}"

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

    async def _serve(self) -> None:
        self._ending = asyncio.Event()
        connections: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._converse(reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        try:
            server = await asyncio.start_server(connected, HOST, self.port, limit=HEAD_BYTES_MAX)
        except OSError as exc:
            self._failure = exc
            self._ready.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        await self._ending.wait()
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        if self._closing is not None:
            await self._closing()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests until either side ends it."""
        try:
            while (raw := await _body(reader)) is not None:
                reply = await self._handle(raw)
                if reply.is_reset:
                    _reset(writer)
                    return
                writer.write(reply.raw)
                await writer.drain()
                if reply.announced_bytes is not None:
                    return
            if not reader.at_eof():
                writer.write(Reply(status=STATUS_TOO_LARGE).raw)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the asker did not wait
        finally:
            writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    taken = writer.get_extra_info("socket")
    if taken is not None:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
    writer.transport.abort()


async def _body(reader: asyncio.StreamReader) -> bytes | None:
    """Return the body of the next request; None at the end, or where its length cannot be."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        return None
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(CONTENT_LENGTH):
            text = line[len(CONTENT_LENGTH) :].strip()
            length = int(text) if text.isdigit() else BODY_BYTES_MAX + 1
    if length > BODY_BYTES_MAX:
        return None
    return await reader.readexactly(length)
