"""Signs and sends EIP-1559 transactions with one key on one EVM chain."""

from collections.abc import Mapping
from typing import Any, Final

from eth_account import Account
from eth_account.signers.local import LocalAccount

from chains.agreement.faults import FaultClass
from chains.errors import (
    AccountNonceUsedError,
    FeeAboveCapError,
    FeeTooLowError,
    GasFundsError,
    RpcAnswerError,
)
from chains.evm.abi import encode_call
from chains.evm.answers import (
    address_of,
    bytes_of,
    quantity_of,
    wei_of,
)
from chains.evm.fees import FeeLimits, bumped_fees, is_at_cap, suggested_fees
from chains.evm.reader import hex_address
from chains.evm.rpc import RpcClient
from chains.line.client import RPC_TIMEOUT_SECONDS, RpcFaultError
from chains.line.http import AnswerTooLargeError
from chains.line.shapes import fields_of, items_of, shown, usable
from chains.port import ContractCall, Fees, Receipt, SignedTransaction
from chains.types import (
    WORD_BYTES,
    BlockRef,
    ChainId,
    checksum_address,
    evm_chain_number,
    word_of_evm_address,
)

GAS_HEADROOM: Final = 75_000  # above the estimate: state may move before the transaction lands
GAS_LIMIT_MAX: Final = 30_000_000
FEE_HISTORY_BLOCKS: Final = 10


