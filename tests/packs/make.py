"""
Makes the packs of this folder again. Hashes differ from time to time, stories do not.

Run: python -m tests.packs.make
"""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from chains.devnet.actors import ALICE
from chains.devnet.kit import WETH, Devnet, DevnetOptions
from chains.devnet.lies.forge import Forge
from chains.devnet.lies.forgery import ForgedLock, Forgery
from chains.devnet.lies.holes import DropLogs, TruncateRanges
from chains.devnet.memory_node.chain import ChainOptions, MemoryChain
from chains.devnet.memory_node.load import (
    LOAD_ACCOUNTS,
    LOAD_DEPOSITOR,
    LOAD_TOKEN,
    LOAD_VAULT,
    Load,
    loaded_chain,
)
from chains.devnet.memory_node.moves import Holding
from chains.devnet.memory_node.node import MemoryNode
from chains.devnet.packs import PackHeader
from chains.devnet.proxy import Layer
from chains.devnet.record import Recording
from chains.devnet.reorg import reorg
from relayer.clock import FixedClock
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.packs.following import Follower
from tests.packs.stories import (
    DISAGREEMENT,
    HOLES,
    HOLES_HEIGHT,
    QUORUM,
    REORG,
    agreeing_reader,
    follow_turns,
    is_refused,
    look,
    reader_of,
)

MADE: Final = "python -m tests.packs.make"
FORGED_UNITS: Final = 10**24
DROPPED_PPM: Final = 150_000
SLOTS_IN_EPOCH: Final = 4  # the newest eight blocks are not final
DEPTH: Final = 4
ACCOUNT: Final = LOAD_ACCOUNTS[0]


def with_store(run: Callable[[Store], None]) -> None:
    """Run something on a new database."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(engine_of(f"sqlite:///{folder}/made.sqlite3"), FixedClock(NOW))
        store.upgrade()
        try:
            run(store)
        finally:
            store.close()


def reorg_story(devnet: Devnet) -> Callable[[int], None]:
    """Return what happens on a real chain before each turn."""
    deployed = devnet.chain_a
    chain, vault, token = deployed.chain, deployed.vault, deployed.tokens["WETH"]
    if vault is None:
        raise ValueError("chain A has no vault")

    def act(turn: int) -> None:
        match turn:
            case 0:
                chain.lock(ALICE, vault, ACCOUNT, token, WETH)
                chain.mine(2 * SLOTS_IN_EPOCH)
            case 1:
                chain.lock(ALICE, vault, ACCOUNT, token, 2 * WETH)
                chain.mine(1)
            case 2:
                chain.lock(ALICE, vault, ACCOUNT, token, 3 * WETH)
                chain.lock(ALICE, vault, ACCOUNT, token, 4 * WETH)
                chain.mine(1)
            case 3:  # the locks of 3 and 4 go with their blocks
                reorg(chain, DEPTH)
                chain.lock(ALICE, vault, ACCOUNT, token, 5 * WETH)
            case 4:
                chain.lock(ALICE, vault, ACCOUNT, token, 6 * WETH)
            case _:
                chain.finalize()

    return act


def make_reorg(path: Path = REORG) -> None:
    """Record a real node while a watcher follows it through a reorg."""
    with Devnet(DevnetOptions(slots_in_epoch=SLOTS_IN_EPOCH)) as devnet:
        deployed, act = devnet.chain_a, reorg_story(devnet)
        vault = deployed.vault
        if vault is None:
            raise ValueError("chain A has no vault")
        header = PackHeader(deployed.chain_id, ("anvil",), f"{MADE}: a reorg of {DEPTH} blocks")

        def run(store: Store) -> None:
            with Recording(path, header, {"anvil": deployed.rpc_url}) as recording:
                reader = reader_of(deployed.chain_id, recording.urls["anvil"], vault)
                asyncio.run(follow_turns(Follower(store, reader), act))

        with_store(run)


def short_chain() -> MemoryChain:
    """Return a chain with two dozen locks; its newest blocks are not final."""
    return loaded_chain(Load(HOLES_HEIGHT, 24, seed=3), ChainOptions(finalized_lag=5))


def make_disagreement(path: Path = DISAGREEMENT) -> None:
    """Record three nodes of which one tells of a lock that never happened."""
    forged = ForgedLock(
        "never", 20, Holding(LOAD_VAULT, LOAD_TOKEN, ACCOUNT), LOAD_DEPOSITOR, FORGED_UNITS
    )
    labels = ("first", "liar", "third")
    with MemoryNode(short_chain()) as node:
        header = PackHeader(node.chain_id, labels, f"{MADE}: one of three forges a lock")
        layers: dict[str, list[Layer]] = {"liar": [Forge(Forgery((forged,)))]}
        nodes = dict.fromkeys(labels, node.rpc_url)

        def run(store: Store) -> None:
            with Recording(path, header, nodes, layers=layers) as recording:
                urls = tuple(recording.urls.values())
                together = agreeing_reader(node.chain_id, urls, LOAD_VAULT, quorum=QUORUM)
                asyncio.run(_follow_and_refuse(Follower(store, together), urls))

        with_store(run)


async def _follow_and_refuse(follower: Follower, urls: tuple[str, ...]) -> None:
    observation = await follower.follow()
    final = observation.heads.finalized.block.height
    chain_id = follower.reader.chain_id
    strict = agreeing_reader(chain_id, urls, LOAD_VAULT, quorum=len(urls))
    if not await is_refused(strict, final):
        raise AssertionError("the liar was not noticed")


def make_holes(path: Path = HOLES) -> None:
    """Record an honest node, and one that drops logs and cuts ranges."""
    labels = ("honest", "holey")
    with MemoryNode(short_chain()) as node:
        header = PackHeader(node.chain_id, labels, f"{MADE}: one of two leaves logs out")
        layers: dict[str, list[Layer]] = {
            "holey": [TruncateRanges(blocks_max=30), DropLogs(1, share_ppm=DROPPED_PPM)]
        }
        nodes = dict.fromkeys(labels, node.rpc_url)
        with Recording(path, header, nodes, layers=layers) as recording:
            for url in recording.urls.values():
                asyncio.run(look(reader_of(node.chain_id, url, LOAD_VAULT), LOAD_TOKEN, LOAD_VAULT))


if __name__ == "__main__":
    make_reorg()
    make_disagreement()
    make_holes()
