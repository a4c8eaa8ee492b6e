"""Watch: the loop around observe, rewind and quote for one chain, under one lease."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from chains.errors import (
    FinalityViolationError,
    PermanentChainError,
    TransientChainError,
    WrongChainError,
)
from chains.nodes import NodePool
from chains.port import ChainReader, PriceSource
from relayer.errors import CursorMovedError, InvariantError, LeaseLostError
from relayer.steps.backup import Backup
from relayer.steps.catalog import Catalog
from relayer.steps.condition import ConditionBook
from relayer.steps.glance import Glance
from relayer.steps.observe import Observation, ObserveLimits, observe, remember_chain
from relayer.steps.quote import quote
from relayer.steps.rewind import rewind
from relayer.store.chains import BranchError
from relayer.store.engine import DATABASE_ERRORS
from relayer.store.leases import Lease, watch_lease_name
from relayer.store.observed_rows import LockConflictError
from relayer.store.unit_of_work import Store

LEASE_SECONDS: Final = 10
PAUSE_AFTER_ERROR_SECONDS_MAX: Final = 15.0
log = structlog.get_logger(__name__)

Wait = Callable[[float], Awaitable[None]]
News = Callable[[Observation], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Watch:
    """
    What one watcher needs.

    Args:
        holder: unique for the process.
        wait: returns after so many seconds, earlier on a hint or when the process stops.
        on_news: called after each run; rings doorbells or books at once.
        backup: second readings and recounts beside the head; None for none.
        pool: the nodes behind the reader, to ask one of them whether there is news.
        lease_seconds: how long a watcher that died keeps the next one away.
    """

    store: Store
    catalog: Catalog
    reader: ChainReader
    prices: PriceSource
    limits: ObserveLimits
    poll_seconds: float
    holder: str
    wait: Wait
    on_news: News
    backup: Backup | None = None
    pool: NodePool | None = None
    lease_seconds: int = LEASE_SECONDS


def on_new_place(act: Callable[[], object]) -> News:
    """Return news that call something, in a thread, when the head or the final block has moved."""
    last_place: list[object] = [None]

    async def _on_news(observation: Observation) -> None:
        place = (observation.cursor.head, observation.cursor.finalized)
        if place != last_place[0]:  # all that is done for comes with a block
            await asyncio.to_thread(act)
            last_place[0] = place

    return _on_news


@dataclass(slots=True)
class _Memory:
    """What a watcher keeps from round to round; version is that of the cursor when last seen."""

    condition: ConditionBook
    glance: Glance
    version: int | None = None


async def watch(watcher: Watch, stop: asyncio.Event) -> None:
    """
    Keep one chain observed until told to stop; whatever fails is logged and tried again later.

    Raises:
        WrongChainError: the node serves another chain than the stored one.
        InvariantError: only a bug can cause it; it is logged first.
    """
    is_known = False
    memory = _Memory(
        ConditionBook(watcher.store, watcher.reader.chain_id, watcher.pool),
        Glance(watcher.pool, watcher.store.clock),
    )
    pause_seconds = watcher.poll_seconds
    try:
        while not stop.is_set():
            try:
                if not is_known:
                    await remember_chain(watcher.store, watcher.reader)
                    is_known = True
                is_level = await _run(watcher, memory)
                pause_seconds = watcher.poll_seconds if is_level else 0.0
            except Exception as exc:  # noqa: BLE001 - see _pause_after: all are logged
                memory.glance.forget()
                await memory.condition.failed(exc)
                has_moved = await _has_moved(watcher, memory)
                before = watcher.poll_seconds if has_moved else pause_seconds
                pause_seconds = _pause_after(watcher, exc, before, has_moved=has_moved)
            await watcher.wait(pause_seconds)
    finally:
        if watcher.backup is not None:
            await watcher.backup.close()
        await asyncio.to_thread(_release, watcher)


async def _has_moved(watcher: Watch, memory: _Memory) -> bool:
    """
    Return whether the round that failed stored something all the same.

    Such a failure is the first of its kind, whatever came before it: of a node that fails in one
    request of sixty a long backlog is never read without a failure, and pauses that grow with each
    would leave the chain further behind for good.
    """

    def _version() -> int:
        with watcher.store.read() as uow:
            return uow.chains.cursor(watcher.reader.chain_id).version

    try:
        version = await asyncio.to_thread(_version)
    except DATABASE_ERRORS:
        return False
    before, memory.version = memory.version, version
    return before is not None and version != before


def _pause_after(watcher: Watch, exc: Exception, pause_seconds: float, *, has_moved: bool) -> float:
    """
    Log a failure; return how long to wait after it.

    Raises:
        WrongChainError, InvariantError: going on would do harm.
    """
    chain_id = watcher.reader.chain_id
    longer_seconds = min(
        max(pause_seconds, watcher.poll_seconds) * 2, PAUSE_AFTER_ERROR_SECONDS_MAX
    )
    match exc:
        case WrongChainError() | InvariantError():
            log.error("chain.unreadable", chain_id=chain_id, reason=str(exc))
            raise exc
        case TransientChainError() | CursorMovedError() | LeaseLostError():
            log.warning("chain.unread", chain_id=chain_id, reason=str(exc))
            return longer_seconds
        case _ if isinstance(exc, DATABASE_ERRORS):
            log.warning("chain.unread", chain_id=chain_id, reason=type(exc).__name__)
            return longer_seconds
        case PermanentChainError():
            log.error("chain.unreadable", chain_id=chain_id, reason=str(exc))
            return longer_seconds if has_moved else PAUSE_AFTER_ERROR_SECONDS_MAX
        case _:
            log.error("chain.unreadable", chain_id=chain_id, reason=str(exc), exc_info=exc)
            return longer_seconds


async def _run(watcher: Watch, memory: _Memory) -> bool:
    """Do one round; True when the chain is level with its heads, or there is nothing to do."""
    lease = await asyncio.to_thread(_lease, watcher)
    if lease is None:
        memory.glance.forget()
        return True
    if not await memory.glance.has_news():
        return True
    memory.glance.forget()
    try:
        observation = await observe(
            watcher.store, watcher.reader, limits=watcher.limits, lease=lease
        )
    except BranchError:
        return await _rewind(watcher, lease)
    except (FinalityViolationError, LockConflictError) as exc:
        await asyncio.to_thread(_halt, watcher, str(exc))
        return True
    memory.version = observation.cursor.version
    await memory.condition.agreed()
    try:
        if observation.is_level:
            await quote(watcher.store, watcher.catalog, watcher.reader, watcher.prices, observation)
    finally:
        await watcher.on_news(observation)
    await _back_up(watcher, observation, lease)
    memory.glance.agreed(observation.heads.latest.block, is_level=observation.is_level)
    return observation.is_level


async def _back_up(watcher: Watch, observation: Observation, lease: Lease) -> None:
    """Take the backup's turn, after all that concerns the head."""
    if watcher.backup is None:
        return
    try:
        await watcher.backup.turn(observation, lease)
    except (FinalityViolationError, LockConflictError) as exc:
        await asyncio.to_thread(_halt, watcher, str(exc))


