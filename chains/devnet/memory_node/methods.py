"""The JSON-RPC methods of a node whose chain is in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from chains.devnet.exchange import (
    CODE_INVALID_PARAMS,
    CODE_NO_METHOD,
    CODE_SERVER,
    RefusalError,
)
from chains.devnet.log_filter import LogFilter, log_filter_of
from chains.devnet.memory_node.answers import (
    block_fields,
    log_texts,
    receipt_fields,
    tx_fields,
)
from chains.devnet.memory_node.chain import MemoryChain, MinedBlock
from chains.evm.abi import selector_of
from chains.types import WORD_BYTES, word_of_evm_address

LIMIT_CODE: Final = -32005
REVERTED_CODE: Final = 3
OUTFLOW_UNITS: Final = 2**128 - 1  # what a vault may pay out where a test sets nothing else
WORD_DEFAULTS: Final = {
    selector_of(function): number.to_bytes(WORD_BYTES, "big")
    for function, number in {
        "lockCount()": 0,
        "held(address)": 0,
        "balanceOf(address)": 0,
        "collateralOf(bytes32,address)": 0,
        "isExecuted(bytes32)": 0,
        "pauseFlags(address)": 0,
        "outflowAvailable(address)": OUTFLOW_UNITS,
    }.items()
}
Method = Callable[[list[Any]], Any]


@dataclass(frozen=True, slots=True)
class NodeLimits:
    """
    What a node refuses, as providers do.

    Args:
        range_blocks_max: blocks in one eth_getLogs by range; None for any number.
        results_max: logs in one answer; None for any number.
        code, message: the error object of both.
        is_calling_by_hash: whether eth_call may name a block by hash (EIP-1898).
        has_block_receipts: whether eth_getBlockReceipts exists.
    """

    range_blocks_max: int | None = None
    results_max: int | None = None
    code: int = LIMIT_CODE
    message: str = "query returned more than 10000 results"
    is_calling_by_hash: bool = True
    has_block_receipts: bool = True


class NodeMethods:
    """Answers each method from the chain. limits may be changed at any time."""

    def __init__(self, chain: MemoryChain, limits: NodeLimits | None = None) -> None:
        self.chain = chain
        self.limits = limits or NodeLimits()
        self._methods: dict[str, Method] = {
            "eth_chainId": lambda _: hex(chain.options.chain_number),
            "net_version": lambda _: str(chain.options.chain_number),
            "web3_clientVersion": lambda _: "memory-node/1",
            "eth_syncing": lambda _: False,
            "eth_blockNumber": lambda _: hex(chain.height),
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBlockReceipts": self._block_receipts,
            "eth_getTransactionReceipt": self._receipt,
            "eth_getTransactionByHash": self._tx,
            "eth_getLogs": self._logs,
            "eth_call": self._call,
        }

    async def ask(self, method: str, params: list[Any]) -> Any:
        """
        Return the result of one request.

        Raises:
            RefusalError: the method is unknown, its parameters are wrong, or the node refuses.
        """
        found = self._methods.get(method)
        if found is None:
            raise RefusalError(CODE_NO_METHOD, f"the method {method} does not exist")
        with self.chain.lock:
            try:
                return found(params)
            except (IndexError, TypeError, ValueError) as exc:
                raise RefusalError(CODE_INVALID_PARAMS, f"{method}: {exc}") from exc

    def _block_by_number(self, params: list[Any]) -> dict[str, Any] | None:
        block = self._at(params[0])
        has_full_txs = bool(params[1]) if len(params) > 1 else False
        return None if block is None else block_fields(block, has_full_txs=has_full_txs)

    def _block_by_hash(self, params: list[Any]) -> dict[str, Any] | None:
        block = self.chain.block_of(_word(params[0]))
        has_full_txs = bool(params[1]) if len(params) > 1 else False
        return None if block is None else block_fields(block, has_full_txs=has_full_txs)

    def _block_receipts(self, params: list[Any]) -> list[dict[str, Any]] | None:
        if not self.limits.has_block_receipts:
            raise RefusalError(CODE_NO_METHOD, "the method eth_getBlockReceipts does not exist")
        block = self._named(params[0])
        if block is None:
            return None
        return [receipt_fields(block, place) for place in range(len(block.txs))]

    def _receipt(self, params: list[Any]) -> dict[str, Any] | None:
        place = self.chain.place_of(_word(params[0]))
        return None if place is None else receipt_fields(*place)

    def _tx(self, params: list[Any]) -> dict[str, Any] | None:
        place = self.chain.place_of(_word(params[0]))
        return None if place is None else tx_fields(*place)

    def _logs(self, params: list[Any]) -> orjson.Fragment:
        asked = log_filter_of(params)
        texts: list[str] = []
        for block in self._blocks(asked):
            texts += log_texts(block, lambda log: asked.has(log.address, log.topics))
            limit = self.limits.results_max
            if limit is not None and len(texts) > limit:
                raise RefusalError(self.limits.code, self.limits.message)
        return orjson.Fragment("[" + ",".join(texts) + "]")

    def _blocks(self, asked: LogFilter) -> list[MinedBlock]:
        if asked.block_hash is not None:
            block = self.chain.block_of(_word(asked.block_hash))
            if block is None:
                raise RefusalError(CODE_SERVER, "unknown block")
            return [block]
        first = self._height(asked.first or "latest")
        last = self._height(asked.last or "latest")
        if first > last:
            raise RefusalError(CODE_INVALID_PARAMS, "invalid block range params")
        if last > self.chain.height:
            text = "block range extends beyond current head block"
            raise RefusalError(CODE_INVALID_PARAMS, text)
        limit = self.limits.range_blocks_max
        if limit is not None and last - first + 1 > limit:
            raise RefusalError(self.limits.code, self.limits.message)
        return self.chain.blocks[first : last + 1]

    def _call(self, params: list[Any]) -> str:
        transaction = params[0]
        contract = word_of_evm_address(_raw(transaction["to"]))
        asked = _raw(transaction.get("data") or transaction.get("input") or "0x")
        reference = params[1] if len(params) > 1 else "latest"
        if isinstance(reference, dict) and not self.limits.is_calling_by_hash:
            raise RefusalError(CODE_INVALID_PARAMS, "a block is named by number or tag")
        block = self._named(reference)
        if block is None:
            raise RefusalError(CODE_SERVER, "header not found")
        answer = self.chain.views.read(block.block.height, (contract, asked))
        if answer is None and contract in self.chain.views.contracts:
            answer = WORD_DEFAULTS.get(asked[:4])
            if answer is None:
                raise RefusalError(REVERTED_CODE, "execution reverted", "0x")
        return "0x" + (answer or b"").hex()

    def _named(self, reference: object) -> MinedBlock | None:
        """Return the block named by a height, a tag, a hash, or an object of EIP-1898."""
        if isinstance(reference, dict):
            reference = reference.get("blockHash") or reference.get("blockNumber")
        if not isinstance(reference, str):
            raise RefusalError(CODE_INVALID_PARAMS, "a block is named by text or by an object")
        if len(reference) == 2 + 2 * WORD_BYTES:
            return self.chain.block_of(_word(reference))
        return self._at(reference)

    def _at(self, reference: str) -> MinedBlock | None:
        height = self._height(reference)
        return self.chain.blocks[height] if height <= self.chain.height else None

    def _height(self, reference: str) -> int:
        match reference:
            case "latest" | "pending":
                return self.chain.height
            case "safe":
                return self.chain.safe_height
            case "finalized":
                return self.chain.final_height
            case "earliest":
                return 0
            case _:
                return int(reference, 16)


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _word(text: str) -> bytes:
    raw = _raw(text)
    if len(raw) != WORD_BYTES:
        raise ValueError(f"{len(raw)} bytes, {WORD_BYTES} are needed")
    return raw
