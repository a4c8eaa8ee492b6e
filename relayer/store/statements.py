"""Pieces of statements that both databases understand."""

from functools import cache
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, Connection, Table, case, literal
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.dml import Update

from relayer.errors import InvariantError

Value = TypeVar("Value")


def insert_into(connection: Connection, table: Table) -> postgresql.Insert:
    """Return an INSERT that may carry ON CONFLICT; SQLite's has the same methods."""
    return insert_for(connection.dialect.name, table)


def insert_for(dialect: str, table: Table) -> postgresql.Insert:
    """Return insert_into's INSERT by the name of a dialect, for statements that are made once."""
    if dialect == "sqlite":
        return cast("postgresql.Insert", sqlite.insert(table))
    return postgresql.insert(table)


@cache
def excluded_of(table: Table) -> ReadOnlyColumnCollection[str, Any]:
    """
    Return the columns of the row that an INSERT could not store, for its ON CONFLICT.

    Made once for a table: those that a statement makes for itself are in a hundred cycles, and stay
    in memory until a collection of garbage.
    """
    return table.alias("excluded").c


def rows_changed(connection: Connection, statement: Update) -> int:
    """Run an UPDATE and return how many rows it changed."""
    return connection.execute(statement).rowcount


def stores_row(connection: Connection, statement: postgresql.Insert) -> bool:
    """
    Run an INSERT ... ON CONFLICT of one row; False when it stored and changed nothing.

    It asks by RETURNING: psycopg's row count of an INSERT is not kept by SQLAlchemy.
    """
    return connection.execute(statement.returning(literal(1))).one_or_none() is not None


def smaller(left: ColumnElement[int], right: ColumnElement[int]) -> ColumnElement[int]:
    """Return the smaller of two values that are not null."""
    return case((left <= right, left), else_=right)


def present(value: Value | None, what: str) -> Value:
    """
    Return a value that the schema promises to be there.

    Raises:
        InvariantError: it is missing.
    """
    if value is None:
        raise InvariantError(f"{what} is missing in the database")
    return value
