"""Watch: the loop around observe, rewind and quote for one chain, under one lease."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from chains.errors import (
    AttestationError,
    FinalityViolationError,
    PermanentChainError,
    TransientChainError,
)
from chains.port import ChainReader, PriceSource
from relayer.errors import CursorMovedError, LeaseLostError
from relayer.steps.catalog import Catalog
from relayer.steps.observe import Observation, ObserveLimits, observe, remember_chain
from relayer.steps.quote import quote
from relayer.steps.rewind import rewind
from relayer.store.chains import BranchError
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
        on_news: called after each run that stored something; rings doorbells or books at once.
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


async def watch(watcher: Watch, stop: asyncio.Event) -> None:
    """
    Keep one chain observed until told to stop.

    Raises:
        WrongChainError: the node serves another chain than the stored one.
    """
    chain_id = watcher.reader.chain_id
    await _until_known(watcher, stop)
    pause_seconds = watcher.poll_seconds
    while not stop.is_set():
        try:
            is_level = await _run(watcher)
            pause_seconds = watcher.poll_seconds if is_level else 0.0
        except (TransientChainError, CursorMovedError, LeaseLostError) as exc:
            log.warning("chain.unread", chain_id=chain_id, reason=str(exc))
            pause_seconds = min(
                max(pause_seconds, watcher.poll_seconds) * 2, PAUSE_AFTER_ERROR_SECONDS_MAX
            )
        except (PermanentChainError, AttestationError) as exc:
            log.error("chain.unreadable", chain_id=chain_id, reason=str(exc))
            pause_seconds = PAUSE_AFTER_ERROR_SECONDS_MAX
        await watcher.wait(pause_seconds)
    await asyncio.to_thread(_release, watcher)


async def _until_known(watcher: Watch, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await remember_chain(watcher.store, watcher.reader)
            return
        except TransientChainError as exc:
            log.warning("chain.unread", chain_id=watcher.reader.chain_id, reason=str(exc))
            await watcher.wait(watcher.poll_seconds)


async def _run(watcher: Watch) -> bool:
    """Do one round; True when the chain is level with its heads."""
    lease = await asyncio.to_thread(_lease, watcher)
    if lease is None:
        return True
    try:
        observation = await observe(
            watcher.store, watcher.reader, limits=watcher.limits, lease=lease
        )
    except BranchError:
        try:
            await rewind(watcher.store, watcher.reader, lease=lease)
        except FinalityViolationError as exc:
            await asyncio.to_thread(_halt, watcher, str(exc))
        return False
    except (FinalityViolationError, LockConflictError) as exc:
        await asyncio.to_thread(_halt, watcher, str(exc))
        return True
    if observation.is_level:
        await quote(watcher.store, watcher.catalog, watcher.reader, watcher.prices, observation)
    await watcher.on_news(observation)
    return observation.is_level


def _lease(watcher: Watch) -> Lease | None:
    """Take or keep the lease; None while another process has it or the chain is halted."""
    chain_id = watcher.reader.chain_id
    with watcher.store.unit_of_work() as uow:
        if uow.chains.is_halted(chain_id):
            return None
        name = watch_lease_name(chain_id)
        held = uow.leases.lease(name)
        if held is not None and held.holder == watcher.holder:
            if held.expires_at - uow.clock.now() > LEASE_SECONDS // 2:
                return held
            try:
                return uow.leases.renew(held, LEASE_SECONDS)
            except LeaseLostError:
                pass  # it ran out meanwhile; take it anew
        return uow.leases.acquire(name, watcher.holder, LEASE_SECONDS)


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
