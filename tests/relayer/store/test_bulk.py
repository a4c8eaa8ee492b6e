"""Tests of rows in bulk."""

import pytest
from sqlalchemy import func, select

from relayer.ledger.text import entry_of_text
from relayer.store import bulk
from relayer.store.bulk import insert_rows, is_among, slices
from relayer.store.chain_tables import OBSERVED_EVENT
from relayer.store.feed import EVENT_COLUMNS as FEED_COLUMNS
from relayer.store.fleet_tables import FEED_EVENT
from relayer.store.ledger_rows import ENTRY_COLUMNS, move_lines
from relayer.store.ledger_tables import ENTRY
from relayer.store.observed_rows import EVENT_COLUMNS
from relayer.store.unit_of_work import Store

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
