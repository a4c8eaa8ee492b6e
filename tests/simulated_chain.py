"""A chain in memory: blocks, branches, finality and logs; what it says is always consistent."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from eth_hash.auto import keccak

from chains.attestation import GuardianSet
from chains.errors import (
    BlockGoneError,
    CallRevertedError,
    ChainError,
    MalformedLogError,
    RangeTooLargeError,
)
from chains.events import (
    Borrowed,
    CollateralExited,
    CollateralLocked,
    CollateralReleased,
    CollateralSeized,
    CreditGranted,
    EventPosition,
    ObservedEvent,
    Repaid,
)
from chains.finality import ChainIdentity, Heads
from chains.port import ContractCall, CreditLineState, EventRead, Grant, VaultState
from chains.types import BlockHeader, BlockRef, ChainId
from tests.chain_families import Family, Slots, slots_of

RAY: Final = 10**27
GENESIS_SECONDS: Final = 1_700_000_000
BLOCK_SECONDS: Final = 12
WIDE: Final = 1_000
INNER_BITS: Final = 16

# A transaction of one log: its name makes the hash, so the same name in another block is the same
# transaction moved. The builder gets where the log stands and the next lock of the branch.
Build = Callable[[EventPosition, int], ObservedEvent]


@dataclass(frozen=True, slots=True)
class Tx:
    """One transaction with one log of a contract; without a builder the log is malformed."""

    name: str
    contract: bytes
    build: Build | None


@dataclass(frozen=True, slots=True)
class Block:
    """A block and what its logs say."""

    header: BlockHeader
    events: tuple[ObservedEvent, ...]
    malformed: tuple[MalformedLogError, ...]


@dataclass(slots=True)
class SimulatedChain:
    """
    chains.port.ChainReader over blocks in memory.

    Args:
        slots: heights without blocks, hashes and places of transactions as on Solana, and no old
            states; None for a chain as those of the EVM, where blocks[height] is the block there.
        span_max: a range of more blocks is refused as too large.
        fault: called with (method, height) before each answer; it may raise what a node raises,
            or change the chain under the reader.
        seen_height: what a node that lags behind knows; None for all.
        claimed_final: a header that a lying node calls final; None for the truth.
        change: what a node makes of each answer about events; None for the truth. Other nodes of
            the same chain are made by dataclasses.replace.
    """

    chain_id: ChainId
    span_max: int = WIDE
    fault: Callable[[str, int], None] | None = None
    seen_height: int | None = None
    claimed_final: BlockHeader | None = None
    change: Callable[[EventRead], EventRead] | None = None
    final_height: int = 0
    start_seconds: int = GENESIS_SECONDS
    index_ray: int = RAY
    slots: Slots | None = None
    blocks: list[Block] = field(default_factory=list)
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    _made: int = 0

    def __post_init__(self) -> None:
        if not self.blocks:
            self.mine()

    @property
    def suggested_span(self) -> int:
        """As many blocks as the caller likes."""
        return WIDE

    @property
    def height(self) -> int:
        """The height of the newest block."""
        return self.blocks[-1].header.block.height

    @property
    def unfinal(self) -> int:
        """How many blocks may still go."""
        return sum(block.header.block.height > self.final_height for block in self.blocks)

    def block_at(self, height: int) -> Block | None:
        """Return the block at exactly a height, None where there is none."""
        found = [block for block in self.blocks if block.header.block.height == height]
        return found[0] if found else None

    def blocks_within(self, heights: int) -> int:
        """Return how many blocks the newest heights hold."""
        lowest = self.height - heights
        return sum(block.header.block.height > lowest for block in self.blocks)

    def tx_hash(self, transaction: Tx) -> bytes:
        """Return the hash of a transaction, or its signature."""
        tx_hash = keccak(transaction.name.encode())
        return tx_hash if self.slots is None else tx_hash + keccak(tx_hash)

    def _next_height(self, gap: int | None) -> int:
        if not self.blocks:
            return 0
        if gap is None:
            gap = 0 if self.slots is None else self.slots.gap()
        return self.height + 1 + gap

    def mine(self, *transactions: Tx, gap: int | None = None) -> Block:
        """
        Append a block with these transactions; no two blocks have one hash.

        Args:
            gap: how many heights before it have no block; None: as the chain's slots say.
        """
        self._made += 1
        height = self._next_height(gap)
        parent = self.blocks[-1].header.block.block_hash if self.blocks else bytes(32)
        block = BlockRef(height, keccak(parent + self._made.to_bytes(8, "big")))
        seconds = self.start_seconds + height * BLOCK_SECONDS
        locks = self._locks()
        events: list[ObservedEvent] = []
        malformed: list[MalformedLogError] = []
        for place, transaction in enumerate(transactions):
            log_index = place if self.slots is None else place << INNER_BITS
            tx_hash = self.tx_hash(transaction)
            if transaction.build is None:
                malformed.append(
                    MalformedLogError(
                        block=block,
                        contract=transaction.contract,
                        tx_hash=tx_hash,
                        log_index=log_index,
                        reason="shape",
                    )
                )
                continue
            position = EventPosition(self.chain_id, block, tx_hash, log_index, transaction.contract)
            event = transaction.build(position, locks + 1)
            locks += isinstance(event, CollateralLocked)
            events.append(event)
        made = Block(BlockHeader(block, parent, seconds), tuple(events), tuple(malformed))
        self.blocks.append(made)
        return made

    def mine_empty(self, count: int) -> None:
        """Append blocks without logs."""
        for _ in range(count):
            self.mine()

    def drop(self, depth: int) -> list[Block]:
        """Take the newest blocks away; return them."""
        gone = self.blocks[-depth:] if depth else []
        del self.blocks[len(self.blocks) - depth :]
        return gone

    def reorg(self, depth: int, *contents: Sequence[Tx]) -> None:
        """Replace the newest blocks by others, one for each sequence of transactions."""
        self.drop(depth)
        for transactions in contents:
            self.mine(*transactions)

    def finalize(self, height: int | None = None) -> None:
        """Call everything up to a height final, or up to the head."""
        wanted = self.height if height is None else height
        is_empty = self.slots is not None and self.block_at(wanted) is None
        self.final_height = self._newest(wanted).header.block.height if is_empty else wanted

    @property
    def events(self) -> tuple[ObservedEvent, ...]:
        """All events of the chain, in order."""
        return tuple(event for block in self.blocks for event in block.events)

    def _locks(self) -> int:
        return sum(isinstance(event, CollateralLocked) for event in self.events)

    def _ask(self, method: str, first_height: int, last_height: int | None = None) -> None:
        last = first_height if last_height is None else last_height
        self.asked.append((method, first_height, last))
        if self.fault is not None:
            self.fault(method, first_height)

    def _known(self) -> list[Block]:
        if self.seen_height is None:
            return self.blocks
        return [b for b in self.blocks if b.header.block.height <= self.seen_height]

    def _newest(self, height: int) -> Block:
        """Return the newest block at or below a height that the node knows."""
        known = self._known()
        place = bisect_right(known, height, key=lambda block: block.header.block.height)
        return known[max(0, place - 1)]

    def _check_kept(self, block: BlockRef) -> None:
        """Refuse a state of long ago where only the newest ones are kept."""
        if self.slots is not None and block.height < self.height - self.slots.states_kept:
            reference = f"{block.height} (its state)"
            raise BlockGoneError(chain_id=self.chain_id, reference=reference)

    async def identity(self) -> ChainIdentity:
        """Return the chain's name and its first block."""
        self._ask("identity", 0)
        return ChainIdentity(self.chain_id, self.blocks[0].header.block)

    async def heads(self) -> Heads:
        """Return the newest header, and the newest final one that the node knows."""
        self._ask("heads", self.height)
        finalized = self.claimed_final or self._newest(self.final_height).header
        return Heads(latest=self._known()[-1].header, finalized=finalized)

    async def header_at(self, height: int) -> BlockHeader:
        """Return the header of the newest block at or below a height."""
        self._ask("header_at", height)
        if height > self._known()[-1].header.block.height:
            raise BlockGoneError(chain_id=self.chain_id, reference=str(height))
        return self._newest(height).header

    async def header_of(self, block_hash: bytes) -> BlockHeader:
        """Return the header with a hash."""
        return self._block_of(block_hash).header

    async def events_in_block(self, block: BlockRef) -> EventRead:
        """Return the events of a block by its hash."""
        self._ask("events_in_block", block.height)
        found = self._block_of(block.block_hash)
        return self._changed(EventRead(found.events, found.malformed))

    async def events_in_range(self, first_height: int, last_height: int) -> EventRead:
        """Return the events of a range, unless it is too large."""
        self._ask("events_in_range", first_height, last_height)
        if last_height - first_height + 1 > self.span_max:
            raise RangeTooLargeError(
                chain_id=self.chain_id, first_height=first_height, last_height=last_height
            )
        found = [
            block
            for block in self._known()
            if first_height <= block.header.block.height <= last_height
        ]
        return self._changed(
            EventRead(
                tuple(event for block in found for event in block.events),
                tuple(error for block in found for error in block.malformed),
            )
        )

    def _changed(self, read: EventRead) -> EventRead:
        return read if self.change is None else self.change(read)

    async def view(self, call: ContractCall, block: BlockRef | None) -> bytes:
        """Refuse: this chain has logs and no code."""
        del block
        raise CallRevertedError(chain_id=self.chain_id, reason=f"no code for {call.function}")

    async def vault_state(self, vault: bytes, token: bytes, block: BlockRef) -> VaultState:
        """Return what the logs up to a block add up to."""
        self._ask("vault_state", block.height)
        self._check_kept(block)
        events = self._up_to(block, vault)
        held_units = sum(_moved(event, token) for event in events)
        locks = sum(isinstance(event, CollateralLocked) for event in events)
        return VaultState(
            block=block,
            vault=vault,
            token=token,
            held_units=held_units,
            balance_units=held_units,
            outflow_available_units=held_units,
            lock_count=locks,
            is_outflow_paused=False,
            is_lock_paused=False,
        )

    async def collateral_units(
        self, vault: bytes, account: bytes, token: bytes, block: BlockRef
    ) -> int:
        """Return what the logs of one account add up to."""
        self._check_kept(block)
        events = self._up_to(block, vault)
        return sum(_moved(event, token) for event in events if event.account == account)

    async def guardian_set(self, contract: bytes, block: BlockRef | None) -> GuardianSet:
        """Refuse: this chain has logs and no code."""
        del block
        raise CallRevertedError(chain_id=self.chain_id, reason=f"no code at 0x{contract.hex()}")

    async def is_executed(self, contract: bytes, message_id: bytes, block: BlockRef | None) -> bool:
        """Return whether a log says so."""
        at = self.blocks[-1].header.block if block is None else block
        events = self._up_to(at, contract)
        return any(getattr(event, "message_id", None) == message_id for event in events)

    async def credit_line_state(self, credit_line: bytes, block: BlockRef) -> CreditLineState:
        """Return the index that the test set, accrued at the block, at no further interest."""
        self._ask("credit_line_state", block.height)
        found = self._block_of(block.block_hash)
        return CreditLineState(self.index_ray, found.header.timestamp_seconds, 0)

    async def debt_units(self, credit_line: bytes, account: bytes, block: BlockRef) -> int:
        """Return the debt after the account's last event."""
        event = self._last_debt(credit_line, account, block)
        return 0 if event is None else -(-event.scaled_after * event.index_ray // RAY)

    async def scaled_debt(self, credit_line: bytes, account: bytes, block: BlockRef) -> int:
        """Return the scaled debt after the account's last event."""
        event = self._last_debt(credit_line, account, block)
        return 0 if event is None else event.scaled_after

    async def grant(self, credit_line: bytes, account: bytes, block: BlockRef) -> Grant:
        """Return the last grant of an account."""
        for event in reversed(self._up_to(block, credit_line)):
            if isinstance(event, CreditGranted) and event.account == account:
                return Grant(event.borrower, event.limit_units, event.expiry_seconds, event.nonce)
        return Grant(bytes(32), 0, 0, 0)

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def _block_of(self, block_hash: bytes) -> Block:
        for block in self._known():
            if block.header.block.block_hash == block_hash:
                return block
        raise BlockGoneError(chain_id=self.chain_id, reference="0x" + block_hash.hex())

    def _up_to(self, block: BlockRef, contract: bytes) -> tuple[ObservedEvent, ...]:
        self._block_of(block.block_hash)
        return tuple(
            event
            for event in self.events
            if event.position.block.height <= block.height and event.position.contract == contract
        )

    def _last_debt(
        self, credit_line: bytes, account: bytes, block: BlockRef
    ) -> Borrowed | Repaid | None:
        for event in reversed(self._up_to(block, credit_line)):
            if isinstance(event, Borrowed | Repaid) and event.account == account:
                return event
        return None


def chain_of(family: Family, chain_id: ChainId, random: Random) -> SimulatedChain:
    """Return a chain of a family."""
    return SimulatedChain(chain_id, slots=slots_of(family, random))


def fail_once(method: str, error: ChainError, *, after: int = 0) -> Callable[[str, int], None]:
    """Return a fault that raises once, at the call of a method that follows so many others."""
    calls = [0]

    def _fault(asked: str, height: int) -> None:
        del height
        if asked == method:
            calls[0] += 1
            if calls[0] == after + 1:
                raise error

    return _fault


def _moved(event: ObservedEvent, token: bytes) -> int:
    if not isinstance(
        event, CollateralLocked | CollateralReleased | CollateralSeized | CollateralExited
    ):
        return 0
    if event.token != token:
        return 0
    return event.units if isinstance(event, CollateralLocked) else -event.units
