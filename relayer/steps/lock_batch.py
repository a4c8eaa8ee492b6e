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

Outcome = tuple[StoredEvent, str | None]
STAGES: Final = {EventState.SEEN: Booked.SOFT, EventState.FINAL: Booked.FINAL}
STAGE_NAMES: Final = {EventState.SEEN: SEEN, EventState.FINAL: FINAL}


def is_living_lock(stored: StoredEvent) -> bool:
    """Return whether an event is a lock whose block is on our branch."""
    return isinstance(stored.event, CollateralLocked) and stored.state is not EventState.ORPHANED


def book_locks(
    uow: UnitOfWork, catalog: Catalog, locks: Sequence[StoredEvent]
) -> Iterator[Outcome]:
    """
    Book locks that are seen or final in few statements, and tell of them in their order.

    Yields:
        Each lock with None, or with the reason why no rule can book it.

    Raises:
        InvariantError: the journal refuses what only a bug can make.
    """
    pending = uow.ledger.entries_by_id(
        [
            seen_entry_id(stored.event, stored.revivals)
            for stored in locks
            if stored.booked is Booked.SOFT
        ]
    )
    made: list[tuple[StoredEvent, JournalEntry | None]] = []
    now = uow.clock.now()
    known = _announced(catalog, locks, now)
    for stored, entry in zip(locks, known, strict=True):
        if entry is not None:
            made.append((stored, entry))
            continue
        try:
            made.append((stored, _entry(catalog, stored, pending, now)))
        except UnknownTokenError as exc:
            yield stored, str(exc)
        except ValueError as exc:
            yield stored, f"unbookable: {exc}"
    results = iter(uow.ledger.post_many([entry for _, entry in made if entry is not None]))
    booked = []
    for stored, entry in made:
        reason = None if entry is None else _refusal(entry, next(results))
        if reason is None:
            booked.append(stored)
        yield stored, reason
    _follow(uow, booked)


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
    stage = STAGE_NAMES[stored.state]
    return lock_entry(event, stored.revivals, asset_id, stage=stage, booked_at=now)


def _announced(
    catalog: Catalog, locks: Sequence[StoredEvent], now: UnixSeconds
) -> list[JournalEntry | None]:
    """Return what those locks book that the journal does not know; None where _entry must look."""
    entries: dict[bytes, JournalEntry | None] = {}
    for state, stage in STAGE_NAMES.items():
        new = [
            (stored.event, stored.revivals)
            for stored in locks
            if stored.state is state
            and stored.booked is Booked.NONE
            and isinstance(stored.event, CollateralLocked)
        ]
        made = lock_entries(new, partial(_asset_of, catalog), stage=stage, booked_at=now)
        entries |= {
            event.position.event_id: entry for (event, _), entry in zip(new, made, strict=True)
        }
    return [entries.get(stored.event_id) for stored in locks]


def _asset_of(catalog: Catalog, chain_id: ChainId, token: bytes) -> AssetId | None:
    try:
        return catalog.asset_of(chain_id, token).asset_id
    except UnknownTokenError:
        return None


def _refusal(entry: JournalEntry, result: PostResult) -> str | None:
    if result.is_booked:
        return None
    if result.status is PostStatus.EXCEEDS_AVAILABLE:
        return f"exceeds_available: {result.detail} has less than {entry.kind} takes"
    raise InvariantError(f"{entry.kind} 0x{entry.entry_id.hex()}: {result}")


def _follow(uow: UnitOfWork, locks: Sequence[StoredEvent]) -> None:
    """Mark what is booked and tell of it."""
    for state, stage in STAGES.items():
        event_ids = [stored.event_id for stored in locks if stored.state is state]
        if event_ids:
            uow.chains.mark_booked(event_ids, stage)
    topics = {
        stored.state: topic_of(stored.event, STAGES[stored.state]) for stored in locks
    }
    told = [
        FeedItem(topics[stored.state], None, stored.event.account, stored.event_id)
        for stored in locks
    ]
    tell_all(uow, told)
