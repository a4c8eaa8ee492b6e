"""The proxy of the fault tests does what they rely on."""

import socket

import pytest

from tests.faults.proxy import TcpProxy

WAIT_SECONDS_MAX = 5.0


def test_a_proxy_passes_bytes_until_it_is_cut_and_again_once_it_is_mended() -> None:
    """An open connection ends with the cut, a new one is refused, and after it all is as before."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        TcpProxy("127.0.0.1", server.getsockname()[1]) as proxy,
    ):
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", proxy.port), WAIT_SECONDS_MAX) as client:
                accepted, _peer = server.accept()
                client.sendall(b"there")
                accepted.sendall(b"back")
                assert (accepted.recv(5), client.recv(4)) == (b"there", b"back")

                proxy.cut()

                assert client.recv(1) == b""
                accepted.close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", proxy.port), WAIT_SECONDS_MAX)
            proxy.mend()
        assert proxy.connections_count == 2
