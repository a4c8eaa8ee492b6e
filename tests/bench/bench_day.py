"""A day of a chain caught up with the limits of a deployment, against only decoding the same."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final

from chains.evm.reader import EvmReader
from chains.types import text_of_word
from relayer import wiring
from relayer.settings import Settings
from relayer.steps.observe import observe, remember_chain
from relayer.store.leases import watch_lease_name
from relayer.store.unit_of_work import Store
from tests.bench.bench_catchup import LEASE_SECONDS, SPAWN, best, book_apart, check
from tests.bench.bench_posting import durable_store
from tests.bench.report import register
from tests.databases import TestDatabases
from tests.relayer.api.kit import CHAIN_A, VAULT_A, WETH_A, deployment_settings

BLOCK_SECONDS: Final = 2
EVENTS_PER_MINUTE: Final = 5
DAY_SECONDS: Final = 86_400
BLOCKS: Final = DAY_SECONDS // BLOCK_SECONDS
EVENTS: Final = DAY_SECONDS // 60 * EVENTS_PER_MINUTE
FINALIZED_LAG: Final = 64  # these blocks are read one by one, by hash
BOUND_SECONDS: Final = 300


@contextmanager
def day_of_a_chain() -> Iterator[Settings]:
    """Yield a deployment with its defaults, whose node has a day that nobody has read."""
    program = [sys.executable, "-m", "chains.devnet.memory_node"]
    places = ["--vault", text_of_word(VAULT_A), "--token", text_of_word(WETH_A)]
    sizes = ["--blocks", str(BLOCKS), "--events", str(EVENTS)]
    lag = ["--finalized-lag", str(FINALIZED_LAG)]
    process = subprocess.Popen([*program, *places, *sizes, *lag], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        settings = deployment_settings()
        first = settings.chain(CHAIN_A).model_copy(update={"rpc_urls": (url,)})
        yield settings.model_copy(update={"chains": (first, *settings.chains[1:])})
    finally:
        process.terminate()
        process.wait()


async def decoded_events(reader: EvmReader, span: int) -> int:
    """Read the day as the watcher does, and keep nothing; return how many events there are."""
    heads = await reader.heads()
    final_height = heads.finalized.block.height
    count = 0
    for first in range(0, final_height + 1, span):
        end = min(final_height, first + span - 1)
        count += len((await reader.events_in_range(first, end)).events)
        await reader.header_at(end)
    for height in range(final_height + 1, heads.latest.block.height + 1):
        header = await reader.header_at(height)
        count += len((await reader.events_in_block(header.block)).events)
    return count


def seconds_to_decode(settings: Settings) -> float:
    """Return the seconds to fetch and decode the day: the limit of any catching up."""

    async def run() -> int:
        (reader,) = wiring.node_readers(settings, CHAIN_A)
        assert isinstance(reader, EvmReader)
        try:
            return await decoded_events(reader, settings.chain(CHAIN_A).finalized_span_max)
        finally:
            await reader.close()

    started = perf_counter()
    count = asyncio.run(run())
    elapsed = perf_counter() - started
    assert count == EVENTS
    return elapsed


async def observed_all(store: Store, settings: Settings) -> None:
    """Bring the day into the store, as the watcher does with the limits of the settings."""
    with store.unit_of_work() as uow:
        lease = uow.leases.acquire(watch_lease_name(CHAIN_A), "bench", LEASE_SECONDS)
    assert lease is not None
    limits = wiring.observe_limits(settings, CHAIN_A)
    reader = wiring.chain_reader(settings, CHAIN_A)
    try:
        await remember_chain(store, reader)
        while not (await observe(store, reader, limits=limits, lease=lease)).is_level:
            pass
    finally:
        await reader.close()


def seconds_to_catch_up(databases: TestDatabases, settings: Settings) -> float:
    """Return the seconds from the first request to the last entry: a watcher and a worker."""
    with durable_store(databases, "postgresql") as store:
        url = store.engine.url.render_as_string(hide_password=False)
        ready = SPAWN.Event()
        worker = SPAWN.Process(target=book_apart, args=(url, EVENTS, ready))
        worker.start()
        ready.wait()
        started = perf_counter()
        asyncio.run(observed_all(store, settings))
        worker.join()
        elapsed = perf_counter() - started
        check(store, EVENTS)
    return elapsed


def bench_day(databases: TestDatabases) -> None:
    """Compare a day's catching up with its limit, and refuse one that takes too long."""
    with day_of_a_chain() as settings:
        decoding = best(lambda: seconds_to_decode(settings))
        ours = best(lambda: seconds_to_catch_up(databases, settings))
    register(
        "catchup.day_vs_decode",
        ours=ours,
        other=decoding,
        unit="s",
        how=f"{BLOCKS} blocks with {EVENTS} locks of a local node, {FINALIZED_LAG} of them not "
        "final, default limits, PostgreSQL, a watcher and a worker, against decoding only",
    )
    print(f"a day of a {BLOCK_SECONDS} s chain: {ours:.1f} s, at most {BOUND_SECONDS} s")
    if ours > BOUND_SECONDS:
        raise SystemExit("a day takes longer to catch up than is promised")


if __name__ == "__main__":
    made = TestDatabases()
    try:
        bench_day(made)
    finally:
        made.close()
