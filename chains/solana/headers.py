"""Headers of slots, of heads and of hashes; a slot may have no block."""

from collections import OrderedDict
from enum import Enum
from typing import Any, Final

from chains.agreement.faults import FaultClass
from chains.errors import (
    BlockGoneError,
    RpcContradictionError,
    RpcUnavailableError,
)
from chains.finality import Heads
from chains.line.client import RpcFaultError
from chains.line.http import AnswerTooLargeError
from chains.line.shapes import usable
from chains.solana.answers import SlotHeader, header_of, number_of, slots_of
from chains.solana.faults import NOT_YET_CODES, SKIPPED_CODES
from chains.solana.rpc import Level, SolanaRpc
from chains.types import BlockHeader, BlockRef, ChainId

HEADERS_KEPT_MAX: Final = 4_096
ANCESTORS_MAX: Final = 64  # looked through for a hash that was never read
HEAD_BLOCKS_MAX: Final = 8  # how far a node's written blocks may be behind its head
SEARCH_WINDOWS: Final = (64, 4_096, 262_144)  # slots without a block that are looked beyond
EMPTY_SLOTS_DOUBTED: Final = 8  # two leaders in a row; a node that jumped lacks hundreds
VERSION_MAX: Final = 255  # a version that is refused would hide every other transaction of a block
BLOCK_METHOD: Final = "getBlock"
FULL: Final = "full"
SLOTS_METHOD: Final = "getBlocks"


class Absence(Enum):
    """Why a slot gave no block: it has none, or the node has not written it down."""

    SKIPPED = "skipped"
    NOT_YET = "not there yet"


def block_config(level: Level, details: str) -> dict[str, Any]:
    """Return how a block is asked for."""
    return {
        "commitment": level.value,
        "encoding": "base64",
        "transactionDetails": details,
        "maxSupportedTransactionVersion": VERSION_MAX,
        "rewards": False,
    }


