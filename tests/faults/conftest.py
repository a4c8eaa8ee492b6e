"""What the fault tests need: local chains, and for a fleet PostgreSQL and RabbitMQ."""

import signal
from collections.abc import Iterator
from types import FrameType

import psycopg
import pytest

from chains.devnet.anvil import find_anvil
from chains.devnet.rpc import DevnetError
from relayer.errors import SettingsError
from relayer.settings import demo_server_urls
from relayer.worker.app import check_broker


@pytest.fixture(autouse=True)
def _ended_in_order() -> Iterator[None]:
    """SIGTERM, as a time limit sends it, ends a test as SIGINT does: it stops what it started."""

    def _interrupted(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, _interrupted)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def _local_chains() -> None:
    """Anvil; without it the test is skipped, or fails where all is required."""
    try:
        find_anvil()
    except DevnetError as exc:
        pytest.skip(str(exc))


@pytest.fixture
def _fleet_servers() -> None:
    """PostgreSQL and RabbitMQ; without them the test is skipped, or fails where all is required."""
    database_url, broker_url = demo_server_urls()
    try:
        psycopg.connect(database_url, connect_timeout=3).close()
        check_broker(broker_url)
    except (psycopg.OperationalError, SettingsError) as exc:
        pytest.skip(str(exc))
