"""JSON-RPC: every failure ends in the chain error that its caller can act on."""

import asyncio
import json
import logging
import socket
import time
import traceback
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from chains.errors import (
    BlockGoneError,
    CallRevertedError,
    ChainError,
    RpcAnswerError,
    RpcAuthError,
    RpcRateLimitError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from chains.evm.abi import selector_of
from chains.evm.rpc import RpcClient
from chains.line import http
from tests.chains.evm.fake_node import FakeNode, FaultError, serving
from tests.chains.strategies import CHAIN


def ask(url: str, method: str = "eth_x", *, timeout_seconds: float = 5) -> object:
    """Return the answer of a node to one request."""

    async def asked() -> object:
        client = RpcClient(CHAIN, url, timeout_seconds=timeout_seconds)
        try:
            return await client.call(method, [], reference="0x99")
        finally:
            await client.close()

    return asyncio.run(asked())


def refusal(fault: FaultError) -> Callable[[list[Any]], Any]:
    """Return an answer that is an error object."""

    def refuse(params: list[Any]) -> Any:
        raise fault

    return refuse


def test_a_result_is_returned(node: FakeNode) -> None:
    """Null is a result too."""
    node.answers["eth_x"] = lambda _: {"a": [1]}
    node.answers["eth_null"] = lambda _: None

    assert ask(node.url) == {"a": [1]}
    assert ask(node.url, "eth_null") is None


def test_one_client_serves_many_event_loops(node: FakeNode) -> None:
    """A worker runs each step in a loop of its own."""
    node.answers["eth_x"] = lambda _: 1
    client = RpcClient(CHAIN, node.url)

    assert [asyncio.run(client.call("eth_x", [])) for _ in range(3)] == [1, 1, 1]


def test_an_ending_loop_takes_its_connections_along(node: FakeNode) -> None:
    """Nothing is left open when the owner of the loop forgot to close."""
    node.answers["eth_x"] = lambda _: 1
    client = RpcClient(CHAIN, node.url)

    async def ask() -> aiohttp.ClientSession | None:
        await client.call("eth_x", [])
        return client._line._session

    session = asyncio.run(ask())

    assert session is not None
    assert session.closed


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (-32005, "daily request count exceeded, request rate limited", RpcUnavailableError),
        (429, "too many requests", RpcUnavailableError),
        (-32005, "limit exceeded", RpcUnavailableError),
        (-32603, "internal error", RpcUnavailableError),
        (-32000, "request timed out", RpcTimeoutError),
        (429, "wait", RpcRateLimitError),
        (-32600, "Must be authenticated!", RpcAuthError),
        (-32000, "unknown block", BlockGoneError),
        (-32000, "header not found", BlockGoneError),
        (-32001, "Resource not found", BlockGoneError),
        (-32602, "BlockOutOfRangeError: block height is 0", BlockGoneError),
        (3, "execution reverted", CallRevertedError),
        (-32000, "VM Exception: revert", CallRevertedError),
        (-32601, "the method does not exist", RpcRequestError),
        (-32602, "invalid params", RpcRequestError),
    ],
)
def test_an_error_object_is_classified(
    node: FakeNode, code: int, text: str, expected: type[ChainError]
) -> None:
    """By code and text, as nodes of many makers write them."""
    node.answers["eth_x"] = refusal(FaultError(code, text))

    with pytest.raises(expected):
        ask(node.url)


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: {"data": data}])
def test_a_refusal_of_a_contract_is_decoded(node: FakeNode, wrap: Callable[[str], object]) -> None:
    """Nodes put the bytes in data or in data.data."""
    data = "0x" + selector_of("CollateralVaultAccountZero()").hex()
    node.answers["eth_x"] = refusal(FaultError(3, "execution reverted", wrap(data)))

    with pytest.raises(CallRevertedError, match=r"CollateralVaultAccountZero\(\)"):
        ask(node.url)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, RpcRateLimitError),
        (401, RpcAuthError),
        (500, RpcUnavailableError),
        (502, RpcUnavailableError),
        (503, RpcUnavailableError),
        (404, RpcUnavailableError),
        (400, RpcRequestError),
    ],
)
def test_an_http_error_says_what_its_status_says(
    node: FakeNode, status: int, expected: type[ChainError]
) -> None:
    """A gateway's fault says nothing about the chain."""
    node.status = status
    node.body = b"no"

    with pytest.raises(expected, match=str(status)):
        ask(node.url)


def test_a_gateway_timeout_is_a_timeout(node: FakeNode) -> None:
    """The node behind it did not answer in time."""
    node.status = 504
    node.body = b"no"

    with pytest.raises(RpcTimeoutError):
        ask(node.url)