class Headers:
    """Reads headers of one node and keeps the newest ones by hash."""

    def __init__(self, rpc: SolanaRpc) -> None:
        self._rpc = rpc
        self._kept: OrderedDict[bytes, SlotHeader] = OrderedDict()

    @property
    def chain_id(self) -> ChainId:
        """The chain that is asked."""
        return self._rpc.chain_id

    async def slot(self, level: Level) -> int:
        """Return the newest slot of a level."""
        answer = await self._rpc.call("getSlot", [{"commitment": level.value}])
        with usable(self.chain_id, "getSlot"):
            return number_of(answer, "slot")

    async def heads(self) -> Heads:
        """
        Return the newest and the newest final header.

        The final one is asked first, so that a growing chain cannot put it above the newest.
        """
        finalized = await self._head(Level.FINALIZED)
        latest = await self._head(Level.CONFIRMED)
        if finalized.block.height > latest.block.height:
            raise RpcUnavailableError(
                chain_id=self.chain_id,
                method="getSlot",
                reason=f"final slot {finalized.block.height} above head {latest.block.height}",
            )
        return Heads(latest=latest, finalized=finalized)

    async def _head(self, level: Level) -> BlockHeader:
        """Return the newest header of a level whose block is written down."""
        slot = await self.slot(level)
        found = await self.of_slot(slot, level)
        if isinstance(found, SlotHeader):
            return found.header
        first = max(0, slot - SEARCH_WINDOWS[0])
        for older in reversed((await self._slots(first, slot, level))[-HEAD_BLOCKS_MAX:]):
            found = await self.of_slot(older, level)
            if isinstance(found, SlotHeader):
                return found.header
        raise RpcUnavailableError(
            chain_id=self.chain_id,
            method=BLOCK_METHOD,
            reason=f"no block near the {level.value} head {slot} is written down",
        )

    async def newest_until(self, height: int) -> BlockHeader:
        """
        Return the header of the newest block at or below a slot.

        Where the slot has none the next block above must name that one as its parent: a node with a
        hole in its history says the same of a slot that it lacks.

        Raises:
            BlockGoneError: the slot is above the node's head, or in or below what it lacks.
        """
        found = await self.of_slot(height, Level.CONFIRMED)
        if isinstance(found, SlotHeader):
            return found.header
        if height > await self.slot(Level.CONFIRMED):
            raise self.gone(height)
        for window in SEARCH_WINDOWS:
            first = max(0, height - window)
            slots = await self._slots(first, height, Level.CONFIRMED)
            if slots:
                listed = await self._listed(slots[-1], is_denied=found is Absence.SKIPPED)
                if slots[-1] < height:
                    await self._check_next(slots[-1], height)
                return listed
            if first == 0:
                break
        raise self.gone(height)

    async def _check_next(self, slot: int, height: int) -> None:
        """Refuse a slot whose block is not the parent of the next one above a height."""
        for window in SEARCH_WINDOWS:
            above = await self._slots(height + 1, height + window, Level.CONFIRMED)
            if above:
                found = await self.of_slot(above[0], Level.CONFIRMED)
                if not isinstance(found, SlotHeader) or found.parent_slot != slot:
                    raise self._hole(above[0])
                return
        raise self.gone(height)

    def _hole(self, slot: int) -> BlockGoneError:
        reference = f"before {slot} (the node has a hole in its history, or lags)"
        return BlockGoneError(chain_id=self.chain_id, reference=reference)

    async def check_unbroken(self, first: int, last: int, level: Level) -> None:
        """
        Refuse a range with a hole in it: many empty slots, and a block whose parent is not there.

        Raises:
            BlockGoneError: the node lacks blocks of the range.
        """
        before = first - 1
        for slot in await self._slots(first, last, level):
            if slot - before > EMPTY_SLOTS_DOUBTED:
                found = await self.of_slot(slot, level)
                parent_slot = found.parent_slot if isinstance(found, SlotHeader) else slot
                if parent_slot != before and (before >= first or parent_slot >= first):
                    raise self._hole(slot)
            before = slot

    async def _listed(self, slot: int, *, is_denied: bool) -> BlockHeader:
        """Return the header of a slot that the node lists as one with a block."""
        found = await self.of_slot(slot, Level.CONFIRMED)
        if isinstance(found, SlotHeader):
            return found.header
        if found is Absence.SKIPPED and is_denied:
            raise RpcContradictionError(
                chain_id=self.chain_id,
                method=SLOTS_METHOD,
                reason=f"slot {slot} is listed with a block and said to have none",
            )
        raise self.gone(slot)

    async def of_hash(self, block_hash: bytes) -> BlockHeader:
        """
        Return the header with a hash: one that was read before, or one near the head.

        Raises:
            BlockGoneError: it is not on the node's chain, or nowhere near.
        """
        kept = self._kept.get(block_hash)
        if kept is not None:
            found = await self.of_slot(kept.header.block.height, Level.CONFIRMED)
            if isinstance(found, SlotHeader) and found.header.block.block_hash == block_hash:
                return found.header
            raise BlockGoneError(chain_id=self.chain_id, reference="0x" + block_hash.hex())
        header = await self._head(Level.CONFIRMED)
        for _ in range(ANCESTORS_MAX):
            if header.block.block_hash == block_hash:
                return header
            parent = await self._parent_of(header)
            if parent is None:
                break
            header = parent
        raise BlockGoneError(chain_id=self.chain_id, reference="0x" + block_hash.hex())

    async def _parent_of(self, header: BlockHeader) -> BlockHeader | None:
        kept = self._kept.get(header.parent_hash)
        if kept is not None:
            return kept.header
        own = self._kept.get(header.block.block_hash)
        if own is None or header.block.height == 0:
            return None
        found = await self.of_slot(own.parent_slot, Level.CONFIRMED)
        if not isinstance(found, SlotHeader):
            return None
        if found.header.block.block_hash != header.parent_hash:
            raise RpcContradictionError(
                chain_id=self.chain_id,
                method=BLOCK_METHOD,
                reason=f"block {header.block.height} names another parent than slot "
                f"{own.parent_slot} has",
            )
        return found.header

    async def check(self, block: BlockRef) -> BlockHeader:
        """
        Return the header of a block, which must be on the node's chain.

        Raises:
            BlockGoneError: it is not, or not yet.
        """
        found = await self.of_slot(block.height, Level.CONFIRMED)
        if not isinstance(found, SlotHeader) or found.header.block != block:
            raise BlockGoneError(chain_id=self.chain_id, reference="0x" + block.block_hash.hex())
        return found.header

    async def of_slot(self, slot: int, level: Level) -> SlotHeader | Absence:
        """Return the header of a slot, or why there is none."""
        answer = await self.block_answer(slot, level, "none")
        if isinstance(answer, Absence):
            return answer
        with usable(self.chain_id, BLOCK_METHOD):
            return self.keep(header_of(answer, slot))

    def keep(self, found: SlotHeader) -> SlotHeader:
        """Remember a header by its hash."""
        self._kept[found.header.block.block_hash] = found
        self._kept.move_to_end(found.header.block.block_hash)
        if len(self._kept) > HEADERS_KEPT_MAX:
            self._kept.popitem(last=False)
        return found

    async def block_answer(self, slot: int, level: Level, details: str) -> dict[str, Any] | Absence:
        """
        Return a block as the node gives it, or why there is none.

        Raises:
            AnswerTooLargeError: only where transactions are asked for.
            BlockGoneError: it is older than all that the node keeps.
        """
        try:
            answer = await self._rpc.request(BLOCK_METHOD, [slot, block_config(level, details)])
        except RpcFaultError as fault:
            if fault.code in SKIPPED_CODES:
                return Absence.SKIPPED
            if fault.code in NOT_YET_CODES:
                return Absence.NOT_YET
            if details == FULL and fault.range_fault is FaultClass.RANGE_TOO_BIG:
                raise AnswerTooLargeError from fault
            raise self._rpc.classified(BLOCK_METHOD, fault, reference=str(slot)) from fault
        except AnswerTooLargeError:
            if details != "none":
                raise
            raise RpcUnavailableError(
                chain_id=self.chain_id, method=BLOCK_METHOD, reason="a header is too large"
            ) from None
        if answer is None or (slot > 0 and _is_timeless(answer)):
            return Absence.NOT_YET
        if not isinstance(answer, dict):
            with usable(self.chain_id, BLOCK_METHOD):
                header_of(answer, slot)
            return Absence.NOT_YET
        return answer

    async def _slots(self, first: int, last: int, level: Level) -> tuple[int, ...]:
        answer = await self._rpc.call(SLOTS_METHOD, [first, last, {"commitment": level.value}])
        with usable(self.chain_id, SLOTS_METHOD):
            return slots_of(answer, first, last)

    def gone(self, slot: int) -> BlockGoneError:
        """Return the error for a slot that the node does not have."""
        return BlockGoneError(chain_id=self.chain_id, reference=str(slot))


def _is_timeless(answer: object) -> bool:
    """Return whether a block has no time yet; a node adds it a moment later."""
    return isinstance(answer, dict) and "blockTime" in answer and answer["blockTime"] is None
