"""Rows in bulk: one statement for all of them, past the layers that cost time."""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import psycopg
from sqlalchemy import ColumnElement, Connection, Dialect, Select, Table, any_, literal
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.types import UserDefinedType

from relayer.store.columns import COUNTER_BYTES, U256_BYTES
from relayer.store.copy_rows import COPY_END, COPY_HEAD, StoredRow, packed_rows
from relayer.store.engine import POSTGRESQL

PARAMETERS_MAX: Final = 10_000
STATEMENTS_MAX: Final = 32  # kept as text
BYTEA_OID: Final = 17
BYTEA_ARRAY_OID: Final = 1001
# dimensions, whether a member is null, type of the members, their number, index of the first
ARRAY_HEAD: Final = struct.Struct(">iiIii").pack
LENGTH: Final = struct.Struct(">i").pack
COUNTER_NAMES: Final = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
# The last is no operational error to the driver, see relayer.store.engine.
GONE_ERRORS: Final = (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout)
# What SQLite stores as a blob of fixed width, see relayer.store.columns.
WIDTH_BYTES: Final = {"units": U256_BYTES, **dict.fromkeys(COUNTER_NAMES, COUNTER_BYTES)}


def is_among(
    connection: Connection, column: ColumnElement[Any], words: Sequence[bytes]
) -> ColumnElement[bool]:
    """Return the condition that a 32-byte column is one of the words."""
    if connection.dialect.name == POSTGRESQL:
        return column == any_(literal(PackedWords(words), Words()))
    return column.in_(words)


class PackedWords:
    """Words as PostgreSQL takes an array of them: made at once, not one by one."""

    def __init__(self, words: Sequence[bytes]) -> None:
        head = ARRAY_HEAD(1, 0, BYTEA_OID, len(words), 1)
        self.raw = head + b"".join(LENGTH(len(word)) + word for word in words)


class PackedWordsDumper(psycopg.adapt.Dumper):
    """How the driver sends them."""

    format = psycopg.pq.Format.BINARY
    oid = BYTEA_ARRAY_OID

    def dump(self, obj: PackedWords) -> bytes:
        """Return the bytes to send."""
        return obj.raw


psycopg.adapters.register_dumper(PackedWords, PackedWordsDumper)


class Words(UserDefinedType[PackedWords]):
    """The type of an array of words in a statement."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        """Return its name."""
        return "BYTEA[]"


def slices(words: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the distinct words in pieces small enough for one statement, in order."""
    ordered = sorted(set(words))
    for start in range(0, len(ordered), PARAMETERS_MAX):
        yield ordered[start : start + PARAMETERS_MAX]


@contextmanager
def in_index_order(connection: Connection) -> Iterator[None]:
    """
    Let PostgreSQL read in the order of an index inside, and not sort.

    Of a table that has just grown it expects few rows, and would sort all that wait for the first
    thousand of them.
    """
    if connection.dialect.name != POSTGRESQL:
        yield
        return
    connection.exec_driver_sql("SET LOCAL enable_sort = off")
    yield
    connection.exec_driver_sql("SET LOCAL enable_sort = on")


def plain_rows(
    connection: Connection, statement: Select[Any], values: Mapping[str, Any]
) -> Sequence[Sequence[Any]]:
    """
    Return the rows of a statement that is made once, as the driver gives them.

    Of a thousand rows the layers above the driver take as much time as the driver. Only for columns
    whose type needs no change: bytes, text and integers.

    Args:
        values: of its parameters by name.
    """
    if connection.dialect.name != POSTGRESQL:
        return connection.execute(statement, values).all()
    text, fixed = _text_of(statement, connection.dialect)
    with driver_cursor(connection, is_binary=True) as cursor:
        return list(cursor.execute(text, {**fixed, **values}))


@lru_cache(maxsize=STATEMENTS_MAX)
def _text_of(statement: Select[Any], dialect: Dialect) -> tuple[str, dict[str, Any]]:
    """Return a statement as the driver takes it, and the values that it was made with."""
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return str(compiled), dict(compiled.params)


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
        packed = packed_rows(columns, rows)
        with driver_cursor(connection) as cursor, cursor.copy(statement) as copy:
            copy.write(b"".join((COPY_HEAD, packed, COPY_END)))
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


@contextmanager
def driver_cursor(connection: Connection, *, is_binary: bool = False) -> Iterator[Any]:
    """
    Yield a cursor of the driver itself, on PostgreSQL.

    Raises:
        OperationalError: the database is away or gave up, as the layers above the driver say it:
            whoever works on asks again later.
    """
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor(binary=is_binary) as cursor:
            yield cursor
    except GONE_ERRORS as exc:
        raise OperationalError(None, None, exc) from exc


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
