"""Recount: hold the stored locks of a vault against its own count, and find what is missing."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from chains.errors import BlockGoneError, MalformedLogError, RpcAnswerError
from chains.events import CollateralLocked, ObservedEvent
from chains.port import ChainReader, EventRead, VaultState
from chains.types import BlockRef, ChainId
from relayer.ledger.chart import Side, vault_code
from relayer.money import AssetId
from relayer.steps.catalog import Catalog
from relayer.steps.compare import Custody, record_differences
from relayer.steps.observe import ObserveLimits, keep, read_range
from relayer.steps.prove import set_unproven_aside
from relayer.steps.reread import confirmed_events, report_missed
from relayer.store.holes import HoleSource, LockGap, LockIds
from relayer.store.leases import Lease
from relayer.store.unit_of_work import Store, UnitOfWork

LOCKS_PER_TURN_MAX: Final = 5
RANGES_PER_TURN_MAX: Final = 20
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ScanMemory:
    """How far a gap was scanned block range by block range, by the first lock id of the gap."""

    scanned_to: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recount:
    """
    A vault's count at a final block against what is stored, and the holes that were found.

    states hold what the vault says of each asset, where the counts differ. is_searched: every gap
    was looked through to its end, so that a shortfall that stays is a break.
    """

    chain_id: ChainId
    vault: bytes
    block: BlockRef
    stored: LockIds
    lock_count: int
    states: tuple[VaultState, ...]
    found: EventRead
    is_searched: bool

    @property
    def is_equal(self) -> bool:
        """Return whether exactly the locks that the vault has counted are stored."""
        return self.stored.is_exactly(self.lock_count)

    @property
    def is_surplus(self) -> bool:
        """Return whether a lock is stored that the vault has never counted."""
        return self.stored.count > self.lock_count or self.stored.highest > self.lock_count


@dataclass(frozen=True, slots=True)
class _Stored:
    block: BlockRef
    ids: LockIds


@dataclass(frozen=True, slots=True)
class _Search:
    """Where and with what the missing locks of one vault are looked for."""

    reader: ChainReader
    vault: bytes
    token: bytes
    final: BlockRef
    limits: ObserveLimits
    memory: ScanMemory


async def recount(
    store: Store,
    catalog: Catalog,
    reader: ChainReader,
    *,
    limits: ObserveLimits,
    memory: ScanMemory,
) -> Recount | None:
    """
    Ask a chain's vault how many locks it counted at the final block, and look for missing ones.

    Lock ids rise by one each, so a missing id names a hole. Its block is found by halving where the
    node still has the old states, and range by range where it has not. Nothing is written.

    Returns:
        None where the chain has no vault, no token or no final block.

    Raises:
        TransientChainError: the node failed; ask again later.
    """
    chain_id = reader.chain_id
    vault = catalog.vaults.get(chain_id)
    assets = catalog.assets_on(chain_id)
    if vault is None or not assets:
        return None
    stored = await asyncio.to_thread(_stored, store, chain_id, vault)
    if stored is None:
        return None
    token = catalog.token_of(assets[0], chain_id)
    first_state = await reader.vault_state(vault, token, stored.block)
    lock_count = first_state.lock_count
    states: tuple[VaultState, ...] = (first_state,)
    found, is_searched = EventRead((), ()), True
    if stored.ids.is_exactly(lock_count):
        memory.scanned_to.clear()
    else:
        for asset_id in assets[1:]:
            other = catalog.token_of(asset_id, chain_id)
            states = (*states, await reader.vault_state(vault, other, stored.block))
        gaps = await asyncio.to_thread(_gaps, store, chain_id, vault, stored.block, lock_count)
        search = _Search(reader, vault, token, stored.block, limits, memory)
        found, is_searched = await _searched(search, gaps)
    return Recount(
        chain_id, vault, stored.block, stored.ids, lock_count, states, found, is_searched
    )


def store_recount(
    store: Store, result: Recount, limits: ObserveLimits, lease: Lease
) -> tuple[ObservedEvent, ...]:
    """
    Store the locks that were found, and halt the chain where the vault denies a stored one.

    Returns:
        The events that had been missing.
    """
    missed: tuple[ObservedEvent, ...] = ()
    with store.unit_of_work() as uow:
        if result.found.events:
            keep(uow, result.chain_id, result.found)
            cursor = uow.chains.cursor(result.chain_id)
            missed = uow.holes.fill(cursor, result.found.events, HoleSource.LOCK_COUNT, lease)
            report_missed(uow, missed, HoleSource.LOCK_COUNT)
            set_unproven_aside(uow, result.found, is_enforced=limits.is_movement_enforced)
        if result.is_surplus and not uow.chains.is_halted(result.chain_id):
            reason = (
                f"{result.stored.count} locks are stored, the highest is {result.stored.highest}, "
                f"and the vault has counted {result.lock_count}: a lock is forged"
            )
            uow.chains.halt(result.chain_id, reason)
            log.error("chain.halted", chain_id=result.chain_id, reason=reason)
    return missed


def store_break(store: Store, catalog: Catalog, result: Recount, lease: Lease) -> None:
    """Record a break for every asset of a vault whose count differs and stays different."""
    log.error(
        "lock.missing",
        chain_id=result.chain_id,
        ledger_locks=str(result.stored.count),
        vault_locks=str(result.lock_count),
        height=result.block.height,
    )

    def _fence(uow: UnitOfWork) -> None:
        uow.leases.check(lease.name, lease.token)

    custodies = [
        Custody(
            chain_id=result.chain_id,
            asset_id=asset_id,
            vault=result.vault,
            block=result.block,
            ledger_units=_vault_units(store, result, asset_id),
            held_units=state.held_units,
            balance_units=state.balance_units,
            ledger_locks=result.stored.count,
            vault_locks=result.lock_count,
        )
        for state in result.states
        if (asset_id := catalog.asset_of(result.chain_id, state.token).asset_id)
    ]
    record_differences(store, custodies, _fence)


def _stored(store: Store, chain_id: ChainId, vault: bytes) -> _Stored | None:
    with store.read() as uow:
        block = uow.chains.cursor(chain_id).finalized
        if block is None:
            return None
        return _Stored(block, uow.holes.count_lock_ids(chain_id, vault, height=block.height))


def _gaps(
    store: Store, chain_id: ChainId, vault: bytes, block: BlockRef, lock_count: int
) -> tuple[LockGap, ...]:
    with store.read() as uow:
        return uow.holes.lock_gaps(chain_id, vault, height=block.height, lock_count=lock_count)


def _vault_units(store: Store, result: Recount, asset_id: AssetId) -> int:
    with store.read() as uow:
        counters = uow.ledger.counters(vault_code(result.vault), asset_id, result.chain_id)
    return counters.posted(Side.DEBIT)


async def _searched(search: _Search, gaps: Sequence[LockGap]) -> tuple[EventRead, bool]:
    """Return the events found in the first gaps, and whether all gaps were looked through."""
    events: dict[bytes, ObservedEvent] = {}
    flaws: list[MalformedLogError] = []
    is_searched = len(gaps) <= LOCKS_PER_TURN_MAX
    for gap in gaps[:LOCKS_PER_TURN_MAX]:
        read, is_done = await _search_gap(search, gap)
        events |= {event.position.event_id: event for event in read.events}
        flaws += read.malformed
        is_searched = is_searched and is_done
    return EventRead(tuple(events.values()), tuple(flaws)), is_searched


async def _search_gap(search: _Search, gap: LockGap) -> tuple[EventRead, bool]:
    low = search.limits.start_height if gap.height_before is None else gap.height_before
    high = search.final.height if gap.height_after is None else gap.height_after
    if gap.first_id not in search.memory.scanned_to:
        height = await _height_of(search, gap.first_id, low, high)
        if height is not None:
            header = await search.reader.header_at(height)
            read = await confirmed_events(search.reader, header, partial(_holds, gap.first_id))
            if _holds(gap.first_id, read.events):
                return read, True
        search.memory.scanned_to[gap.first_id] = low - 1
    return await _scan(search, gap, high)


async def _height_of(search: _Search, lock_id: int, low: int, high: int) -> int | None:
    """Return the block in which the vault counted a lock; None where the old states are gone."""
    while low < high:
        middle = low + (high - low) // 2
        try:
            block = (await search.reader.header_at(middle)).block
            state = await search.reader.vault_state(search.vault, search.token, block)
            lock_count = state.lock_count
        except BlockGoneError:
            return None
        except RpcAnswerError:
            lock_count = 0  # there is no vault yet; what is found is checked by its logs
        if lock_count >= lock_id:
            high = middle
        else:
            low = middle + 1
    return low


async def _scan(search: _Search, gap: LockGap, high: int) -> tuple[EventRead, bool]:
    """Read on through a gap, a bounded number of ranges; the memory says where to go on."""
    events: list[ObservedEvent] = []
    flaws: list[MalformedLogError] = []
    scanned_to = search.memory.scanned_to[gap.first_id]
    for _ in range(RANGES_PER_TURN_MAX):
        if scanned_to >= high:
            break
        last = min(high, scanned_to + search.limits.finalized_span_max)
        read, scanned_to = await read_range(search.reader, scanned_to + 1, last)
        events += read.events
        flaws += read.malformed
    search.memory.scanned_to[gap.first_id] = scanned_to
    is_done = scanned_to >= high
    if is_done:
        del search.memory.scanned_to[gap.first_id]  # the next recount begins anew
    return EventRead(tuple(events), tuple(flaws)), is_done


def _holds(lock_id: int, events: Iterable[ObservedEvent]) -> bool:
    return any(isinstance(event, CollateralLocked) and event.lock_id == lock_id for event in events)
