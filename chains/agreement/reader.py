"""
One reader out of several nodes: an answer counts when a quorum gave exactly the same one.

Losing nodes stops the reader; it never lowers the quorum.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from chains.agreement.board import Terms
from chains.agreement.faults import fault_of_error
from chains.agreement.quorum import Quorum
from chains.attestation import GuardianSet
from chains.errors import ChainError
from chains.finality import ChainIdentity, Heads
from chains.nodes import NodePool, NodeStatus
from chains.port import (
    ChainReader,
    ContractCall,
    CreditLineState,
    EventRead,
    Grant,
    VaultState,
)
from chains.types import BlockHeader, BlockRef, ChainId

T = TypeVar("T")


class NodeReader(ChainReader, NodePool, Protocol):
    """A reader of one node that can also name its newest block."""


class AgreeingReader:
    """
    chains.port.ChainReader over several readers of one chain.

    Args:
        readers: one for each node, all watching the same contracts.
        terms: how many must agree, more than half of them, so that no two groups can; and how
            the nodes are called.
    """

    def __init__(self, readers: Sequence[NodeReader], terms: Terms) -> None:
        if len({reader.chain_id for reader in readers}) > 1:
            raise ValueError("the nodes of an agreement serve one chain")
        chain_id = readers[0].chain_id if readers else ChainId("")
        self._quorum: Quorum[NodeReader] = Quorum(chain_id, readers, terms)
        self._readers = tuple(readers)
        self._final_height = -1

    @property
    def chain_id(self) -> ChainId:
        """The chain of all nodes."""
        return self._quorum.chain_id

    @property
    def suggested_span(self) -> int:
        """The largest span that a quorum suggests; a stranger cannot make it small."""
        return self._quorum.reached_value(
            (node, reader.suggested_span) for node, reader in enumerate(self._readers)
        )

    @property
    def dissents(self) -> tuple[int, ...]:
        """How often each node has contradicted a quorum, in the order of the readers."""
        return self._quorum.board.dissents

    def nodes(self) -> tuple[NodeStatus, ...]:
        """Return how each node stands, in the order of the readers."""
        return self._quorum.board.statuses()

    async def newest(self) -> BlockRef:
        """Return the newest block of the healthy node whose turn it is: a hint, never a fact."""
        node = self._quorum.board.next_to_poll()
        try:
            block = await self._readers[node].newest()
        except ChainError as exc:
            self._quorum.board.failed(node, fault_of_error(exc))
            raise
        self._quorum.board.answered(node)
        return block

    async def close(self) -> None:
        """Give the connections back."""
        await asyncio.gather(*(reader.close() for reader in self._readers))

    async def identity(self) -> ChainIdentity:
        """Return the chain's number and first block; a node of another chain stops us."""
        return await self._agreed("identity", lambda reader: reader.identity())

    async def heads(self) -> Heads:
        """
        Return the heads that a quorum has reached.

        The heights are the quorum-th highest; the headers there must then be equal. We wait for
        an own node that is behind, and it is compared with what the others have reached.
        """
        found = await self._quorum.reached("heads", lambda reader: reader.heads())
        heights = [(node, heads.latest.block.height) for node, heads in found]
        latest = self._quorum.reached_value(heights)
        final = self._quorum.reached_value(
            (node, heads.finalized.block.height) for node, heads in found
        )
        others_height = self._quorum.reached_value(heights, needs_own=False)
        for node, height in heights:
            self._quorum.board.saw_head(node, height, others_height)
        known = {id(self._readers[node]): heads for node, heads in found}
        finalized = await self._known_header(final, known, is_settled=True)
        self._final_height = max(self._final_height, final)
        newest = await self._known_header(latest, known, is_settled=latest <= self._final_height)
        return Heads(latest=newest, finalized=finalized)

    async def _known_header(
        self, height: int, known: Mapping[int, Heads], *, is_settled: bool
    ) -> BlockHeader:
        """Return the header at a height; a node that has just named it is not asked again."""

        async def ask(reader: NodeReader) -> BlockHeader:
            heads = known.get(id(reader))
            for header in () if heads is None else (heads.latest, heads.finalized):
                if header.block.height == height:
                    return header
            return await reader.header_at(height)

        return await self._quorum.agreed("header_at", ask, is_settled=is_settled)

    async def header_at(self, height: int) -> BlockHeader:
        """Return the header at a height, or raise BlockGoneError."""
        return await self._quorum.agreed(
            "header_at",
            lambda reader: reader.header_at(height),
            is_settled=height <= self._final_height,
        )

    async def header_of(self, block_hash: bytes) -> BlockHeader:
        """Return the header with a hash, or raise BlockGoneError."""
        return await self._agreed("header_of", lambda reader: reader.header_of(block_hash))

    async def events_in_block(self, block: BlockRef) -> EventRead:
        """Return the events of exactly this block, or raise BlockGoneError."""
        return await self._agreed("events_in_block", lambda reader: reader.events_in_block(block))

    async def events_in_range(self, first_height: int, last_height: int) -> EventRead:
        """Return the events of a range of final blocks; one refusing node halves the range."""
        return await self._agreed(
            "events_in_range", lambda reader: reader.events_in_range(first_height, last_height)
        )

    async def view(self, call: ContractCall, block: BlockRef | None) -> bytes:
        """Return the raw answer of a view, at the newest agreed block where none is given."""
        pinned = await self._pinned(block)
        return await self._agreed("view", lambda reader: reader.view(call, pinned))

    async def vault_state(self, vault: bytes, token: bytes, block: BlockRef) -> VaultState:
        """Return what a vault says about a token at a block."""
        return await self._agreed(
            "vault_state", lambda reader: reader.vault_state(vault, token, block)
        )

    async def collateral_units(
        self, vault: bytes, account: bytes, token: bytes, block: BlockRef
    ) -> int:
        """Return what a vault holds for one account at a block. [token base units]"""
        return await self._agreed(
            "collateral_units",
            lambda reader: reader.collateral_units(vault, account, token, block),
        )

    async def guardian_set(self, contract: bytes, block: BlockRef | None) -> GuardianSet:
        """Return the current guardian set of a vault or a credit line."""
        pinned = await self._pinned(block)
        return await self._agreed(
            "guardian_set", lambda reader: reader.guardian_set(contract, pinned)
        )

    async def is_executed(self, contract: bytes, message_id: bytes, block: BlockRef | None) -> bool:
        """Return whether a contract has executed a message."""
        pinned = await self._pinned(block)
        return await self._agreed(
            "is_executed", lambda reader: reader.is_executed(contract, message_id, pinned)
        )

    async def credit_line_state(self, credit_line: bytes, block: BlockRef) -> CreditLineState:
        """Return the interest index of a credit line at a block."""
        return await self._agreed(
            "credit_line_state", lambda reader: reader.credit_line_state(credit_line, block)
        )

    async def debt_units(self, credit_line: bytes, account: bytes, block: BlockRef) -> int:
        """Return an account's debt at a block, interest included. [debt token base units]"""
        return await self._agreed(
            "debt_units", lambda reader: reader.debt_units(credit_line, account, block)
        )

    async def scaled_debt(self, credit_line: bytes, account: bytes, block: BlockRef) -> int:
        """Return an account's scaled debt: debt = ceil(scaled * index / 1e27)."""
        return await self._agreed(
            "scaled_debt", lambda reader: reader.scaled_debt(credit_line, account, block)
        )

    async def grant(self, credit_line: bytes, account: bytes, block: BlockRef) -> Grant:
        """Return the grant in force for an account at a block."""
        return await self._agreed("grant", lambda reader: reader.grant(credit_line, account, block))

    async def _pinned(self, block: BlockRef | None) -> BlockRef:
        """Return the block; answers at each node's own newest block could not be compared."""
        return (await self.heads()).latest.block if block is None else block

    async def _agreed(self, method: str, ask: Callable[[NodeReader], Awaitable[T]]) -> T:
        return await self._quorum.agreed(method, ask)
