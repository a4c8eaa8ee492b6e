"""The story on a fleet while its servers fail: lost bells, a broker away, sessions cut."""

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from kombu.connection import Connection

from relayer.cli.demo.run import Script
from relayer.settings import RABBITMQ_VARIABLE, demo_server_urls
from relayer.wiring import catalog_of
from relayer.worker.app import broker_queues
from tests.devnet.story import (
    are_free,
    check_statement,
    play_quietly,
    ports_of,
    processes_naming,
    settings_in,
)
from tests.faults.chaos import Chaos
from tests.faults.proxy import TcpProxy

pytestmark = [
    pytest.mark.story,
    pytest.mark.services,
    pytest.mark.timeout(240),
    pytest.mark.usefixtures("_local_chains", "_fleet_servers"),
]
MIDDLE: Final = ("grant", "unlock.sent", "liquidate", "leave")
AMQP_PORT: Final = 5672
AWAY_SECONDS: Final = 8.0
REPEATS: Final = 20
REPEAT_SECONDS: Final = 0.1


def survive(folder: Path, chaos: Chaos) -> None:
    """Tell the story while a server fails, and check that nothing came twice or was lost."""
    script = Script(hook=chaos.hook, tell=chaos.tell)
    statement, _ = play_quietly(folder, script, is_fleet=True)

    check_statement(statement)
    chaos.check(statement)
    assert are_free(ports_of(folder))
    assert processes_naming(str(folder)) == []


def again_and_again(act: Callable[[], int], counts: list[int]) -> None:
    """Do something for some seconds, beside the story."""
    for _ in range(REPEATS):
        counts.append(act())
        threading.Event().wait(REPEAT_SECONDS)


def purge(folder: Path) -> int:
    """Empty every queue of the run; return how many bells were lost."""
    settings = settings_in(folder)
    names = broker_queues(catalog_of(settings), settings)
    with Connection(settings.broker_url) as connection, connection.channel() as channel:
        return sum(channel.queue_purge(name) or 0 for name in names)


def end_sessions(folder: Path) -> int:
    """End every session of the run's database; return how many there were."""
    name = urlsplit(settings_in(folder).database_url).path.lstrip("/")
    with closing(psycopg.connect(demo_server_urls()[0], autocommit=True)) as link:
        rows = link.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        return len(rows.fetchall())


def test_purged_queues_cost_time_only(tmp_path: Path) -> None:
    """Bells are dropped for two seconds from each moment on; the sweeper rings again."""
    lost: list[int] = []
    chaos = Chaos(
        beside={name: lambda: again_and_again(lambda: purge(tmp_path), lost) for name in MIDDLE}
    )

    survive(tmp_path, chaos)

    assert len(lost) == len(MIDDLE) * REPEATS


def test_ended_database_sessions_cost_time_only(tmp_path: Path) -> None:
    """Every session is ended, again and again for two seconds, from each moment on."""
    ended: list[int] = []
    chaos = Chaos(
        beside={
            name: lambda: again_and_again(lambda: end_sessions(tmp_path), ended) for name in MIDDLE
        }
    )

    survive(tmp_path, chaos)

    assert sum(ended) > len(MIDDLE)


def test_a_broker_that_is_away_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is unreachable for some seconds at each moment; work goes on when it is back."""
    broker = urlsplit(demo_server_urls()[1])
    with TcpProxy(broker.hostname or "127.0.0.1", broker.port or AMQP_PORT) as proxy:
        user, _, _ = broker.netloc.rpartition("@")
        netloc = f"{user}@127.0.0.1:{proxy.port}" if user else f"127.0.0.1:{proxy.port}"
        monkeypatch.setenv(RABBITMQ_VARIABLE, urlunsplit(broker._replace(netloc=netloc)))

        def _away() -> None:
            proxy.cut()
            threading.Event().wait(AWAY_SECONDS)
            proxy.mend()

        survive(tmp_path, Chaos(beside=dict.fromkeys(("grant", "liquidate"), _away)))

        assert proxy.connections_count > 0
