"""The faulty line, met by the real client and reader in front of a node in memory."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from chains.devnet.memory_node.node import MemoryNode
from chains.devnet.proxy import (
    Break,
    ErrorObject,
    FaultProxy,
    HttpStatus,
    Late,
    Lie,
    Rule,
    always,
    on,
)
from chains.errors import RpcAnswerError, RpcTimeoutError, RpcUnavailableError
from chains.evm.reader import EvmReader
from chains.evm.rpc import RpcClient
from tests.chains.devnet.scenes import CHAIN, chain_with_locks, reader_of, see, through

INTERNAL = ErrorObject(-32603, "internal error")
LIMITED = ErrorObject(-32005, "limit exceeded")


@pytest.mark.parametrize(
    ("fault", "expected", "kind"),
    [
        (Break.RESET, RpcUnavailableError, "reset"),
        (Break.HALF_BODY, RpcUnavailableError, "half_body"),
        (Break.NOT_JSON, RpcUnavailableError, "not_json"),
        (Break.WRONG_ID, RpcAnswerError, "wrong_id"),
        (Break.HANG, RpcTimeoutError, "hang"),
        (Late(30), RpcTimeoutError, "late"),
        (HttpStatus(429), RpcUnavailableError, "http_429"),
        (HttpStatus(429, retry_after_seconds=7), RpcUnavailableError, "http_429"),
        (HttpStatus(503), RpcUnavailableError, "http_503"),
        (LIMITED, RpcUnavailableError, "error_-32005"),
        (INTERNAL, RpcUnavailableError, "error_-32603"),
        (Lie(lambda _: []), RpcAnswerError, "lie"),
    ],
)
def test_each_fault_is_met_and_counted(fault: Any, expected: type[Exception], kind: str) -> None:
    """The reader names it; the proxy counts it under its kind; nothing else is counted."""
    with (
        MemoryNode(chain_with_locks(1)) as node,
        FaultProxy(node.rpc_url, always(fault)) as proxy,
    ):
        with pytest.raises(expected):
            through(proxy.rpc_url, lambda reader: reader.header_at(1), timeout_seconds=0.5)

        assert proxy.injected == {kind: 1}


def test_a_clear_line_changes_nothing_and_counts_nothing() -> None:
    """Through the proxy and without it, the same events."""
    with MemoryNode(chain_with_locks(1, 2)) as node, FaultProxy(node.rpc_url) as proxy:
        assert through(proxy.rpc_url, see) == through(node.rpc_url, see)
        assert proxy.injected == {}
        assert proxy.request_count > 0


def test_one_kept_connection_meets_faults_and_goes_on() -> None:
    """The same reader is answered before and after each fault."""
    faults: Sequence[Rule] = [
        on("eth_getBlockByNumber", fault, times=1)
        for fault in (Break.RESET, HttpStatus(429), INTERNAL, Break.NOT_JSON, Break.HALF_BODY)
    ]

    async def ask(reader: EvmReader) -> int:
        failures = 0
        for _ in range(3 * len(faults)):
            try:
                await reader.header_at(1)
            except RpcUnavailableError:
                failures += 1
        return failures

    with MemoryNode(chain_with_locks(1)) as node, FaultProxy(node.rpc_url, *faults) as proxy:
        assert through(proxy.rpc_url, ask) == len(faults)
        assert proxy.injected.total() == len(faults)


def test_a_node_that_asks_for_patience_says_how_long() -> None:
    """Retry-After is there when it is set, and only then."""
    with MemoryNode() as node, FaultProxy(node.rpc_url) as proxy:
        request = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
        proxy.rules = [always(HttpStatus(429, retry_after_seconds=7))]
        patient = httpx.post(proxy.rpc_url, json=request)
        proxy.rules = [always(HttpStatus(429))]
        plain = httpx.post(proxy.rpc_url, json=request)

    assert (patient.status_code, patient.headers["Retry-After"]) == (429, "7")
    assert (plain.status_code, "Retry-After" in plain.headers) == (429, False)


def test_in_a_batch_each_request_has_its_own_fault() -> None:
    """A fault of an answer hits one of them; a fault of the line hits them all."""
    batch = [
        {"jsonrpc": "2.0", "id": place, "method": method, "params": []}
        for place, method in enumerate(("eth_chainId", "eth_blockNumber", "net_version"))
    ]
    with MemoryNode() as node, FaultProxy(node.rpc_url) as proxy:
        proxy.rules = [on("eth_blockNumber", INTERNAL), on("net_version", Lie(lambda _: "7"))]
        single = httpx.post(proxy.rpc_url, json=batch).json()
        proxy.rules = [on("eth_blockNumber", HttpStatus(429))]
        whole = httpx.post(proxy.rpc_url, json=batch)

    assert [answer["id"] for answer in single] == [0, 1, 2]
    assert (single[0]["result"], single[2]["result"]) == ("0x7a69", "7")
    assert single[1]["error"]["code"] == -32603
    assert whole.status_code == 429


def test_the_nodes_own_errors_come_through() -> None:
    """Error objects, HTTP errors of another proxy, and a node that is gone."""
    with MemoryNode() as node:
        with FaultProxy(node.rpc_url) as proxy:
            unknown = {"jsonrpc": "2.0", "id": 1, "method": "eth_nothing", "params": []}
            assert httpx.post(proxy.rpc_url, json=unknown).json()["error"]["code"] == -32601
        with (
            FaultProxy(node.rpc_url, always(HttpStatus(429, 3))) as inner,
            FaultProxy(inner.rpc_url) as outer,
        ):
            answer = httpx.post(outer.rpc_url, json=unknown)
            assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    with FaultProxy(node.rpc_url) as proxy, pytest.raises(RpcUnavailableError):
        through(proxy.rpc_url, lambda reader: reader.heads())


def test_the_core_knows_no_chain() -> None:
    """Rules hit methods of any family."""
    rule = on("getSlot", ErrorObject(-32005, "Node is behind by 42 slots"))

    async def ask(url: str) -> None:
        client = RpcClient(CHAIN, url)
        with pytest.raises(RpcUnavailableError, match="behind by 42"):
            await client.call("getSlot", [{"commitment": "finalized"}])
        await client.close()

    with MemoryNode() as node, FaultProxy(node.rpc_url, rule) as proxy:
        asyncio.run(ask(proxy.rpc_url))


def test_a_stopped_proxy_leaves_no_hanging_asker() -> None:
    """Who waits for a hanging line is let go when the proxy ends."""
    met = threading.Event()

    def hang(_method: str, _params: list[Any]) -> Break:
        met.set()
        return Break.HANG

    async def ask() -> None:
        with MemoryNode() as node, FaultProxy(node.rpc_url, hang) as proxy:
            reader = reader_of(proxy.rpc_url, timeout_seconds=20)
            waiting = asyncio.create_task(reader.heads())
            assert await asyncio.to_thread(met.wait, 10)
        with pytest.raises(RpcUnavailableError):
            await waiting
        await reader.close()

    asyncio.run(ask())
