"""Where the hub of a demo keeps its data: a file, or a PostgreSQL and a RabbitMQ of the user's."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from relayer.cli.demo.world import Servers
from relayer.errors import RefusedError, SettingsError
from relayer.settings import POSTGRESQL_VARIABLE, RABBITMQ_VARIABLE, demo_server_urls

POSTGRESQL_CODE: Final = "postgresql_missing"
RABBITMQ_CODE: Final = "rabbitmq_missing"


@contextmanager
def embedded_servers(folder: Path) -> Iterator[Servers]:
    """Yield an SQLite file and the broker inside the process."""
    yield Servers(f"sqlite:///{folder}/hub.sqlite3", "memory://", "relayer")


@contextmanager
def fleet_servers(folder: Path) -> Iterator[Servers]:
    """
    Yield a new database and new queues on the user's servers, and remove both at the end.

    Raises:
        RefusedError: a server cannot be reached; it names the variable to set.
    """
    from relayer.store.engine import create_database, drop_database
    from relayer.worker.app import check_broker

    name = f"relayer_demo_{uuid.uuid4().hex[:12]}"
    prefix = f"demo-{uuid.uuid4().hex[:8]}"
    admin_url, broker_url = demo_server_urls()
    with _refused(RABBITMQ_CODE, f"start RabbitMQ, or set {RABBITMQ_VARIABLE}"):
        check_broker(broker_url)
    with _refused(POSTGRESQL_CODE, f"start PostgreSQL, or set {POSTGRESQL_VARIABLE}"):
        database_url = create_database(admin_url, name)
    try:
        yield Servers(database_url, broker_url, prefix)
    finally:
        try:
            _remove_queues(folder)
        finally:
            drop_database(admin_url, name)


@contextmanager
def _refused(code: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except SettingsError as exc:
        raise RefusedError(code=code, detail=f"{'; '.join(exc.mistakes)}; {remedy}") from exc


def _remove_queues(folder: Path) -> None:
    from relayer import wiring
    from relayer.settings import load_settings
    from relayer.worker.app import remove_queues

    config = folder / "relayer.toml"
    if config.exists():
        settings = load_settings(config)
        remove_queues(wiring.catalog_of(settings), settings)
