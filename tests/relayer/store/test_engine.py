"""Tests of connections: durability, limits, one writer."""

import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from relayer.clock import FixedClock
from relayer.errors import SettingsError
from relayer.store.engine import create_database, drop_database, engine_of
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases

WAIT_SECONDS_MAX = 20
IDLE_SECONDS = 0.2


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://root@127.0.0.1/x", "no url"]
)
def test_a_database_that_cannot_serve_is_refused(url: str) -> None:
    """Memory is lost with the process and other databases are not known."""
    with pytest.raises(SettingsError, match="database URL"):
        engine_of(url)


def test_sqlite_connections_are_durable_and_checked(databases: TestDatabases) -> None:
    """Every SQLite connection has WAL, full sync, foreign keys and a time to wait."""
    store = Store(engine_of(databases.migrated_url("sqlite")), FixedClock(NOW))

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
    store.close()


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


@pytest.fixture(params=["postgresql"])
def server_url(request: pytest.FixtureRequest, databases: TestDatabases) -> Iterator[str]:
    """A database on a server, with the right to make others."""
    url = databases.empty_url(str(request.param))
    yield url
    databases.drop(url)


def names_on(url: str) -> set[str]:
    """Return the databases of a server."""
    engine = engine_of(url)
    with engine.connect() as connection:
        names = set(connection.execute(text("SELECT datname FROM pg_database")).scalars())
    engine.dispose()
    return names


def test_a_database_is_made_and_removed(server_url: str) -> None:
    """Its URL leads to it; a session that is left in it does not keep it."""
    name = f"relayer test-{uuid4().hex}"  # has to be quoted

    url = create_database(server_url, name)
    engine = engine_of(url)
    with engine.connect() as left_open:
        found = left_open.execute(text("SELECT current_database()")).scalar_one()
        assert name in names_on(server_url)
        drop_database(server_url, name)
        left_open.invalidate()
    engine.dispose()

    assert found == name
    assert name not in names_on(server_url)


def test_a_database_that_is_gone_is_removed_again(server_url: str) -> None:
    """Cleaning up twice is fine."""
    drop_database(server_url, f"relayer_test_{uuid4().hex}")


def test_a_database_is_not_made_twice(server_url: str) -> None:
    """What is there is never taken over."""
    name = f"relayer_test_{uuid4().hex}"
    create_database(server_url, name)
    try:
        with pytest.raises(SettingsError, match="already exists"):
            create_database(server_url, name)
    finally:
        drop_database(server_url, name)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("postgresql://bob:hunter22@127.0.0.1:1/postgres", "127.0.0.1:1 cannot be reached"),
        ("sqlite:///hub.db", "sqlite is no server"),
        ("mysql://root@127.0.0.1/x", "mysql is no server"),
        ("nowhere", "not a URL"),
    ],
)
def test_a_server_that_cannot_serve_is_named(url: str, named: str) -> None:
    """Without the password."""
    for act in (create_database, drop_database):
        with pytest.raises(SettingsError, match=named) as refused:
            act(url, "relayer")
        assert "hunter22" not in str(refused.value)


def test_a_session_that_the_server_ended_is_an_outage_and_no_fault_of_the_work(
    store: Store,
) -> None:
    """A process that stood still in a transaction: it is tried again, on a new connection."""
    if store.engine.dialect.name != "postgresql":
        return
    with pytest.raises(OperationalError), store.read() as uow:
        uow.connection.exec_driver_sql("SET idle_in_transaction_session_timeout = '1ms'")
        threading.Event().wait(IDLE_SECONDS)
        uow.connection.exec_driver_sql("SELECT 1")

    with store.read() as uow:
        assert uow.connection.exec_driver_sql("SELECT 1").scalar_one() == 1
