"""Where the hub of a demo keeps its data: a file, or a PostgreSQL and a RabbitMQ of the user's."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from relayer.cli.demo.world import Servers
from relayer.errors import SettingsError

POSTGRESQL_VARIABLE: Final = "RELAYER_DEMO_POSTGRESQL"
RABBITMQ_VARIABLE: Final = "RELAYER_DEMO_RABBITMQ"
POSTGRESQL_DEFAULT: Final = "postgresql://postgres@127.0.0.1:5432/postgres"
RABBITMQ_DEFAULT: Final = "amqp://guest:guest@127.0.0.1:5672//"


@contextmanager
def embedded_servers(folder: Path) -> Iterator[Servers]:
    """Yield an SQLite file and the broker inside the process."""
    yield Servers(f"sqlite:///{folder}/hub.sqlite3", "memory://", "relayer")


@contextmanager
def fleet_servers(folder: Path) -> Iterator[Servers]:
    """
    Yield a new database and new queues on the user's servers, and remove both at the end.

    Raises:
        SettingsError: a server cannot be reached; it names the variable to set.
    """
    name = f"relayer_demo_{uuid.uuid4().hex[:12]}"
    prefix = f"demo-{uuid.uuid4().hex[:8]}"
    admin_url = os.environ.get(POSTGRESQL_VARIABLE, POSTGRESQL_DEFAULT)
    broker_url = os.environ.get(RABBITMQ_VARIABLE, RABBITMQ_DEFAULT)
    _check_broker(broker_url)
    _on_server(admin_url, f"CREATE DATABASE {name}")
    try:
        yield Servers(_named(admin_url, name), broker_url, prefix)
    finally:
        _remove_queues(folder)
        _on_server(admin_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _on_server(admin_url: str, statement: str) -> None:
    import psycopg

    try:
        with psycopg.connect(admin_url, autocommit=True, connect_timeout=3) as connection:
            connection.execute(statement.encode())
    except psycopg.OperationalError as exc:
        raise SettingsError(
            (f"PostgreSQL cannot be reached; set {POSTGRESQL_VARIABLE}: {exc}",)
        ) from exc


def _named(admin_url: str, name: str) -> str:
    from sqlalchemy import make_url

    return make_url(admin_url).set(database=name).render_as_string(hide_password=False)


def _check_broker(broker_url: str) -> None:
    from kombu.connection import Connection
    from kombu.exceptions import OperationalError

    try:
        with Connection(broker_url, connect_timeout=3) as connection:
            connection.ensure_connection(max_retries=1)
    except (OperationalError, OSError) as exc:
        raise SettingsError(
            (f"RabbitMQ cannot be reached; set {RABBITMQ_VARIABLE}: {exc}",)
        ) from exc


def _remove_queues(folder: Path) -> None:
    from relayer import wiring
    from relayer.settings import load_settings
    from relayer.worker.app import remove_queues

    config = folder / "relayer.toml"
    if config.exists():
        settings = load_settings(config)
        remove_queues(wiring.catalog_of(settings), settings)
