"""
A proxy in front of a local node that injects faults: the node behaves, the line does not.

Rules are asked in order for each request; the first that gives a fault decides.
"""

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Final, Self
from urllib.parse import urlsplit

NODE_TIMEOUT_SECONDS: Final = 30.0
HANG_SECONDS_MAX: Final = 60.0
STATUS_OK: Final = 200


class Break(Enum):
    """Ways in which the line fails."""

    RESET = "the connection ends without an answer"
    HALF_BODY = "the connection ends in the middle of the answer"
    NOT_JSON = "a gateway's page instead of an answer"
    HANG = "no answer until the proxy stops"


@dataclass(frozen=True, slots=True)
class HttpStatus:
    """An HTTP error instead of an answer."""

    status: int


@dataclass(frozen=True, slots=True)
class ErrorObject:
    """A JSON-RPC error object instead of an answer."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Lie:
    """The node's result, changed."""

    change: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Late:
    """The right answer, later."""

    delay_seconds: float


Fault = Break | HttpStatus | ErrorObject | Lie | Late
Rule = Callable[[str, list[Any]], Fault | None]


def always(fault: Fault) -> Rule:
    """Return a rule for every request."""
    return lambda _method, _params: fault


def on(method: str, fault: Fault, *, times: int | None = None) -> Rule:
    """Return a rule for one method, for ever or for its next few requests."""
    left = [times]
    lock = threading.Lock()

    def rule(asked: str, _params: list[Any]) -> Fault | None:
        with lock:
            if asked != method or left[0] == 0:
                return None
            if left[0] is not None:
                left[0] -= 1
            return fault

    return rule


class FaultProxy:
    """A proxy on a free port of loopback; a context manager. rules may be changed at any time."""

    def __init__(self, node_url: str, *rules: Rule) -> None:
        self.rules = list(rules)
        self.request_count = 0
        self._node = urlsplit(node_url)
        self._ended = threading.Event()
        proxy = self

        class Handler(_ProxyHandler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def rpc_url(self) -> str:
        """The proxy's HTTP address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fault_of(self, request: dict[str, Any]) -> Fault | None:
        """Return what goes wrong with a request."""
        self.request_count += 1
        for rule in tuple(self.rules):
            fault = rule(str(request["method"]), list(request["params"]))
            if fault is not None:
                return fault
        return None

    def wait(self, seconds: float) -> None:
        """Wait, but not longer than the proxy lives."""
        self._ended.wait(seconds)

    def forward(self, body: bytes) -> bytes:
        """Return the node's own answer."""
        connection = http.client.HTTPConnection(
            self._node.hostname or "127.0.0.1", self._node.port, timeout=NODE_TIMEOUT_SECONDS
        )
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()


class _ProxyHandler(BaseHTTPRequestHandler):
    """One connection to the proxy."""

    protocol_version = "HTTP/1.1"
    owner: ClassVar[FaultProxy]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        fault = self.owner.fault_of(request)
        match fault:
            case Break.RESET:
                self.close_connection = True
            case Break.HANG:
                self.owner.wait(HANG_SECONDS_MAX)
                self.close_connection = True
            case Break.NOT_JSON:
                self._answer(b"<html>bad gateway</html>")
            case Break.HALF_BODY:
                answer = self.owner.forward(body)
                self._answer(answer[: len(answer) // 2], announced_bytes=len(answer))
                self.close_connection = True
            case HttpStatus(status):
                self._answer(b"", status=status)
            case ErrorObject(code, message):
                error = {"code": code, "message": message}
                self._answer(_json({"jsonrpc": "2.0", "id": request["id"], "error": error}))
            case Lie(change):
                answer_object = json.loads(self.owner.forward(body))
                if "result" in answer_object:
                    answer_object["result"] = change(answer_object["result"])
                self._answer(_json(answer_object))
            case Late(delay_seconds):
                self.owner.wait(delay_seconds)
                self._answer(self.owner.forward(body))
            case None:
                self._forward(body)

    def _forward(self, body: bytes) -> None:
        try:
            self._answer(self.owner.forward(body))
        except (OSError, http.client.HTTPException):
            self.close_connection = True  # the node itself is gone

    def _answer(
        self, body: bytes, *, status: int = STATUS_OK, announced_bytes: int | None = None
    ) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(announced_bytes or len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the asker did not wait

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()
