"""Slots, blocks, levels of commitment and histories; taking slots back."""

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from typing import Final, Protocol

from solders.clock import Clock
from solders.hash import Hash
from solders.pubkey import Pubkey

from chains.devnet.rpc import DevnetError
from chains.devnet.schedule import draw
from chains.devnet.solana.bank import Bank
from chains.devnet.solana.nonces import durable_of
from chains.devnet.solana.options import (
    BLOCKHASHES_VALID,
    BPS,
    SLOT_HASHES_MAX,
    SLOTS_PER_EPOCH,
    SolanaOptions,
)
from chains.devnet.solana.records import Block, Landed
from chains.finality import Finality

SLOTS_PER_COMMAND_MAX: Final = 1_000_000


class Listener(Protocol):
    """Whoever is told what happens; called with the ledger's lock held."""

    def slot_opened(self, block: Block) -> None:
        """Take a slot in which transactions land from now on."""
        ...

    def reached(self, finality: Finality, landed: Landed) -> None:
        """Take a transaction that is processed."""
        ...

    def level_moved(self, finality: Finality, blocks: list[Block]) -> None:
        """Take the blocks that are confirmed or final from now on."""
        ...

    def restored(self, keys: list[Pubkey]) -> None:
        """Take the accounts that were changed back."""
        ...


