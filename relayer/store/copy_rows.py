"""Rows as PostgreSQL's COPY takes them in its binary format, compiled or as plain reference."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

try:
    from relayer.store._copy_kernel import pack_into
except ImportError:  # no compiler when the package was built: same bytes, slower
    pack_into = None  # type: ignore[assignment]

IS_COMPILED: Final = pack_into is not None
COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)  # signature, flags, length of an extension
COPY_END: Final = b"\xff\xff"
NULL: Final = b"\xff\xff\xff\xff"
KINDS: Final = {
    "int2": b"2",
    "int4": b"4",
    "int8": b"8",
    "bytea": b"b",
    "text": b"t",
    "numeric": b"n",
}
NUMERIC_MAX: Final = 2**320 - 1
NUMERIC_BASE: Final = 10_000
SIZE: Final = struct.Struct(">i").pack
COUNT: Final = struct.Struct(">h").pack
NUMERIC_HEAD: Final = struct.Struct(">hhhh").pack  # digits, weight of the first, sign, scale

StoredRow = tuple[Any, ...]


def packed_rows(columns: Mapping[str, str], rows: Sequence[StoredRow]) -> bytes | bytearray:
    """
    Return rows in COPY's binary format, without what comes before the first and after the last.

    Args:
        columns: names with their types on PostgreSQL, in the order of the values.

    Raises:
        ValueError: a value that its column does not take, or a row of another width.
    """
    kinds = b"".join(KINDS[kind] for kind in columns.values())
    if not IS_COMPILED:
        return packed_rows_reference(columns, rows)
    packed = bytearray()
    size = pack_into(packed, kinds, list(rows))
    if size < 0:
        _refuse(columns, rows, -1 - size)
    del packed[size:]
    return packed


def packed_rows_reference(columns: Mapping[str, str], rows: Sequence[StoredRow]) -> bytes:
    """Return what packed_rows returns, in plain Python."""
    kinds = b"".join(KINDS[kind] for kind in columns.values())
    parts: list[bytes] = []
    for index, row in enumerate(rows):
        if len(row) != len(kinds):
            _refuse(columns, rows, index * len(kinds))
        parts.append(COUNT(len(row)))
        for column, value in enumerate(row):
            raw = NULL if value is None else _packed(kinds[column], value)
            if raw is None:
                _refuse(columns, rows, index * len(kinds) + column)
            else:
                parts.append(raw)
    return b"".join(parts)


def _packed(kind: int, value: object) -> bytes | None:
    """Return a value with its length before it; None where its column does not take it."""
    raw: bytes | None = None
    if isinstance(value, bytes) and kind == ord("b"):
        raw = value
    elif isinstance(value, str) and kind == ord("t"):
        raw = value.encode()
    elif type(value) is int and kind == ord("n"):
        raw = _numeric(value) if 0 <= value <= NUMERIC_MAX else None
    elif type(value) is int and kind in b"248":
        size = kind - ord("0")
        limit = 1 << (8 * size - 1)
        raw = value.to_bytes(size, "big", signed=True) if -limit <= value < limit else None
    return None if raw is None else SIZE(len(raw)) + raw


def _numeric(number: int) -> bytes:
    digits: list[int] = []
    while number:
        number, digit = divmod(number, NUMERIC_BASE)
        digits.append(digit)
    weight = max(0, len(digits) - 1)
    while digits and not digits[0]:
        digits.pop(0)
    return NUMERIC_HEAD(len(digits), weight, 0, 0) + b"".join(map(COUNT, reversed(digits)))


def _refuse(columns: Mapping[str, str], rows: Sequence[StoredRow], place: int) -> None:
    """Say which value of which row cannot be stored."""
    index, column = divmod(place, len(columns))
    row = rows[index]
    if len(row) != len(columns):
        raise ValueError(f"row {index}: {len(row)} values for {len(columns)} columns")
    name, kind = list(columns.items())[column]
    raise ValueError(f"row {index}, {name}: {row[column]!r} is no {kind}")
