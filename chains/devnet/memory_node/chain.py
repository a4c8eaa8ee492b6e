"""A chain in memory: blocks that follow each other, transactions, reorganisations, finality."""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from chains.devnet.memory_node.logs import Log, bloom_of
from chains.devnet.memory_node.moves import Ground, Tx
from chains.devnet.memory_node.state import ViewHistory, key_of
from chains.devnet.rpc import DevnetError
from chains.port import Argument
from chains.types import BlockRef, ChainId

GENESIS_SECONDS: Final = 1_700_000_000
NO_PARENT: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class ChainOptions:
    """
    How a chain in memory runs.

    Args:
        safe_lag, finalized_lag: how many blocks the tags stay behind the newest; None leaves the
            final one to finalize_to, and makes the safe one the same.
    """

    chain_number: int = 31337
    genesis_seconds: int = GENESIS_SECONDS
    block_seconds: int = 12
    safe_lag: int | None = None
    finalized_lag: int | None = None


@dataclass(frozen=True, slots=True)
class MinedTx:
    """A transaction in a block; its logs stand together, from first_log_index on."""

    tx: Tx
    tx_hash: bytes
    logs: tuple[Log, ...]
    first_log_index: int


@dataclass(frozen=True)
class MinedBlock:
    """A block; hashes are digests of what is in it, not of an encoded header."""

    block: BlockRef
    parent_hash: bytes
    timestamp_seconds: int
    txs: tuple[MinedTx, ...]

    @property
    def logs(self) -> tuple[Log, ...]:
        """All logs in order."""
        return tuple(log for mined in self.txs for log in mined.logs)

    @cached_property
    def bloom(self) -> int:
        """The bloom of all logs."""
        return bloom_of(self.logs)


class MemoryChain:
    """A chain that grows by mine, changes by reorg and becomes final by command or by lag."""

    def __init__(self, options: ChainOptions | None = None) -> None:
        self.options = options or ChainOptions()
        self.chain_id = ChainId(f"eip155:{self.options.chain_number}")
        self.views = ViewHistory()
        self.blocks: list[MinedBlock] = []
        self.lock = threading.RLock()  # held while the chain changes and while it answers
        self._height_of: dict[bytes, int] = {}
        self._tx_place: dict[bytes, tuple[int, int]] = {}
        self._final_height = 0
        self._made = 0
        self.mine()

    @property
    def head(self) -> MinedBlock:
        """The newest block."""
        return self.blocks[-1]

    @property
    def height(self) -> int:
        """The height of the newest block."""
        return len(self.blocks) - 1

    @property
    def final_height(self) -> int:
        """The height of the newest final block."""
        lag = self.options.finalized_lag
        return self._final_height if lag is None else max(self._final_height, self.height - lag)

    @property
    def safe_height(self) -> int:
        """The height of the newest safe block."""
        lag = self.options.safe_lag
        return self.final_height if lag is None else max(self.final_height, self.height - lag)

    def mine(self, *txs: Tx) -> BlockRef:
        """
        Append a block with these transactions.

        Raises:
            DevnetError: a transaction is on the chain already.
        """
        with self.lock:
            return self._append(txs)

    def mine_many(self, blocks: int) -> BlockRef:
        """Append empty blocks and return the last one."""
        with self.lock:
            for _ in range(blocks):
                self._append(())
            return self.head.block

    def reorg(self, depth: int, contents: Sequence[Sequence[Tx]] = ()) -> BlockRef:
        """
        Replace the newest blocks by others, with hashes that were never there before.

        Args:
            depth: how many blocks go, final ones too if the test wants that.
            contents: the transactions of each new block, the lowest first. Fewer contents than
                depth are filled up with empty blocks; more make the chain longer.

        Raises:
            DevnetError: the chain is not that long, or a transaction would be there twice.
        """
        with self.lock:
            self._cut(depth)
            for txs in (*contents, *[()] * max(0, depth - len(contents))):
                self._append(txs)
            return self.head.block

    def roll_back(self, depth: int) -> BlockRef:
        """Take the newest blocks away, silently; return the new head."""
        with self.lock:
            self._cut(depth)
            return self.head.block

    def finalize_to(self, height: int | None = None) -> None:
        """Declare a height final, by default the newest; never lowers it."""
        with self.lock:
            reached = self.height if height is None else self._known(height)
            self._final_height = max(self._final_height, reached)

    def set_view(self, contract: bytes, function: str, *arguments: Argument, answer: bytes) -> None:
        """Let a view answer these bytes from the newest block on."""
        with self.lock:
            self.views.write(self.height, key_of(contract, function, *arguments), answer)

    def block_of(self, block_hash: bytes) -> MinedBlock | None:
        """Return the block with a hash, None where it is not on the chain."""
        height = self._height_of.get(block_hash)
        return None if height is None else self.blocks[height]

    def place_of(self, tx_hash: bytes) -> tuple[MinedBlock, int] | None:
        """Return a transaction's block and its index there, None where it is in no block."""
        place = self._tx_place.get(tx_hash)
        return None if place is None else (self.blocks[place[0]], place[1])

    def _append(self, txs: Sequence[Tx]) -> BlockRef:
        height = len(self.blocks)
        hashes = [tx.tx_hash for tx in txs]
        if len(set(hashes)) != len(hashes) or any(known in self._tx_place for known in hashes):
            raise DevnetError("a transaction is on the chain already; give each its own name")
        ground = Ground(self.views, height)
        mined: list[MinedTx] = []
        log_index = 0
        for tx, tx_hash in zip(txs, hashes, strict=True):
            logs = tuple(log for move in tx.moves for log in move(ground))
            mined.append(MinedTx(tx, tx_hash, logs, log_index))
            self._tx_place[tx_hash] = (height, len(mined) - 1)
            log_index += len(logs)
        block = self._sealed(tuple(mined))
        self._height_of[block.block.block_hash] = height
        self.blocks.append(block)
        return block.block

    def _sealed(self, txs: tuple[MinedTx, ...]) -> MinedBlock:
        """Return a block with a hash of its own, also where its contents were mined before."""
        height = len(self.blocks)
        parent_hash = self.blocks[-1].block.block_hash if self.blocks else NO_PARENT
        made = self._made.to_bytes(8, "big")
        number = self.options.chain_number.to_bytes(8, "big")
        content = b"".join(mined.tx_hash for mined in txs)
        digest = hashlib.sha256(b"block:" + number + parent_hash + made + content).digest()
        self._made += 1
        seconds = self.options.genesis_seconds + height * self.options.block_seconds
        return MinedBlock(BlockRef(height, digest), parent_hash, seconds, txs)

    def _cut(self, depth: int) -> None:
        if not 0 <= depth <= self.height:
            raise DevnetError(
                f"{depth} blocks cannot go, the chain has {self.height} above genesis"
            )
        first_height = len(self.blocks) - depth
        for block in self.blocks[first_height:]:
            del self._height_of[block.block.block_hash]
            for mined in block.txs:
                del self._tx_place[mined.tx_hash]
        del self.blocks[first_height:]
        self.views.cut(first_height)
        self._final_height = min(self._final_height, self.height)

    def _known(self, height: int) -> int:
        if not 0 <= height <= self.height:
            raise DevnetError(f"height {height} is outside 0..{self.height}")
        return height
