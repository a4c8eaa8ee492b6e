"""A TCP proxy that a test can take down and bring back: the server behind it stays as it is."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

BUFFER_BYTES: Final = 65_536
ACCEPT_SECONDS_MAX: Final = 0.2
CONNECT_SECONDS_MAX: Final = 4.0
JOIN_SECONDS_MAX: Final = 5.0


class TcpProxy:
    """
    Passes bytes between clients on a loopback port and one server.

    While it is cut nobody listens on the port, and connections that were open are closed.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self.connections_count = 0

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cut()
        for thread in self._threads:
            thread.join(JOIN_SECONDS_MAX)

    def mend(self) -> None:
        """Listen, on the same port as before."""
        listener = socket.create_server(("127.0.0.1", self.port))
        listener.settimeout(ACCEPT_SECONDS_MAX)
        self.port = listener.getsockname()[1]
        with self._lock:
            self._listener = listener
        self._start(self._accept, listener)

    def cut(self) -> None:
        """Stop listening and close what is open."""
        with self._lock:
            listener, self._listener = self._listener, None
            sockets, self._open = self._open, set()
        if listener is not None:
            _close(listener)
        for each in sockets:
            _close(each)

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                client, _peer = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return  # it was closed meanwhile
            try:
                server = socket.create_connection(self._server, CONNECT_SECONDS_MAX)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                is_cut = self._listener is not listener
                if not is_cut:
                    self._open |= {client, server}
                    self.connections_count += 1
            if is_cut:
                _close(client)
                _close(server)
                return
            self._start(self._pump, client, server)
            self._start(self._pump, server, client)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(BUFFER_BYTES):
                sink.sendall(data)
        with self._lock:
            self._open -= {source, sink}
        _close(source)
        _close(sink)

    def _start(self, run: Callable[..., None], *sockets: socket.socket) -> None:
        thread = threading.Thread(target=run, args=sockets, daemon=True)
        self._threads.append(thread)
        thread.start()


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
