"""The sender against nodes that know less, want more, or lie."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from chains.errors import (
    AccountNonceUsedError,
    CallRevertedError,
    FeeTooLowError,
    GasFundsError,
    RpcAnswerError,
    RpcTimeoutError,
)
from chains.evm.sender import GAS_HEADROOM, EvmSender
from chains.port import ContractCall, Fees, SignedTransaction
from chains.types import ChainId, checksum_address
from tests.chains.evm.fake_node import FakeNode, FaultError
from tests.chains.strategies import CHAIN

T = TypeVar("T")
KEY = b"\x07" * 32
CALL = ContractCall(CHAIN, bytes(12) + b"\x0a" * 20, "supply(uint256)", (5,))
FEES = Fees(max_fee_wei=30, priority_fee_wei=2)
SENT = SignedTransaction(CHAIN, tx_hash=b"\x01" * 32, raw=b"\x02", account_nonce=3, fees=FEES)
RECEIPT: dict[str, Any] = {
    "transactionHash": "0x" + "01" * 32,
    "blockNumber": "0x9",
    "blockHash": "0x" + "02" * 32,
    "status": "0x1",
    "gasUsed": "0x5208",
    "contractAddress": None,
}


def run(node: FakeNode, ask: Callable[[EvmSender], Coroutine[Any, Any, T]]) -> T:
    """Return what a sender on the node comes to."""

    async def asked() -> T:
        sender = EvmSender(CHAIN, node.url, key=KEY)
        try:
            return await ask(sender)
        finally:
            await sender.close()

    return asyncio.run(asked())


def raising(code: int, text: str) -> Callable[[list[Any]], Any]:
    """Return an answer that is an error object."""

    def refuse(params: list[Any]) -> Any:
        raise FaultError(code, text)

    return refuse


def test_a_prepared_transaction_is_ours_in_every_field(node: FakeNode) -> None:
    """Chain, nonce, target, data, fees, and the estimate with headroom."""
    node.answers["eth_estimateGas"] = lambda _: "0x5208"

    signed = run(node, lambda sender: sender.prepare(CALL, 7, FEES))

    fields = TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()
    assert fields["chainId"] == 31337
    assert fields["nonce"] == signed.account_nonce == 7
    assert bytes(fields["to"]) == b"\x0a" * 20
    assert bytes(fields["data"])[4:] == (5).to_bytes(32, "big")
    assert (fields["maxFeePerGas"], fields["maxPriorityFeePerGas"]) == (30, 2)
    assert fields["gas"] == 21_000 + GAS_HEADROOM
    assert fields["value"] == 0
    sender = Account.recover_transaction(HexBytes(signed.raw))
    assert sender == Account.from_key(KEY).address


def test_a_given_gas_limit_is_not_estimated(node: FakeNode) -> None:
    """Some contracts swallow inner failures and so fool the estimate."""
    call = ContractCall(CHAIN, CALL.contract, CALL.function, CALL.arguments, gas_limit=123_456)

    signed = run(node, lambda sender: sender.prepare(call, 0, FEES))

    assert TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()["gas"] == 123_456
    assert node.requests == []


def test_a_call_for_another_chain_is_refused(node: FakeNode) -> None:
    """It would go to whatever stands at that address here."""
    call = ContractCall(ChainId("eip155:1"), CALL.contract, CALL.function, CALL.arguments)

    with pytest.raises(ValueError, match="eip155:1"):
        run(node, lambda sender: sender.prepare(call, 0, FEES))


def test_a_call_that_would_revert_is_not_signed(node: FakeNode) -> None:
    """Neither simulated nor prepared."""
    node.answers["eth_call"] = raising(3, "execution reverted")
    node.answers["eth_estimateGas"] = raising(3, "execution reverted")

    with pytest.raises(CallRevertedError):
        run(node, lambda sender: sender.simulate(CALL))
    with pytest.raises(CallRevertedError):
        run(node, lambda sender: sender.prepare(CALL, 0, FEES))


@pytest.mark.parametrize("text", ["already known", "ALREADY KNOWN", "transaction already imported"])
def test_a_known_transaction_is_sent(node: FakeNode, text: str) -> None:
    """Sending twice is fine."""
    node.answers["eth_sendRawTransaction"] = raising(-32000, text)

    run(node, lambda sender: sender.broadcast(SENT))


def test_a_used_nonce_is_fine_when_our_transaction_used_it(node: FakeNode) -> None:
    """It was mined before we sent it again."""
    node.answers["eth_sendRawTransaction"] = raising(-32000, "nonce too low")
    node.answers["eth_getTransactionByHash"] = lambda _: {"hash": "0x" + "01" * 32}

    run(node, lambda sender: sender.broadcast(SENT))


def test_a_nonce_used_by_another_transaction_is_said(node: FakeNode) -> None:
    """The caller looks for its other attempts."""
    node.answers["eth_sendRawTransaction"] = raising(-32000, "nonce too low: next 4, tx 3")
    node.answers["eth_getTransactionByHash"] = lambda _: None

    with pytest.raises(AccountNonceUsedError, match="account nonce 3"):
        run(node, lambda sender: sender.broadcast(SENT))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("replacement transaction underpriced", FeeTooLowError),
        ("max fee per gas less than block base fee", FeeTooLowError),
        ("insufficient funds for gas * price + value", GasFundsError),
        ("request timed out", RpcTimeoutError),
        ("rlp: too few elements", RpcAnswerError),
    ],
)
def test_a_refused_transaction_says_what_to_do(
    node: FakeNode, text: str, expected: type[Exception]
) -> None:
    """Bump, fund, retry, or look at the node."""
    node.answers["eth_sendRawTransaction"] = raising(-32000, text)

    with pytest.raises(expected):
        run(node, lambda sender: sender.broadcast(SENT))


@pytest.mark.parametrize("answer", ["0x" + "03" * 32, None, "0x", 1])
def test_another_transaction_hash_is_unusable(node: FakeNode, answer: object) -> None:
    """We know the hash of what we signed."""
    node.answers["eth_sendRawTransaction"] = lambda _: answer

    with pytest.raises(RpcAnswerError):
        run(node, lambda sender: sender.broadcast(SENT))


def test_a_receipt_is_read(node: FakeNode) -> None:
    """Block, success and gas; null while the transaction is in no block."""
    node.answers["eth_getTransactionReceipt"] = lambda _: RECEIPT
    found = run(node, lambda sender: sender.receipt(b"\x01" * 32))
    node.answers["eth_getTransactionReceipt"] = lambda _: None
    missing = run(node, lambda sender: sender.receipt(b"\x01" * 32))

    assert found is not None
    assert (found.block.height, found.is_success, found.gas_used) == (9, True, 21_000)
    assert missing is None


@pytest.mark.parametrize(
    "lie",
    [
        {"transactionHash": "0x" + "03" * 32},
        {"status": "0x2"},
        {"status": None},
        {"blockHash": None},
        {"blockNumber": "9"},
        {"gasUsed": None},
        {"contractAddress": "0x12"},
    ],
)
def test_a_receipt_with_a_lie_is_unusable(node: FakeNode, lie: dict[str, Any]) -> None:
    """A receipt without a clear status is no success."""
    node.answers["eth_getTransactionReceipt"] = lambda _: RECEIPT | lie

    with pytest.raises(RpcAnswerError):
        run(node, lambda sender: sender.receipt(b"\x01" * 32))


def test_nonces_are_asked_for_our_address(node: FakeNode) -> None:
    """Pending and final."""
    node.answers["eth_getTransactionCount"] = lambda params: (
        "0x5" if params[1] == "pending" else "0x3"
    )

    async def ask(sender: EvmSender) -> tuple[int, int, str]:
        pending = await sender.pending_account_nonce()
        return pending, await sender.final_account_nonce(), checksum_address(sender.address)

    assert run(node, ask) == (5, 3, Account.from_key(KEY).address)
    assert [params[1] for params in node.asked("eth_getTransactionCount")] == [
        "pending",
        "finalized",
    ]


@pytest.mark.parametrize(
    "answer",
    [None, {}, {"baseFeePerGas": []}, {"baseFeePerGas": ["x"]}, {"baseFeePerGas": [None]}],
)
def test_a_fee_history_without_a_base_fee_is_unusable(node: FakeNode, answer: object) -> None:
    """Guessing would overpay or get stuck."""
    node.answers["eth_feeHistory"] = lambda _: answer

    with pytest.raises(RpcAnswerError):
        run(node, lambda sender: sender.suggest_fees())


def test_a_fee_history_of_empty_blocks_is_fine(node: FakeNode) -> None:
    """Rewards may be missing."""
    node.answers["eth_feeHistory"] = lambda _: {"baseFeePerGas": ["0x64"], "reward": None}

    assert run(node, lambda sender: sender.suggest_fees()).max_fee_wei > 200


def test_a_balance_is_asked_at_the_newest_block(node: FakeNode) -> None:
    """Of the key's own address, in wei."""
    node.answers["eth_getBalance"] = lambda _: hex(3 * 10**18)

    assert run(node, lambda sender: sender.balance_units()) == 3 * 10**18
    ((address, block),) = node.asked("eth_getBalance")
    assert address.lower() == Account.from_key(KEY).address.lower()
    assert block == "latest"


@pytest.mark.parametrize("answer", [None, "", "0x", 5, "5", "0x-1", "0x1" + "0" * 64])
def test_a_balance_that_is_no_number_is_unusable(node: FakeNode, answer: object) -> None:
    """A sender must not seem rich because its node is broken."""
    node.answers["eth_getBalance"] = lambda _: answer

    with pytest.raises(RpcAnswerError):
        run(node, lambda sender: sender.balance_units())
