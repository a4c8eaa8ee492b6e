"""The steps over a real store of each kind, fresh for every test."""

from collections.abc import Iterator

import pytest

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


@pytest.fixture
def store(backend: str, databases: TestDatabases, clock: FixedClock) -> Iterator[Store]:
    """A migrated, empty store; its address is store.engine.url."""
    with databases.store(backend, clock) as made:
        yield made


@pytest.fixture
def quick_store(databases: TestDatabases, clock: FixedClock) -> Iterator[Store]:
    """A migrated, empty store on SQLite, where the kind of database makes no difference."""
    with databases.store("sqlite", clock) as made:
        yield made
