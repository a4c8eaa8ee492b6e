"""Tests of rows in bulk."""

from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import BigInteger, Connection, bindparam, func, select
from sqlalchemy.exc import DBAPIError

from relayer.clock import UnixSeconds
from relayer.ledger.text import entry_of_text
from relayer.store import bulk
from relayer.store.bulk import (
    in_index_order,
    insert_new_rows,
    insert_rows,
    is_among,
    plain_rows,
    slices,
)
from relayer.store.chain_tables import OBSERVED_EVENT
from relayer.store.engine import DATABASE_ERRORS, POSTGRESQL
from relayer.store.feed import EVENT_COLUMNS as FEED_COLUMNS
from relayer.store.fleet_tables import FEED_EVENT
from relayer.store.ledger_rows import ENTRY_COLUMNS, move_lines
from relayer.store.ledger_tables import ENTRY
from relayer.store.observed_rows import EVENT_COLUMNS, EventState, row_of
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.store.samples import lock

LOCK = entry_of_text("2026-01-02 vault:base +5 USDC@eip155:1 | margin:ann -5 USDC@eip155:1")
LATER = {"published_at", "parked_from", "parked_reason"}  # null until something happens


def test_slices_hold_every_word_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces are bounded, sorted and without repeats."""
    monkeypatch.setattr(bulk, "PARAMETERS_MAX", 2)

    assert list(slices([b"c", b"a", b"b", b"a"])) == [[b"a", b"b"], [b"c"]]
    assert list(slices([])) == []


def test_the_columns_written_are_all_that_a_table_has_at_first() -> None:
    """A column that is added to a table must be written too."""
    assert set(FEED_COLUMNS) == set(FEED_EVENT.c.keys()) - LATER
    assert set(EVENT_COLUMNS) == set(OBSERVED_EVENT.c.keys()) - LATER


def test_nothing_is_written_for_no_rows(store: Store) -> None:
    """An empty batch is no statement."""
    with store.unit_of_work() as uow:
        insert_rows(uow.connection, ENTRY, ENTRY_COLUMNS, [])
        move_lines(uow.connection, [])

        assert uow.connection.scalar(select(func.count()).select_from(ENTRY)) == 0


def test_new_rows_go_in_together_or_not_at_all(store: Store) -> None:
    """One that is there already keeps all of them out, and the transaction goes on."""
    rows = [row_of(lock(7, number), EventState.FINAL, UnixSeconds(NOW)) for number in (1, 2, 3)]
    with store.unit_of_work() as uow:
        first = insert_new_rows(uow.connection, OBSERVED_EVENT, EVENT_COLUMNS, rows[1:2])
        second = insert_new_rows(uow.connection, OBSERVED_EVENT, EVENT_COLUMNS, rows)

        stored = uow.connection.scalars(select(OBSERVED_EVENT.c.lock_id)).all()

    assert (first, second) == (True, False)
    assert list(stored) == [2]


def test_a_row_that_is_no_row_is_not_taken_for_a_known_one(store: Store) -> None:
    """A check that fails is an error, whatever the unique indexes say."""
    row = row_of(lock(7, 0), EventState.FINAL, UnixSeconds(NOW))

    with pytest.raises((DBAPIError, psycopg.Error)), store.unit_of_work() as uow:
        insert_new_rows(uow.connection, OBSERVED_EVENT, EVENT_COLUMNS, [row])


def test_what_waits_is_read_in_the_order_of_its_index(store: Store) -> None:
    """A table that has just grown is not sorted as a whole; afterwards sorting is allowed again."""
    if store.engine.dialect.name != POSTGRESQL:
        return  # SQLite reads by the index without being asked
    query = (
        "EXPLAIN SELECT * FROM observed_event WHERE chain_id = 'a' AND height >= 0 "
        "ORDER BY height, log_index LIMIT 9"
    )
    rows = [row_of(lock(n, n), EventState.FINAL, UnixSeconds(NOW)) for n in range(1, 500)]
    with store.unit_of_work() as uow:
        insert_rows(uow.connection, OBSERVED_EVENT, EVENT_COLUMNS, rows)
        with in_index_order(uow.connection):
            plan = uow.connection.exec_driver_sql(query).scalars().all()
        setting = uow.connection.exec_driver_sql("SHOW enable_sort").scalar_one()

    assert not any("Sort" in line for line in plan)
    assert setting == "on"


def test_rows_are_found_by_many_words_at_once(store: Store) -> None:
    """Only those among the words, and all of them."""
    with store.unit_of_work() as uow:
        uow.ledger.post(LOCK)
        words = [LOCK.entry_id, *(number.to_bytes(32, "big") for number in range(3_000))]

        found = uow.connection.scalars(
            select(ENTRY.c.seq).where(is_among(uow.connection, ENTRY.c.entry_id, words))
        ).all()
        others = uow.connection.scalars(
            select(ENTRY.c.seq).where(is_among(uow.connection, ENTRY.c.entry_id, words[1:]))
        ).all()

    assert (list(found), list(others)) == ([1], [])


def test_plain_rows_are_those_that_every_layer_gives(store: Store) -> None:
    """Each column at its place; the values of each call are its own."""
    rows = [row_of(lock(n, n), EventState.FINAL, UnixSeconds(NOW)) for n in range(1, 9)]
    above = select(OBSERVED_EVENT).where(
        OBSERVED_EVENT.c.height > bindparam("above", type_=BigInteger(), required=False),
        OBSERVED_EVENT.c.state.in_(["FINAL", "SEEN"]),
    )
    with store.unit_of_work() as uow:
        insert_rows(uow.connection, OBSERVED_EVENT, EVENT_COLUMNS, rows)
        for height in (0, 5, 8):
            found = plain_rows(uow.connection, above, {"above": height})
            expected = uow.connection.execute(above, {"above": height}).all()

            assert sorted(map(tuple, found)) == sorted(map(tuple, expected))
            assert len(found) == 8 - height


ROWS = [row_of(lock(7, 1), EventState.FINAL, UnixSeconds(NOW))]
COUNTERS = (1, 1, 1, 1, 1, bytes(32))
PAST_THE_LAYERS: dict[str, Callable[[Connection], object]] = {
    "read": lambda connection: plain_rows(connection, select(OBSERVED_EVENT), {}),
    "copy": lambda connection: insert_rows(connection, OBSERVED_EVENT, EVENT_COLUMNS, ROWS),
    "copy of what is new": lambda connection: insert_new_rows(
        connection, OBSERVED_EVENT, EVENT_COLUMNS, ROWS
    ),
    "lines": lambda connection: move_lines(connection, [COUNTERS]),
}


@pytest.mark.parametrize("way", PAST_THE_LAYERS)
def test_r12_a_database_that_gives_up_is_no_fault_of_the_job(store: Store, way: str) -> None:
    """Past the layers above the driver a limit is told as they tell it: the job waits, unblamed."""
    if store.engine.dialect.name != POSTGRESQL:
        return  # SQLite is always asked through the layers
    with store.engine.begin() as other:
        other.exec_driver_sql("LOCK TABLE observed_event, ledger_line")

        with pytest.raises(DATABASE_ERRORS), store.unit_of_work() as uow:
            uow.connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
            PAST_THE_LAYERS[way](uow.connection)
