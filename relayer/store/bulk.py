"""Rows in bulk: one statement for all of them, past the layers that cost time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import psycopg
from sqlalchemy import ARRAY, ColumnElement, Connection, LargeBinary, Table, any_, literal
from sqlalchemy.exc import IntegrityError

from relayer.store.columns import COUNTER_BYTES, U256_BYTES
from relayer.store.engine import POSTGRESQL

PARAMETERS_MAX: Final = 10_000
COUNTER_NAMES: Final = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
# What SQLite stores as a blob of fixed width, see relayer.store.columns.
WIDTH_BYTES: Final = {"units": U256_BYTES, **dict.fromkeys(COUNTER_NAMES, COUNTER_BYTES)}

StoredRow = tuple[Any, ...]


def is_among(
    connection: Connection, column: ColumnElement[Any], words: Sequence[bytes]
) -> ColumnElement[bool]:
    """Return the condition that a 32-byte column is one of the words."""
    if connection.dialect.name == POSTGRESQL:
        return column == any_(literal(list(words), ARRAY(LargeBinary)))
    return column.in_(words)


def slices(words: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the distinct words in pieces small enough for one statement, in order."""
    ordered = sorted(set(words))
    for start in range(0, len(ordered), PARAMETERS_MAX):
        yield ordered[start : start + PARAMETERS_MAX]


def insert_rows(
    connection: Connection, table: Table, columns: Mapping[str, str], rows: Sequence[StoredRow]
) -> None:
    """
    Insert rows in one statement: COPY on PostgreSQL, so that a trigger sees all of them at once.

    The driver is used directly: this is the hot path, and every value is checked already.
    """
    if not rows:
        return
    names = ", ".join(columns)
    if connection.dialect.name == POSTGRESQL:
        statement = f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)"
        with driver_of(connection).cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(tuple(columns.values()))
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608
    connection.exec_driver_sql(statement, with_blobs(tuple(columns), rows))


def insert_new_rows(
    connection: Connection, table: Table, columns: Mapping[str, str], rows: Sequence[StoredRow]
) -> bool:
    """
    Insert rows that are expected to be new; False, and no row stored, where one is there already.

    It asks nothing first: unique indexes say it.
    """
    try:
        with connection.begin_nested():
            insert_rows(connection, table, columns, rows)
    except (IntegrityError, psycopg.errors.UniqueViolation) as exc:
        if not _is_taken(exc):
            raise
        return False
    return True


def _is_taken(exc: Exception) -> bool:
    """Return whether a key was there already; SQLite says so in words only."""
    return isinstance(exc, psycopg.errors.UniqueViolation) or "UNIQUE constraint" in str(exc)


def driver_of(connection: Connection) -> Any:
    """Return the driver's own connection."""
    return connection.connection.driver_connection


def with_blobs(names: Sequence[str], rows: Sequence[StoredRow]) -> list[StoredRow]:
    """Return the rows as SQLite takes them: whole numbers as blobs of one width."""
    widths = [WIDTH_BYTES.get(name) for name in names]
    return [
        tuple(
            value if width is None else value.to_bytes(width, "big")
            for value, width in zip(row, widths, strict=True)
        )
        for row in rows
    ]
