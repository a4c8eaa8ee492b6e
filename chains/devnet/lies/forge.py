"""A node that tells a forgery in every way in which it can be asked."""

from collections import Counter
from typing import Any

from chains.devnet.exchange import Ask
from chains.devnet.lies.blocks import block_named, height_named, height_of
from chains.devnet.lies.forgery import ForgedTx, Forgery
from chains.devnet.log_filter import LogFilter, log_filter_of
from chains.devnet.memory_node.logs import Log, bloom_of, bloom_text
from chains.types import UINT64_MAX, WORD_BYTES, word_of_evm_address


class Forge:
    """
    Puts a forgery into logs, receipts, blocks, blooms and views.

    Whatever is asked, the same forged locks appear: a reader that only compares answers of this one
    node cannot find the lie.
    """

    def __init__(self, forgery: Forgery) -> None:
        self.forgery = forgery
        self.injected: Counter[str] = Counter()

    async def answer(self, method: str, params: list[Any], ask: Ask) -> Any:
        """Return the result of a request."""
        match method:
            case "eth_getBlockByNumber" | "eth_getBlockByHash":
                return await self._block(method, params, ask)
            case "eth_getLogs":
                return await self._logs(params, ask)
            case "eth_getBlockReceipts":
                return await self._block_receipts(params, ask)
            case "eth_getTransactionReceipt" | "eth_getTransactionByHash":
                return await self._tx(method, params, ask)
            case "eth_call":
                return await self._call(params, ask)
            case _:
                return await ask(method, params)

    async def _block(self, method: str, params: list[Any], ask: Ask) -> Any:
        block = await ask(method, params)
        if block is None or height_of(block) < min(self.forgery.heights, default=UINT64_MAX):
            return block
        forged = await self.forgery.txs_in(ask, block)
        real = [self.forgery.told(log) for log in await ask("eth_getLogs", [_only(block)])]
        logs = [*map(_log_of, real), *(log for tx in forged for log in tx.logs)]
        has_full_txs = len(params) > 1 and params[1] is True
        self.injected["forged_block"] += bool(forged)
        return block | {
            "logsBloom": bloom_text(bloom_of(logs)),
            "transactions": [
                *block["transactions"],
                *(tx.tx if has_full_txs else tx.lock.tx_hash for tx in forged),
            ],
        }

    async def _logs(self, params: list[Any], ask: Ask) -> Any:
        asked = log_filter_of(params)
        without_topics = {name: value for name, value in params[0].items() if name != "topics"}
        result = await ask("eth_getLogs", [without_topics])
        told = [log for log in map(self.forgery.told, result) if asked.has_topics(log["topics"])]
        added: list[dict[str, Any]] = []
        for reference in await self._references(asked, ask):
            for tx in await self._txs(ask, reference):
                pairs = zip(tx.logs, tx.log_fields, strict=True)
                added += [fields for log, fields in pairs if asked.has(log.address, log.topics)]
        self.injected["forged_log"] += len(added)
        return sorted(
            [*told, *added],
            key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16)),
        )

    async def _references(self, asked: LogFilter, ask: Ask) -> list[str]:
        """Return the asked blocks that may hold something forged."""
        if asked.block_hash is not None:
            return [asked.block_hash]
        first, last = await height_named(ask, asked.first), await height_named(ask, asked.last)
        if first is None or last is None:
            return []
        heights = sorted(height for height in self.forgery.heights if first <= height <= last)
        return [hex(height) for height in heights]

    async def _txs(self, ask: Ask, reference: object) -> tuple[ForgedTx, ...]:
        block = await block_named(ask, reference)
        return () if block is None else await self.forgery.txs_in(ask, block)

    async def _block_receipts(self, params: list[Any], ask: Ask) -> Any:
        result = await ask("eth_getBlockReceipts", params)
        if result is None:
            return None
        forged = await self._txs(ask, params[0])
        self.injected["forged_receipt"] += len(forged)
        return [*map(self._receipt, result), *(tx.receipt for tx in forged)]

    def _receipt(self, receipt: dict[str, Any]) -> dict[str, Any]:
        """Return a real receipt as it would be if the forged locks had happened before it."""
        logs = [self.forgery.told(log) for log in receipt["logs"]]
        return receipt | {"logs": logs, "logsBloom": bloom_text(bloom_of(map(_log_of, logs)))}

    async def _tx(self, method: str, params: list[Any], ask: Ask) -> Any:
        lock = self.forgery.lock_of(str(params[0]))
        if lock is None:
            found = await ask(method, params)
            return self._receipt(found) if found is not None and "logs" in found else found
        for tx in await self._txs(ask, hex(lock.height)):
            if tx.lock == lock:
                self.injected["forged_receipt"] += 1
                return tx.receipt if method == "eth_getTransactionReceipt" else tx.tx
        return None  # its block is not there yet

    async def _call(self, params: list[Any], ask: Ask) -> Any:
        result = await ask("eth_call", params)
        transaction = params[0]
        asked = str(transaction.get("data") or transaction.get("input") or "0x")
        contract = word_of_evm_address(bytes.fromhex(str(transaction["to"])[2:]))
        block = await block_named(ask, params[1] if len(params) > 1 else "latest")
        key = (contract, bytes.fromhex(asked[2:]))
        change = 0 if block is None else self.forgery.change_of(height_of(block), key)
        if not change:
            return result
        self.injected["forged_view"] += 1
        truth = int(result, 16) if len(result) > len("0x") else 0
        return "0x" + (truth + change).to_bytes(WORD_BYTES, "big").hex()


def _only(block: dict[str, Any]) -> dict[str, Any]:
    """Return the filter of all logs of one block."""
    return {"blockHash": block["hash"]}


def _log_of(fields: dict[str, Any]) -> Log:
    return Log(fields["address"], tuple(fields["topics"]), fields["data"])
