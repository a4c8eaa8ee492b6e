"""A small HTTP server on loopback for nodes and proxies: kept alive, and able to misbehave."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from chains.devnet.threaded import HOST, ThreadedServer

HEAD_BYTES_MAX: Final = 64 * 1024
BODY_BYTES_MAX: Final = 64 * 1024 * 1024
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


class LoopbackServer(ThreadedServer):
    """
    Serves POST requests in a thread of its own; a context manager.

    Args:
        handle: answers the body of one request, in the server's event loop.
        port: 0 for a free one.
        closing: called in the server's event loop once no connection is left.
    """

    def __init__(self, handle: Handle, *, port: int = 0, closing: Closing | None = None) -> None:
        super().__init__(port=port)
        self._closing = closing
        self._handle = handle
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The server's HTTP address."""
        return f"http://{HOST}:{self.port}"

    async def _listen(self) -> int:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._converse(reader, writer))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

        self._server = await asyncio.start_server(connected, HOST, self.port, limit=HEAD_BYTES_MAX)
        return int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        connections = tuple(self._connections)
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
