"""Tests of connections: durability, limits, one writer."""

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from relayer.errors import SettingsError
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store

WAIT_SECONDS_MAX = 20


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://root@127.0.0.1/x"])
def test_a_database_that_cannot_serve_is_refused(url: str) -> None:
    """Memory is lost with the process and other databases are not known."""
    with pytest.raises(SettingsError, match="database URL"):
        engine_of(url)


def test_sqlite_connections_are_durable_and_checked(store: Store) -> None:
    """Every SQLite connection has WAL, full sync, foreign keys and a time to wait."""
    if store.engine.dialect.name != "sqlite":
        return
    with store.read() as uow:
        found = {
            name: uow.connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }

    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }


def test_postgresql_connections_have_timeouts(store: Store) -> None:
    """Every PostgreSQL connection gives up instead of waiting for ever."""
    if store.engine.dialect.name != "postgresql":
        return
    with store.read() as uow:
        found = {
            name: uow.connection.exec_driver_sql(f"SHOW {name}").scalar_one()
            for name in (
                "statement_timeout",
                "lock_timeout",
                "idle_in_transaction_session_timeout",
                "transaction_isolation",
            )
        }

    assert found == {
        "statement_timeout": "1min",
        "lock_timeout": "30s",
        "idle_in_transaction_session_timeout": "1min",
        "transaction_isolation": "repeatable read",
    }


def test_a_reader_cannot_write(store: Store) -> None:
    """The database itself refuses, also raw SQL, and the connection can write again later."""
    statement = text("UPDATE ledger_head SET last_seq = 7")

    with pytest.raises(DBAPIError, match=r"readonly|read-only"), store.read() as uow:
        uow.connection.execute(statement)
    with store.unit_of_work() as uow:
        uow.connection.execute(statement)

    with store.read() as uow:
        assert uow.ledger.head().seq == 7


def test_a_reader_keeps_its_snapshot_while_others_write(store: Store) -> None:
    """All statements of one read see the same state and do not hold up a writer."""
    with store.read() as reader:
        before = reader.ledger.head().seq
        with store.unit_of_work() as writer:
            writer.connection.execute(text("UPDATE ledger_head SET last_seq = 7"))
        during = reader.ledger.head().seq

    assert (before, during) == (0, 0)
    with store.read() as reader:
        assert reader.ledger.head().seq == 7


def test_a_second_writer_waits_instead_of_failing(store: Store) -> None:
    """Two units of work that read before they write follow each other."""
    first_holds, second_done = threading.Event(), threading.Event()

    def add_one() -> None:
        with store.unit_of_work() as uow:
            uow.connection.execute(text("UPDATE ledger_head SET last_seq = last_seq + 1"))
            first_holds.set()
        second_done.set()

    with store.unit_of_work() as uow:
        uow.connection.execute(text("UPDATE ledger_head SET last_seq = last_seq + 1"))
        thread = threading.Thread(target=add_one)
        thread.start()
    assert second_done.wait(WAIT_SECONDS_MAX)
    thread.join(WAIT_SECONDS_MAX)

    with store.read() as reader:
        assert reader.ledger.head().seq == 2
