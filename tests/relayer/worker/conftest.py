"""Databases and a broker for the worker's tests; what is made on them is removed again."""

import socket
from collections.abc import Iterator

import pytest

from relayer import wiring
from relayer.clock import FixedClock, SystemClock
from relayer.settings import Settings
from relayer.steps.catalog import Catalog
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store
from relayer.worker.app import remove_queues
from tests.databases import NOW, TestDatabases
from tests.relayer.worker.kit import (
    MEMORY_URL,
    RABBITMQ_PORT,
    RABBITMQ_URL,
    new_prefix,
    worker_settings,
)


@pytest.fixture
def clock() -> FixedClock:
    """The clock of the store; it stands still until a test moves it."""
    return FixedClock(NOW)


@pytest.fixture
def still_store(databases: TestDatabases, clock: FixedClock) -> Iterator[Store]:
    """A migrated store whose clock stands still."""
    with databases.store("sqlite", clock) as made:
        yield made


@pytest.fixture
def database_url(databases: TestDatabases) -> Iterator[str]:
    """The URL of a migrated SQLite database."""
    url = databases.migrated_url("sqlite")
    yield url
    databases.drop(url)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store on database_url under the machine's clock."""
    made = Store(engine_of(database_url), SystemClock())
    yield made
    made.close()


@pytest.fixture
def rabbitmq_url() -> str:
    """The URL of a running RabbitMQ; without one the test is skipped."""
    try:
        socket.create_connection(("127.0.0.1", RABBITMQ_PORT), timeout=3).close()
    except OSError as exc:
        pytest.skip(f"no RabbitMQ on 127.0.0.1:{RABBITMQ_PORT}: {exc}")
    return RABBITMQ_URL


@pytest.fixture
def rabbitmq_settings(database_url: str, rabbitmq_url: str) -> Iterator[Settings]:
    """Settings on RabbitMQ with queues of their own, which are removed."""
    settings = worker_settings(database_url, rabbitmq_url, new_prefix(), lease_seconds=2)
    yield settings
    remove_queues(wiring.catalog_of(settings), settings)


@pytest.fixture(params=["memory", "rabbitmq"])
def settings(request: pytest.FixtureRequest, database_url: str) -> Iterator[Settings]:
    """Settings on each kind of broker."""
    if request.param == "rabbitmq":
        yield request.getfixturevalue("rabbitmq_settings")
    else:
        yield worker_settings(database_url, MEMORY_URL, new_prefix(), lease_seconds=2)


@pytest.fixture
def memory_settings(database_url: str) -> Settings:
    """Settings on the embedded broker."""
    return worker_settings(database_url, MEMORY_URL, new_prefix(), lease_seconds=2)


@pytest.fixture
def catalog(database_url: str) -> Catalog:
    """The deployment of the tests."""
    return wiring.catalog_of(worker_settings(database_url, MEMORY_URL, "test"))
