"""Two processes want one key: whatever stands still in between, nothing is sent twice."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from chains.port import SignedTransaction
from relayer.clock import FixedClock, SystemClock
from relayer.errors import LeaseLostError, StateMovedError
from relayer.steps.carrier import Carrier, SendLimits
from relayer.steps.catalog import Catalog
from relayer.steps.mend import mend
from relayer.steps.relay import relay
from relayer.store.engine import engine_of
from relayer.store.fleet_tables import SEND_ATTEMPT
from relayer.store.unit_of_work import Store
from tests.databases import BACKENDS, NOW, TestDatabases
from tests.forked import FORKED
from tests.logs import reset_logs
from tests.relayer.steps.pool_node import FILLER, PoolBridge, PoolNode, PoolSender, parsed
from tests.relayer.steps.sending_world import inline_loop, store_messages
from tests.relayer.steps.world import FENCE, catalog_of_world
from tests.relayer.worker.kit import wait_until

MESSAGES = 3
LEASE_SECONDS = 2
CATALOG = catalog_of_world()
DRAIN_ROUNDS_MAX = 3_000
WAIT_SECONDS_MAX = 40.0
POLL_SECONDS = 0.02


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """Only what is critical is logged."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    yield
    reset_logs()


class RecordedSender(PoolSender):
    """Refuses to broadcast what the database does not know yet."""

    store: Store

    async def broadcast(self, transaction: SignedTransaction) -> None:
        """Look, then hand it to the pool."""
        assert transaction.raw in recorded(self.store)
        await asyncio.sleep(0)
        await super().broadcast(transaction)


def recorded(store: Store) -> set[bytes]:
    """Return all that was ever signed and stored."""
    with store.read() as uow:
        return {bytes(row.raw) for row in uow.connection.execute(select(SEND_ATTEMPT))}


def check_one_intent_per_nonce(raws: set[bytes]) -> None:
    """No nonce was ever signed for two messages."""
    intents: dict[int, set[bytes]] = {}
    for transaction in map(parsed, raws):
        intents.setdefault(transaction.account_nonce, set()).add(transaction.intent)
    assert all(len(found - {FILLER}) <= 1 for found in intents.values())


class Leader:
    """One process, run turn by turn: between two turns it may stand still for any time."""

    def __init__(self, store: Store, node: PoolNode, name: str, ids: list[bytes]) -> None:
        self._store, self._ids = store, ids
        sender = RecordedSender(node)
        sender.store = store
        limits = SendLimits(LEASE_SECONDS, fee_bump_seconds=3)
        self._carrier = Carrier(sender, PoolBridge(node), name, limits=limits)
        self.loop = inline_loop()
        self._task = self.loop.create_task(self._work())

    async def _work(self) -> None:
        while True:
            for word in self._ids:
                with suppress(LeaseLostError, StateMovedError):
                    await relay(self._store, CATALOG, self._carrier, word, fence=FENCE)
            with suppress(LeaseLostError, StateMovedError):
                await mend(self._store, CATALOG, self._carrier, fence=FENCE)

    def turn(self) -> None:
        """Go on until the next await."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        if self._task.done():
            self._task.result()

    def close(self) -> None:
        """Stop for good."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            self.loop.run_until_complete(self._task)
        self.loop.close()


STEPS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "time", "mine"]), st.integers(1, 12)), max_size=60
)


@settings(max_examples=25)
@given(steps=STEPS)
def test_r25_no_order_of_turns_signs_two_messages_for_a_nonce(
    databases: TestDatabases, steps: list[tuple[str, int]]
) -> None:
    """Each await is a place to freeze at: leases end, the other takes over, the first thaws."""
    clock, node = FixedClock(NOW), PoolNode()
    with databases.store("sqlite", clock) as store:
        ids = store_messages(store, CATALOG, MESSAGES)
        leaders = {name: Leader(store, node, name, ids) for name in ("a", "b")}
        try:
            for what, times in steps:
                for _ in range(times):
                    match what:
                        case "time":
                            clock.move(1)
                        case "mine":
                            node.mine(int(clock.now()))
                        case name:
                            leaders[name].turn()
            _drain(node, clock, leaders, ids)
        finally:
            for leader in leaders.values():
                leader.close()

        assert {word: node.landed().get(word) for word in ids} == dict.fromkeys(ids, 1)
        assert set(node.seen) <= recorded(store)
        check_one_intent_per_nonce(recorded(store))


