"""Many sends with faults: no gap lives long, and each message lands exactly once."""

from collections.abc import Iterator
from random import Random

import pytest
import structlog
from sqlalchemy import select

from relayer.clock import FixedClock
from relayer.store.fleet_tables import SEND, SEND_ATTEMPT
from tests.databases import NOW, TestDatabases
from tests.logs import reset_logs
from tests.relayer.steps.pool_node import FILLER, STRANGER, parsed
from tests.relayer.steps.sending_world import Faults, SendingWorld, store_messages
from tests.relayer.steps.world import catalog_of_world

GAP_SECONDS_MAX = 60
TICKS_PER_MESSAGE_MAX = 2
TICKS_SPARE = 400


@pytest.fixture
def _quiet() -> Iterator[None]:
    """Thousands of log lines are not looked at."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    yield
    reset_logs()


def check_chain(world: SendingWorld, message_ids: list[bytes]) -> None:
    """Each message is in the chain once, and what else is there is ours or the stranger's."""
    landed = world.node.landed()
    assert {message_id: landed.get(message_id, 0) for message_id in message_ids} == dict.fromkeys(
        message_ids, 1
    )
    others = set(landed) - set(message_ids)
    assert all(intent == FILLER or intent.startswith(STRANGER) for intent in others)


def check_records(world: SendingWorld) -> None:
    """All that was ever broadcast was stored, and no nonce carries two messages."""
    with world.store.read() as uow:
        attempts = {bytes(row.raw) for row in uow.connection.execute(select(SEND_ATTEMPT))}
        states = [row.state for row in uow.connection.execute(select(SEND))]
    assert set(world.node.seen) <= attempts
    intents: dict[int, set[bytes]] = {}
    for raw in attempts:
        transaction = parsed(raw)
        intents.setdefault(transaction.account_nonce, set()).add(transaction.intent)
    assert all(len(found - {FILLER}) <= 1 for found in intents.values())
    assert set(states) <= {"FINAL", "LOST"}


@pytest.mark.timeout(1_800)
@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize(
    "count",
    [
        pytest.param(10_000, marks=pytest.mark.long),
        pytest.param(1_000, marks=pytest.mark.long),
        200,
    ],
)
def test_r9_sends_with_faults_land_exactly_once(databases: TestDatabases, count: int) -> None:
    """Timeouts, drops, lies, kills, strangers and reorganisations: a tenth of the sends fails."""
    clock = FixedClock(NOW)
    catalog = catalog_of_world()
    faults = Faults(Random(count))
    with databases.store("sqlite", clock) as store:
        message_ids = store_messages(store, catalog, count)
        world = SendingWorld(store, catalog, clock, faults)
        ticks = 0

        while len(world.settled & set(message_ids)) < count or has_open_rows(world):
            world.tick()
            ticks += 1
            assert world.gap_seconds_max <= GAP_SECONDS_MAX
            assert ticks < count * TICKS_PER_MESSAGE_MAX + TICKS_SPARE
        world.close()

        check_chain(world, message_ids)
        check_records(world)
        assert sum(faults.counts.values()) * 10 >= count, faults.counts
        print(count, ticks, world.gap_seconds_max, world.restarts, faults.counts)  # noqa: T201


def has_open_rows(world: SendingWorld) -> bool:
    """Return whether a nonce may still change."""
    with world.store.read() as uow:
        return bool(uow.send_queue.unfinal(world.carrier.key))