class Ledger:
    """
    One chain of blocks; the newest is open. Hold lock for every use from more than one thread.

    A block may name any of the 150 blockhashes before it, by height.
    """

    def __init__(self, options: SolanaOptions) -> None:
        self.options = options
        self.lock = threading.RLock()
        self.bank = Bank()
        self.listeners: list[Listener] = []
        self.is_confirming = True
        self.landed: dict[str, Landed] = {}
        self.landed_count = 0
        self._of_address: dict[Pubkey, deque[Landed]] = {}
        genesis = Block(0, 0, 0, bytes(32), options.time_of(0), options.seed)
        genesis.close()
        self.genesis_hash = genesis.block_hash
        self.blocks: list[Block] = [genesis]
        self._levels = {Finality.SAFE: 0, Finality.FINALIZED: 0}
        self._heights = {genesis.block_hash: 0}
        self._rollback_count = 0
        self._fork = options.seed
        self._open(1)

    # ---- reading

    @property
    def tip(self) -> Block:
        """The open block."""
        return self.blocks[-1]

    @property
    def durable(self) -> bytes:
        """The value that a nonce has when it is advanced now."""
        return durable_of(self.tip.parent_hash)

    def block_at(self, finality: Finality) -> Block:
        """Return the newest block of a level."""
        if finality is Finality.LATEST:
            return self.tip
        block = self.newest_until(self._levels[finality])
        if block is None:
            raise DevnetError("the level lies below the kept history")
        return block

    def newest_until(self, slot: int) -> Block | None:
        """Return the newest block at or below a slot."""
        place = bisect_right(self.blocks, slot, key=lambda block: block.slot)
        return self.blocks[place - 1] if place else None

    def block_of(self, slot: int) -> Block | None:
        """Return the block of a slot, None for a slot without one."""
        block = self.newest_until(slot)
        return block if block is not None and block.slot == slot else None

    def blocks_between(self, first: int, last: int) -> list[Block]:
        """Return the blocks of the slots from first to last."""
        low = bisect_right(self.blocks, first - 1, key=lambda block: block.slot)
        high = bisect_right(self.blocks, last, key=lambda block: block.slot)
        return self.blocks[low:high]

    def newest_hash(self, finality: Finality) -> tuple[bytes, int]:
        """Return the newest blockhash of a level and the height of its block."""
        block = self.block_at(finality)
        if block is self.tip:
            return block.parent_hash, self._heights[block.parent_hash]
        return block.block_hash, block.height

    def is_hash_valid(self, block_hash: Hash, finality: Finality) -> bool:
        """Return whether the next block of a level may hold a transaction with that blockhash."""
        _, newest_height = self.newest_hash(finality)
        height = self._heights.get(bytes(block_hash))
        return height is not None and 0 <= newest_height - height < BLOCKHASHES_VALID

    def of_address(self, key: Pubkey) -> Iterator[Landed]:
        """Yield the transactions of an address, the newest first."""
        return reversed(self._of_address.get(key, deque()))

    # ---- moving

    def advance(self, slots: int = 1) -> None:
        """Move on by some slots, by more where the seed has the last ones skipped."""
        _check_slots(slots)
        target = self.tip.slot + slots
        while self.tip.slot < target:
            self._close()
            slot = self.tip.slot + 1
            while self._is_skipped(slot):
                slot += 1
            self._open(slot)

    def skip(self, slots: int) -> None:
        """Close the block and let some slots pass without one before the next."""
        _check_slots(slots)
        self._close()
        self._open(self.tip.slot + slots + 1)

    def land(self, landed: Landed) -> None:
        """Put a transaction that has run into the open block."""
        self.landed[landed.signature] = landed
        self.landed_count += 1
        self.tip.landed.append(landed)
        for key in dict.fromkeys(landed.keys.all):
            self._of_address.setdefault(key, deque()).append(landed)
        for listener in self.listeners:
            listener.reached(Finality.LATEST, landed)

    def roll_back(
        self, slots: int, *, is_refilling: bool = False, fork: int | None = None
    ) -> list[Landed]:
        """
        Drop the newest slots, the open one among them, and go on from what is left.

        Args:
            is_refilling: fill the same slots again; else they stay without blocks.
            fork: goes into the hashes from here on; another one each time if None.

        Returns:
            What had landed in them, in order.

        Raises:
            DevnetError: that would take back a final slot.
        """
        tip_slot = self.tip.slot
        last = self.newest_until(tip_slot - slots)
        if slots < 1 or last is None or last.slot < self._levels[Finality.FINALIZED]:
            raise DevnetError(f"{slots} slots cannot be rolled back: some of them are final")
        dropped = [block for block in self.blocks if block.slot > last.slot]
        del self.blocks[-len(dropped) :]
        for block in dropped:
            self._heights.pop(block.block_hash, None)
        landed = [one for block in dropped for one in block.landed]
        for one in reversed(landed):
            self._forget(one, is_newest=True)
        restored = self.bank.roll_back(last.slot)
        self._levels[Finality.SAFE] = min(self._levels[Finality.SAFE], last.slot)
        self._rollback_count += 1
        self._fork = self.options.seed + self._rollback_count if fork is None else fork
        self._open(tip_slot - slots + 1 if is_refilling else tip_slot + 1)
        for listener in self.listeners:
            listener.restored(restored)
        return landed

    # ---- inside

    def _is_skipped(self, slot: int) -> bool:
        bps = self.options.skipped_bps
        return bps > 0 and draw(self.options.seed, "skipped", slot) % BPS < bps

    def _close(self) -> None:
        self.tip.close()
        self._heights[self.tip.block_hash] = self.tip.height

    def _open(self, slot: int) -> None:
        parent = self.tip
        self.blocks.append(
            Block(
                slot,
                parent.slot,
                parent.height + 1,
                parent.block_hash,
                self.options.time_of(slot),
                self._fork,
            )
        )
        self._tell_runtime()
        for listener in self.listeners:
            listener.slot_opened(self.tip)
        if self.is_confirming:
            self._move_levels()

    def _tell_runtime(self) -> None:
        """Let programs see slot, time and the hashes of the slots before."""
        slot = self.tip.slot
        epoch = slot // SLOTS_PER_EPOCH
        epoch_start = self.options.time_of(epoch * SLOTS_PER_EPOCH)
        self.bank.svm.set_clock(Clock(slot, epoch_start, epoch, epoch + 1, self.tip.seconds))
        hashes = self.blocks[-SLOT_HASHES_MAX - 1 : -1]
        self.bank.svm.set_slot_hashes(
            [(block.slot, Hash(block.block_hash)) for block in reversed(hashes)]
        )

    def _move_levels(self) -> None:
        lags = {
            Finality.SAFE: self.options.confirmed_lag_slots,
            Finality.FINALIZED: self.options.finalized_lag_slots,
        }
        for finality, lag in lags.items():
            before = self._levels[finality]
            block = self.newest_until(self.tip.slot - lag)
            if block is None or block.slot <= before:
                continue
            self._levels[finality] = block.slot
            for listener in self.listeners:
                listener.level_moved(finality, self.blocks_between(before + 1, block.slot))
        self._prune()

    def _prune(self) -> None:
        final_slot = self._levels[Finality.FINALIZED]
        self.bank.forget(final_slot)
        first = final_slot - self.options.slots_kept
        count = bisect_right(self.blocks, first - 1, key=lambda block: block.slot)
        for block in self.blocks[:count]:
            self._heights.pop(block.block_hash, None)
            for one in block.landed:
                self._forget(one, is_newest=False)
        del self.blocks[:count]

    def _forget(self, landed: Landed, *, is_newest: bool) -> None:
        self.landed.pop(landed.signature, None)
        self.landed_count -= is_newest
        for key in dict.fromkeys(landed.keys.all):
            listed = self._of_address[key]
            if is_newest:
                listed.pop()
            else:
                listed.popleft()
            if not listed:
                del self._of_address[key]


def _check_slots(slots: int) -> None:
    if not 1 <= slots <= SLOTS_PER_COMMAND_MAX:
        raise DevnetError(f"{slots} slots: 1 to {SLOTS_PER_COMMAND_MAX} can pass at once")
