"""Nodes: what a process reads a chain through; they fail, lag, and answer from dead branches."""

from dataclasses import dataclass, field
from typing import Final

from chains.attestation import GuardianSet
from chains.errors import (
    BlockGoneError,
    CallRevertedError,
    RangeTooLargeError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from chains.finality import ChainIdentity, Heads
from chains.port import ContractCall, CreditLineState, EventRead, Grant, Quote, VaultState
from chains.types import BlockHeader, BlockRef, ChainId
from relayer.clock import Clock
from tests.simulation.chain import Block, Branch, SimulatedChain
from tests.simulation.contracts import debt_units
from tests.simulation.process import Process

LAG_BLOCKS_MAX: Final = 5
NO_GRANT: Final = Grant(bytes(32), 0, 0, 0)


@dataclass(slots=True)
class SimulatedNode:
    """chains.port.ChainReader of one process; each call may be answered by another node."""

    process: Process
    chain: SimulatedChain

    @property
    def chain_id(self) -> ChainId:
        """The chain that is read."""
        return self.chain.chain_id

    @property
    def suggested_span(self) -> int:
        """As many blocks as the caller likes."""
        return 1_000

    def _branch(self, method: str) -> Branch:
        """
        Return what the node that answers this call knows.

        Raises:
            TransientChainError: it does not answer.
        """
        self.process.call_point(method)
        chain, chance = self.chain, self.process.around.chance
        if chance.hits(chance.rates.rpc_error):
            self.process.around.note(f"! {self.process.name} {chain.chain_id} {method} fails")
            if chance.hits(500):
                raise RpcTimeoutError(chain_id=chain.chain_id, method=method)
            raise RpcUnavailableError(chain_id=chain.chain_id, method=method, reason="simulated")
        if chance.hits(chance.rates.rpc_stale):
            if chain.dead is not None and chance.hits(500):
                return chain.dead
            lag = min(chance.number(1, LAG_BLOCKS_MAX), chain.height - chain.final_height)
            if lag > 0:
                return Branch(chain.blocks[:-lag], chain.final_height)
        return Branch(chain.blocks, chain.final_height)

    def _block(self, method: str, block_hash: bytes) -> Block:
        for block in reversed(self._branch(method).blocks):
            if block.ref.block_hash == block_hash:
                return block
        raise BlockGoneError(chain_id=self.chain_id, reference="0x" + block_hash.hex())

    async def identity(self) -> ChainIdentity:
        """Return the chain's name and its first block."""
        return ChainIdentity(self.chain_id, self._branch("identity").blocks[0].ref)

    async def heads(self) -> Heads:
        """Return the newest header and the newest final one."""
        branch = self._branch("heads")
        return Heads(latest=branch.blocks[-1].header, finalized=branch.final.header)

    async def header_at(self, height: int) -> BlockHeader:
        """Return the header at a height."""
        blocks = self._branch("header_at").blocks
        if height >= len(blocks):
            raise BlockGoneError(chain_id=self.chain_id, reference=str(height))
        return blocks[height].header

    async def header_of(self, block_hash: bytes) -> BlockHeader:
        """Return the header with a hash."""
        return self._block("header_of", block_hash).header

    async def events_in_block(self, block: BlockRef) -> EventRead:
        """Return the events of a block."""
        return EventRead(self._block("events_in_block", block.block_hash).events, ())

    async def events_in_range(self, first_height: int, last_height: int) -> EventRead:
        """Return the events of a range; a node that is behind does not answer."""
        blocks = self._branch("events_in_range").blocks
        chance = self.process.around.chance
        if last_height > first_height and chance.hits(chance.rates.rpc_error):
            raise RangeTooLargeError(
                chain_id=self.chain_id, first_height=first_height, last_height=last_height
            )
        if last_height >= len(blocks):
            raise BlockGoneError(chain_id=self.chain_id, reference=str(last_height))
        chosen = blocks[first_height : last_height + 1]
        return EventRead(tuple(event for block in chosen for event in block.events), ())

    async def view(self, call: ContractCall, block: BlockRef | None) -> bytes:
        """Refuse: nothing here asks for raw views."""
        del block
        raise CallRevertedError(chain_id=self.chain_id, reason=f"no code for {call.function}")

    async def vault_state(self, vault: bytes, token: bytes, block: BlockRef) -> VaultState:
        """Return what the vault held at a block."""
        state = self._block("vault_state", block.block_hash).state
        held_units = state.held.get(token, 0)
        return VaultState(
            block=block,
            vault=vault,
            token=token,
            held_units=held_units,
            balance_units=held_units,
            outflow_available_units=held_units,
            lock_count=state.lock_count,
            is_outflow_paused=False,
            is_lock_paused=False,
        )

    async def collateral_units(
        self, vault: bytes, account: bytes, token: bytes, block: BlockRef
    ) -> int:
        """Return what the vault held for one account at a block."""
        del vault
        state = self._block("collateral_units", block.block_hash).state
        return state.collateral.get((account, token), 0)

    async def guardian_set(self, contract: bytes, block: BlockRef | None) -> GuardianSet:
        """Return the guardians of the contract."""
        del contract, block
        self._branch("guardian_set")
        return self.chain.site.guardian_set

    async def is_executed(self, contract: bytes, message_id: bytes, block: BlockRef | None) -> bool:
        """Return whether the contract had executed a message at a block."""
        del contract
        if block is None:
            found = self._branch("is_executed").blocks[-1]
        else:
            found = self._block("is_executed", block.block_hash)
        return message_id in found.state.executed

    async def credit_line_state(self, credit_line: bytes, block: BlockRef) -> CreditLineState:
        """Return the interest index of the credit line as last written."""
        del credit_line
        state = self._block("credit_line_state", block.block_hash).state
        rate = self.chain.site.rate_per_second_ray
        return CreditLineState(state.index_ray, state.accrued_at, rate)

    async def debt_units(self, credit_line: bytes, account: bytes, block: BlockRef) -> int:
        """Return what an account owed at a block."""
        del credit_line
        found = self._block("debt_units", block.block_hash)
        return debt_units(found.state, self.chain.site, account, found.header.timestamp_seconds)

    async def scaled_debt(self, credit_line: bytes, account: bytes, block: BlockRef) -> int:
        """Return an account's scaled debt at a block."""
        del credit_line
        return self._block("scaled_debt", block.block_hash).state.scaled.get(account, 0)

    async def grant(self, credit_line: bytes, account: bytes, block: BlockRef) -> Grant:
        """Return the grant in force at a block."""
        del credit_line
        return self._block("grant", block.block_hash).state.grants.get(account, NO_GRANT)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class Market:
    """What the price feeds say: USD of a whole token x 1e8, and since when."""

    clock: Clock
    answers: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    def set(self, feed: bytes, answer: int) -> None:
        """Let a feed answer from now on."""
        self.answers[feed] = (answer, self.clock.now())


@dataclass(slots=True)
class SimulatedFeeds:
    """chains.port.PriceSource of one process."""

    process: Process
    market: Market

    async def quote(self, feed: bytes, block: BlockRef | None) -> Quote:
        """Return what a feed answers now."""
        del block
        self.process.call_point("quote")
        answer, updated_at = self.market.answers[feed]
        return Quote(feed, answer, 8, updated_at, 1)
