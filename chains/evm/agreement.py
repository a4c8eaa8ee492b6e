"""
One reader out of several nodes: an answer counts when a quorum gave exactly the same one.

Losing nodes stops the reader; it never lowers the quorum.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from chains.attestation import GuardianSet
from chains.errors import (
    BlockGoneError,
    CallRevertedError,
    ChainError,
    RangeTooLargeError,
    RpcDisagreementError,
    RpcUnavailableError,
    WrongChainError,
)
from chains.finality import ChainIdentity, Heads
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
STRAGGLER_SECONDS: Final = 0.25  # what is left to the others once a quorum agrees
# What a node may rightly answer although it is an error; two nodes may agree on it.
ANSWERING_ERRORS: Final = (BlockGoneError, CallRevertedError)
# What stops everything at once, whoever says it.
STOPPING_ERRORS: Final = (RangeTooLargeError, WrongChainError)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One node's answer: a value or an error, and what makes two answers the same."""

    node: int
    sameness: Hashable
    value: Any
    error: ChainError | None


class AgreeingReader:
    """
    chains.port.ChainReader over several readers of one chain.

    Args:
        readers: one for each node, all watching the same contracts.
        quorum: how many must agree, more than half of them, so that no two groups can.
    """

    def __init__(self, readers: Sequence[ChainReader], *, quorum: int) -> None:
        if not len(readers) // 2 < quorum <= len(readers):
            raise ValueError(
                f"quorum {quorum} of {len(readers)} nodes: more than half are needed, at most all"
            )
        if len({reader.chain_id for reader in readers}) != 1:
            raise ValueError("the nodes of an agreement serve one chain")
        self._readers = tuple(readers)
        self._quorum = quorum
        self._dissents = [0] * len(readers)

    @property
    def chain_id(self) -> ChainId:
        """The chain of all nodes."""
        return self._readers[0].chain_id

    @property
    def suggested_span(self) -> int:
        """The smallest span that a node suggests."""
        return min(reader.suggested_span for reader in self._readers)

    @property
    def dissents(self) -> tuple[int, ...]:
        """How often each node has contradicted a quorum, in the order of the readers."""
        return tuple(self._dissents)

    async def close(self) -> None:
        """Give the connections back."""
        await asyncio.gather(*(reader.close() for reader in self._readers))

    async def identity(self) -> ChainIdentity:
        """Return the chain's number and first block; a node of another chain stops us."""
        return await self._agreed("identity", lambda reader: reader.identity())

    async def heads(self) -> Heads:
        """
        Return the heads that a quorum has reached.

        The heights are the quorum-th highest; the headers there must then be equal.
        """
        answers = await self._asked(lambda reader: reader.heads(), len)
        heads: list[Heads] = [answer.value for answer in answers if answer.error is None]
        if len(heads) < self._quorum:
            raise self._too_few("heads", len(heads))
        latest = sorted((one.latest.block.height for one in heads), reverse=True)
        finalized = sorted((one.finalized.block.height for one in heads), reverse=True)
        return Heads(
            latest=await self.header_at(latest[self._quorum - 1]),
            finalized=await self.header_at(finalized[self._quorum - 1]),
        )

    async def header_at(self, height: int) -> BlockHeader:
        """Return the header at a height, or raise BlockGoneError."""
        return await self._agreed("header_at", lambda reader: reader.header_at(height))

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

    async def _agreed(self, method: str, ask: Callable[[ChainReader], Awaitable[T]]) -> T:
        answers = await self._asked(ask, _largest_group)
        groups = _grouped(answers)
        if len(answers) < self._quorum:
            raise self._too_few(method, len(answers))
        winners = max(groups.values(), key=len)
        if len(winners) < self._quorum:
            split = " | ".join(
                ", ".join(f"node {answer.node}" for answer in group) for group in groups.values()
            )
            raise RpcDisagreementError(chain_id=self.chain_id, method=method, detail=split)
        for answer in answers:
            if answer.sameness != winners[0].sameness:
                self._dissents[answer.node] += 1
        if winners[0].error is not None:
            raise winners[0].error
        value: T = winners[0].value
        return value

    async def _asked(
        self,
        ask: Callable[[ChainReader], Awaitable[Any]],
        support: Callable[[list[_Answer]], int],
    ) -> list[_Answer]:
        """
        Return what the nodes answered, without those that failed to.

        Once the support reaches the quorum, the others have only a moment left: a node that hangs
        must not slow every read down to its timeout.
        """
        pending = {
            asyncio.create_task(self._one(node, reader, ask))
            for node, reader in enumerate(self._readers)
        }
        answers: list[_Answer] = []
        try:
            while pending:
                is_enough = support(answers) >= self._quorum
                done, pending = await asyncio.wait(
                    pending,
                    timeout=STRAGGLER_SECONDS if is_enough else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not done:
                    break
                answers += _usable(task.result() for task in done)
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        return sorted(answers, key=lambda answer: answer.node)

    async def _one(
        self, node: int, reader: ChainReader, ask: Callable[[ChainReader], Awaitable[Any]]
    ) -> _Answer:
        try:
            value = await ask(reader)
        except ChainError as exc:
            return _Answer(node, type(exc).__name__, None, exc)
        return _Answer(node, _sameness(value), value, None)

    def _too_few(self, method: str, count: int) -> RpcUnavailableError:
        return RpcUnavailableError(
            chain_id=self.chain_id,
            method=method,
            reason=f"{count} of {len(self._readers)} nodes answered, {self._quorum} must agree",
        )


def _usable(answers: Iterable[_Answer]) -> list[_Answer]:
    """Return the answers that count; raise what stops us whoever says it."""
    kept: list[_Answer] = []
    for answer in answers:
        if isinstance(answer.error, STOPPING_ERRORS):
            raise answer.error
        if answer.error is None or isinstance(answer.error, ANSWERING_ERRORS):
            kept.append(answer)
    return kept


def _grouped(answers: list[_Answer]) -> dict[Hashable, list[_Answer]]:
    groups: dict[Hashable, list[_Answer]] = {}
    for answer in answers:
        groups.setdefault(answer.sameness, []).append(answer)
    return groups


def _largest_group(answers: list[_Answer]) -> int:
    return max((len(group) for group in _grouped(answers).values()), default=0)


def _sameness(value: Any) -> Hashable:
    """Return what two equal answers share; errors inside an answer compare by what they say."""
    if isinstance(value, EventRead):
        malformed = tuple(
            (one.block, one.contract, one.tx_hash, one.log_index, one.reason)
            for one in value.malformed
        )
        return (value.events, malformed)
    return (value,)