async def _rewind(watcher: Watch, lease: Lease) -> bool:
    """Leave a dead branch, or halt; False when the new branch can be read at once."""
    try:
        depth = await rewind(watcher.store, watcher.reader, lease=lease)
    except FinalityViolationError as exc:
        await asyncio.to_thread(_halt, watcher, str(exc))
        return True
    if depth == 0:
        reason = "the node disagreed about the stored head for a moment"
        log.warning("chain.unread", chain_id=watcher.reader.chain_id, reason=reason)
    return depth == 0


def _lease(watcher: Watch) -> Lease | None:
    """Take or keep the lease; None while another process has it or the chain is halted."""
    chain_id = watcher.reader.chain_id
    with watcher.store.unit_of_work() as uow:
        if uow.chains.is_halted(chain_id):
            return None
        name = watch_lease_name(chain_id)
        held = uow.leases.lease(name)
        if held is not None and held.holder == watcher.holder:
            if held.expires_at - uow.clock.now() > watcher.lease_seconds // 2:
                return held
            try:
                return uow.leases.renew(held, watcher.lease_seconds)
            except LeaseLostError:
                pass  # it ran out meanwhile; take it anew
        return uow.leases.acquire(name, watcher.holder, watcher.lease_seconds)


def _release(watcher: Watch) -> None:
    with watcher.store.unit_of_work() as uow:
        held = uow.leases.lease(watch_lease_name(watcher.reader.chain_id))
        if held is not None and held.holder == watcher.holder:
            uow.leases.release(held)


def _halt(watcher: Watch, reason: str) -> None:
    chain_id = watcher.reader.chain_id
    with watcher.store.unit_of_work() as uow:
        if not uow.chains.is_halted(chain_id):
            uow.chains.halt(chain_id, reason)
            log.error("chain.halted", chain_id=chain_id, reason=reason)
