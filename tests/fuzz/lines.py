"""A server that answers any request with raw bytes, as they are, and hangs up."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

READ_SECONDS_MAX = 5.0
HEAD_END = b"\r\n\r\n"


class LineServer:
    """answer is what the next requests get, no matter what they ask."""

    def __init__(self) -> None:
        self.answer = b""
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens; the path stands for a key."""
        return f"http://127.0.0.1:{self._server.getsockname()[1]}/secret-key"

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._server.accept()
            except OSError:
                return
            link.settimeout(READ_SECONDS_MAX)
            with link, suppress(OSError, ValueError, IndexError):
                _read_request(link)
                link.sendall(self.answer)


def _read_request(link: socket.socket) -> None:
    raw = b""
    while HEAD_END not in raw and (chunk := link.recv(65_536)):
        raw += chunk
    head, _, body = raw.partition(HEAD_END)
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length and (chunk := link.recv(65_536)):
        body += chunk


@contextmanager
def serving_lines() -> Iterator[LineServer]:
    """Yield a server and end it."""
    made = LineServer()
    try:
        yield made
    finally:
        made.close()
