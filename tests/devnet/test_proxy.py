"""The faulty line between a reader and a real node."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from chains.agreement.board import Terms
from chains.agreement.reader import AgreeingReader
from chains.devnet.actors import ALICE
from chains.devnet.kit import WETH, DeployedChain, Devnet
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
from chains.errors import (
    BlockGoneError,
    RangeTooLargeError,
    RpcAnswerError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from chains.evm.reader import EvmReader
from tests.devnet.letters import account_named

T = TypeVar("T")


def through(
    deployed: DeployedChain,
    ask: Callable[[EvmReader], Coroutine[Any, Any, T]],
    *rules: Rule,
    timeout_seconds: float = 10,
) -> T:
    """Return what a reader behind a faulty line comes to."""

    async def asked(url: str) -> T:
        reader = EvmReader(
            deployed.chain_id, url, watched=deployed.watched, timeout_seconds=timeout_seconds
        )
        try:
            return await ask(reader)
        finally:
            await reader.close()

    with FaultProxy(deployed.rpc_url, *rules) as proxy:
        return asyncio.run(asked(proxy.rpc_url))


def test_without_rules_the_line_is_clear(devnet: Devnet) -> None:
    """The proxy changes nothing."""
    heads = through(devnet.chain_a, lambda reader: reader.heads())

    assert heads.latest.block == devnet.chain_a.chain.head()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (always(Break.RESET), RpcUnavailableError),
        (always(Break.HALF_BODY), RpcUnavailableError),
        (always(Break.NOT_JSON), RpcUnavailableError),
        (always(Break.HANG), RpcTimeoutError),
        (always(Late(30)), RpcTimeoutError),
        (always(HttpStatus(429)), RpcUnavailableError),
        (always(ErrorObject(-32000, "header not found")), BlockGoneError),
        (always(Lie(lambda _: "0x")), RpcAnswerError),
        (always(Lie(lambda block: block | {"number": "0x7fffffff"})), RpcAnswerError),
    ],
)
def test_each_fault_becomes_the_error_to_act_on(
    devnet: Devnet, rule: Rule, expected: type[Exception]
) -> None:
    """A reader never mistakes a fault for an answer."""
    with pytest.raises(expected):
        through(devnet.chain_a, lambda reader: reader.header_at(1), rule, timeout_seconds=0.5)


def test_a_fault_that_passes_passes(devnet: Devnet) -> None:
    """The next request is answered."""

    async def ask(reader: EvmReader) -> int:
        with pytest.raises(RangeTooLargeError):
            await reader.events_in_range(0, 5)
        await reader.events_in_range(0, 5)
        return reader.suggested_span

    rule = on("eth_getLogs", ErrorObject(-32005, "query returned more than 10000 results"), times=1)

    assert through(devnet.chain_a, ask, rule) == 25


def test_a_node_that_hides_a_lock_is_outvoted(devnet: Devnet) -> None:
    """Alone, without blooms, it would be believed; two honest nodes show the lock and the liar."""
    deployed = devnet.chain_a
    assert deployed.vault is not None
    token, account = deployed.tokens["WETH"], account_named("hidden")
    block = deployed.chain.lock(ALICE, deployed.vault, account, token, WETH).block
    hiding = on("eth_getLogs", Lie(lambda _: []))

    async def ask(url: str) -> tuple[int, int, tuple[int, ...]]:
        believing = replace(deployed.watched, is_bloom_trusted=False)
        liar = EvmReader(deployed.chain_id, url, watched=believing)
        alone = await liar.events_in_block(block)
        together = AgreeingReader((deployed.reader(), liar, deployed.reader()), Terms(2))
        read = await together.events_in_block(block)
        await together.close()
        return len(alone.events), len(read.events), together.dissents

    with FaultProxy(deployed.rpc_url, hiding) as proxy:
        alone, together, dissents = asyncio.run(ask(proxy.rpc_url))

    assert (alone, together) == (0, 1)
    assert dissents == (0, 1, 0)
