"""Locks in bulk: what a lock books depends on nothing but itself, so neighbours go together."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from chains.events import CollateralLocked
from chains.types import ChainId
from relayer.assets import UnknownTokenError
from relayer.clock import UnixSeconds
from relayer.errors import InvariantError
from relayer.ledger.admission import PostResult, PostStatus
from relayer.ledger.journal import JournalEntry, Phase
from relayer.money import AssetId
from relayer.reconcile.lock_entries import lock_entries, lock_entry
from relayer.reconcile.rules import FINAL, SEEN, resolve, seen_entry_id
from relayer.steps.catalog import Catalog
from relayer.steps.projections import topic_of
from relayer.steps.tell import tell_all
from relayer.store.feed import FeedItem
from relayer.store.observed_rows import Booked, EventState, StoredEvent
from relayer.store.unit_of_work import UnitOfWork

Refused = tuple[StoredEvent, str]
Sort = tuple[EventState, Booked]
STAGES: Final = {EventState.SEEN: SEEN, EventState.FINAL: FINAL}
BOOKED: Final = {EventState.SEEN: Booked.SOFT, EventState.FINAL: Booked.FINAL}


def lock_sort(stored: StoredEvent) -> Sort | None:
    """Return what locks booked together have in common; None of another event or a gone block."""
    if type(stored.event) is not CollateralLocked or stored.state is EventState.ORPHANED:
        return None
    return stored.state, stored.booked


def book_locks(
    uow: UnitOfWork, catalog: Catalog, locks: Sequence[StoredEvent]
) -> Iterator[Refused]:
    """
    Book locks of one sort in few statements, and tell of them in their order.

    Yields:
        Those that no rule can book, each with the reason.

    Raises:
        InvariantError: the journal refuses what only a bug can make.
    """
    now = uow.clock.now()
    made = _announced(catalog, locks, now)
    pending = uow.ledger.entries_by_id(
        [
            seen_entry_id(stored.event, stored.revivals)
            for stored in locks
            if stored.booked is Booked.SOFT
        ]
    )
    refused: set[bytes] = set()
    entries: list[JournalEntry] = []
    origins: list[StoredEvent] = []
    for stored, announced in zip(locks, made, strict=True):
        entry = announced
        if entry is None:
            try:
                entry = _entry(catalog, stored, pending, now)
            except UnknownTokenError as exc:
                refused.add(stored.event_id)
                yield stored, str(exc)
            except ValueError as exc:
                refused.add(stored.event_id)
                yield stored, f"unbookable: {exc}"
        if entry is not None:
            entries.append(entry)
            origins.append(stored)
    for place, result in enumerate(uow.ledger.post_many(entries)):
        if result.status is not PostStatus.CREATED:
            reason = _refusal(entries[place], result)
            if reason is not None:
                refused.add(origins[place].event_id)
                yield origins[place], reason
    _follow(uow, locks, refused)


def _announced(
    catalog: Catalog, locks: Sequence[StoredEvent], now: UnixSeconds
) -> list[JournalEntry | None]:
    """Return what new locks of one sort book; None where _entry must look."""
    state, booked = locks[0].state, locks[0].booked
    if booked is not Booked.NONE:
        return [None] * len(locks)
    return lock_entries(locks, partial(_asset_of, catalog), stage=STAGES[state], booked_at=now)


def _asset_of(catalog: Catalog, chain_id: ChainId, token: bytes) -> AssetId | None:
    try:
        return catalog.asset_of(chain_id, token).asset_id
    except UnknownTokenError:
        return None


def _entry(
    catalog: Catalog, stored: StoredEvent, pending: dict[bytes, JournalEntry], now: UnixSeconds
) -> JournalEntry | None:
    """Return what a lock books now; None where it moves no unit."""
    if stored.booked is Booked.SOFT:
        seen = pending.get(seen_entry_id(stored.event, stored.revivals))
        if seen is None:
            return None
        return resolve(seen, phase=Phase.SETTLE, revivals=stored.revivals, booked_at=now)
    event = stored.event
    if not isinstance(event, CollateralLocked):
        raise InvariantError(f"event 0x{stored.event_id.hex()} is no lock")
    asset_id = catalog.asset_of(event.position.chain_id, event.token).asset_id
    stage = STAGES[stored.state]
    return lock_entry(event, stored.revivals, asset_id, stage=stage, booked_at=now)


def _refusal(entry: JournalEntry, result: PostResult) -> str | None:
    if result.is_booked:
        return None
    if result.status is PostStatus.EXCEEDS_AVAILABLE:
        return f"exceeds_available: {result.detail} has less than {entry.kind} takes"
    raise InvariantError(f"{entry.kind} 0x{entry.entry_id.hex()}: {result}")


def _follow(uow: UnitOfWork, locks: Sequence[StoredEvent], refused: set[bytes]) -> None:
    """Mark locks of one sort as booked, but what was refused, and tell of them."""
    booked = BOOKED[locks[0].state]
    topic = topic_of(locks[0].event, booked)
    told = [
        FeedItem(topic, None, stored.event.account, event_id)
        for stored in locks
        if (event_id := stored.event.position.event_id) not in refused
    ]
    if told:
        first, last = locks[0].event.position, locks[-1].event.position
        among = (first.chain_id, first.block.height, last.block.height)
        uow.chains.mark_booked([item.correlation_id for item in told], booked, among=among)
        tell_all(uow, told)
