"""Speed of catching up: decoded, checked and posted, against the same blocks only decoded."""

import asyncio
import json
import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from chains.evm.reader import EvmReader, Watched
from chains.types import text_of_word
from relayer import wiring
from relayer.clock import SystemClock
from relayer.steps.catalog import Catalog
from relayer.steps.fence import open_fence
from relayer.steps.observe import ObserveLimits, observe
from relayer.steps.reconcile import reconcile
from relayer.store.engine import engine_of
from relayer.store.leases import watch_lease_name
from relayer.store.unit_of_work import Store
from relayer.worker.collector import spare_collections
from tests.bench.bench_posting import durable_store, entries_made, seconds_to_post
from tests.bench.report import register
from tests.databases import TestDatabases
from tests.relayer.api.kit import CHAIN_A, VAULT_A, WETH_A, deployment_settings

BLOCKS: Final = 4_000
EVENTS: Final = 20_000
EVENTS_SINGLE: Final = 1_000
SPAN: Final = 200
REPEATS: Final = 3
MICROSECONDS: Final = 1_000_000
LEASE_SECONDS: Final = 600
SPAWN: Final = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Node:
    """A node in a process of its own, whose chain is final up to its last block."""

    rpc_url: str
    events: int

    def reader(self) -> EvmReader:
        """Return what reads the chain."""
        watched = Watched(vaults=(VAULT_A,))
        return EvmReader(CHAIN_A, self.rpc_url, watched=watched, span_max=SPAN)


@contextmanager
def node_with(blocks: int, events: int) -> Iterator[Node]:
    """Yield a node that serves so many blocks with so many locks."""
    program = [sys.executable, "-m", "chains.devnet.memory_node", "--finalized-lag", "0"]
    places = ["--vault", text_of_word(VAULT_A), "--token", text_of_word(WETH_A)]
    sizes = ["--blocks", str(blocks), "--events", str(events)]
    process = subprocess.Popen([*program, *places, *sizes], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Node(json.loads(process.stdout.readline())["url"], events)
    finally:
        process.terminate()
        process.wait()


async def decoded_events(node: Node) -> int:
    """Read every block as the watcher does, and keep nothing; return how many events there are."""
    reader = node.reader()
    try:
        last_height = (await reader.heads()).finalized.block.height
        count = 0
        for first in range(0, last_height + 1, SPAN):
            end = min(last_height, first + SPAN - 1)
            count += len((await reader.events_in_range(first, end)).events)
            await reader.header_at(end)
        return count
    finally:
        await reader.close()


def seconds_to_decode(node: Node) -> float:
    """Return the seconds to fetch and decode everything: the limit of any catching up."""
    started = perf_counter()
    count = asyncio.run(decoded_events(node))
    elapsed = perf_counter() - started
    assert count == node.events
    return elapsed


async def observed_all(store: Store, node: Node) -> None:
    """Bring the chain into the store, as the watcher does."""
    with store.unit_of_work() as uow:
        lease = uow.leases.acquire(watch_lease_name(CHAIN_A), "bench", LEASE_SECONDS)
    assert lease is not None
    limits = ObserveLimits(start_height=0, blocks_per_run_max=SPAN, finalized_span_max=SPAN)
    reader = node.reader()
    try:
        while not (await observe(store, reader, limits=limits, lease=lease)).is_level:
            pass
    finally:
        await reader.close()


def book(store: Store, catalog: Catalog, events: int) -> None:
    """Book until so many events are in the journal."""
    booked = 0
    while booked < events:
        booked += reconcile(store, catalog, CHAIN_A, fence=open_fence).booked


def book_apart(url: str, events: int, started: Any) -> None:
    """Book in a process of its own, as a worker does beside the watcher."""
    store = Store(engine_of(url), SystemClock())
    catalog = wiring.catalog_of(deployment_settings())
    spare_collections()
    started.set()
    book(store, catalog, events)
    store.close()


def seconds_to_catch_up(databases: TestDatabases, node: Node) -> float:
    """Return the seconds from the first request to the last entry: a watcher and a worker."""
    with durable_store(databases, "postgresql") as store:
        url = store.engine.url.render_as_string(hide_password=False)
        ready = SPAWN.Event()
        worker = SPAWN.Process(target=book_apart, args=(url, node.events, ready))
        worker.start()
        ready.wait()
        started = perf_counter()
        asyncio.run(observed_all(store, node))
        worker.join()
        elapsed = perf_counter() - started
        check(store, node.events)
    return elapsed


def seconds_one_by_one(databases: TestDatabases, node: Node) -> float:
    """Return the seconds with one commit per event, booked after they are observed."""
    with durable_store(databases, "postgresql") as store:
        catalog = wiring.catalog_of(deployment_settings())
        started = perf_counter()
        asyncio.run(observed_all(store, node))
        for _ in range(node.events):
            reconcile(store, catalog, CHAIN_A, fence=open_fence, events_max=1)
        elapsed = perf_counter() - started
        check(store, node.events)
    return elapsed


def check(store: Store, events: int) -> None:
    """Raise where an event is missing: a fast wrong answer is none."""
    with store.read() as uow:
        if uow.ledger.head().seq != events or not uow.ledger.verify().is_sound:
            raise SystemExit("the journal does not hold every event; the figures mean nothing")


def best(run: Callable[[], float]) -> float:
    """Return the shortest of some runs."""
    return min(run() for _ in range(REPEATS))


def bench_catchup(databases: TestDatabases) -> None:
    """Compare catching up with its limit, with posting alone, and with single commits."""
    with node_with(BLOCKS, EVENTS) as node:
        decoding = MICROSECONDS * best(lambda: seconds_to_decode(node)) / EVENTS
        ours = MICROSECONDS * best(lambda: seconds_to_catch_up(databases, node)) / EVENTS
    posting = seconds_to_post(databases, "postgresql", entries_made(EVENTS, 100), 1_000)[0]
    with node_with(BLOCKS * EVENTS_SINGLE // EVENTS, EVENTS_SINGLE) as node:
        single = MICROSECONDS * seconds_one_by_one(databases, node) / EVENTS_SINGLE
    size = f"{EVENTS} locks in {BLOCKS} blocks of a local node, PostgreSQL, a watcher and a worker"
    register(
        "catchup.vs_decode",
        ours=ours,
        other=decoding,
        unit="us/event",
        how=f"{size}: decoded, checked, posted, against fetched and decoded only",
    )
    register(
        "catchup.vs_posting",
        ours=ours,
        other=MICROSECONDS * posting / EVENTS,
        unit="us/event",
        how=f"{size}: against posting as many entries alone, batch 1,000",
    )
    register(
        "catchup.vs_single",
        ours=ours,
        other=single,
        unit="us/event",
        how=f"{size}: against one commit per event",
    )
    print(f"catching up: {MICROSECONDS / ours:.0f} events/s")


if __name__ == "__main__":
    made = TestDatabases()
    try:
        bench_catchup(made)
    finally:
        made.close()