class EvmSender:
    """
    chains.sending.NonceSender over JSON-RPC.

    Args:
        rpc_url: may hold a key; it is never logged nor part of an error.
        key: 32-byte private key, see chains.evm.keys.
    """

    def __init__(
        self,
        chain_id: ChainId,
        rpc_url: str,
        *,
        key: bytes,
        limits: FeeLimits | None = None,
        timeout_seconds: float = RPC_TIMEOUT_SECONDS,
    ) -> None:
        self._number = evm_chain_number(chain_id)
        self._chain_id = chain_id
        self._rpc = RpcClient(chain_id, rpc_url, timeout_seconds=timeout_seconds)
        self._signer: LocalAccount = Account.from_key(key)
        self._limits = limits or FeeLimits()
        self._address = word_of_evm_address(bytes.fromhex(self._signer.address[2:]))

    @property
    def chain_id(self) -> ChainId:
        """The chain that is written to."""
        return self._chain_id

    @property
    def address(self) -> bytes:
        """The key's address, left-padded."""
        return self._address

    async def close(self) -> None:
        """Give the connections back; the sender may be used again afterwards."""
        await self._rpc.close()

    async def pending_account_nonce(self) -> int:
        """Return the next nonce, transactions in the node's pool included."""
        return await self._account_nonce("pending")

    async def final_account_nonce(self) -> int:
        """Return the next nonce as of the newest final block; below it all are used for ever."""
        return await self._account_nonce("finalized")

    async def balance_units(self) -> int:
        """Return what the key can pay gas with, as of the newest block. [wei]"""
        method = "eth_getBalance"
        answer = await self._rpc.call(method, [hex_address(self._address), "latest"])
        with usable(self._chain_id, method):
            return wei_of(answer, "balance")

    async def suggest_fees(self) -> Fees:
        """Return fees for a transaction to enter one of the next blocks, within the limits."""
        method = "eth_feeHistory"
        answer = await self._rpc.call(method, [hex(FEE_HISTORY_BLOCKS), "latest", [50]])
        with usable(self._chain_id, method):
            fields = fields_of(answer, "fee history")
            base_fees = items_of(fields.get("baseFeePerGas"), "baseFeePerGas")
            if not base_fees:
                raise ValueError("baseFeePerGas is empty")
            rewards = [
                wei_of(items_of(block, "reward")[0], "reward")
                for block in items_of(fields.get("reward") or [], "reward")
                if block
            ]
            return suggested_fees(wei_of(base_fees[-1], "baseFeePerGas"), rewards, self._limits)

    def bump_fees(self, old: Fees, suggested: Fees) -> Fees:
        """
        Return fees that replace an attempt; the old ones where they beat the market by far.

        Raises:
            FeeAboveCapError: the key may not pay more.
        """
        if is_at_cap(old, suggested, self._limits):
            raise FeeAboveCapError(chain_id=self._chain_id, cap_wei=self._limits.max_fee_wei_max)
        return bumped_fees(old, suggested, self._limits)

    async def simulate(self, call: ContractCall) -> None:
        """Run a call without sending it; raise CallRevertedError if the contract would refuse."""
        await self._rpc.call("eth_call", [self._transaction(call), "latest"])

    async def prepare(
        self, call: ContractCall, account_nonce: int, fees: Fees
    ) -> SignedTransaction:
        """Sign a call; nothing is sent. Raise CallRevertedError if the contract would refuse."""
        self._check_chain(call)
        gas_limit = call.gas_limit
        if gas_limit is None:
            answer = await self._rpc.call("eth_estimateGas", [self._transaction(call)])
            with usable(self._chain_id, "eth_estimateGas"):
                gas_limit = quantity_of(answer, "gas", GAS_LIMIT_MAX) + GAS_HEADROOM
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self._number,
            "nonce": account_nonce,
            "to": checksum_address(call.contract),
            "value": 0,
            "data": encode_call(call.function, call.arguments),
            "gas": gas_limit,
            "maxFeePerGas": fees.max_fee_wei,
            "maxPriorityFeePerGas": fees.priority_fee_wei,
        }
        signed = self._signer.sign_transaction(fields)
        return SignedTransaction(
            chain_id=self._chain_id,
            tx_hash=bytes(signed.hash),
            raw=bytes(signed.raw_transaction),
            account_nonce=account_nonce,
            fees=fees,
        )

    async def broadcast(self, transaction: SignedTransaction) -> None:
        """Send a signed transaction; a node that knows it already is fine."""
        method = "eth_sendRawTransaction"
        try:
            answer = await self._rpc.request(method, ["0x" + transaction.raw.hex()])
        except AnswerTooLargeError:
            raise self._answer_error(method, "the answer is too large") from None
        except RpcFaultError as fault:
            await self._judge_refusal(transaction, fault)
            return
        with usable(self._chain_id, method):
            if bytes_of(answer, "transaction hash", WORD_BYTES) != transaction.tx_hash:
                raise ValueError("the node names another transaction hash than ours")

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Return where a transaction stands, None while it is in no block."""
        method = "eth_getTransactionReceipt"
        answer = await self._rpc.call(method, ["0x" + tx_hash.hex()])
        if answer is None:
            return None
        with usable(self._chain_id, method):
            return _receipt_of(fields_of(answer, "receipt"), tx_hash)

    async def _account_nonce(self, tag: str) -> int:
        method = "eth_getTransactionCount"
        answer = await self._rpc.call(method, [hex_address(self._address), tag], reference=tag)
        with usable(self._chain_id, method):
            return quantity_of(answer, "account nonce")

    async def _judge_refusal(self, transaction: SignedTransaction, fault: RpcFaultError) -> None:
        """Return if the node has the transaction all the same, else raise what helps the caller."""
        kind = fault.fault
        if kind is FaultClass.NONCE_KNOWN:
            return
        if kind is FaultClass.NONCE_USED:
            if await self._is_known(transaction.tx_hash):
                return
            raise AccountNonceUsedError(
                chain_id=self._chain_id, account_nonce=transaction.account_nonce
            ) from fault
        if kind is FaultClass.NONCE_UNDERPRICED:
            raise FeeTooLowError(chain_id=self._chain_id, reason=shown(fault.text)) from fault
        if kind is FaultClass.FUNDS:
            raise GasFundsError(
                chain_id=self._chain_id, address=checksum_address(self._address)
            ) from fault
        raise self._rpc.classified("eth_sendRawTransaction", fault) from fault

    async def _is_known(self, tx_hash: bytes) -> bool:
        method = "eth_getTransactionByHash"
        answer = await self._rpc.call(method, ["0x" + tx_hash.hex()])
        if answer is None:
            return False
        with usable(self._chain_id, method):
            found = fields_of(answer, "transaction")
            return bytes_of(found.get("hash"), "hash", WORD_BYTES) == tx_hash

    def _transaction(self, call: ContractCall) -> dict[str, Any]:
        self._check_chain(call)
        transaction = {
            "from": hex_address(self._address),
            "to": hex_address(call.contract),
            "data": "0x" + encode_call(call.function, call.arguments).hex(),
        }
        if call.gas_limit is not None:
            transaction["gas"] = hex(call.gas_limit)
        return transaction

    def _check_chain(self, call: ContractCall) -> None:
        if call.chain_id != self._chain_id:
            raise ValueError(f"a call for {call.chain_id} was given to the {self._chain_id} sender")

    def _answer_error(self, method: str, reason: str) -> RpcAnswerError:
        return RpcAnswerError(chain_id=self._chain_id, method=method, reason=reason)


def _receipt_of(fields: Mapping[str, object], tx_hash: bytes) -> Receipt:
    found = bytes_of(fields.get("transactionHash"), "receipt.transactionHash", WORD_BYTES)
    if found != tx_hash:
        raise ValueError("the receipt is of another transaction")
    created = fields.get("contractAddress")
    return Receipt(
        tx_hash=tx_hash,
        block=BlockRef(
            height=quantity_of(fields.get("blockNumber"), "receipt.blockNumber"),
            block_hash=bytes_of(fields.get("blockHash"), "receipt.blockHash", WORD_BYTES),
        ),
        is_success=quantity_of(fields.get("status"), "receipt.status", 1) == 1,
        gas_used=quantity_of(fields.get("gasUsed"), "receipt.gasUsed"),
        contract=None if created is None else address_of(created, "receipt.contractAddress"),
    )