def _drain(node: PoolNode, clock: FixedClock, leaders: dict[str, Leader], ids: list[bytes]) -> None:
    for number in range(DRAIN_ROUNDS_MAX):
        if all(word in node.effects for word in ids):
            return
        for leader in leaders.values():
            leader.turn()
        if not number % 10:
            clock.move(1)
            node.mine(int(clock.now()))
    raise AssertionError("not all messages landed")


class FileSender(PoolSender):
    """Appends what it broadcasts to a file, and freezes its own process at a chosen place."""

    path: Path
    frozen_at: str

    def freeze(self, place: str) -> None:
        """Stop here until somebody continues the process; once."""
        if place == self.frozen_at:
            self.frozen_at = ""
            os.kill(os.getpid(), signal.SIGSTOP)

    async def broadcast(self, transaction: SignedTransaction) -> None:
        """Write a line."""
        self.freeze("before broadcast")
        with self.path.open("a") as file:
            file.write(transaction.raw.hex() + "\n")
        self.freeze("after broadcast")


def run_process(url: str, path: Path, frozen_at: str, ids: list[bytes]) -> None:
    """Relay each message until it is submitted; runs in a process of its own."""
    store = Store(engine_of(url), SystemClock())
    catalog: Catalog = catalog_of_world()
    sender = FileSender(PoolNode())
    sender.path, sender.frozen_at = path, frozen_at
    sender.before = sender.freeze
    carrier = Carrier(
        sender, PoolBridge(sender.node), f"{os.getpid()}", limits=SendLimits(LEASE_SECONDS)
    )
    waiting, pause = list(ids), threading.Event()
    while waiting:
        with suppress(LeaseLostError, StateMovedError):
            outcome = asyncio.run(relay(store, catalog, carrier, waiting[0], fence=FENCE))
            if not outcome.is_open:
                waiting.pop(0)
                continue
        pause.wait(POLL_SECONDS)
    store.close()


def wait_until_stopped(pid: int) -> None:
    """Wait for a process to freeze itself."""
    wait_until(
        lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "T", "frozen"
    )


@pytest.mark.slow
@pytest.mark.parametrize("frozen_at", ["prepare", "before broadcast", "after broadcast"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_r25_a_frozen_leader_that_thaws_sends_nothing_new(
    databases: TestDatabases, backend: str, frozen_at: str, tmp_path: Path
) -> None:
    """Stopped for longer than its lease; the next one takes over; then it goes on."""
    path = tmp_path / "sent"
    with databases.store(backend, SystemClock()) as store:
        ids = store_messages(store, CATALOG, MESSAGES)
        url = store.engine.url.render_as_string(hide_password=False)
        old = FORKED.Process(target=run_process, args=(url, path, frozen_at, ids))
        new = FORKED.Process(target=run_process, args=(url, path, "", ids))
        try:
            old.start()
            assert old.pid is not None
            wait_until_stopped(old.pid)
            since = time.monotonic()
            new.start()
            new.join(WAIT_SECONDS_MAX)
            took_seconds = time.monotonic() - since
            sent = set(path.read_text().split())
            os.kill(old.pid, signal.SIGCONT)
            old.join(WAIT_SECONDS_MAX)
        finally:
            for process in (old, new):
                process.kill()
                process.join()

        assert (old.exitcode, new.exitcode) == (0, 0)
        assert took_seconds < WAIT_SECONDS_MAX
        assert set(path.read_text().split()) == sent
        assert len(sent) == MESSAGES
        raws = {bytes.fromhex(line) for line in sent}
        assert raws <= recorded(store)
        check_one_intent_per_nonce(recorded(store))
        assert {parsed(raw).account_nonce for raw in raws} == set(range(MESSAGES))
