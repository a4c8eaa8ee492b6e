"""Reread: read final blocks a second time, later and elsewhere, and store what was missed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from chains.errors import FinalityViolationError, MalformedLogError
from chains.events import ObservedEvent
from chains.port import ChainReader, EventRead
from chains.types import BlockHeader, ChainId, raw_text
from relayer.clock import UnixSeconds
from relayer.steps.observe import ObserveLimits, keep, read_range
from relayer.steps.prove import set_unproven_aside
from relayer.steps.tell import tell
from relayer.store.chains import Cursor
from relayer.store.holes import HoleKind, HoleSource, StoredPlace
from relayer.store.leases import Lease
from relayer.store.observed_rows import Booked
from relayer.store.unit_of_work import Store, UnitOfWork

CONFIRMATIONS: Final = 3  # nodes lose a log now and then: one silence is no denial
DENIED: Final = "denied_by_quorum"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RereadLimits:
    """
    When a final block is read again, and how many at once.

    Args:
        depth_blocks: it lies so many heights below the final block, or
        age_seconds: it was stored so long ago; whichever comes first.
    """

    observe: ObserveLimits
    depth_blocks: int = 100
    age_seconds: int = 600


@dataclass(frozen=True, slots=True)
class SecondReading:
    """
    What a second reading came to, with the word of the first reader on every difference.

    Args:
        missed: events that the store lacks and the first reader confirms, with their flaws.
        disputed: events that only one of the two readers knows; the first one's word stays.
        denied: stored events that both deny.
        last_height: the range is done up to here; None where the other node's word about an event
            stayed alone, so that another one is asked for the same range.
    """

    chain_id: ChainId
    missed: EventRead
    disputed: tuple[ObservedEvent, ...]
    denied: tuple[ObservedEvent, ...]
    last_height: int | None


@dataclass(frozen=True, slots=True)
class _Due:
    first_height: int
    last_height: int


async def second_reading(
    store: Store, first: ChainReader, second: ChainReader, limits: RereadLimits
) -> SecondReading | None:
    """
    Read the next range that is due a second time; None when none is. Nothing is written.

    Args:
        first: whose word decides a difference: the reader of the first reading, by block hash.
        second: who reads the range, another node where there is one.

    Raises:
        FinalityViolationError: the block of a stored final event is no longer on the chain.
        TransientChainError: a node failed; the range stays due.
    """
    span = min(limits.observe.finalized_span_max, max(1, second.suggested_span))
    due = await asyncio.to_thread(_due, store, first.chain_id, limits, span)
    if due is None:
        return None
    read, last_height = await read_range(second, due.first_height, due.last_height)
    return await _judged(store, first, read, _Due(due.first_height, last_height))


async def _judged(store: Store, first: ChainReader, read: EventRead, done: _Due) -> SecondReading:
    chain_id = first.chain_id
    places = await asyncio.to_thread(_places, store, chain_id, done)
    known = {place.event_id for place in places}
    given = {event.position.event_id: event for event in read.events}
    absent = [place for place in places if place.event_id not in given]
    new = [event for event in read.events if event.position.event_id not in known]
    heights = sorted(
        {place.block.height for place in absent} | {event.position.block.height for event in new}
    )
    confirmed: dict[bytes, ObservedEvent] = {}
    flaws = list(read.unreadable)
    for height in heights:
        header = await first.header_at(height)
        _check_final(chain_id, header, [place for place in absent if place.block.height == height])
        if header.block.height != height:
            continue  # only the second reader has a block there
        wanted = {place.event_id for place in absent if place.block == header.block} | {
            event.position.event_id for event in new if event.position.block == header.block
        }
        again = await confirmed_events(first, header, partial(_are_among, wanted))
        confirmed |= {event.position.event_id: event for event in again.events}
        flaws += again.malformed
    unconfirmed = await asyncio.to_thread(_stored_events, store, absent)
    alone = [event for event in new if event.position.event_id not in confirmed]
    overlooked = [event for event in unconfirmed if event.position.event_id in confirmed]
    return SecondReading(
        chain_id=chain_id,
        missed=EventRead(
            tuple(event for event in confirmed.values() if event.position.event_id not in known),
            tuple(flaws),
        ),
        disputed=(*alone, *overlooked),
        denied=tuple(e for e in unconfirmed if e.position.event_id not in confirmed),
        last_height=None if alone else done.last_height,
    )


async def confirmed_events(
    reader: ChainReader, header: BlockHeader, is_enough: Callable[[list[ObservedEvent]], bool]
) -> EventRead:
    """Return the events of a block, asked by its hash until they are enough, or so often."""
    events: dict[bytes, ObservedEvent] = {}
    flaws: dict[int, MalformedLogError] = {}
    for _ in range(CONFIRMATIONS):
        read = await reader.events_in_block(header.block)
        for event in read.events:
            events[event.position.event_id] = event
            flaws.pop(event.position.log_index, None)  # the newest verdict counts
        flaws |= {flaw.log_index: flaw for flaw in read.malformed}
        if is_enough(list(events.values())):
            break
    return EventRead(tuple(events.values()), tuple(flaws.values()))


def store_second_reading(
    store: Store, reading: SecondReading, limits: RereadLimits, lease: Lease
) -> int:
    """
    Store what the first reading had missed, report every difference, and halt on a denied event.

    Returns:
        How many events were missed.

    Raises:
        LockConflictError: a missed lock has the id of a stored one; the chain must be halted.
    """
    with store.unit_of_work() as uow:
        keep(uow, reading.chain_id, _only_new_flaws(uow, reading))
        cursor = uow.chains.cursor(reading.chain_id)
        events = reading.missed.events
        if reading.denied or reading.last_height is None:
            missed = uow.holes.fill(cursor, events, HoleSource.REREAD, lease)
        else:
            missed = uow.holes.store_second_reading(cursor, events, reading.last_height, lease)
        report_missed(uow, missed, HoleSource.REREAD)
        set_unproven_aside(uow, reading.missed, is_enforced=limits.observe.is_movement_enforced)
        _report_disputed(uow, reading)
        for event in reading.denied:
            _deny(uow, event)
    return len(missed)


def report_missed(uow: UnitOfWork, missed: tuple[ObservedEvent, ...], source: HoleSource) -> None:
    """Log and tell each event that was stored late."""
    for event in missed:
        shown = _shown(event) | {"source": source.value}
        log.error("hole.found", **shown)
        _tell(uow, "hole.found", event, shown)


def _report_disputed(uow: UnitOfWork, reading: SecondReading) -> None:
    for event in uow.holes.record(reading.disputed, HoleKind.DISPUTED, HoleSource.REREAD):
        log.warning("event.disputed", **_shown(event))


def _deny(uow: UnitOfWork, event: ObservedEvent) -> None:
    """Flag a stored event that a quorum denies; whatever it was, it was no fact of this chain."""
    is_new = uow.holes.record((event,), HoleKind.UNCONFIRMED, HoleSource.REREAD)
    position = event.position
    shown = _shown(event)
    stored = uow.chains.event(position.event_id)
    is_parked = stored is not None and stored.booked is Booked.PARKED
    if is_parked and not is_new:
        return  # it was told, and is still set aside
    if is_parked:
        uow.chains.unpark(position.event_id)  # whatever else it waited for: this weighs more
    if stored is not None:
        uow.chains.park(position.event_id, f"{DENIED}: a later reading does not have it")
    reason = f"final event {shown['event_id']} is stored, and the chain's nodes deny it"
    uow.chains.halt(position.chain_id, reason)
    log.error("event.unconfirmed", **shown)
    log.error("chain.halted", chain_id=position.chain_id, reason=reason)
    _tell(uow, "event.unconfirmed", event, shown)


def _tell(uow: UnitOfWork, name: str, event: ObservedEvent, shown: dict[str, str]) -> None:
    tell(uow, name, shown, account=event.account, correlation_id=event.position.event_id)


def _shown(event: ObservedEvent) -> dict[str, str]:
    position = event.position
    return {
        "chain_id": position.chain_id,
        "event_id": "0x" + position.event_id.hex(),
        "kind": type(event).__name__,
        "height": str(position.block.height),
        "tx_hash": raw_text(position.chain_id, position.tx_hash),
    }


def _only_new_flaws(uow: UnitOfWork, reading: SecondReading) -> EventRead:
    """Leave out the unreadable logs that were reported by the first reading."""
    known = {(m.block, m.log_index) for m in uow.chains.malformed(reading.chain_id)}
    new = [f for f in reading.missed.unreadable if (f.block, f.log_index) not in known]
    return EventRead(reading.missed.events, tuple(dict.fromkeys(new)))


def _are_among(wanted: set[bytes], events: list[ObservedEvent]) -> bool:
    return wanted <= {event.position.event_id for event in events}


def _due(store: Store, chain_id: ChainId, limits: RereadLimits, span: int) -> _Due | None:
    """Return the next range that is old enough for its second reading."""
    with store.read() as uow:
        cursor = uow.chains.cursor(chain_id)
        if cursor.finalized is None:
            return None
        last_height = cursor.finalized.height - limits.depth_blocks
        read_by = UnixSeconds(uow.clock.now() - limits.age_seconds)
        aged_height = uow.holes.height_read_by(chain_id, read_by)
        if aged_height is not None:
            last_height = max(last_height, aged_height)
        first_height = _first_height(uow, cursor, limits)
    last_height = min(last_height, cursor.finalized.height, first_height + span - 1)
    return _Due(first_height, last_height) if first_height <= last_height else None


def _first_height(uow: UnitOfWork, cursor: Cursor, limits: RereadLimits) -> int:
    if cursor.reread_height is not None:
        return cursor.reread_height + 1
    oldest = uow.holes.first_height(cursor.chain_id)
    start = limits.observe.start_height
    return start if oldest is None else min(start, oldest)


def _places(store: Store, chain_id: ChainId, done: _Due) -> tuple[StoredPlace, ...]:
    with store.read() as uow:
        return uow.holes.final_places(chain_id, done.first_height, done.last_height)


def _stored_events(store: Store, places: list[StoredPlace]) -> tuple[ObservedEvent, ...]:
    with store.read() as uow:
        found = [uow.chains.event(place.event_id) for place in places]
    return tuple(stored.event for stored in found if stored is not None)


def _check_final(chain_id: ChainId, header: BlockHeader, places: list[StoredPlace]) -> None:
    """Refuse to go on where a final block was replaced, by a height without a block too."""
    for place in places:
        if place.block != header.block:
            raise FinalityViolationError(chain_id=chain_id, block=place.block)
