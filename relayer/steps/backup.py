"""Backup: second readings and recounts beside the head work, which never waits for them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from chains.errors import FinalityViolationError, PermanentChainError, TransientChainError
from chains.port import ChainReader
from chains.types import BlockRef
from relayer.errors import CursorMovedError, LeaseLostError, SettingsError
from relayer.steps.catalog import Catalog
from relayer.steps.observe import Observation
from relayer.steps.recount import Recount, ScanMemory, recount, store_break, store_recount
from relayer.steps.reread import (
    RereadLimits,
    SecondReading,
    second_reading,
    store_second_reading,
)
from relayer.store.leases import Lease
from relayer.store.unit_of_work import Store

RECOUNT_SECONDS: Final = 5
RECOUNT_AFTER_BREAK_SECONDS: Final = 60
log = structlog.get_logger(__name__)

Outcome = SecondReading | Recount | None


@dataclass(slots=True)
class Backup:
    """
    What one watcher does beside its head work: at most one question at a time, in the background.

    The nodes are asked by a task of its own; what came of it is stored in the watcher's turn, under
    the watcher's lease. A slow or dead second node therefore costs the head nothing.

    Args:
        reader: the first reader, whose word decides.
        seconds: other readers for the second reading, taken in turn; empty to use the first one.
    """

    store: Store
    catalog: Catalog
    reader: ChainReader
    seconds: tuple[ChainReader, ...]
    limits: RereadLimits
    _task: asyncio.Task[Outcome] | None = None
    _readings: int = 0
    _counted_at: int = 0
    _counted: BlockRef | None = None
    _is_counted_again: bool = False
    _recount_seconds: int = RECOUNT_SECONDS
    _memory: ScanMemory = field(default_factory=ScanMemory)

    async def turn(self, observation: Observation, lease: Lease) -> None:
        """
        Store what the last question brought, and ask the next one once the head is level.

        Raises:
            FinalityViolationError, LockConflictError: the chain must be halted.
            CursorMovedError, LeaseLostError: another process has the chain now.
        """
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            await self._finish(task, lease)
        if self._task is None and observation.is_level:
            self._task = asyncio.create_task(self._ask(observation))

    async def close(self) -> None:
        """Drop what is being asked, and give the second readers' connections back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        for reader in self.seconds:
            await reader.close()

    async def _ask(self, observation: Observation) -> Outcome:
        if self._is_recount_due(observation):
            self._counted_at = self.store.clock.now()
            counted = await recount(
                self.store,
                self.catalog,
                self.reader,
                limits=self.limits.observe,
                memory=self._memory,
            )
            self._counted = observation.cursor.finalized
            return counted
        readers = self.seconds or (self.reader,)
        second = readers[self._readings % len(readers)]
        self._readings += 1
        return await second_reading(self.store, self.reader, second, self.limits)

    def _is_recount_due(self, observation: Observation) -> bool:
        if self._is_counted_again:
            return True
        is_new = observation.cursor.finalized != self._counted
        return is_new and self.store.clock.now() >= self._counted_at + self._recount_seconds

    async def _finish(self, task: asyncio.Task[Outcome], lease: Lease) -> None:
        chain_id = self.reader.chain_id
        try:
            match task.result():
                case SecondReading() as reading:
                    await self._in_thread(store_second_reading, reading, self.limits, lease)
                case Recount() as result:
                    await self._finish_recount(result, lease)
                case None:
                    return
        except (FinalityViolationError, CursorMovedError, LeaseLostError):
            raise
        except TransientChainError as exc:
            log.warning("chain.unread", chain_id=chain_id, reason=f"second reading: {exc}")
        except (PermanentChainError, SettingsError) as exc:
            log.error("chain.unreadable", chain_id=chain_id, reason=f"second reading: {exc}")

    async def _finish_recount(self, result: Recount, lease: Lease) -> None:
        missed = await self._in_thread(store_recount, result, self.limits.observe, lease)
        is_open = not result.is_equal
        self._is_counted_again = is_open and (bool(missed) or not result.is_searched)
        is_break = result.is_surplus or (is_open and not self._is_counted_again)
        self._recount_seconds = RECOUNT_AFTER_BREAK_SECONDS if is_break else RECOUNT_SECONDS
        if is_break:
            await asyncio.to_thread(store_break, self.store, self.catalog, result, lease)

    async def _in_thread(self, work: Callable[..., Any], *arguments: object) -> Any:
        return await asyncio.to_thread(work, self.store, *arguments)
