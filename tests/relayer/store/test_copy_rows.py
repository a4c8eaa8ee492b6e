"""Rows packed for COPY: compiled and plain alike, and to the database what they were."""

from collections.abc import Callable
from typing import Any, Final

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.store.bulk import driver_cursor
from relayer.store.copy_rows import (
    COPY_END,
    COPY_HEAD,
    IS_COMPILED,
    NUMERIC_MAX,
    packed_rows,
    packed_rows_reference,
)
from relayer.store.engine import POSTGRESQL
from relayer.store.unit_of_work import Store

COLUMNS: Final = {
    "small": "int2",
    "middle": "int4",
    "large": "int8",
    "raw": "bytea",
    "name": "text",
    "units": "numeric",
}
UNITS: Final = (0, 1, 9_999, 10_000, 10**8, 2**63 - 1, 2**63, 2**64, 2**256 - 1, NUMERIC_MAX)
TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def signed(bits: int) -> st.SearchStrategy[int]:
    """Return whole numbers of so many bits, their ends often."""
    ends = (-(2 ** (bits - 1)), -1, 0, 2 ** (bits - 1) - 1)
    return st.sampled_from(ends) | st.integers(ends[0], ends[-1])


ROWS: Final = st.lists(
    st.tuples(
        *(
            st.none() | values
            for values in (
                signed(16),
                signed(32),
                signed(64),
                st.binary(max_size=600),
                TEXTS,
                st.sampled_from(UNITS) | st.integers(0, NUMERIC_MAX),
            )
        )
    ),
    max_size=6,
)


@given(rows=ROWS)
def test_the_kernel_equals_the_reference_bit_for_bit(rows: list[tuple[Any, ...]]) -> None:
    """Nulls, empty values and the ends of every type included."""
    assert packed_rows(COLUMNS, rows) == packed_rows_reference(COLUMNS, rows)


class Word(bytes):
    """What a library may give instead of plain bytes."""


class Name(str):
    """What a library may give instead of plain text."""

    __slots__ = ()


@pytest.mark.parametrize("pack", [packed_rows, packed_rows_reference])
def test_more_special_bytes_and_texts_are_packed_like_plain_ones(
    pack: Callable[..., bytes],
) -> None:
    """Their content counts, as it does for the driver."""
    columns = {"raw": "bytea", "name": "text"}

    assert pack(columns, [(Word(b"ab"), Name("ß"))]) == pack(columns, [(b"ab", "ß")])


def test_the_kernel_is_built() -> None:
    """Without it the comparison above says nothing."""
    assert IS_COMPILED


@pytest.mark.parametrize("pack", [packed_rows, packed_rows_reference])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("small", 2**15),
        ("small", -(2**15) - 1),
        ("middle", 2**31),
        ("large", 2**63),
        ("large", -(2**63) - 1),
        ("large", True),
        ("large", "1"),
        ("raw", "ab"),
        ("raw", bytearray(b"ab")),
        ("name", b"ab"),
        ("name", "\ud800"),
        ("units", -1),
        ("units", -(2**64)),
        ("units", NUMERIC_MAX + 1),
        ("units", 1.0),
    ],
)
def test_a_value_that_its_column_does_not_take_is_named(
    pack: Callable[..., bytes], column: str, value: object
) -> None:
    """Nothing is cut, rounded or turned into another type."""
    good = dict.fromkeys(COLUMNS)
    rows = [tuple(good.values()), tuple({**good, column: value}.values())]

    with pytest.raises(ValueError, match=rf"row 1, {column}: .* is no {COLUMNS[column]}|surrogate"):
        pack(COLUMNS, rows)


@pytest.mark.parametrize("pack", [packed_rows, packed_rows_reference])
def test_a_row_of_another_width_is_named(pack: Callable[..., bytes]) -> None:
    """A value that is missing would shift all that follow."""
    with pytest.raises(ValueError, match="row 1: 5 values for 6 columns"):
        pack(COLUMNS, [(None,) * 6, (None,) * 5])


def test_the_database_reads_back_what_was_packed(store: Store) -> None:
    """Each value at its ends, as PostgreSQL understands it."""
    if store.engine.dialect.name != POSTGRESQL:
        return  # COPY is PostgreSQL's
    ends = [
        (-(2**15), -(2**31), -(2**63), b"", "", 0),
        (2**15 - 1, 2**31 - 1, 2**63 - 1, bytes(range(256)), "Zürich 金 \U0001f512", 1),
        *((number, None, None, bytes(5_000), None, units) for number, units in enumerate(UNITS)),
    ]
    with store.unit_of_work() as uow:
        types = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        uow.connection.exec_driver_sql(f"CREATE TEMPORARY TABLE packed ({types}) ON COMMIT DROP")
        with (
            driver_cursor(uow.connection) as cursor,
            cursor.copy("COPY packed FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.write(COPY_HEAD + bytes(packed_rows(COLUMNS, ends)) + COPY_END)
        found = uow.connection.exec_driver_sql("SELECT * FROM packed").all()
        texts = uow.connection.exec_driver_sql("SELECT units::text FROM packed").scalars().all()

    assert [tuple(row) for row in found] == ends
    assert list(texts) == [str(row[-1]) for row in ends]


def test_text_that_the_database_refuses_is_an_error_of_it(store: Store) -> None:
    """A zero byte is no text for PostgreSQL."""
    if store.engine.dialect.name != POSTGRESQL:
        return  # COPY is PostgreSQL's
    with pytest.raises(psycopg.Error), store.unit_of_work() as uow:
        uow.connection.exec_driver_sql("CREATE TEMPORARY TABLE packed (name text) ON COMMIT DROP")
        with (
            driver_cursor(uow.connection) as cursor,
            cursor.copy("COPY packed FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.write(COPY_HEAD + bytes(packed_rows({"name": "text"}, [("\0",)])) + COPY_END)
