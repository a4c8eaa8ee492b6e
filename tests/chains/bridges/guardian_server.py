"""A guardian for the tests of doors: it answers what a test tells it to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class GuardianServer(ThreadingHTTPServer):
    """A server that answers what a test tells it to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.body = b"{}"
        self.headers: dict[str, str] = {}
        self.endless = False
        self.silent = threading.Event()
        self.is_silent = False
        self.sent_bytes = 0
        self.asked: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: GuardianServer

    def do_GET(self) -> None:
        """Answer."""
        self.do_POST()

    def do_POST(self) -> None:
        """Answer."""
        length = int(self.headers.get("Content-Length", 0))
        self.server.asked.append((self.path, self.rfile.read(length)))
        if self.server.is_silent:
            self.send_response(200)
            self.end_headers()
            self.server.silent.wait(10)
            return
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(self.server.body)
            while self.server.endless:
                self.wfile.write(b"x" * 65_536)
                self.server.sent_bytes += 65_536
        except OSError:
            return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def serving() -> Iterator[GuardianServer]:
    """Yield a running server."""
    server = GuardianServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.silent.set()
        server.shutdown()
        thread.join()
        server.server_close()
