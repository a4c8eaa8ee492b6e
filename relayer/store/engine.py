"""The engine: one URL in, connections with the right durability and limits out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from relayer.errors import SettingsError

STATEMENT_TIMEOUT_SECONDS: Final = 60
LOCK_TIMEOUT_SECONDS: Final = 30
IDLE_IN_TRANSACTION_TIMEOUT_SECONDS: Final = 60
POOL_SIZE: Final = 5
POOL_OVERFLOW_MAX: Final = 10
READ_ONLY: Final = "relayer_read_only"
POSTGRESQL: Final = "postgresql"
POSTGRESQL_PORT: Final = 5432
SQLITE: Final = "sqlite"
# The database does not answer, is locked, or has no connection left: asking later may succeed.
DATABASE_ERRORS: Final = (OperationalError, PoolTimeoutError)
CONNECT_TIMEOUT_SECONDS: Final = 3


def engine_of(url: str) -> Engine:
    """
    Return an engine for sqlite:///file or postgresql://user@host/name.

    Raises:
        SettingsError: not a URL, of another database, or of an SQLite database in memory.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError(
            ("database URL: not a URL; use sqlite:///file or postgresql://user@host/name",)
        ) from None
    backend = parsed.get_backend_name()
    if backend == SQLITE:
        return _sqlite_engine(parsed)
    if backend == POSTGRESQL:
        return _postgresql_engine(parsed)
    raise SettingsError((f"database URL: {backend} is unknown; use sqlite:/// or postgresql://",))


def _sqlite_engine(url: URL) -> Engine:
    if url.database in (None, "", ":memory:"):
        raise SettingsError(("database URL: SQLite needs a file, for example sqlite:///hub.db",))
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW_MAX,
        connect_args={"timeout": LOCK_TIMEOUT_SECONDS},
    )

    @event.listens_for(engine, "connect")
    def _connected(dbapi_connection: Any, _record: object) -> None:
        # None hands transactions to us: the driver would otherwise begin them late and deferred.
        dbapi_connection.isolation_level = None
        dbapi_connection.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT_SECONDS * 1000}")
        dbapi_connection.execute("PRAGMA journal_mode = WAL")
        dbapi_connection.execute("PRAGMA synchronous = FULL")
        dbapi_connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _began(connection: Connection) -> None:
        # IMMEDIATE takes the write lock at once: a deferred transaction that has read may find
        # that it can no longer write, and no timeout heals that.
        is_read_only = connection.get_execution_options().get(READ_ONLY, False)
        connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if is_read_only else 'OFF'}")
        connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: URL) -> Engine:
    limits_ms = {
        "statement_timeout": STATEMENT_TIMEOUT_SECONDS * 1000,
        "lock_timeout": LOCK_TIMEOUT_SECONDS * 1000,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_TIMEOUT_SECONDS * 1000,
    }
    # A prepared plan made while a table was small would go on scanning it when it is large.
    settings = {**limits_ms, "plan_cache_mode": "force_custom_plan"}
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW_MAX,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args={"options": options, "application_name": "relayer"},
    )

    @event.listens_for(engine, "handle_error")
    def _failed(context: ExceptionContext) -> None:
        # The driver calls it an internal error, but only the session is gone: this process stood
        # still for so long that the server ended it.
        if isinstance(context.original_exception, psycopg.errors.IdleInTransactionSessionTimeout):
            context.is_disconnect = True
            raise OperationalError(
                context.statement, None, context.original_exception, hide_parameters=True
            ) from context.original_exception

    return engine


def create_database(admin_url: str, name: str) -> str:
    """
    Make an empty database on a PostgreSQL server and return its URL.

    Args:
        admin_url: postgresql:// of a database on that server, with the right to make others.

    Raises:
        SettingsError: the server cannot be reached or refuses, or the URL is none of PostgreSQL.
    """
    _on_server(admin_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return make_url(admin_url).set(database=name).render_as_string(hide_password=False)


def drop_database(admin_url: str, name: str) -> None:
    """
    Remove a database and end the sessions in it; it may be gone already.

    Raises:
        SettingsError: the server cannot be reached or refuses, or the URL is none of PostgreSQL.
    """
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    _on_server(admin_url, statement.format(sql.Identifier(name)))


def _on_server(admin_url: str, statement: sql.Composed) -> None:
    try:
        parsed = make_url(admin_url)
    except ArgumentError:
        raise SettingsError(
            ("database server: not a URL; use postgresql://user@host/name",)
        ) from None
    if parsed.get_backend_name() != POSTGRESQL:
        found = parsed.get_backend_name()
        raise SettingsError((f"database server: {found} is no server; use postgresql://",))
    url = parsed.set(drivername=POSTGRESQL).render_as_string(hide_password=False)
    try:
        with psycopg.connect(
            url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS
        ) as connection:
            connection.execute(statement)
    except psycopg.OperationalError as exc:
        place = f"{parsed.host}:{parsed.port or POSTGRESQL_PORT}"
        raise SettingsError(
            (f"database server: {place} cannot be reached; start it or correct the URL",)
        ) from exc
    except psycopg.DatabaseError as exc:
        raise SettingsError((f"database server: {_first_line(exc)}",)) from exc


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """Yield one transaction: committed at the end of the block, rolled back on any error."""
    with engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def read_transaction(engine: Engine) -> Iterator[Connection]:
    """Yield one snapshot that cannot write; every statement in it sees the same state."""
    with engine.connect() as connection:
        if engine.dialect.name == SQLITE:
            reader = connection.execution_options(**{READ_ONLY: True})
        else:
            reader = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with reader.begin():
            yield reader
