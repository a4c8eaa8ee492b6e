"""Tests of reading and writing rows in bulk."""

import pytest
from sqlalchemy import select

from relayer.ledger.text import entry_of_text
from relayer.store.ledger_rows import (
    ENTRY_COLUMNS,
    LINE_COLUMNS,
    POSTING_COLUMNS,
    entry_of_rows,
    entry_row,
    posting_of,
)
from relayer.store.ledger_tables import ENTRY, LINE, POSTING
from relayer.store.unit_of_work import Store

LOCK = entry_of_text("2026-01-02 vault:base +5 USDC@eip155:1 | margin:ann -5 USDC@eip155:1")


def test_the_columns_written_are_all_that_a_table_has() -> None:
    """A column that is added to a table must be written too."""
    assert set(ENTRY_COLUMNS) == set(ENTRY.c.keys())
    assert set(POSTING_COLUMNS) == set(POSTING.c.keys())
    assert set(LINE_COLUMNS) == set(LINE.c.keys())


def test_a_row_of_an_entry_without_its_postings_is_no_entry(store: Store) -> None:
    """What is read is checked like what is made."""
    with store.unit_of_work() as uow:
        uow.ledger.post(LOCK)
        row = uow.connection.execute(select(ENTRY)).one()
        postings = uow.connection.execute(
            select(POSTING, LINE.c.code, LINE.c.asset_id, LINE.c.chain_id)
            .join_from(POSTING, LINE, POSTING.c.line_key == LINE.c.line_key)
            .order_by(POSTING.c.position)
        ).all()

    assert entry_of_rows(row, [posting_of(posting) for posting in postings]) == LOCK
    assert entry_row(1, LOCK, row.entry_hash) == tuple(row)
    with pytest.raises(ValueError, match="postings"):
        entry_of_rows(row, [posting_of(postings[0])])
