"""What else a node says about the logs it gave: blooms, receipts and token movements."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from chains.errors import (
    BlockGoneError,
    MovementMissingError,
    RpcAnswerError,
    RpcContradictionError,
)
from chains.events import CollateralLocked, ObservedEvent
from chains.evm.answers import (
    RawLog,
    bytes_of,
    log_of,
    ordered_logs,
)
from chains.evm.bloom import BloomCounts, BloomMemory, bloom_of, mask_of, may_hold
from chains.evm.decode import WATCHED_TOPICS, EventShape
from chains.evm.movement import (
    TRANSFER_TOPIC,
    applicable_locks,
    inflows_of,
    missing_movement,
    missing_movements,
)
from chains.evm.rpc import RpcClient
from chains.line.client import RpcFaultError
from chains.line.shapes import AnswerShapeError, fields_of, items_of, usable
from chains.types import WORD_BYTES, BlockRef, evm_address_of_word

CODE_METHOD_UNKNOWN: Final = -32601
RECEIPTS_METHOD: Final = "eth_getBlockReceipts"
RECEIPT_METHOD: Final = "eth_getTransactionReceipt"
BLOCK_METHOD: Final = "eth_getBlockByHash"
LOGS_METHOD: Final = "eth_getLogs"

Shapes = Mapping[bytes, dict[bytes, EventShape]]
AskRange = Callable[[dict[str, Any], int, int], Awaitable[object]]


class Evidence:
    """
    Holds the logs of one node against the other things that the node says.

    Args:
        shapes: per watched contract, what it may emit.
        tokens: whose movements are looked for; locks of other tokens are left alone.
        is_bloom_trusted: False where a chain or a node has no blooms in its headers.
    """

    def __init__(
        self, rpc: RpcClient, *, shapes: Shapes, tokens: tuple[bytes, ...], is_bloom_trusted: bool
    ) -> None:
        self._rpc = rpc
        self._shapes = shapes
        self._tokens = frozenset(tokens)
        self._is_bloom_trusted = is_bloom_trusted
        self._masks = {
            (contract, topic): mask_of(contract, topic)
            for contract, own in shapes.items()
            for topic in own
        }
        self.blooms = BloomMemory()
        self.counts = BloomCounts()

    async def check_bloom(self, block: BlockRef, logs: Sequence[RawLog]) -> None:
        """
        Hold the logs of a block against the bloom of its header.

        Where the bloom promises more kinds of logs than there are, the receipts decide: a bloom
        may promise too much, but never too little.

        Raises:
            RpcAnswerError: the bloom excludes a log that is there.
            RpcContradictionError: the receipts and the logs differ.
            BlockGoneError: the block is not on the node's chain.
        """
        if not self._is_bloom_trusted:
            return
        bloom = await self._bloom(block)
        if bloom is None:
            return
        self.counts.checked += 1
        found = {(log.contract, log.topics[0]) for log in logs}
        for place in found & self._masks.keys():
            if not may_hold(bloom, self._masks[place]):
                self.counts.contradictions += 1
                raise RpcAnswerError(
                    chain_id=self._rpc.chain_id,
                    method=LOGS_METHOD,
                    reason=f"block {block.height} has a log that its bloom excludes; where nodes "
                    "of a chain have no blooms, set is_bloom_trusted = false",
                )
        promised = {place for place, mask in self._masks.items() if may_hold(bloom, mask)}
        if promised - found:
            await self._check_receipts(block, logs)

    async def missing_in_block(
        self, block: BlockRef, events: Sequence[ObservedEvent], logs: Sequence[RawLog]
    ) -> tuple[MovementMissingError, ...]:
        """
        Return the locks of a block without a token movement, by the receipts of their transactions.

        Raises:
            RpcContradictionError: a receipt is missing or of another block; not verifiable now.
        """
        locks = applicable_locks(events, self._tokens)
        by_index = {log.log_index: log for log in logs}
        missing: list[MovementMissingError] = []
        for tx_hash, group in groupby(locks, key=lambda lock: lock.position.tx_hash):
            of_transaction = tuple(group)
            receipt_logs = await self._receipt_logs(block, tx_hash)
            standing = {(log.log_index, log.contract, log.topics, log.data) for log in receipt_logs}
            kept: list[CollateralLocked] = []
            for lock in of_transaction:
                log = by_index[lock.position.log_index]
                if (log.log_index, log.contract, log.topics, log.data) in standing:
                    kept.append(lock)
                else:
                    reason = f"lock {lock.lock_id} is not in the receipt of its transaction"
                    missing.append(missing_movement(lock, reason))
            missing += missing_movements(kept, inflows_of(receipt_logs, kept))
        return tuple(missing)

    async def missing_in_range(
        self, events: Sequence[ObservedEvent], ask: AskRange
    ) -> tuple[MovementMissingError, ...]:
        """
        Return the locks of a final range without a token movement, by one more question.

        Args:
            ask: asks for the logs of a filter in a range; may raise RangeTooLargeError.

        Raises:
            RpcAnswerError: a movement of another block than its lock's height has.
        """
        locks = applicable_locks(events, self._tokens)
        if not locks:
            return ()
        heights = [lock.position.block.height for lock in locks]
        vaults = sorted({lock.position.contract for lock in locks})
        asked = {
            "address": ["0x" + evm_address_of_word(token).hex() for token in sorted(self._tokens)],
            "topics": ["0x" + TRANSFER_TOPIC.hex(), None, ["0x" + word.hex() for word in vaults]],
            "fromBlock": hex(min(heights)),
            "toBlock": hex(max(heights)),
        }
        answer = await ask(asked, min(heights), max(heights))
        with usable(self._rpc.chain_id, LOGS_METHOD):
            logs = ordered_logs(answer)
        blocks = {lock.position.block.height: lock.position.block for lock in locks}
        for log in logs:
            if blocks.get(log.block.height, log.block) != log.block:
                raise RpcAnswerError(
                    chain_id=self._rpc.chain_id,
                    method=LOGS_METHOD,
                    reason=f"two blocks at height {log.block.height}",
                )
        return missing_movements(locks, inflows_of(logs, locks))

    async def _bloom(self, block: BlockRef) -> int | None:
        if not self.blooms.knows(block):
            reference = "0x" + block.block_hash.hex()
            answer = await self._rpc.call(BLOCK_METHOD, [reference, False], reference=reference)
            if answer is None:
                raise BlockGoneError(chain_id=self._rpc.chain_id, reference=reference)
            with usable(self._rpc.chain_id, BLOCK_METHOD):
                self.blooms.keep(block, bloom_of(answer))
        return self.blooms.of(block)

    async def _check_receipts(self, block: BlockRef, logs: Sequence[RawLog]) -> None:
        reference = "0x" + block.block_hash.hex()
        try:
            answer = await self._rpc.request(RECEIPTS_METHOD, [reference])
        except RpcFaultError as fault:
            if fault.code == CODE_METHOD_UNKNOWN:
                self.counts.unchecked += 1  # the second reading and the lock counter remain
                return
            raise self._rpc.classified(RECEIPTS_METHOD, fault, reference=reference) from fault
        if answer is None:
            raise BlockGoneError(chain_id=self._rpc.chain_id, reference=reference)
        with usable(self._rpc.chain_id, RECEIPTS_METHOD):
            standing = self._watched_logs(items_of(answer, "receipts"), block)
        found = {log.log_index for log in logs}
        if standing == found:
            self.counts.false_positives += 1
            return
        self.counts.contradictions += 1
        raise RpcContradictionError(
            chain_id=self._rpc.chain_id,
            method=LOGS_METHOD,
            reason=f"the answer contradicts the header of block {block.height}: {len(found)} logs "
            f"in the answer, {len(standing)} in the receipts",
        )

    def _watched_logs(self, receipts: list[object], block: BlockRef) -> set[int]:
        """Return where the logs of watched contracts stand in a block, by its receipts."""
        places: set[int] = set()
        for receipt in receipts:
            for item in items_of(fields_of(receipt, "receipt").get("logs"), "receipt.logs"):
                if self._is_watched(fields_of(item, "log")):
                    log = log_of(item)
                    if log.block != block:
                        raise AnswerShapeError("receipts of another block")
                    places.add(log.log_index)
        return places

    def _is_watched(self, fields: Mapping[str, object]) -> bool:
        topics = items_of(fields.get("topics"), "log.topics")
        if not topics:
            return False
        contract = bytes_of(fields.get("address"), "log.address").rjust(WORD_BYTES, b"\0")
        # As in the filter of the question: any watched topic of any watched contract.
        return contract in self._shapes and bytes_of(topics[0], "log.topics") in WATCHED_TOPICS

    async def _receipt_logs(self, block: BlockRef, tx_hash: bytes) -> tuple[RawLog, ...]:
        reference = "0x" + tx_hash.hex()
        answer = await self._rpc.call(RECEIPT_METHOD, [reference])
        if answer is None:
            raise self._unverifiable(f"no receipt of {reference}, whose log is in {block.height}")
        with usable(self._rpc.chain_id, RECEIPT_METHOD):
            fields = fields_of(answer, "receipt")
            found = bytes_of(fields.get("blockHash"), "receipt.blockHash", WORD_BYTES)
            logs = ordered_logs(fields.get("logs"))
        if found != block.block_hash:
            raise self._unverifiable(f"the receipt of {reference} is of another block")
        return logs

    def _unverifiable(self, reason: str) -> RpcContradictionError:
        return RpcContradictionError(
            chain_id=self._rpc.chain_id, method=RECEIPT_METHOD, reason=reason
        )
