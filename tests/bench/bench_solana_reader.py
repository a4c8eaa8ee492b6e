"""Speed of catching up on Solana: listed, fetched, decoded and checked, against fetched alone."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from chains.solana.history import BLOCKS_AT_ONCE, SolanaWatched
from chains.solana.reader import SolanaReader
from chains.solana.rpc import SolanaRpc
from chains.types import ChainId
from tests.bench.report import best_seconds, register
from tests.chains.solana.scenes import PROGRAM, scene

LOCKS: Final = 2_000
LOCKS_PER_BLOCK: Final = 10
SPAN: Final = 50
REPEATS: Final = 3
MILLISECONDS: Final = 1_000
FULL: Final = {
    "commitment": "finalized",
    "encoding": "base64",
    "transactionDetails": "full",
    "maxSupportedTransactionVersion": 0,
    "rewards": False,
}


@dataclass(frozen=True, slots=True)
class Node:
    """A node in a process of its own; slots is where the locks are, first and last."""

    chain_id: ChainId
    rpc_url: str
    watched: SolanaWatched
    slots: tuple[int, int]

    def reader(self) -> SolanaReader:
        """Return a reader that knows nothing of the chain yet."""
        return SolanaReader(self.chain_id, self.rpc_url, watched=self.watched, span_max=SPAN)


def serve() -> None:
    """Run a cluster whose vault has many locks, all final; say where it is; end with the input."""
    with scene() as made:
        made.finalize()
        slots = []
        for place in range(LOCKS):
            slots.append(made.slot_of(made.lock(1_000 + place)))
            if place % LOCKS_PER_BLOCK == LOCKS_PER_BLOCK - 1:
                made.net.advance()
        made.finalize()
        node = {
            "chain_id": made.net.chain_id,
            "rpc_url": made.net.url,
            "vault": made.vault.hex(),
            "mints": [bytes(mint).hex() for mint in made.mints],
            "slots": [min(slots), max(slots)],
        }
        print(json.dumps(node), flush=True)
        sys.stdin.read()


@contextmanager
def node_with_locks() -> Iterator[Node]:
    """Yield a node that serves the locks."""
    program = [sys.executable, "-m", "tests.bench.bench_solana_reader", "serve"]
    process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        place: dict[str, Any] = json.loads(process.stdout.readline())
        mints = tuple(bytes.fromhex(mint) for mint in place["mints"])
        watched = SolanaWatched(bytes(PROGRAM), bytes.fromhex(place["vault"]), mints)
        first, last = place["slots"]
        yield Node(place["chain_id"], place["rpc_url"], watched, (first, last))
    finally:
        process.terminate()
        process.wait()


def ranges(node: Node) -> list[tuple[int, int]]:
    """Return the ranges that a watcher would ask for."""
    first, last = node.slots
    return [(at, min(last, at + SPAN - 1)) for at in range(first, last + 1, SPAN)]


async def catch_up(node: Node) -> None:
    """Read every lock as a watcher does, by a reader that begins with nothing."""
    reader = node.reader()
    try:
        await reader.heads()
        count = 0
        for first, last in ranges(node):
            read = await reader.events_in_range(first, last)
            if read.malformed:
                raise RuntimeError("an event was refused")
            count += len(read.events)
            await reader.header_at(last)
        if count != LOCKS:
            raise RuntimeError(f"{count} of {LOCKS} locks were read")
    finally:
        await reader.close()


async def fetch(node: Node) -> None:
    """Fetch the same blocks, as many at once, and look at nothing but that they are there."""
    rpc = SolanaRpc(node.chain_id, node.rpc_url)
    free = asyncio.Semaphore(BLOCKS_AT_ONCE)

    async def block(slot: int) -> object:
        async with free:
            return await rpc.call("getBlock", [slot, FULL])

    try:
        for first, last in ranges(node):
            answers = await asyncio.gather(*(block(slot) for slot in range(first, last + 1)))
            if not all(isinstance(answer, dict) for answer in answers):
                raise RuntimeError("a block is missing")
    finally:
        await rpc.close()


def bench_solana_reader() -> None:
    """Compare catching up on locks with fetching the blocks in which they are."""
    with node_with_locks() as node:
        ours = best_seconds(lambda: asyncio.run(catch_up(node)), repeats=REPEATS)
        fetched = best_seconds(lambda: asyncio.run(fetch(node)), repeats=REPEATS)
    register(
        "solana.catch_up_vs_fetch",
        ours=MILLISECONDS * ours / LOCKS,
        other=MILLISECONDS * fetched / LOCKS,
        unit="ms",
        how=f"each of {LOCKS} locks, {LOCKS_PER_BLOCK} in a block: signatures listed, blocks "
        "fetched, decoded and checked, against the same blocks fetched and parsed as JSON",
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        bench_solana_reader()
