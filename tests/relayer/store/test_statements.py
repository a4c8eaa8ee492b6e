"""Tests of the pieces of statements that both databases share."""

import pytest
from sqlalchemy import literal, select, update

from relayer.errors import InvariantError
from relayer.store.fleet_tables import FEED_COUNTER
from relayer.store.statements import insert_into, present, rows_changed, smaller, stores_row
from relayer.store.unit_of_work import Store


def test_an_insert_says_whether_it_stored(store: Store) -> None:
    """The second row of one key is left out, on both databases."""
    with store.unit_of_work() as uow:
        statement = insert_into(uow.connection, FEED_COUNTER).values(scope=b"a", last_seq=1)

        assert stores_row(uow.connection, statement.on_conflict_do_nothing())
        assert not stores_row(uow.connection, statement.on_conflict_do_nothing())


def test_an_update_says_how_many_rows_changed(store: Store) -> None:
    """None and one are told apart."""
    with store.unit_of_work() as uow:
        uow.connection.execute(FEED_COUNTER.insert().values(scope=b"a", last_seq=1))
        statement = update(FEED_COUNTER).values(last_seq=2)

        assert rows_changed(uow.connection, statement.where(FEED_COUNTER.c.scope == b"a")) == 1
        assert rows_changed(uow.connection, statement.where(FEED_COUNTER.c.scope == b"b")) == 0


def test_the_smaller_of_two_is_chosen(store: Store) -> None:
    """Either way round."""
    with store.read() as uow:
        row = uow.connection.execute(
            select(smaller(literal(1), literal(2)), smaller(literal(2), literal(1)))
        ).one()

    assert tuple(row) == (1, 1)


def test_what_the_schema_promises_must_be_there() -> None:
    """A missing value is a bug, not an answer."""
    assert present(0, "status") == 0
    with pytest.raises(InvariantError, match="status is missing"):
        present(None, "status")
