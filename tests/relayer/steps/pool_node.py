"""An honest node with a mempool for one sending key: nonce order, replacement, blocks, finality."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from eth_hash.auto import keccak

from chains.errors import AccountNonceUsedError, FeeTooLowError
from chains.finality import Heads
from chains.message import Message
from chains.port import ContractCall, Fees, Receipt, SignedTransaction
from chains.types import BlockHeader, BlockRef, ChainId
from tests.relayer.api.kit import CHAIN_A, signer
from tests.relayer.steps.fakes import FakeBridge

FINAL_DEPTH: Final = 3
BLOCK_TRANSACTIONS_MAX: Final = 64
STRANGER: Final = b"somebody else with the same key"
FILLER: Final = b"nothing"
GWEI: Final = 10**9


@dataclass(frozen=True, slots=True)
class PoolTransaction:
    """A signed transaction as the node sees it; intent is what it does."""

    account_nonce: int
    fees: Fees
    intent: bytes

    @property
    def raw(self) -> bytes:
        """Its bytes."""
        numbers = (self.account_nonce, self.fees.max_fee_wei, self.fees.priority_fee_wei)
        return b"".join(number.to_bytes(16, "big") for number in numbers) + self.intent

    @property
    def tx_hash(self) -> bytes:
        """Its name."""
        return keccak(self.raw)


def parsed(raw: bytes) -> PoolTransaction:
    """Return the transaction of bytes."""
    nonce, max_fee, priority = (int.from_bytes(raw[at : at + 16], "big") for at in (0, 16, 32))
    return PoolTransaction(nonce, Fees(max_fee, priority), raw[48:])


@dataclass(frozen=True, slots=True)
class PoolBlock:
    """One block."""

    ref: BlockRef
    timestamp_seconds: int
    transactions: tuple[PoolTransaction, ...]
    total: int = 0  # transactions up to and with this block


@dataclass
class PoolNode:
    """
    The chain and the mempool. A transaction is mined in the order of nonces or not at all.

    seen: every raw transaction that was ever handed in, in order.
    """

    base_fee_wei: int = 10 * GWEI
    blocks: list[PoolBlock] = field(default_factory=list)
    pool: dict[int, PoolTransaction] = field(default_factory=dict)
    seen: list[bytes] = field(default_factory=list)
    forks: int = 0
    places: dict[bytes, PoolBlock] = field(default_factory=dict)
    effects: dict[bytes, int] = field(default_factory=dict)  # intent to the height it landed at

    def __post_init__(self) -> None:
        for height in range(FINAL_DEPTH + 1):
            self.blocks.append(PoolBlock(self._ref(height), height, ()))

    @property
    def next_nonce(self) -> int:
        """How many transactions of the key are in blocks."""
        return self.blocks[-1].total

    @property
    def final_nonce(self) -> int:
        """How many of them are final."""
        return self.final_block.total

    @property
    def pending_nonce(self) -> int:
        """The first nonce that neither a block nor the pool has."""
        nonce = self.next_nonce
        while nonce in self.pool:
            nonce += 1
        return nonce

    @property
    def gap(self) -> int | None:
        """The nonce that all of the pool waits for; None while nothing waits."""
        nonce = self.pending_nonce
        return nonce if any(other > nonce for other in self.pool) else None

    @property
    def final_block(self) -> PoolBlock:
        """The newest block that is never replaced."""
        return self.blocks[-1 - FINAL_DEPTH]

    def submit(self, transaction: PoolTransaction) -> None:
        """Take a transaction into the pool, as honest nodes do."""
        self.seen.append(transaction.raw)
        nonce = transaction.account_nonce
        if transaction.tx_hash in self.places or self.pool.get(nonce) == transaction:
            return
        if nonce < self.next_nonce:
            raise AccountNonceUsedError(chain_id=CHAIN_A, account_nonce=nonce)
        old = self.pool.get(nonce)
        if old is not None and not _replaces(transaction.fees, old.fees):
            raise FeeTooLowError(chain_id=CHAIN_A, reason="replacement transaction underpriced")
        self.pool[nonce] = transaction

    def mine(self, timestamp_seconds: int) -> PoolBlock:
        """Make a block of what can be executed."""
        chosen: list[PoolTransaction] = []
        nonce = self.next_nonce
        while len(chosen) < BLOCK_TRANSACTIONS_MAX:
            transaction = self.pool.get(nonce)
            if transaction is None or transaction.fees.max_fee_wei < self.base_fee_wei:
                break
            chosen.append(self.pool.pop(nonce))
            nonce += 1
        return self._append(chosen, timestamp_seconds)

    def use_elsewhere(self, timestamp_seconds: int) -> None:
        """Mine a transaction of a stranger who has the key too; what it replaces is forgotten."""
        nonce = self.next_nonce
        self.pool.pop(nonce, None)
        self.forks += 1
        intent = STRANGER + self.forks.to_bytes(4, "big")
        self._append([PoolTransaction(nonce, Fees(GWEI, GWEI), intent)], timestamp_seconds)

    def reorganise(self, depth: int, *, keeps: Callable[[PoolTransaction], bool]) -> None:
        """Replace the newest blocks by empty ones; what is kept is in the pool again."""
        depth = min(depth, FINAL_DEPTH)
        gone = [self.blocks.pop() for _ in range(depth)]
        self.forks += 1
        for block in gone:
            for transaction in block.transactions:
                del self.places[transaction.tx_hash]
                self.effects.pop(transaction.intent, None)
                if keeps(transaction) and not transaction.intent.startswith(STRANGER):
                    self.pool.setdefault(transaction.account_nonce, transaction)
        for block in reversed(gone):
            self._append([], block.timestamp_seconds)

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Return where a transaction is."""
        block = self.places.get(tx_hash)
        return None if block is None else Receipt(tx_hash, block.ref, True, 21_000)

    def landed(self, last_height: int | None = None) -> dict[bytes, int]:
        """Return how often each intent is in the chain, up to a height."""
        counts: dict[bytes, int] = {}
        for block in self.blocks[: None if last_height is None else last_height + 1]:
            for transaction in block.transactions:
                counts[transaction.intent] = counts.get(transaction.intent, 0) + 1
        return counts

    def _append(self, chosen: list[PoolTransaction], timestamp_seconds: int) -> PoolBlock:
        total = self.blocks[-1].total + len(chosen)
        block = PoolBlock(self._ref(len(self.blocks)), timestamp_seconds, tuple(chosen), total)
        self.blocks.append(block)
        for transaction in chosen:
            self.places[transaction.tx_hash] = block
            self.effects.setdefault(transaction.intent, block.ref.height)
        return block

    def _ref(self, height: int) -> BlockRef:
        return BlockRef(height, keccak(b"%d on fork %d" % (height, self.forks)))


