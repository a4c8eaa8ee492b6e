"""A chain with a pool, contracts, finality and branches; it is honest, its nodes may not be."""

from dataclasses import dataclass, field
from typing import Final

from eth_hash.auto import keccak

from chains.events import EventPosition, ObservedEvent
from chains.port import Fees
from chains.types import BlockHeader, BlockRef, ChainId
from relayer.clock import Clock
from tests.simulation.chance import Chance
from tests.simulation.contracts import Call, Deliver, Nothing, RevertError, Site, State, apply

REORG_DEPTH_MAX: Final = 8
TRANSACTIONS_PER_BLOCK_MAX: Final = 6
FREE: Final = Fees(0, 0)


@dataclass(frozen=True, slots=True)
class Transaction:
    """What waits in the pool or stands in a block; account_nonce only where a key sends."""

    tx_hash: bytes
    name: str
    call: Call | Nothing
    sender: bytes | None = None
    account_nonce: int = 0
    fees: Fees = FREE


@dataclass(frozen=True, slots=True)
class Block:
    """A block: what was in it, what that emitted, and the storage after it."""

    header: BlockHeader
    transactions: tuple[Transaction, ...]
    successes: frozenset[bytes]
    events: tuple[ObservedEvent, ...]
    state: State

    @property
    def ref(self) -> BlockRef:
        """Height and hash."""
        return self.header.block


@dataclass(slots=True)
class Branch:
    """What one node may know of the chain: blocks from the first one on, and which are final."""

    blocks: list[Block]
    final_height: int

    @property
    def final(self) -> Block:
        """The newest final block that this branch has."""
        return self.blocks[min(self.final_height, len(self.blocks) - 1)]


@dataclass(slots=True)
class SimulatedChain:
    """
    One chain: mines from its pool, declares blocks final, and replaces those that are not.

    signed says what each signed transaction calls: a node reads it out of the bytes. dead is the
    branch that the newest reorg left behind: nodes may still answer from it until what replaced it
    is final. At that point no node is behind so far.
    """

    site: Site
    clock: Clock
    chance: Chance
    blocks: list[Block] = field(default_factory=list)
    pool: list[Transaction] = field(default_factory=list)
    final_height: int = 0
    dead: Branch | None = None
    signed: dict[bytes, Deliver | Nothing] = field(default_factory=dict)
    _fork_height: int = 0
    _made: int = 0

    def __post_init__(self) -> None:
        if not self.blocks:
            self.mine(0)

    @property
    def chain_id(self) -> ChainId:
        """The chain's name."""
        return self.site.chain_id

    @property
    def height(self) -> int:
        """The height of the newest block."""
        return len(self.blocks) - 1

    @property
    def newest(self) -> Block:
        """The newest block."""
        return self.blocks[-1]

    @property
    def final(self) -> Block:
        """The newest final block."""
        return self.blocks[self.final_height]

    def copy(self, clock: Clock, chance: Chance) -> "SimulatedChain":
        """Return the same chain for another run; blocks never change, so they are shared."""
        return SimulatedChain(
            site=self.site,
            clock=clock,
            chance=chance,
            blocks=list(self.blocks),
            pool=list(self.pool),
            final_height=self.final_height,
            _made=self._made,
        )

    def submit(self, transaction: Transaction) -> None:
        """Put a transaction into the pool; one with the same key and nonce is replaced."""
        self.pool = [
            other
            for other in self.pool
            if other.tx_hash != transaction.tx_hash
            and (
                transaction.sender is None
                or (other.sender, other.account_nonce)
                != (transaction.sender, transaction.account_nonce)
            )
        ]
        self.pool.append(transaction)

    def mine(self, transactions_max: int = TRANSACTIONS_PER_BLOCK_MAX) -> Block:
        """Append a block with some of the pool; nonces of a key go in order."""
        self._made += 1
        parent = self.blocks[-1] if self.blocks else None
        parent_hash = bytes(32) if parent is None else parent.ref.block_hash
        block_hash = keccak(self.chain_id.encode() + parent_hash + self._made.to_bytes(8, "big"))
        ref = BlockRef(len(self.blocks), block_hash)
        at = int(self.clock.now())
        if parent is not None:
            at = max(at, parent.header.timestamp_seconds + 1)
        state = State(accrued_at=at) if parent is None else parent.state.copy()
        chosen, successes, events = self._run(ref, state, at, transactions_max)
        header = BlockHeader(ref, parent_hash, at)
        block = Block(header, tuple(chosen), frozenset(successes), tuple(events), state)
        self.blocks.append(block)
        return block

    def _run(
        self, ref: BlockRef, state: State, at: int, transactions_max: int
    ) -> tuple[list[Transaction], list[bytes], list[ObservedEvent]]:
        chosen: list[Transaction] = []
        successes: list[bytes] = []
        events: list[ObservedEvent] = []
        waiting = self.chance.shuffled(self.pool) if self.pool else []
        for _ in range(transactions_max):
            ready = next((one for one in waiting if _is_next(one, state)), None)
            if ready is None:
                break
            waiting.remove(ready)
            chosen.append(ready)
            if ready.sender is not None:
                state.account_nonces[ready.sender] = ready.account_nonce + 1
            position = EventPosition(
                self.chain_id, ref, ready.tx_hash, len(events), self.site.contract
            )
            if isinstance(ready.call, Nothing):
                successes.append(ready.tx_hash)
                continue
            try:
                events.append(apply(ready.call, state, self.site, at, position))
            except RevertError:
                continue
            successes.append(ready.tx_hash)
        taken = {one.tx_hash for one in chosen}
        self.pool = [one for one in self.pool if one.tx_hash not in taken]
        self.pool = [one for one in self.pool if not _is_used(one, state)]
        return chosen, successes, events

    def finalize(self, height: int) -> None:
        """Call everything up to a height final; what was final stays so."""
        self.final_height = max(self.final_height, min(height, self.height))
        if self.dead is not None and self.final_height > self._fork_height:
            self.dead = None

    def reorg(self, depth: int, lost_thousandths: int) -> int:
        """
        Replace the newest blocks; what stood in them goes back to the pool, or is lost.

        Returns:
            How many blocks went.
        """
        depth = min(depth, self.height - self.final_height, REORG_DEPTH_MAX)
        if depth <= 0:
            return 0
        self.dead = Branch(list(self.blocks), self.final_height)
        gone = self.blocks[-depth:]
        del self.blocks[-depth:]
        self._fork_height = self.height
        for block in gone:
            for transaction in block.transactions:
                if not self.chance.hits(lost_thousandths):
                    self.pool.append(transaction)
        for _ in range(max(1, depth + self.chance.number(-1, 1))):
            self.mine(self.chance.number(0, TRANSACTIONS_PER_BLOCK_MAX))
        return depth

    def is_executed(self, message_id: bytes) -> bool:
        """Return whether a message was executed on the living branch."""
        return message_id in self.newest.state.executed

    def waits_in_pool(self, message_id: bytes) -> bool:
        """Return whether a delivery of a message waits in the pool."""
        return any(
            isinstance(one.call, Deliver) and keccak(one.call.raw) == message_id
            for one in self.pool
        )


def _is_next(transaction: Transaction, state: State) -> bool:
    sender = transaction.sender
    return sender is None or transaction.account_nonce == state.account_nonces.get(sender, 0)


def _is_used(transaction: Transaction, state: State) -> bool:
    sender = transaction.sender
    return sender is not None and transaction.account_nonce < state.account_nonces.get(sender, 0)
