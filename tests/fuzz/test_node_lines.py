# ruff: noqa: PT017
"""What a node sends over HTTP as such: any bytes as status, headers and body."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chains.errors import ChainError
from chains.evm.rpc import RpcClient
from tests.chains.strategies import CHAIN
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.lines import LineServer, serving_lines
from tests.fuzz.test_guardian_doors import http_answers

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@pytest.fixture(scope="module")
def line() -> Iterator[LineServer]:
    """A node that sends whatever bytes it likes."""
    with serving_lines() as made:
        yield made


async def _asked(url: str) -> object:
    client = RpcClient(CHAIN, url, timeout_seconds=2.0)
    try:
        return await client.call("eth_x", [], reference="0x9")
    finally:
        await client.close()


@fuzzed(80)
@given(
    answer=http_answers()
    | st.binary(max_size=80)
    | st.binary(max_size=40).map(lambda body: OK + b"\r\n" + body)
)
@example(answer=OK + b"\r\n" + b'{"jsonrpc":"2.0","id":true,"result":1}')
@example(answer=OK + b"\r\n" + b'{"jsonrpc":"2.0","id":1.0,"result":1}')
@example(answer=OK + b"\r\n" + b'{"id":1,"error":' + b"[" * 900 + b"]" * 900 + b"}")
@example(answer=OK + b"\r\n" + b"[" * 1_000_000)
@example(answer=OK + b"\r\n" + b'{"id":1,"error":"' + b"a" * 1_000_000 + b'"}')
@example(answer=OK + b"X: " + b"y" * 1_000_000)
@example(answer=OK + b"Content-Encoding: gzip\r\n\r\n" + b"\x1f\x8b" + bytes(200))
@example(answer=OK + b"Content-Encoding: br\r\n\r\n" + bytes(200))
def test_any_bytes_of_a_node_end_in_a_chain_error(line: LineServer, answer: bytes) -> None:
    """Or in the result they hold; the node's address is in no error."""
    line.answer = answer

    with bounded():
        try:
            asyncio.run(_asked(line.url))
        except ChainError as refused:
            assert "secret-key" not in str(refused)
            assert len(str(refused)) < 1_000
            return
    assert b'"id":1' in answer.replace(b" ", b"")
    assert b'"result"' in answer
