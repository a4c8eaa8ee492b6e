"""One sender out of several nodes: all of them hear what is sent, and a quorum is believed."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import pytest
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from chains.agreement.board import Terms
from chains.errors import (
    AccountNonceUsedError,
    CallRevertedError,
    FeeTooLowError,
    GasFundsError,
    QuorumLostError,
    RpcDisagreementError,
)
from chains.evm.agreeing_sender import AgreeingSender
from chains.evm.sender import GAS_HEADROOM, EvmSender
from chains.port import ContractCall, Fees
from tests.chains.evm.fake_node import FakeNode, serving
from tests.chains.evm.test_sender import CALL, FEES, KEY, RECEIPT, SENT, raising
from tests.chains.strategies import CHAIN

T = TypeVar("T")
Nodes = tuple[FakeNode, ...]
SENT_HASH = "0x" + "01" * 32
METHODS = (
    "eth_getTransactionCount",
    "eth_getBalance",
    "eth_feeHistory",
    "eth_call",
    "eth_estimateGas",
    "eth_sendRawTransaction",
    "eth_getTransactionReceipt",
    "eth_getTransactionByHash",
)


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    """Three nodes that refuse everything until a test says otherwise."""
    with ExitStack() as running:
        made = tuple(running.enter_context(serving(FakeNode())) for _ in range(3))
        for node in made:
            for method in METHODS:
                node.answers[method] = raising(-32603, "internal error")
        yield made


def answering(value: object) -> Callable[[list[Any]], Any]:
    """Return an answer that is a value, or the refusal (code, text)."""
    if isinstance(value, tuple):
        return raising(*value)
    return lambda _: value


def serve(nodes: Nodes, method: str, *values: object) -> None:
    """Let each node answer a method with its value."""
    for node, value in zip(nodes, values, strict=True):
        node.answers[method] = answering(value)


def run(nodes: Nodes, ask: Callable[[AgreeingSender], Coroutine[Any, Any, T]]) -> T:
    """Return what a sender over the nodes comes to; two of three must agree."""

    async def asked() -> T:
        senders = [EvmSender(CHAIN, node.url, key=KEY) for node in nodes]
        sender = AgreeingSender(senders, Terms(2))
        try:
            return await ask(sender)
        finally:
            await sender.close()

    return asyncio.run(asked())


DOWN = (-32603, "internal error")
USED = (-32000, "nonce too low")
CHEAP = (-32000, "transaction underpriced")
POOR = (-32000, "insufficient funds for gas * price + value")
KNOWN = (-32000, "already known")


@pytest.mark.parametrize(
    "answers",
    [
        (SENT_HASH, SENT_HASH, SENT_HASH),
        (DOWN, DOWN, SENT_HASH),
        (CHEAP, KNOWN, USED),
        (POOR, SENT_HASH, POOR),
    ],
)
def test_what_is_sent_goes_to_every_node(nodes: Nodes, answers: tuple[Any, ...]) -> None:
    """One that takes it, or has it, is enough."""
    serve(nodes, "eth_sendRawTransaction", *answers)
    serve(nodes, "eth_getTransactionByHash", None, None, None)

    run(nodes, lambda sender: sender.broadcast(SENT))

    assert [node.asked("eth_sendRawTransaction") for node in nodes] == [[["0x02"]]] * 3


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((USED, USED, DOWN), AccountNonceUsedError),
        ((CHEAP, DOWN, CHEAP), FeeTooLowError),
        ((POOR, POOR, POOR), GasFundsError),
        ((USED, DOWN, DOWN), QuorumLostError),
        ((USED, CHEAP, DOWN), RpcDisagreementError),
        ((DOWN, DOWN, DOWN), QuorumLostError),
    ],
)
def test_a_transaction_is_refused_when_a_quorum_says_so(
    nodes: Nodes, answers: tuple[Any, ...], expected: type[Exception]
) -> None:
    """One node cannot make us sign another one by naming a reason."""
    serve(nodes, "eth_sendRawTransaction", *answers)
    serve(nodes, "eth_getTransactionByHash", None, None, None)

    with pytest.raises(expected):
        run(nodes, lambda sender: sender.broadcast(SENT))


def test_r6_a_flood_of_used_nonces_demotes_no_node(nodes: Nodes) -> None:
    """Counting them as faults would pause every provider at once, for good."""
    serve(nodes, "eth_sendRawTransaction", USED, USED, USED)
    serve(nodes, "eth_getTransactionByHash", None, None, None)

    async def flood(sender: AgreeingSender) -> list[str]:
        for _ in range(20):
            with pytest.raises(AccountNonceUsedError):
                await sender.broadcast(SENT)
        return [node.standing.value for node in sender.nodes()]

    assert run(nodes, flood) == ["HEALTHY"] * 3


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((RECEIPT, RECEIPT, None), 9),
        ((RECEIPT, RECEIPT, DOWN), 9),
        ((RECEIPT, None, None), None),
        ((RECEIPT | {"status": "0x0"}, RECEIPT, RECEIPT), 9),
    ],
)
def test_a_receipt_is_what_a_quorum_sees(
    nodes: Nodes, answers: tuple[Any, ...], expected: int | None
) -> None:
    """One node can neither invent a receipt nor hide one."""
    serve(nodes, "eth_getTransactionReceipt", *answers)

    found = run(nodes, lambda sender: sender.receipt(SENT.tx_hash))

    assert (None if found is None else found.block.height) == expected
    assert found is None or found.is_success


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((RECEIPT, None, DOWN), RpcDisagreementError),
        ((RECEIPT, DOWN, DOWN), QuorumLostError),
        ((RECEIPT, RECEIPT | {"gasUsed": "0x1"}, None), RpcDisagreementError),
    ],
)
def test_a_receipt_without_a_quorum_is_asked_again(
    nodes: Nodes, answers: tuple[Any, ...], expected: type[Exception]
) -> None:
    """Both are transient."""
    serve(nodes, "eth_getTransactionReceipt", *answers)

    with pytest.raises(expected):
        run(nodes, lambda sender: sender.receipt(SENT.tx_hash))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [(("0x5", "0x5", "0x5"), 5), (("0xffff", "0x5", "0x4"), 5), (("0x5", DOWN, "0x4"), 4)],
)
def test_nonces_and_the_balance_are_what_a_quorum_has_reached(
    nodes: Nodes, answers: tuple[Any, ...], expected: int
) -> None:
    """One node cannot push a nonce up and leave a gap behind it."""
    serve(nodes, "eth_getTransactionCount", *answers)
    serve(nodes, "eth_getBalance", *answers)

    async def ask(sender: AgreeingSender) -> tuple[int, int, int]:
        return (
            await sender.pending_account_nonce(),
            await sender.final_account_nonce(),
            await sender.balance_units(),
        )

    assert run(nodes, ask) == (expected, expected, expected)


def test_one_answer_alone_is_no_nonce(nodes: Nodes) -> None:
    """The quorum is not lowered to whoever is left."""
    serve(nodes, "eth_getTransactionCount", "0x5", DOWN, DOWN)

    with pytest.raises(QuorumLostError):
        run(nodes, lambda sender: sender.final_account_nonce())


@pytest.mark.parametrize("greedy", [1, 10**15])
def test_fees_are_the_middle_of_what_is_suggested(nodes: Nodes, greedy: int) -> None:
    """One node makes us neither overpay nor wait."""

    def history(base_fee: int) -> dict[str, Any]:
        return {"baseFeePerGas": [hex(base_fee)], "reward": []}

    serve(nodes, "eth_feeHistory", history(100), history(greedy), history(100))
    fees = run(nodes, lambda sender: sender.suggest_fees())
    serve(nodes, "eth_feeHistory", history(100), history(100), history(100))

    assert fees == run(nodes, lambda sender: sender.suggest_fees())


def test_bumped_fees_need_no_node(nodes: Nodes) -> None:
    """They are reckoned from what was suggested."""

    async def ask(sender: AgreeingSender) -> Fees:
        return sender.bump_fees(FEES, Fees(60, 4))

    assert run(nodes, ask).max_fee_wei >= 60
    assert all(node.requests == [] for node in nodes)


@pytest.mark.parametrize("lie", ["0x1", hex(29_000_000), (3, "execution reverted")])
def test_a_transaction_is_signed_with_the_middle_estimate(nodes: Nodes, lie: object) -> None:
    """Too little gas would fail in a block, and one node cannot say that the contract refuses."""
    serve(nodes, "eth_estimateGas", "0x5208", lie, "0x5208")

    signed = run(nodes, lambda sender: sender.prepare(CALL, 7, FEES))

    fields = TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()
    assert (fields["gas"], fields["nonce"]) == (21_000 + GAS_HEADROOM, 7)


def test_a_given_gas_limit_asks_nobody(nodes: Nodes) -> None:
    """There is nothing to estimate."""
    call = ContractCall(CHAIN, CALL.contract, CALL.function, CALL.arguments, gas_limit=123_456)

    signed = run(nodes, lambda sender: sender.prepare(call, 0, FEES))

    assert TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()["gas"] == 123_456
    assert all(node.requests == [] for node in nodes)


@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
def test_a_call_reverts_when_a_quorum_says_so(nodes: Nodes, method: str) -> None:
    """Neither simulated nor prepared."""
    reverted = (3, "execution reverted")
    serve(nodes, method, reverted, reverted, "0x5208")

    async def ask(sender: AgreeingSender) -> None:
        if method == "eth_call":
            await sender.simulate(CALL)
        else:
            await sender.prepare(CALL, 0, FEES)

    with pytest.raises(CallRevertedError):
        run(nodes, ask)


def test_a_preparation_without_a_quorum_is_asked_again(nodes: Nodes) -> None:
    """One estimate is not believed."""
    serve(nodes, "eth_estimateGas", "0x5208", DOWN, (3, "execution reverted"))

    with pytest.raises(RpcDisagreementError):
        run(nodes, lambda sender: sender.prepare(CALL, 0, FEES))


def test_nodes_share_one_key(nodes: Nodes) -> None:
    """A mistake of the wiring."""
    senders = [EvmSender(CHAIN, nodes[0].url, key=bytes((n,)) * 32) for n in (1, 2)]

    with pytest.raises(ValueError, match="one key"):
        AgreeingSender(senders, Terms(2))
