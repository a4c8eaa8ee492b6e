"""What waits to be booked, and from where on, so that nobody looks below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    literal,
    or_,
    select,
)

from chains.types import ChainId
from relayer.store.bulk import in_index_order, plain_rows
from relayer.store.chain_tables import BOOKING_MARK, OBSERVED_EVENT
from relayer.store.observed_rows import Booked, EventState
from relayer.store.statements import insert_into, rows_changed, smaller


@dataclass(frozen=True, slots=True)
class BookingMark:
    """
    Below height no living event waits. [height]

    version counts how often something was left to book; 0 of a chain that has no mark yet.
    """

    chain_id: ChainId
    height: int
    version: int


def booking_mark(connection: Connection, chain_id: ChainId) -> BookingMark:
    """Return a chain's mark. Read it before the events that are booked."""
    row = connection.execute(
        select(BOOKING_MARK.c.height, BOOKING_MARK.c.version).where(
            BOOKING_MARK.c.chain_id == chain_id
        )
    ).one_or_none()
    return BookingMark(chain_id, 0, 0) if row is None else BookingMark(chain_id, *row)


def lower_mark(connection: Connection, chain_id: ChainId, height: int) -> None:
    """
    Say that an event at a height or above it may wait now, other than one above the cursor.

    Whoever books meanwhile without having seen it cannot raise the mark past it: the version
    moved.
    """
    mark = BOOKING_MARK.c
    connection.execute(
        insert_into(connection, BOOKING_MARK)
        .values(chain_id=chain_id, height=0, version=1)
        .on_conflict_do_update(
            index_elements=[mark.chain_id],
            set_={"height": smaller(mark.height, literal(height)), "version": mark.version + 1},
        )
    )


def raise_mark(connection: Connection, mark: BookingMark, height: int) -> None:
    """Say that below a height nothing waits, unless something came since the mark was read."""
    if mark.version == 0:
        statement = insert_into(connection, BOOKING_MARK)
        connection.execute(
            statement.values(
                chain_id=mark.chain_id, height=height, version=1
            ).on_conflict_do_nothing()
        )
        return
    table = BOOKING_MARK.c
    rows_changed(
        connection,
        BOOKING_MARK.update()
        .where(table.chain_id == mark.chain_id, table.version == mark.version)
        .where(table.height < height)
        .values(height=height),
    )


def is_behind() -> ColumnElement[bool]:
    """Return the condition that a living event waits to be booked."""
    table = OBSERVED_EVENT.c
    return or_(
        and_(
            table.state == EventState.FINAL.value,
            table.booked.in_([Booked.NONE.value, Booked.SOFT.value]),
        ),
        and_(table.state == EventState.SEEN.value, table.booked == Booked.NONE.value),
    )


def is_gone() -> ColumnElement[bool]:
    """Return the condition that the journal holds an event whose block is gone."""
    table = OBSERVED_EVENT.c
    return and_(
        table.state == EventState.ORPHANED.value,
        table.booked.in_([Booked.SOFT.value, Booked.FINAL.value]),
    )


# What waits to be booked, made once; parameters: of_chain, from_height, rows_max.
OF_CHAIN: Final = select(OBSERVED_EVENT).where(
    OBSERVED_EVENT.c.chain_id == bindparam("of_chain", type_=Text(), required=False)
)
ROWS_MAX: Final = bindparam("rows_max", type_=BigInteger(), required=False)
GONE: Final = (
    OF_CHAIN.where(is_gone())
    .order_by(OBSERVED_EVENT.c.height.desc(), OBSERVED_EVENT.c.log_index.desc())
    .limit(ROWS_MAX)
)
LIVING: Final = (
    OF_CHAIN.where(
        OBSERVED_EVENT.c.height >= bindparam("from_height", type_=BigInteger(), required=False),
        is_behind(),
    )
    .order_by(OBSERVED_EVENT.c.height, OBSERVED_EVENT.c.log_index)
    .limit(ROWS_MAX)
)


def waiting_rows(connection: Connection, chain_id: ChainId, limit: int) -> Sequence[Sequence[Any]]:
    """Return the rows of the events that wait to be booked, see ObservedEventTable."""
    mark = booking_mark(connection, chain_id)
    asked = {"of_chain": chain_id, "rows_max": limit}
    rows = list(plain_rows(connection, GONE, asked))
    if len(rows) < limit:
        asked |= {"from_height": mark.height, "rows_max": limit - len(rows)}
        with in_index_order(connection):
            rows += plain_rows(connection, LIVING, asked)
    return rows
