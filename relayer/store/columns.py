"""Column types that mean the same on PostgreSQL and on SQLite."""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import LargeBinary, Numeric, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import SQLModel

WORD_BYTES: Final = 32
U256_BYTES: Final = 32
U256_DIGITS: Final = 78
COUNTER_BYTES: Final = 40

Processor = Callable[[Any], Any]


class WholeNumber(TypeDecorator[int]):
    """
    Whole number from zero up: NUMERIC on PostgreSQL, big-endian BLOB of one width on SQLite.

    SQLite turns an integer above 2^63 - 1 into a float. A blob of one width keeps every bit and
    the order, so comparisons and indexes work; sums are made in Python.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, width_bytes: int, digits: int | None) -> None:
        super().__init__(digits, 0 if digits is not None else None)
        self.width_bytes = width_bytes
        self.digits = digits

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type that the database in use stores."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(LargeBinary(self.width_bytes))
        if self.digits is None:
            return dialect.type_descriptor(Numeric())
        return dialect.type_descriptor(Numeric(self.digits, 0))

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Return what turns an int into what the driver takes."""
        is_blob = dialect.name == "sqlite"
        width_bytes, limit = self.width_bytes, 1 << (8 * self.width_bytes)

        def process(value: Any) -> Any:
            if value is None:
                return None
            if type(value) is not int or not 0 <= value < limit:
                raise ValueError(f"{value!r} is not a whole number of 0..2^{8 * width_bytes}-1")
            return value.to_bytes(width_bytes, "big") if is_blob else value

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:  # noqa: ARG002
        """Return what turns a stored value into an int."""
        if dialect.name == "sqlite":
            return lambda value: None if value is None else int.from_bytes(value, "big")
        return lambda value: None if value is None else int(value)


class U256(WholeNumber):
    """An amount, 0 to 2^256 - 1. [base units]"""

    cache_ok = True

    def __init__(self) -> None:
        super().__init__(U256_BYTES, U256_DIGITS)


class Counter(WholeNumber):
    """A cumulative sum of amounts, 0 to 2^320 - 1: it may pass 2^256. [base units]"""

    cache_ok = True

    def __init__(self) -> None:
        super().__init__(COUNTER_BYTES, None)


class Bytes32(TypeDecorator[bytes]):
    """Exactly 32 bytes: a hash, an id or an address word."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(WORD_BYTES)

    def bind_processor(self, dialect: Dialect) -> Processor:  # noqa: ARG002
        """Return what checks the length and hands the bytes to the driver."""

        def process(value: Any) -> Any:
            if value is None:
                return None
            if len(value) != WORD_BYTES:
                raise ValueError(f"32 bytes are needed, 0x{bytes(value).hex()} has {len(value)}")
            return bytes(value)

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Return nothing: both drivers give bytes."""


def table_of(row_class: type[SQLModel]) -> Table:
    """
    Return the table behind a SQLModel class, for statements of SQLAlchemy Core.

    Raises:
        TypeError: the class has no table.
    """
    table = getattr(row_class, "__table__", None)
    if not isinstance(table, Table):
        raise TypeError(f"{row_class.__name__} has no table; declare it with table=True")
    return table
