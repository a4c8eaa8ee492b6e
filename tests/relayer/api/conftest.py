"""The API over a real store; SQLite here, tests/relayer/steps/test_accept.py takes both."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from relayer import wiring
from relayer.api.app import app_of
from relayer.clock import FixedClock
from relayer.steps.catalog import Catalog
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.relayer.api.kit import ANN, OPEN, deployment_settings, key_header, message_of


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The deployment of the tests."""
    return wiring.catalog_of(deployment_settings())


@pytest.fixture
def clock() -> FixedClock:
    """The clock of the store; it stands still until a test moves it."""
    return FixedClock(NOW)


@pytest.fixture
def store(databases: TestDatabases, clock: FixedClock) -> Iterator[Store]:
    """A migrated, empty store."""
    with databases.store("sqlite", clock) as made:
        yield made


@pytest.fixture
def client(store: Store, catalog: Catalog) -> Iterator[TestClient]:
    """A client of the API; a fault inside comes back as an answer, as it does over a socket."""
    with TestClient(app_of(store, catalog), raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def open_client(client: TestClient) -> TestClient:
    """A client of the API after ann opened her account."""
    answer = client.post("/v1/messages", json=message_of(OPEN, ANN), headers=key_header("open"))
    assert answer.status_code == 201, answer.text
    return client