def _replaces(new: Fees, old: Fees) -> bool:
    is_dearer = new.max_fee_wei * 10 >= old.max_fee_wei * 11
    return is_dearer and new.priority_fee_wei * 10 >= old.priority_fee_wei * 11


@dataclass
class PoolSender:
    """
    chains.port.TransactionSender over the node; before and after may raise what fails.

    The intent of a transaction is the id of the message that its call carries.
    """

    node: PoolNode
    before: Callable[[str], None] = lambda _: None
    after: Callable[[str], None] = lambda _: None
    bump: Callable[[Fees, Fees], Fees] = lambda old, _: Fees(
        old.max_fee_wei * 9 // 8 + 1, old.priority_fee_wei * 9 // 8 + 1
    )
    chain_id: ChainId = CHAIN_A
    address: bytes = signer("gas").address

    async def pending_account_nonce(self) -> int:
        """Return the next nonce, the pool included."""
        self.before("pending_nonce")
        return self.node.pending_nonce

    async def final_account_nonce(self) -> int:
        """Return the next nonce as of the final block."""
        self.before("final_nonce")
        return self.node.final_nonce

    async def balance_units(self) -> int:
        """Return what the key can pay with."""
        return 10**18

    async def suggest_fees(self) -> Fees:
        """Return twice the base fee and a tip."""
        return Fees(2 * self.node.base_fee_wei + GWEI, GWEI)

    def bump_fees(self, old: Fees, suggested: Fees) -> Fees:
        """Return fees that replace an attempt."""
        new = self.bump(old, suggested)
        max_fee = max(new.max_fee_wei, suggested.max_fee_wei)
        return Fees(max_fee, max(new.priority_fee_wei, suggested.priority_fee_wei))

    async def simulate(self, call: ContractCall) -> None:
        """Refuse nothing."""

    async def prepare(
        self, call: ContractCall, account_nonce: int, fees: Fees
    ) -> SignedTransaction:
        """Sign: the same call, nonce and fees give the same bytes."""
        self.before("prepare")
        intent = keccak(call.arguments[0]) if call.function else FILLER  # type: ignore[arg-type]
        signed = PoolTransaction(account_nonce, fees, intent)
        return SignedTransaction(CHAIN_A, signed.tx_hash, signed.raw, account_nonce, fees)

    async def broadcast(self, transaction: SignedTransaction) -> None:
        """Hand it to the pool."""
        self.before("broadcast")
        self.node.submit(parsed(transaction.raw))
        self.after("broadcast")

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Return where a transaction stands."""
        self.before("receipt")
        return self.node.receipt(tx_hash)

    async def close(self) -> None:
        """Do nothing."""


@dataclass
class PoolReader:
    """The heads of the node."""

    node: PoolNode
    chain_id: ChainId = CHAIN_A

    async def heads(self) -> Heads:
        """Return the newest and the newest final header."""
        newest, final = self.node.blocks[-1], self.node.final_block
        return Heads(_header(newest), _header(final))


class PoolBridge(FakeBridge):
    """The vault on the node's chain: it has executed what is in the chain now."""

    def __init__(self, node: PoolNode) -> None:
        super().__init__()
        self._node = node

    async def status(self, message: Message, block: BlockRef | None) -> bool:
        """Return whether it was executed, as of a block."""
        height = self._node.effects.get(message.message_id)
        return height is not None and (block is None or height <= block.height)


def _header(block: PoolBlock) -> BlockHeader:
    return BlockHeader(block.ref, bytes(32), block.timestamp_seconds)
