"""Tests that an event survives its row."""

import pytest
from sqlalchemy import Connection, select

from chains.errors import MessageFormatError
from relayer.clock import UnixSeconds
from relayer.store.chain_tables import CHAIN, OBSERVED_EVENT
from relayer.store.observed_rows import (
    EVENT_COLUMNS,
    IS_COMPILED,
    Booked,
    EventState,
    StoredEvent,
    row_of,
    stored_all,
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


@pytest.mark.parametrize("state", EventState)
@pytest.mark.parametrize("booked", Booked)
def test_rows_are_read_together_as_each_alone(
    store: Store, state: EventState, booked: Booked
) -> None:
    """Every column counts, in the order of the table, in two blocks and in one."""
    with store.unit_of_work() as uow:
        stored(uow.connection, state)
        for number, other in enumerate([lock(7, 2), lock(8, 3), lock(7, 4)]):
            row = dict(zip(EVENT_COLUMNS, row_of(other, state, UnixSeconds(NOW)), strict=True))
            changes = {"booked": booked.value, "revivals": number, "parked_reason": "why"}
            uow.connection.execute(OBSERVED_EVENT.insert().values(row | changes))
        rows = uow.connection.execute(select(OBSERVED_EVENT)).all()

    assert stored_all(rows) == tuple(stored_of(row) for row in rows)
    assert stored_all([]) == ()
    ids = [found.event.position.event_id for found in stored_all(rows)]
    assert ids == [row.event_id for row in rows]


def test_a_payload_in_another_spelling_is_read_as_it_always_was(store: Store) -> None:
    """The plain way reads what the kernel does not know."""
    with store.unit_of_work() as uow:
        stored(uow.connection, EventState.SEEN)
        (row,) = uow.connection.execute(select(OBSERVED_EVENT)).all()
    spaced = tuple(value if value != row.payload else f" {value} " for value in row)

    assert stored_all([spaced]) == stored_all([row])


@pytest.mark.parametrize("change", [{"kind": "Unknown"}, {"payload": "{}"}])
def test_a_row_that_says_no_event_is_refused(store: Store, change: dict[str, str]) -> None:
    """Together as alone."""
    with store.unit_of_work() as uow:
        stored(uow.connection, EventState.SEEN)
        (row,) = uow.connection.execute(select(OBSERVED_EVENT)).all()
    broken = tuple((row._asdict() | change).values())

    with pytest.raises(MessageFormatError):
        stored_all([broken])
    with pytest.raises(ValueError, match="19 columns"):
        stored_all([broken[1:]])


def test_the_kernel_is_built() -> None:
    """Without it the comparisons above say nothing."""
    assert IS_COMPILED
