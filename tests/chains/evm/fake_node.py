"""A node on loopback that answers whatever a test wants, truth or lie."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[list[Any]], Any]


class FaultError(Exception):
    """Raised by an answer to send a JSON-RPC error object."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.content = {"code": code, "message": message, "data": data}


class FakeNode:
    """
    answers maps a method to what it returns for its parameters; requests lists what was asked.

    body, if set, is sent instead of any answer; status is the HTTP status; announced_bytes may
    promise more than is sent; is_silent keeps the line open without a word; location is where a
    redirection leads.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, list[Any]]] = []
        self.body: bytes | None = None
        self.status = 200
        self.location = ""
        self.announced_bytes: int | None = None
        self.is_silent = False
        self.ended = threading.Event()
        self.url = ""

    def asked(self, method: str) -> list[list[Any]]:
        """Return the parameters of each request of a method."""
        return [params for name, params in self.requests if name == method]

    def respond(self, raw: bytes) -> bytes:
        """Return the answer to a request."""
        request = json.loads(raw)
        method, params = request["method"], request["params"]
        self.requests.append((method, params))
        if self.body is not None:
            return self.body
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        try:
            answer["result"] = self.answers[method](params)
        except FaultError as fault:
            answer["error"] = fault.content
        return json.dumps(answer).encode()


@contextmanager
def serving(node: FakeNode) -> Iterator[FakeNode]:
    """Serve a node on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            if node.is_silent:
                node.ended.wait(30)
                self.close_connection = True
                return
            body = node.respond(raw)
            self.send_response(node.status)
            self.send_header("Content-Length", str(node.announced_bytes or len(body)))
            if node.location:
                self.send_header("Location", node.location)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = node.announced_bytes is not None

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    node.url = f"http://127.0.0.1:{server.server_address[1]}/secret-key"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield node
    finally:
        node.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
