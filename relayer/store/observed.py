"""Stored observed events: reading them, and which of them still need a journal entry."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, and_, case, func, or_, select, true, update

from chains.events import ObservedEvent
from chains.types import BlockRef, ChainId
from relayer.clock import Clock
from relayer.errors import StateMovedError
from relayer.store.bulk import (
    insert_new_rows,
    insert_rows,
    is_among,
    slices,
)
from relayer.store.chain_tables import MALFORMED_LOG, OBSERVED_EVENT
from relayer.store.copy_rows import StoredRow
from relayer.store.marks import (
    BookingMark,
    booking_mark,
    lower_mark,
    raise_mark,
    waiting_rows,
)
from relayer.store.observed_rows import (
    EVENT_COLUMNS,
    EVENTS_PER_QUERY_MAX,
    Booked,
    EventFilter,
    EventState,
    LockConflictError,
    MalformedLog,
    StoredEvent,
    row_of,
    stored_all,
    stored_of,
)
from relayer.store.statements import excluded_of, insert_into, rows_changed

LOCK_KIND: Final = "CollateralLocked"


class ObservedEventTable:
    """Observed events, inside one transaction. Writing a block's events is ChainTable's part."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def event(self, event_id: bytes) -> StoredEvent | None:
        """Return one event; None when it was never seen."""
        row = self._connection.execute(
            select(OBSERVED_EVENT).where(OBSERVED_EVENT.c.event_id == event_id)
        ).one_or_none()
        return None if row is None else stored_of(row)

    def events(self, event_filter: EventFilter) -> tuple[StoredEvent, ...]:
        """Return events by (chain_id, height, log_index)."""
        table = OBSERVED_EVENT.c
        statement = select(OBSERVED_EVENT)
        if event_filter.chain_id is not None:
            statement = statement.where(table.chain_id == event_filter.chain_id)
        if event_filter.account is not None:
            statement = statement.where(table.account == event_filter.account)
        if event_filter.kinds:
            statement = statement.where(table.kind.in_(event_filter.kinds))
        if event_filter.message_id is not None:
            statement = statement.where(table.message_id == event_filter.message_id)
        if event_filter.states:
            states = [state.value for state in event_filter.states]
            statement = statement.where(table.state.in_(states))
        ordered = statement.order_by(table.chain_id, table.height, table.log_index)
        rows = self._connection.execute(ordered.limit(event_filter.limit)).all()
        return stored_all(rows)

    def newest_event(
        self, chain_id: ChainId, *, contract: bytes, account: bytes, kinds: Collection[str]
    ) -> StoredEvent | None:
        """Return an account's newest living event of some kinds that is booked; None without."""
        table = OBSERVED_EVENT.c
        row = self._connection.execute(
            select(OBSERVED_EVENT)
            .where(table.chain_id == chain_id, table.contract == contract)
            .where(table.account == account, table.kind.in_(kinds))
            .where(table.state != EventState.ORPHANED.value)
            .where(table.booked.in_([Booked.SOFT.value, Booked.FINAL.value]))
            .order_by(table.height.desc(), table.log_index.desc())
            .limit(1)
        ).one_or_none()
        return None if row is None else stored_of(row)

    def unbooked_events(self, chain_id: ChainId, limit: int) -> tuple[StoredEvent, ...]:
        """
        Return the events whose journal entries lag behind their state.

        Events of gone blocks come first, the newest of them first: what was built on another is
        taken back before it, and nothing counts twice. The others come by (height, log_index).
        Parked events are left out.
        """
        return stored_all(waiting_rows(self._connection, chain_id, limit))

    def booking_mark(self, chain_id: ChainId) -> BookingMark:
        """Return from where on living events may wait; see relayer.store.marks."""
        return booking_mark(self._connection, chain_id)

    def raise_mark(self, mark: BookingMark, height: int) -> None:
        """Say that no living event below a height waits; see relayer.store.marks."""
        raise_mark(self._connection, mark, height)

    def mark_booked(
        self,
        event_ids: Collection[bytes],
        booked: Booked,
        *,
        among: tuple[ChainId, int, int] | None = None,
    ) -> None:
        """
        Say what the journal holds now, in the transaction that posted it.

        Args:
            among: chain, lowest and highest height of events that are neighbours there: they are
                found in the order of their places, and not each by its id.

        Raises:
            StateMovedError: an event is unknown, or its block's fate changed meanwhile.
        """
        fitting = {
            Booked.SOFT: EventState.SEEN,
            Booked.FINAL: EventState.FINAL,
            Booked.VOID: EventState.ORPHANED,
        }
        state = fitting.get(booked)
        if state is None:
            raise ValueError(f"{booked.value} is not something that is booked; use park")
        for chunk in slices(event_ids):
            is_meant = is_among(self._connection, OBSERVED_EVENT.c.event_id, chunk)
            if among is not None:
                chain_id, lowest, highest = among
                is_meant = and_(
                    OBSERVED_EVENT.c.chain_id == chain_id,
                    OBSERVED_EVENT.c.height.between(lowest, highest),
                    is_meant.is_(true()),  # no index is asked for what IS true
                )
            changed = rows_changed(
                self._connection,
                update(OBSERVED_EVENT)
                .where(is_meant, OBSERVED_EVENT.c.state == state.value)
                .values(booked=booked.value),
            )
            if changed != len(chunk):
                raise StateMovedError(what="an observed event", expected=state.value)

    def park(self, event_id: bytes, reason: str) -> None:
        """
        Set an event aside that no rule can book, so that it blocks no other.

        Raises:
            StateMovedError: it is unknown or parked already.
        """
        statement = update(OBSERVED_EVENT).where(
            OBSERVED_EVENT.c.event_id == event_id,
            OBSERVED_EVENT.c.booked != Booked.PARKED.value,
        )
        if not rows_changed(
            self._connection,
            statement.values(
                booked=Booked.PARKED.value,
                parked_from=OBSERVED_EVENT.c.booked,
                parked_reason=reason,
            ),
        ):
            raise StateMovedError(what=f"event 0x{event_id.hex()}", expected="unparked")

    def unpark(self, event_id: bytes) -> None:
        """
        Let a parked event be booked again.

        Raises:
            StateMovedError: it is not parked.
        """
        statement = update(OBSERVED_EVENT).where(
            OBSERVED_EVENT.c.event_id == event_id,
            OBSERVED_EVENT.c.booked == Booked.PARKED.value,
        )
        table = OBSERVED_EVENT.c
        found = self._connection.execute(
            statement.values(unparked_values()).returning(table.chain_id, table.height)
        ).one_or_none()
        if found is None:
            raise StateMovedError(what=f"event 0x{event_id.hex()}", expected="parked")
        lower_mark(self._connection, *found)

    def parked_events(
        self,
        limit: int = EVENTS_PER_QUERY_MAX,
        *,
        message_id: bytes | None = None,
        reason_prefix: str | None = None,
        account: bytes | None = None,
    ) -> tuple[StoredEvent, ...]:
        """
        Return the events that wait for a person, in the order of the chains.

        Args:
            message_id: only effects of this message.
            reason_prefix: only those whose reason begins with it.
            account: only those that concern this margin account.
        """
        table = OBSERVED_EVENT.c
        statement = select(OBSERVED_EVENT).where(table.booked == Booked.PARKED.value)
        if message_id is not None:
            statement = statement.where(table.message_id == message_id)
        if account is not None:
            statement = statement.where(table.account == account)
        if reason_prefix is not None:
            is_so = table.parked_reason.startswith(reason_prefix, autoescape=True)
            statement = statement.where(is_so)
        rows = self._connection.execute(
            statement.order_by(table.chain_id, table.height, table.log_index).limit(limit)
        ).all()
        return stored_all(rows)

    def count_locks(
        self, chain_id: ChainId, vault: bytes, *, height: int, is_final_only: bool
    ) -> int:
        """Return how many living locks of a vault are stored up to a height."""
        table = OBSERVED_EVENT.c
        states = [EventState.FINAL.value]
        if not is_final_only:
            states.append(EventState.SEEN.value)
        return self._connection.execute(
            select(func.count()).where(
                table.chain_id == chain_id,
                table.contract == vault,
                table.kind == LOCK_KIND,
                table.height <= height,
                table.state.in_(states),
            )
        ).scalar_one()

    def add_malformed(self, logs: Iterable[MalformedLog]) -> None:
        """Keep logs that could not be read; the same log twice is kept once."""
        now = self._clock.now()
        rows = [
            {
                "chain_id": log.chain_id,
                "block_hash": log.block.block_hash,
                "tx_hash": log.tx_hash,
                "log_index": log.log_index,
                "height": log.block.height,
                "contract": log.contract,
                "reason": log.reason,
                "seen_at": now,
            }
            for log in logs
        ]
        if rows:
            statement = insert_into(self._connection, MALFORMED_LOG)
            self._connection.execute(statement.on_conflict_do_nothing(), rows)

    def malformed(self, chain_id: ChainId) -> tuple[MalformedLog, ...]:
        """Return a chain's unreadable logs, the newest EVENTS_PER_QUERY_MAX, newest first."""
        rows = self._connection.execute(
            select(MALFORMED_LOG)
            .where(MALFORMED_LOG.c.chain_id == chain_id)
            .order_by(MALFORMED_LOG.c.height.desc(), MALFORMED_LOG.c.log_index.desc())
            .limit(EVENTS_PER_QUERY_MAX)
        )
        return tuple(
            MalformedLog(
                chain_id=chain_id,
                block=BlockRef(row.height, row.block_hash),
                tx_hash=bytes(row.tx_hash),
                log_index=row.log_index,
                contract=row.contract,
                reason=row.reason,
            )
            for row in rows
        )

    def _store_above(
        self, chain_id: ChainId, events: Sequence[ObservedEvent], state: EventState
    ) -> None:
        """Store the events of blocks above the cursor; hardly ever is one of them known."""
        rows = self._rows(chain_id, events, state)
        if rows and not insert_new_rows(self._connection, OBSERVED_EVENT, EVENT_COLUMNS, rows):
            self._store_events(chain_id, events, state)

    def _store_late(self, chain_id: ChainId, events: Sequence[ObservedEvent]) -> int:
        """Store the events of final blocks once more; return how many were missing or gone."""
        count = self._store_events(chain_id, events, EventState.FINAL)
        if count:
            lowest = min(event.position.block.height for event in events)
            lower_mark(self._connection, chain_id, lowest)
        return count

    def _store_events(
        self, chain_id: ChainId, events: Sequence[ObservedEvent], state: EventState
    ) -> int:
        rows = self._rows(chain_id, events, state)
        known = self._known(chain_id, events)
        new = [row for row in rows if row[0] not in known]
        insert_rows(self._connection, OBSERVED_EVENT, EVENT_COLUMNS, new)
        self._store_again([row for row in rows if row[0] in known])
        return len(new) + sum(not is_living for is_living in known.values())

    def _rows(
        self, chain_id: ChainId, events: Sequence[ObservedEvent], state: EventState
    ) -> list[StoredRow]:
        """Return the rows of some events, their ids first; the same event twice has one."""
        for event in events:
            if event.position.chain_id != chain_id:
                raise ValueError(f"an event of {event.position.chain_id} in a block of {chain_id}")
        now = self._clock.now()
        distinct = {event.position.event_id: event for event in events}
        return [row_of(event, state, now) for event in distinct.values()]

    def _store_again(self, rows: Sequence[StoredRow]) -> None:
        """Store what is there already: a block that came back, or became final."""
        if not rows:
            return
        statement = insert_into(self._connection, OBSERVED_EVENT)
        was_gone = OBSERVED_EVENT.c.state == EventState.ORPHANED.value
        is_taken_back = and_(was_gone, OBSERVED_EVENT.c.booked == Booked.VOID.value)
        given = excluded_of(OBSERVED_EVENT)
        is_new_state = or_(was_gone, given.state == EventState.FINAL.value)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[OBSERVED_EVENT.c.event_id],
                set_={
                    "state": case((is_new_state, given.state), else_=OBSERVED_EVENT.c.state),
                    "booked": case(
                        (is_taken_back, Booked.NONE.value), else_=OBSERVED_EVENT.c.booked
                    ),
                    "revivals": OBSERVED_EVENT.c.revivals + case((is_taken_back, 1), else_=0),
                    "final_at": func.coalesce(OBSERVED_EVENT.c.final_at, given.final_at),
                },
            ),
            [dict(zip(EVENT_COLUMNS, row, strict=True)) for row in rows],
        )

    def _known(self, chain_id: ChainId, events: Sequence[ObservedEvent]) -> dict[bytes, bool]:
        """Return which events are stored, and whether living; refuse a lock that another holds."""
        table = OBSERVED_EVENT.c
        is_living = table.state != EventState.ORPHANED.value
        known: dict[bytes, bool] = {}
        for words in slices(event.position.event_id for event in events):
            statement = select(table.event_id, table.state).where(
                is_among(self._connection, table.event_id, words)
            )
            for event_id, state in self._connection.execute(statement):
                known[event_id] = state != EventState.ORPHANED.value
        locks: dict[tuple[bytes, int], bytes] = {}
        for event in events:
            lock_id = getattr(event, "lock_id", None)
            if lock_id is not None:
                position = event.position
                holder = locks.setdefault((position.contract, lock_id), position.event_id)
                _check_lock(chain_id, lock_id, holder, position.event_id)
        contracts = sorted({contract for contract, _ in locks})
        for chunk in _chunks(sorted({lock_id for _, lock_id in locks})):
            rows = self._connection.execute(
                select(table.event_id, table.contract, table.lock_id)
                .where(
                    table.chain_id == chain_id,
                    is_among(self._connection, table.contract, contracts),
                )
                .where(table.lock_id.in_(chunk), is_living)
            )
            for row in rows:
                mine = locks.get((row.contract, row.lock_id), row.event_id)
                _check_lock(chain_id, row.lock_id, row.event_id, mine)
        return known


def unparked_values() -> dict[str, Any]:
    """Return what an UPDATE sets to undo parking."""
    return {
        "booked": func.coalesce(OBSERVED_EVENT.c.parked_from, OBSERVED_EVENT.c.booked),
        "parked_from": None,
        "parked_reason": None,
    }


def _check_lock(chain_id: ChainId, lock_id: int, holder: bytes, event_id: bytes) -> None:
    if holder != event_id:
        raise LockConflictError(chain_id=chain_id, lock_id=lock_id, event_id=holder)


def _chunks(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(values), EVENTS_PER_QUERY_MAX):
        yield values[start : start + EVENTS_PER_QUERY_MAX]
