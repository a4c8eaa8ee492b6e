"""The events of a vault: what its history lists is read in its block, which binds everything."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from solders.pubkey import Pubkey

from chains.errors import (
    BlockGoneError,
    MalformedLogError,
    RangeTooLargeError,
    RpcAnswerError,
    RpcContradictionError,
    RpcTimeoutError,
)
from chains.line.http import AnswerTooLargeError
from chains.line.shapes import usable
from chains.port import EventRead
from chains.solana.answers import Entry, SlotHeader, header_of, number_of
from chains.solana.blocks import BlockContent, content_of
from chains.solana.decode import Fact, Origin, facts_of, log_index, missing_movements
from chains.solana.headers import BLOCK_METHOD, FULL, Absence, Headers
from chains.solana.rpc import Level, SolanaRpc
from chains.solana.single_reads import SingleReads, gathered
from chains.solana.trail import METHOD as TRAIL_METHOD
from chains.solana.trail import Trail
from chains.solana.vault_addresses import VaultAddresses
from chains.types import BlockHeader

BLOCKS_AT_ONCE: Final = 4
BLOCKS_PER_RANGE_MAX: Final = 256
FIRST_METHOD: Final = "getFirstAvailableBlock"


@dataclass(frozen=True, slots=True)
class SolanaWatched:
    """
    The vault whose events count, its program, and the mints of configured tokens.

    A lock of one of the mints counts only with the movement into the vault's custody of it.
    """

    program_id: bytes
    vault: bytes
    mints: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockFacts:
    """What one block holds of the vault."""

    header: BlockHeader
    facts: tuple[Fact, ...]
    malformed: tuple[MalformedLogError, ...]


@dataclass(frozen=True, slots=True)
class BlockRead:
    """
    A block that names an account.

    lost: signatures that its history lists, and that must be those of unread transactions.
    """

    header: BlockHeader
    content: BlockContent
    lost: tuple[bytes, ...]


class History:
    """Reads what one node tells of a vault's past."""

    def __init__(self, rpc: SolanaRpc, headers: Headers, watched: SolanaWatched) -> None:
        self._rpc = rpc
        self._headers = headers
        self.watched = watched
        at = VaultAddresses(Pubkey(watched.program_id), Pubkey(watched.vault))
        self.at = at
        self.custodies = {mint: bytes(at.custody(Pubkey(mint))) for mint in watched.mints}
        self.origin = Origin(
            chain_id=rpc.chain_id,
            program=watched.program_id,
            events_authority=bytes(at.events),
            vault=watched.vault,
        )
        self.trail = Trail(rpc, watched.vault)
        self._singles = SingleReads(rpc, headers, watched.program_id)
        self._large_slot = -1  # the newest one whose block came in no single answer

    async def of_block(self, header: BlockHeader, level: Level) -> BlockFacts:
        """
        Return what one block holds, asked by its hash.

        Raises:
            BlockGoneError: the block is not on the node's chain any more.
        """
        slot = header.block.height
        entries = await self.trail.between(slot, slot, level)
        if all(entry.is_failed for entry in entries):
            await self._headers.check(header.block)
            return BlockFacts(header, (), ())
        try:
            read = await self._read_slot(slot, entries, level, self.trail.account, is_alone=True)
        except AnswerTooLargeError:
            raise RpcAnswerError(
                chain_id=self._rpc.chain_id, method=BLOCK_METHOD, reason="the block is too large"
            ) from None
        if read.header.block != header.block:
            raise BlockGoneError(
                chain_id=self._rpc.chain_id, reference="0x" + header.block.block_hash.hex()
            )
        return self._facts(read)

    async def of_range(self, first: int, last: int, level: Level) -> tuple[BlockFacts, ...]:
        """
        Return what the blocks of a range hold, in order.

        Raises:
            RangeTooLargeError: more than fits into one read.
            BlockGoneError: the node has not got so far, or its history begins later.
        """
        return tuple(map(self._facts, await self.read_range(self.trail, first, last, level)))

    async def read_range(
        self, trail: Trail, first: int, last: int, level: Level
    ) -> tuple[BlockRead, ...]:
        """Return the blocks of a range that name the account of a trail, see of_range."""
        if await self._headers.slot(level) < last:
            raise self._headers.gone(last)
        await self._headers.newest_until(last)  # a node that has written it has listed it
        entries = await trail.between(first, last, level)
        by_slot = entries_by_slot(entries)
        if len(by_slot) > BLOCKS_PER_RANGE_MAX and first < last:
            raise self._too_large(first, last)
        free = asyncio.Semaphore(BLOCKS_AT_ONCE)

        async def read(slot: int) -> BlockRead:
            async with free:
                return await self._read_slot(
                    slot, by_slot[slot], level, trail.account, is_alone=first == last
                )

        try:
            found = await gathered(read(slot) for slot in sorted(by_slot))
        except AnswerTooLargeError:
            raise self._too_large(first, last) from None
        except RpcTimeoutError:
            if first == last:
                raise
            raise self._too_large(first, last) from None
        await self._check_reach(first)
        await self._headers.check_unbroken(first, last, level)
        return found

    async def _read_slot(
        self,
        slot: int,
        entries: Sequence[Entry],
        level: Level,
        account: bytes,
        *,
        is_alone: bool,
    ) -> BlockRead:
        """
        Return what the block of a slot holds; the history and the block must agree.

        Args:
            entries: what the account's history lists for the slot.
            is_alone: see _whole.

        Raises:
            RpcContradictionError: they do not.
            BlockGoneError: the slot has no block any more.
        """
        found = None
        if slot != self._large_slot:
            found = await self._whole(slot, level, account, is_alone=is_alone)
        if found is None:
            entries = [entry for entry in entries if not entry.is_failed]
            signatures = [entry.signature for entry in entries]
            found = await self._singles.read(slot, signatures, level, account)
        if found is Absence.SKIPPED:
            raise self._contradiction(f"slot {slot} has signatures and no block")
        if isinstance(found, Absence):
            raise self._headers.gone(slot)
        header, content = found
        self._headers.keep(header)
        lost = self._compared(slot, entries, content)
        return BlockRead(header.header, content, lost)

    async def _whole(
        self, slot: int, level: Level, account: bytes, *, is_alone: bool
    ) -> tuple[SlotHeader, BlockContent] | Absence | None:
        """
        Return the block of a slot in one answer; None where it is too large for one.

        Args:
            is_alone: whether only this slot is read; then one that takes too long is too large.
        """
        try:
            answer = await self._headers.block_answer(slot, level, FULL)
        except (AnswerTooLargeError, RpcTimeoutError) as exc:
            if isinstance(exc, RpcTimeoutError) and not is_alone:
                raise
            self._large_slot = slot  # the time of the next read goes into its parts at once
            return None
        if isinstance(answer, Absence):
            return answer
        with usable(self._rpc.chain_id, BLOCK_METHOD):
            content = content_of(answer, program=self.watched.program_id, account=account)
            return header_of(answer, slot), content

    def _compared(
        self, slot: int, entries: Sequence[Entry], content: BlockContent
    ) -> tuple[bytes, ...]:
        """Return the listed signatures that are nowhere in a block with unread transactions."""
        listed = {entry.signature: entry.is_failed for entry in entries}
        for transaction in content.succeeded:
            if listed.pop(transaction.signature, True):
                raise self._contradiction(f"slot {slot} has a transaction that is not listed so")
        for signature in content.failed:
            if not listed.pop(signature, True):
                raise self._contradiction(f"slot {slot} has a failed transaction listed as done")
        lost = tuple(signature for signature, is_failed in listed.items() if not is_failed)
        if len(listed) > len(content.unread):
            raise self._contradiction(f"a listed transaction is not in the block of slot {slot}")
        return lost

    def _facts(self, read: BlockRead) -> BlockFacts:
        header, content = read.header, read.content
        facts: list[Fact] = []
        malformed: list[MalformedLogError] = []
        for transaction in content.succeeded:
            found, flaws = facts_of(transaction, header.block, self.origin)
            facts += found
            malformed += flaws
            malformed += missing_movements(transaction, found, self.custodies)
        for signature, unread in zip(read.lost, content.unread, strict=False):
            malformed.append(
                MalformedLogError(
                    block=header.block,
                    contract=self.watched.vault,
                    tx_hash=signature,
                    log_index=log_index(unread.place, 0),
                    reason=f"transaction version {unread.version} is not read",
                )
            )
        return BlockFacts(header, tuple(facts), tuple(malformed))

    async def _check_reach(self, first: int) -> None:
        """Refuse a node whose history begins later: it lists nothing where it knows nothing."""
        answer = await self._rpc.call(FIRST_METHOD, [])
        with usable(self._rpc.chain_id, FIRST_METHOD):
            reach = number_of(answer, "first available block")
        if reach > first:
            raise BlockGoneError(
                chain_id=self._rpc.chain_id,
                reference=f"{first} (the node's history begins at {reach})",
            )

    def _too_large(self, first: int, last: int) -> RangeTooLargeError:
        return RangeTooLargeError(chain_id=self._rpc.chain_id, first_height=first, last_height=last)

    def _contradiction(self, reason: str) -> RpcContradictionError:
        return RpcContradictionError(
            chain_id=self._rpc.chain_id, method=TRAIL_METHOD, reason=reason
        )


def entries_by_slot(entries: Iterable[Entry]) -> dict[int, list[Entry]]:
    """Return the entries of each slot in which one succeeded; the others changed nothing."""
    found: dict[int, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.slot, []).append(entry)
    return {
        slot: listed
        for slot, listed in found.items()
        if not all(entry.is_failed for entry in listed)
    }


def read_of(blocks: Iterable[BlockFacts]) -> EventRead:
    """Return the events of blocks as the ledger knows them, with all that is wrong."""
    events = []
    malformed: list[MalformedLogError] = []
    for block in blocks:
        events += [found for fact in block.facts if (found := fact.observed) is not None]
        malformed += block.malformed
    return EventRead(tuple(events), tuple(malformed))
