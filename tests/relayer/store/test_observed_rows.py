"""Tests that an event survives its row."""

from sqlalchemy import Connection, select

from relayer.clock import UnixSeconds
from relayer.store.chain_tables import CHAIN, OBSERVED_EVENT
from relayer.store.observed_rows import (
    EVENT_COLUMNS,
    Booked,
    EventState,
    StoredEvent,
    row_of,
    stored_of,
)
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.store.samples import CHAIN as CHAIN_ID
from tests.relayer.store.samples import lock


def stored(connection: Connection, state: EventState) -> StoredEvent:
    """Write the row of an event and read it back."""
    row = dict(zip(EVENT_COLUMNS, row_of(lock(7, 1), state, UnixSeconds(NOW)), strict=True))
    connection.execute(CHAIN.insert().values(chain_id=CHAIN_ID, version=0))
    connection.execute(OBSERVED_EVENT.insert().values(row))
    return stored_of(connection.execute(select(OBSERVED_EVENT)).one())


def test_a_seen_event_has_no_final_time(store: Store) -> None:
    """It begins unbooked and without revivals."""
    with store.unit_of_work() as uow:
        found = stored(uow.connection, EventState.SEEN)

    assert found == StoredEvent(
        event=lock(7, 1),
        state=EventState.SEEN,
        booked=Booked.NONE,
        revivals=0,
        parked_reason=None,
        seen_at=UnixSeconds(NOW),
        final_at=None,
    )


def test_an_event_first_seen_final_is_final_at_once(store: Store) -> None:
    """Both times are that of the reading."""
    with store.unit_of_work() as uow:
        found = stored(uow.connection, EventState.FINAL)

    assert (found.state, found.seen_at, found.final_at) == (EventState.FINAL, NOW, NOW)