@pytest.mark.parametrize(
    ("status", "code", "text", "expected"),
    [
        (400, -32001, "block not found: finalized", BlockGoneError),
        (500, -32603, "execution reverted", CallRevertedError),
        (403, -32000, "nothing we know", RpcAuthError),
        (429, -32000, "nothing we know", RpcRateLimitError),
        (500, -32601, "the method does not exist", RpcRequestError),
    ],
)
def test_the_body_of_an_http_error_is_read(
    node: FakeNode, status: int, code: int, text: str, expected: type[ChainError]
) -> None:
    """Providers put what is wrong into the body, and some leave out the request's number."""
    node.status = status
    error = {"code": code, "message": text}
    node.body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()

    with pytest.raises(expected):
        ask(node.url)


def test_a_node_that_repeats_our_key_does_not_get_it_into_an_error(node: FakeNode) -> None:
    """Path, login and query may hold a key; a short part like v3 is none."""
    host = node.url.removeprefix("http://").removesuffix("/secret-key")
    url = f"http://s3cr3t-user:s3cr3t-word@{host}/v3/s3cr3t-path?apikey=s3cr3t%21query"
    node.answers["eth_x"] = refusal(
        FaultError(-32000, "v3 s3cr3t-path s3cr3t-user s3cr3t-word s3cr3t%21query s3cr3t!query")
    )

    with pytest.raises(ChainError, match="v3") as caught:
        ask(url)

    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))


def test_nothing_that_holds_the_url_shows_it() -> None:
    """Neither as text nor as a representation."""
    url = "http://user:s3cr3t-word@127.0.0.1:1/s3cr3t-path?k=s3cr3t-query"
    client = RpcClient(CHAIN, url)

    for held in (client, client._line):
        assert "s3cr3t" not in f"{held!r} {held}"


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b'{"jsonrpc":"2.0","id'])
def test_a_body_that_is_not_json_is_passing(node: FakeNode, body: bytes) -> None:
    """Proxies answer with pages of their own."""
    node.body = body

    with pytest.raises(RpcUnavailableError, match="not JSON"):
        ask(node.url)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"1",
        b"null",
        b'{"jsonrpc":"2.0","id":77,"result":1}',
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":1,"error":"no"}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":"x","message":"y"}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":true,"message":"y"}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1}}',
    ],
)
def test_json_that_is_no_answer_to_us_is_unusable(node: FakeNode, body: bytes) -> None:
    """Another id, neither result nor error, or an error without code and text."""
    node.body = body

    with pytest.raises(RpcAnswerError):
        ask(node.url)


def test_half_a_body_is_passing(node: FakeNode) -> None:
    """The connection broke in the middle."""
    node.answers["eth_x"] = lambda _: "0x1"
    node.announced_bytes = 10_000

    with pytest.raises(RpcUnavailableError, match="ClientPayloadError"):
        ask(node.url)


def test_a_silent_node_times_out(node: FakeNode) -> None:
    """The method is named, and we do not wait for long."""
    node.is_silent = True
    started = time.monotonic()

    with pytest.raises(RpcTimeoutError, match="eth_x"):
        ask(node.url, timeout_seconds=0.2)
    assert time.monotonic() - started < 5


def test_a_closed_port_is_passing() -> None:
    """The node is down."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    with pytest.raises(RpcUnavailableError):
        ask(f"http://127.0.0.1:{port}/secret-key")


def test_an_endless_answer_is_cut(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node cannot fill our memory."""
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 1_000)
    node.answers["eth_x"] = lambda _: "x" * 2_000

    with pytest.raises(RpcAnswerError, match="1000 bytes"):
        ask(node.url)


@pytest.mark.parametrize("status", [200, 500])
def test_no_error_holds_the_url(node: FakeNode, status: int) -> None:
    """A URL may hold a key: neither the text nor what is shown of its causes has it."""
    node.status = status
    node.body = b"not json, see " + node.url.encode()

    with pytest.raises(ChainError) as caught:
        ask(node.url)

    error: BaseException | None = caught.value
    while error is not None:
        assert "secret-key" not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed(node: FakeNode, status: int) -> None:
    """A node does not choose whom in our network we talk to."""
    with serving(FakeNode()) as inside:
        node.status, node.location = status, inside.url
        node.answers["eth_x"] = inside.answers["eth_x"] = lambda _: 1

        with pytest.raises(RpcUnavailableError, match=f"{status}"):
            ask(node.url)

    assert inside.requests == []


def test_nothing_is_logged(node: FakeNode, caplog: pytest.LogCaptureFixture) -> None:
    """The SDK below would log the URL with its key."""
    node.answers["eth_x"] = lambda _: 1

    with caplog.at_level(logging.DEBUG):
        ask(node.url)

    assert "secret-key" not in caplog.text


@pytest.mark.parametrize("answered", [b"true", b"1.0", b'"1"', b"null"])
def test_an_answer_under_another_kind_of_id_is_none(node: FakeNode, answered: bytes) -> None:
    """True is 1 to Python, and no number of a request."""
    node.body = b'{"jsonrpc": "2.0", "result": 5, "id": ' + answered + b"}"

    with pytest.raises(RpcAnswerError, match="not an answer to this request"):
        ask(node.url)
