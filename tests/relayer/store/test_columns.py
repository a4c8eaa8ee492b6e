"""Tests of the column types on both databases."""

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select
from sqlalchemy.exc import StatementError
from sqlmodel import SQLModel

from relayer.money import UNITS_MAX
from relayer.store.columns import U256, Bytes32, Counter, table_of
from relayer.store.unit_of_work import Store

VALUES = Table(
    "column_values",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("amount", U256),
    Column("counter", Counter),
    Column("word", Bytes32),
)
EXACT_VALUES = (0, 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 2**127, 2**200 + 1, UNITS_MAX)


@pytest.fixture
def values_store(store: Store) -> Store:
    """A store with one more table."""
    with store.unit_of_work() as uow:
        VALUES.create(uow.connection)
    return store


def test_amounts_come_back_exactly(values_store: Store) -> None:
    """No value of the range becomes a float or loses a digit."""
    with values_store.unit_of_work() as uow:
        rows = [{"id": number, "amount": value} for number, value in enumerate(EXACT_VALUES)]
        uow.connection.execute(insert(VALUES), rows)

        found = uow.connection.scalars(select(VALUES.c.amount).order_by(VALUES.c.id)).all()

    assert tuple(found) == EXACT_VALUES
    assert {type(value) for value in found} == {int}


def test_amounts_are_ordered_as_numbers(values_store: Store) -> None:
    """The database sorts and compares them as numbers, whatever the stored form."""
    with values_store.unit_of_work() as uow:
        rows = [{"id": -number, "amount": value} for number, value in enumerate(EXACT_VALUES)]
        uow.connection.execute(insert(VALUES), rows)

        ordered = uow.connection.scalars(select(VALUES.c.amount).order_by(VALUES.c.amount)).all()
        above = uow.connection.scalars(select(VALUES.c.amount).where(VALUES.c.amount > 2**63)).all()

    assert tuple(ordered) == EXACT_VALUES
    assert len(above) == 4


def test_counters_hold_more_than_one_amount(values_store: Store) -> None:
    """A counter reaches 2^320 - 1."""
    with values_store.unit_of_work() as uow:
        uow.connection.execute(insert(VALUES), [{"id": 1, "counter": 2**320 - 1}])

        assert uow.connection.scalar(select(VALUES.c.counter)) == 2**320 - 1


def test_nothing_stays_nothing(values_store: Store) -> None:
    """NULL is None in every type."""
    with values_store.unit_of_work() as uow:
        uow.connection.execute(insert(VALUES), [{"id": 1}])

        row = uow.connection.execute(select(VALUES)).one()

    assert (row.amount, row.counter, row.word) == (None, None, None)


def test_words_come_back_as_bytes(values_store: Store) -> None:
    """32 bytes in, the same 32 bytes out, found by value."""
    with values_store.unit_of_work() as uow:
        uow.connection.execute(insert(VALUES), [{"id": 1, "word": bytes(range(32))}])

        found = uow.connection.scalar(
            select(VALUES.c.word).where(VALUES.c.word == bytes(range(32)))
        )

    assert found == bytes(range(32))
    assert type(found) is bytes


@pytest.mark.parametrize(
    "row",
    [
        {"amount": -1},
        {"amount": UNITS_MAX + 1},
        {"amount": 1.0},
        {"amount": True},
        {"amount": "1"},
        {"counter": -1},
        {"counter": 2**320},
        {"word": b"short"},
    ],
)
def test_a_value_outside_the_type_never_reaches_the_database(
    values_store: Store, row: dict[str, object]
) -> None:
    """Negative, too large, float, bool, text and short values are refused."""
    with (
        pytest.raises(StatementError, match=r"whole number|32 bytes"),
        values_store.unit_of_work() as uow,
    ):
        uow.connection.execute(insert(VALUES), [{"id": 1, **row}])


def test_a_class_without_table_has_none() -> None:
    """table_of refuses a plain model."""

    class Plain(SQLModel):
        """No table."""

    with pytest.raises(TypeError, match="table=True"):
        table_of(Plain)
