"""Tests of what the database itself refuses, and of what the verifier finds without it."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError

from relayer.ledger.text import entry_of_text
from relayer.store.engine import POSTGRESQL
from relayer.store.unit_of_work import Store

LOCK = entry_of_text("2026-01-02 vault:base +5 USDC@eip155:1 | margin:ann -5 USDC@eip155:1")
HOLD = entry_of_text(
    "2026-01-03 pending margin:ann +4 USDC@eip155:1 | in_flight:base -4 USDC@eip155:1"
)
JOURNAL = tuple(
    entry_of_text(
        f"2026-01-02 vault:base +{units} USDC@eip155:1 | margin:ann -{units} USDC@eip155:1"
    )
    for units in range(1, 21)
)
CHANGES_PER_COLUMN = 10
GUARDED_COLUMNS = {
    "journal_entry": ("entry_id", "kind", "cause", "correlation_id", "booked_at", "entry_hash"),
    "posting": ("units", "side", "phase", "line_key"),
    "ledger_line": ("debits_posted", "credits_posted", "debits_pending", "credits_pending"),
}


@pytest.fixture
def booked(store: Store) -> Store:
    """A store with a lock and a hold."""
    with store.unit_of_work() as uow:
        uow.ledger.post_many([LOCK, HOLD])
    return store


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal_entry SET kind = 'forged'",
        "UPDATE journal_entry SET kind = kind WHERE seq = 1",
        "DELETE FROM journal_entry WHERE seq = 2",
        "UPDATE posting SET position = position + 10",
        "DELETE FROM posting",
        "DELETE FROM ledger_line",
        "DELETE FROM ledger_head",
        "UPDATE ledger_line SET code = 'fees'",
        "UPDATE ledger_line SET asset_id = 'WETH'",
    ],
)
def test_raw_sql_cannot_change_the_journal(booked: Store, statement: str) -> None:
    """UPDATE and DELETE fail in the database and everything stays as it was."""
    with pytest.raises(DBAPIError, match="append-only"), booked.unit_of_work() as uow:
        uow.connection.execute(text(statement))

    with booked.read() as uow:
        assert uow.ledger.verify().is_sound
        assert uow.ledger.head().seq == 2


@pytest.mark.parametrize("table", ["journal_entry", "posting", "ledger_line", "ledger_head"])
def test_postgresql_cannot_truncate_either(booked: Store, table: str) -> None:
    """TRUNCATE is a delete too; SQLite has no such statement."""
    if booked.engine.dialect.name != POSTGRESQL:
        return
    with pytest.raises(DBAPIError, match="append-only"), booked.unit_of_work() as uow:
        uow.connection.execute(text(f"TRUNCATE {table} CASCADE"))


def insert_raw(
    connection: Connection, postings: list[tuple[int, str, int, int]], line: str | None = None
) -> None:
    """Insert an entry and its postings by hand: position, code, side, units; or another line."""
    words = {"entry_id": b"e" * 32, "zero": bytes(32), "cause": b"c"}
    connection.execute(
        text(
            "INSERT INTO journal_entry (seq, entry_id, kind, cause, phase, correlation_id,"
            " booked_at, postings_count, entry_hash)"
            " VALUES (3, :entry_id, 'raw', :cause, 1, :cause, 0, 2, :zero)"
        ),
        words,
    )
    insert_postings(connection, 3, postings, line)


def insert_postings(
    connection: Connection,
    seq: int,
    postings: list[tuple[int, str, int, int]],
    other_line: str | None = None,
) -> None:
    """Insert postings by hand in one statement."""
    is_postgresql = connection.dialect.name == POSTGRESQL
    values: dict[str, Any] = {}
    rows = []
    for number, (position, code, side, units) in enumerate(postings):
        values[f"u{number}"] = units if is_postgresql else units.to_bytes(32, "big")
        amount = f"CAST(:u{number} AS numeric)" if is_postgresql else f":u{number}"
        line = other_line or f"(SELECT line_key FROM ledger_line WHERE code LIKE '{code}:%')"
        rows.append(f"({seq}, {position}, {line}, 1, {side}, {amount})")
    connection.execute(
        text(
            "INSERT INTO posting (seq, position, line_key, phase, side, units) VALUES "
            + ", ".join(rows)
        ),
        values,
    )


def test_a_whole_balanced_entry_passes_the_guards(booked: Store) -> None:
    """The guards refuse what is wrong, not what is written by hand."""
    with booked.unit_of_work() as uow:
        insert_raw(uow.connection, [(0, "vault", 1, 7), (1, "margin", 2, 7)])


def test_postgresql_refuses_postings_that_do_not_sum_to_zero(booked: Store) -> None:
    """Checked once per statement; SQLite cannot add 256-bit numbers, the verifier finds it."""
    unbalanced = [(0, "vault", 1, 7), (1, "margin", 2, 6)]
    if booked.engine.dialect.name == POSTGRESQL:
        with pytest.raises(DBAPIError, match="sum to zero"), booked.unit_of_work() as uow:
            insert_raw(uow.connection, unbalanced)
        return

    with booked.unit_of_work() as uow:
        insert_raw(uow.connection, unbalanced)

    with booked.read() as uow:
        assert not uow.ledger.verify().is_sound


def test_a_posting_that_names_no_line_is_refused(booked: Store) -> None:
    """Its units would be counted nowhere."""
    written = [(0, "vault", 1, 7), (1, "margin", 2, 7)]
    stray = "decode(repeat('ab', 32), 'hex')"
    if booked.engine.dialect.name != POSTGRESQL:
        stray = f"x'{'ab' * 32}'"

    with (
        pytest.raises(DBAPIError, match=r"name no line|FOREIGN KEY|no_delete|append-only"),
        booked.unit_of_work() as uow,
    ):
        insert_raw(uow.connection, written, line=stray)


@pytest.mark.parametrize("seq", [1, 2, 9])
def test_no_posting_is_added_to_an_entry_that_has_its_postings(booked: Store, seq: int) -> None:
    """Not even balanced ones, and none without an entry."""
    extra = [(2, "vault", 1, 7), (3, "margin", 2, 7)]

    with (
        pytest.raises(DBAPIError, match=r"not all of it|does not belong|FOREIGN KEY|foreign key"),
        booked.unit_of_work() as uow,
    ):
        insert_postings(uow.connection, seq, extra)


@pytest.mark.parametrize("units", [0, 2**256])
def test_the_database_bounds_amounts(booked: Store, units: int) -> None:
    """Zero and 2^256 are no amounts, whoever writes them."""
    width = 33 if units else 32
    value: object = (
        units if booked.engine.dialect.name == POSTGRESQL else units.to_bytes(width, "big")
    )
    cast = "CAST(:u AS numeric)" if booked.engine.dialect.name == POSTGRESQL else ":u"

    with pytest.raises(DBAPIError, match=r"(?i)check"), booked.unit_of_work() as uow:
        uow.connection.execute(
            text(
                "INSERT INTO posting (seq, position, line_key, phase, side, units)"
                f" SELECT 1, 1, line_key, 1, 1, {cast} FROM ledger_line WHERE code LIKE 'vault:%'"
            ),
            {"u": value},
        )


@contextmanager
def intruder(store: Store) -> Iterator[Connection]:
    """Yield a connection with all rights, and all guards switched off."""
    if store.engine.dialect.name == POSTGRESQL:
        with store.unit_of_work() as uow:
            uow.connection.execute(text("SET LOCAL session_replication_role = replica"))
            yield uow.connection
        return
    engine = create_engine(store.engine.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        triggers = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for name in connection.scalars(triggers).all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        yield connection
    engine.dispose()


def changed(value: Any, randomness: random.Random) -> Any:
    """Return a stored value with one bit, letter or unit changed."""
    if isinstance(value, bytes | memoryview):
        raw = bytearray(bytes(value))
        raw[randomness.randrange(len(raw))] ^= 1 << randomness.randrange(8)
        return bytes(raw)
    if isinstance(value, str):
        return value + "x"
    return 3 - value if value in (1, 2) else value + 1


@pytest.mark.parametrize(
    ("table", "column"),
    [(table, column) for table, columns in GUARDED_COLUMNS.items() for column in columns],
)
def test_a_changed_value_is_found_where_it_is(store: Store, table: str, column: str) -> None:
    """With all guards gone the verifier names the seq, or the line whose counters differ."""
    randomness = random.Random(f"{table}.{column}")
    with store.unit_of_work() as uow:
        uow.ledger.post_many(JOURNAL)
    margin = JOURNAL[0].postings[1].line

    for _ in range(CHANGES_PER_COLUMN):
        seq = randomness.randrange(1, len(JOURNAL) + 1)
        key = "code LIKE 'margin:%'" if table == "ledger_line" else f"seq = {seq}"
        key += " AND position = 1" if table == "posting" else ""
        write = text(f"UPDATE {table} SET {column} = :value WHERE {key}")
        with intruder(store) as connection:
            value = connection.scalar(text(f"SELECT {column} FROM {table} WHERE {key}"))
            connection.execute(write, {"value": changed(value, randomness)})
        with store.read() as uow:
            report = uow.ledger.verify()
        with intruder(store) as connection:
            connection.execute(write, {"value": value})

        assert report.first_bad_seq == (None if table == "ledger_line" else seq)
        if table == "ledger_line":
            assert [difference.line for difference in report.differences] == [margin]
    with store.read() as uow:
        assert uow.ledger.verify().is_sound


def test_a_removed_entry_is_found(booked: Store) -> None:
    """Also the newest one, against the head."""
    with intruder(booked) as connection:
        connection.execute(text("DELETE FROM posting WHERE seq = 2"))
        connection.execute(text("DELETE FROM journal_entry WHERE seq = 2"))

    with booked.read() as uow:
        report = uow.ledger.verify()

    assert report.first_bad_seq == 2
