"""The small server under nodes and proxies."""

import socket

import httpx
import pytest

from chains.devnet.loopback import BODY_BYTES_MAX, LoopbackServer, Reply
from chains.devnet.rpc import DevnetError
from chains.devnet.threaded import HOST

WAIT_SECONDS_MAX = 10.0


async def echo(raw: bytes) -> Reply:
    """Answer what was asked."""
    return Reply(raw)


def spoken(port: int, raw: bytes) -> bytes:
    """Return all that comes back over a fresh connection until the server ends it."""
    with socket.create_connection((HOST, port), WAIT_SECONDS_MAX) as line:
        line.sendall(raw)
        said = b""
        while part := line.recv(65_536):
            said += part
        return said


def test_requests_share_a_connection() -> None:
    """Large and empty bodies come back whole, one after the other."""
    bodies = [b"", b"small", b"x" * 3_000_000, b"last"]
    with LoopbackServer(echo) as server, httpx.Client() as client:
        told = [client.post(server.url, content=body) for body in bodies]

    assert [answer.content for answer in told] == bodies
    assert len({answer.extensions["network_stream"] for answer in told}) == 1


@pytest.mark.parametrize("length", [str(BODY_BYTES_MAX + 1), "many", "-1"])
def test_a_body_of_an_impossible_length_is_refused(length: str) -> None:
    """With 413, and the connection ends."""
    with LoopbackServer(echo) as server:
        head = f"POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n"
        said = spoken(server.port, head.encode())
        assert httpx.post(server.url, content=b"next").content == b"next"

    assert said.startswith(b"HTTP/1.1 413 ")


def test_a_reset_is_no_answer() -> None:
    """Not one byte comes."""

    async def reset(_raw: bytes) -> Reply:
        return Reply(is_reset=True)

    with LoopbackServer(reset) as server, pytest.raises(httpx.TransportError):
        httpx.post(server.url, content=b"x")


def test_a_promise_is_broken_with_the_connection() -> None:
    """More is announced than sent."""

    async def half(_raw: bytes) -> Reply:
        return Reply(b"half", announced_bytes=8)

    with LoopbackServer(half) as server:
        said = spoken(server.port, b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")

    assert b"Content-Length: 8\r\n" in said
    assert said.endswith(b"\r\n\r\nhalf")


def test_a_server_comes_back_on_its_port() -> None:
    """A port that another server has is refused by name."""
    server = LoopbackServer(echo)
    server.start()
    port = server.port
    with pytest.raises(DevnetError, match="running already"):
        server.start()
    with pytest.raises(DevnetError, match=f"port {port} cannot be served"):
        LoopbackServer(echo, port=port).start()
    server.stop()
    server.stop()
    server.start()

    assert server.port == port
    assert httpx.post(server.url, content=b"back").content == b"back"
    server.stop()
