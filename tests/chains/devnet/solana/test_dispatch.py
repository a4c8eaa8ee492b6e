"""Requests as bytes: hostile ones, batches, limits, and faults in the answers' place."""

import base64
import contextlib
import http.client
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solana.exceptions import SolanaRpcException
from solders.rpc.errors import MethodNotFoundMessage
from solders.rpc.requests import GetInflationRate
from solders.rpc.responses import GetInflationRateResp

from chains.devnet.exchange import RefusalError
from chains.devnet.proxy import Break, ErrorObject, FaultProxy, HttpStatus, always, on
from chains.devnet.solana.net import SolanaDevnet, solana_devnet
from tests.chains.devnet.solana.scenes import (
    ANN,
    SHOP,
    SHOP_RENT,
    SOL,
    payment,
    refusal,
    sent,
    through,
)


def post(net: SolanaDevnet, body: bytes) -> tuple[int, Any]:
    """Return status and content of an answer to raw bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", int(net.url.rsplit(":", 1)[1]), timeout=20)
    try:
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        raw = response.read()
        return response.status, json.loads(raw) if raw else None
    finally:
        connection.close()


def request(method: str, *params: Any, request_id: Any = 1) -> dict[str, Any]:
    """Return a request."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": list(params)}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 40_000, -32700),
        (b"[]", -32600),
        (b"5", -32600),
        (b"null", -32600),
        (b'{"method": "getSlot"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1}', -32600),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "getSlot"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 7}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "getSlot", "params": {"a": 1}}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "getBlock", "params": [1e400]}', -32700),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "getBlock", "params": [99999999999999999999]}',
         -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_call"}', -32601),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "__init__"}', -32601),
    ],
)  # fmt: skip
def test_what_is_no_request_is_answered_as_a_cluster_does(
    net: SolanaDevnet, body: bytes, code: int
) -> None:
    """HTTP 200 and an error object; the server goes on."""
    status, answer = post(net, body)

    assert (status, answer["error"]["code"]) == (200, code)
    assert post(net, json.dumps(request("getHealth")).encode())[1]["result"] == "ok"


def test_a_body_of_more_than_50_kilobytes_is_too_large(net: SolanaDevnet) -> None:
    """One byte decides."""
    text = json.dumps(request("getHealth")).encode()

    assert post(net, text.ljust(50 * 1024))[0] == 200
    assert post(net, text.ljust(50 * 1024 + 1))[0] == 413


def test_a_batch_is_answered_in_its_order(net: SolanaDevnet) -> None:
    """A bad element spoils itself alone; too many are refused together."""
    asked = [request("getHealth", request_id="a"), 5, request("nothing", request_id=3)]

    _, answers = post(net, json.dumps(asked).encode())

    assert [one["id"] for one in answers] == ["a", None, 3]
    assert answers[0]["result"] == "ok"
    assert [one["error"]["code"] for one in answers[1:]] == [-32600, -32601]
    _, refused = post(net, json.dumps([request("getHealth")] * 101).encode())
    assert refused["error"]["code"] == -32600


def test_a_method_that_is_not_served_says_so(net: SolanaDevnet) -> None:
    """The real client has a type for it."""
    error = through(
        net,
        lambda client: refusal(
            client._provider.make_request(GetInflationRate(), GetInflationRateResp)
        ),
    )

    assert isinstance(error, MethodNotFoundMessage)
    assert "getInflationRate is not served by this devnet" in error.message


SHARED = solana_devnet()
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**65) | st.floats() | st.text(max_size=90)
    | st.sampled_from([str(SHOP), "base64", "processed", "A" * 64, "11" * 32]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["commitment", "encoding", "dataSlice", "filters", "memcmp", "offset",
                         "limit", "accounts", "addresses", "minContextSlot", "before", "mint"]),
        inner, max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=400)
@given(method=st.sampled_from(sorted(SHARED.dispatch.methods)), params=st.lists(JUNK, max_size=4))
def test_no_parameters_bring_the_node_down(method: str, params: list[Any]) -> None:
    """Every method gives a result or an error object, whatever it is asked."""
    with contextlib.suppress(RefusalError):
        SHARED.ask(method, *params)

    assert SHARED.ask("getHealth") == "ok"


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 214), st.integers(0, 255)), min_size=1, max_size=4))
def test_no_transaction_brings_the_node_down(changes: list[tuple[int, int]]) -> None:
    """A transaction with wrong bytes in it is refused, dropped, or fails."""
    if not SHARED.ledger.landed:
        SHARED.airdrop(ANN.pubkey(), SOL)
    raw = bytearray(bytes(payment(SHARED)))
    for place, value in changes:
        raw[place % len(raw)] = value
    text = base64.b64encode(raw).decode()

    for method, config in (
        ("simulateTransaction", {"encoding": "base64", "replaceRecentBlockhash": True}),
        ("sendTransaction", {"encoding": "base64", "skipPreflight": True}),
    ):
        with contextlib.suppress(RefusalError):
            SHARED.ask(method, text, config)

    assert SHARED.ask("getHealth") == "ok"
    assert SHARED.ledger.bank.svm.get_sigverify()


def test_too_many_requests_in_a_slot_are_answered_with_429(net: SolanaDevnet) -> None:
    """The next slot starts anew; the real client raises."""
    net.faults.requests_per_slot_max = 3
    body = json.dumps(request("getHealth")).encode()

    assert [post(net, body)[0] for _ in range(5)] == [200, 200, 200, 429, 429]
    with pytest.raises(SolanaRpcException):
        through(net, lambda client: client.get_slot())
    net.advance()
    assert post(net, body)[0] == 200


def test_a_rule_puts_an_error_in_an_answers_place(net: SolanaDevnet) -> None:
    """For one method, a few times; or for all."""
    net.faults.rules.append(on("getSlot", ErrorObject(-32603, "Internal error"), times=2))
    body = json.dumps(request("getSlot")).encode()
    codes = [post(net, body)[1].get("error", {}).get("code") for _ in range(3)]
    assert codes == [-32603, -32603, None]

    net.faults.rules.append(always(HttpStatus(503)))

    assert post(net, body)[0] == 503


def test_faults_of_the_line_are_those_of_the_proxy(net: SolanaDevnet) -> None:
    """It stands in front of this node as in front of any other."""
    sent(net, payment(net))
    net.advance(40)
    with FaultProxy(net.url) as proxy:
        body = json.dumps(request("getBalance", str(SHOP))).encode()
        port = int(proxy.rpc_url.rsplit(":", 1)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("POST", "/", body)
        answer = json.loads(connection.getresponse().read())
        assert answer["result"]["value"] == 2 * SHOP_RENT
        proxy.rules.append(always(Break.RESET))
        with pytest.raises(OSError, match=r".*"):
            connection.request("POST", "/", body)
            connection.getresponse()
        connection.close()
