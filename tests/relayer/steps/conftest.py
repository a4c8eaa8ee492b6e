"""The steps over a real store of each kind, fresh for every test."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from relayer.clock import FixedClock
from relayer.steps.catalog import Catalog
from relayer.store.unit_of_work import Store
from tests.databases import BACKENDS, NOW, TestDatabases
from tests.relayer.steps.world import catalog_of_world


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The deployment of the tests, with one liquidator."""
    return catalog_of_world()


@pytest.fixture
def clock() -> FixedClock:
    """The clock of the store; it stands still until a test moves it."""
    return FixedClock(NOW)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    return str(request.param)


def _hasten(made: Store) -> Store:
    """Let SQLite not wait for the disk: a test may lose its data in a power cut."""
    if made.engine.dialect.name == "sqlite":

        @event.listens_for(made.engine, "connect")
        def _connected(dbapi_connection: Any, _record: object) -> None:
            dbapi_connection.execute("PRAGMA synchronous = OFF")

    return made


@pytest.fixture
def store(backend: str, databases: TestDatabases, clock: FixedClock) -> Iterator[Store]:
    """A migrated, empty store; its address is store.engine.url."""
    with databases.store(backend, clock) as made:
        yield _hasten(made)


@pytest.fixture
def quick_store(databases: TestDatabases, clock: FixedClock) -> Iterator[Store]:
    """A migrated, empty store on SQLite, where the kind of database makes no difference."""
    with databases.store("sqlite", clock) as made:
        yield _hasten(made)
