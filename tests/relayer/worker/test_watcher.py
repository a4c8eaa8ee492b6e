"""The watcher process: rings for blocks, waits for what is away, and ends when told to."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from chains.devnet.anvil import Anvil, AnvilOptions, find_anvil
from chains.devnet.rpc import DevnetError
from relayer import wiring
from relayer.settings import Settings
from relayer.store.chains import Cursor
from relayer.store.unit_of_work import Store
from relayer.worker.watcher import watch_chain
from tests.relayer.api.process import ROOT
from tests.relayer.worker.kit import CHAIN, wait_until

STOP_SECONDS_MAX = 10.0
PROGRAM = """
import sys
from relayer.telemetry import configure_logging
from relayer.worker.watcher import run_watcher
from tests.relayer.worker.kit import CHAIN, worker_settings
configure_logging(service="watcher", node="test", log_format="json")
run_watcher(worker_settings(sys.argv[1], "memory://", "test"), CHAIN)
"""


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    """One empty chain that makes blocks when it is told to."""
    try:
        find_anvil()
    except DevnetError as exc:
        pytest.skip(str(exc))
    with Anvil(AnvilOptions()) as running:
        yield running


@contextmanager
def watching(settings: Settings, store: Store, rings: list[int]) -> Iterator[Callable[[], bool]]:
    """Watch the chain in a thread, which must end when told to; yields whether it failed."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    failed: list[BaseException] = []

    def _run() -> None:
        try:
            loop.run_until_complete(
                watch_chain(
                    settings,
                    CHAIN,
                    parts=(store, wiring.catalog_of(settings)),
                    ring_due=lambda: rings.append(1),
                    stop=stop,
                )
            )
        except BaseException as exc:  # noqa: BLE001 - shown in the test's own thread
            failed.append(exc)

    thread = threading.Thread(target=_run)
    thread.start()
    try:
        yield lambda: bool(failed)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(STOP_SECONDS_MAX)
        assert not thread.is_alive()
        loop.close()
        if failed:
            raise failed[0]


def on_node(settings: Settings, rpc_url: str) -> Settings:
    """Return settings with the chain on a node of the test, and without price feeds."""
    looks = {"rpc_urls": (rpc_url,), "poll_milliseconds": 50, "vaults": ()}
    chains = tuple(
        chain.model_copy(update=looks) if chain.chain_id == CHAIN else chain
        for chain in settings.chains
    )
    assets = tuple(asset.model_copy(update={"feeds": ()}) for asset in settings.assets)
    return settings.model_copy(update={"chains": chains, "assets": assets})


def cursor_of(store: Store) -> Cursor:
    """Return how far the chain is stored."""
    with store.read() as uow:
        return uow.chains.cursor(CHAIN)


def head_of(store: Store) -> int:
    """Return the height of the stored head, -1 before the first."""
    head = cursor_of(store).head
    return -1 if head is None else head.height


def test_it_rings_for_blocks_and_not_for_each_look(
    anvil: Anvil, memory_settings: Settings, store: Store
) -> None:
    """A quiet chain costs no broker and no look at the job table."""
    settings = on_node(memory_settings, anvil.rpc_url)
    rings: list[int] = []
    with watching(settings, store, rings) as has_failed:
        wait_until(lambda: head_of(store) >= 0 or has_failed(), "the first block", seconds=20)
        anvil.rpc.call("anvil_mine", "0x5")
        wait_until(lambda: head_of(store) >= 5 or has_failed(), "five blocks", seconds=20)
        threading.Event().wait(0.5)
        before = len(rings)
        threading.Event().wait(1.0)  # some twenty looks
        assert len(rings) == before

    assert 2 <= before <= 12


def test_a_node_that_is_away_is_waited_for_and_sigterm_ends_it(database_url: str) -> None:
    """Exit status 0, without waiting for the node."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, database_url],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        first = next(line for line in process.stderr if "chain.unread" in line)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS_MAX) == 0, first
    finally:
        process.kill()
        process.communicate()
