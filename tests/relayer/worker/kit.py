"""What the tests of the worker share: settings, kinds of work to try out, and a line to cut."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final
from uuid import uuid4

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.settings import Settings
from relayer.steps.queues import DECIDE
from relayer.store.jobs import Ring
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import deployment_settings

RABBITMQ_URL: Final = "amqp://guest:guest@127.0.0.1:5672//"
RABBITMQ_PORT: Final = 5672
MEMORY_URL: Final = "memory://"
WAIT_SECONDS_MAX: Final = 60.0
POLL_SECONDS: Final = 0.02
CORRELATION: Final = bytes(31) + b"\x09"
CHAIN_PART: Final = "eip155-31337"
CHAIN: Final = ChainId("eip155:31337")


def new_prefix() -> str:
    """Return a prefix for queues that nobody else has."""
    return f"test-{uuid4().hex[:12]}"


def worker_settings(
    database_url: str, broker_url: str, prefix: str, *, lease_seconds: int = 15
) -> Settings:
    """Return the settings of a deployment whose queues are the test's own."""
    return deployment_settings(
        database_url,
        broker_url=broker_url,
        broker_prefix=prefix,
        messages={"lease_seconds": lease_seconds},
        log_format="json",
    )


def ring_keys(store: Store, *keys: str, kind: str = DECIDE, delay_seconds: int = 0) -> None:
    """Wish jobs in the queue `decide`."""
    with store.unit_of_work() as uow:
        due_at = UnixSeconds(uow.clock.now() + delay_seconds)
        uow.jobs.ring_all([Ring(kind, key, DECIDE, due_at, CORRELATION) for key in keys])


def wait_until(
    is_reached: Callable[[], object], what: str, seconds: float = WAIT_SECONDS_MAX
) -> None:
    """Poll until something holds; fail when the time is over."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not is_reached():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        pause.wait(POLL_SECONDS)


class Line:
    """A TCP line to the broker that a test cuts and mends, or lets swallow everything."""

    def __init__(self, port: int = RABBITMQ_PORT) -> None:
        self._target = ("127.0.0.1", port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._is_cut = False
        self._is_swallowing = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The broker's URL through this line."""
        return f"amqp://guest:guest@127.0.0.1:{self._server.getsockname()[1]}//"

    def cut(self) -> None:
        """End every connection, and take none until the line is mended."""
        with self._lock:
            self._is_cut = True
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _close(*pair)

    def mend(self) -> None:
        """Take connections again, and pass on what they carry."""
        with self._lock:
            self._is_cut = self._is_swallowing = False

    def swallow(self) -> None:
        """Keep connections open and take new ones, but pass nothing on any more."""
        with self._lock:
            self._is_swallowing = True

    def close(self) -> None:
        """End everything."""
        self.cut()
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            with self._lock:
                if self._is_cut:
                    near.close()
                    continue
                far = socket.create_connection(self._target)
                self._pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65_536):
                if not self._is_swallowing:
                    sink.sendall(chunk)
        _close(source, sink)


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def line_to_broker() -> Iterator[Line]:
    """Yield a line and end it."""
    line = Line()
    try:
        yield line
    finally:
        line.close()
