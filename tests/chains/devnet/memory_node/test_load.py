"""Long chains for load tests, in process and from a process of their own."""

import json
import signal
import subprocess
import sys

import pytest

from chains.devnet.memory_node.chain import ChainOptions
from chains.devnet.memory_node.load import LOAD_VAULT, Load, loaded_chain
from chains.devnet.memory_node.node import MemoryNode
from chains.events import CollateralLocked
from chains.evm.reader import EvmReader, Watched
from chains.types import ChainId, word_of_text
from tests.chains.devnet.scenes import through

STOP_SECONDS_MAX = 10


def test_the_same_seed_makes_the_same_chain() -> None:
    """Down to the newest hash; another seed another chain."""
    load = Load(blocks=50, events=200, seed=7)

    first, second = loaded_chain(load).head.block, loaded_chain(load).head.block

    assert first == second
    assert loaded_chain(Load(blocks=50, events=200, seed=8)).head.block != first


def test_every_event_of_a_load_is_read_once() -> None:
    """Lock ids count up without a gap over the whole chain."""
    chain = loaded_chain(Load(blocks=300, events=2_000, seed=1), ChainOptions(finalized_lag=0))

    async def ask(_: EvmReader) -> list[int]:
        reader = EvmReader(chain.chain_id, node.rpc_url, watched=Watched(vaults=(LOAD_VAULT,)))
        read = await reader.events_in_range(0, 300)
        await reader.close()
        return [event.lock_id for event in read.events if isinstance(event, CollateralLocked)]

    with MemoryNode(chain) as node:
        assert through(node.rpc_url, ask) == list(range(1, 2_001))


def test_a_load_of_nothing_is_refused() -> None:
    """The error names the numbers."""
    with pytest.raises(ValueError, match="blocks is 0"):
        Load(blocks=0, events=1, seed=0)


def test_a_process_serves_its_chain_until_it_is_told_to_stop() -> None:
    """It prints where it is; SIGTERM ends it with 0."""
    command = [sys.executable, "-m", "chains.devnet.memory_node", "--blocks", "20"]
    with subprocess.Popen([*command, "--events", "30"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        watched = Watched(vaults=(word_of_text(told["vault"]),))

        async def ask(_: EvmReader) -> tuple[int, int]:
            reader = EvmReader(ChainId(told["chain_id"]), told["url"], watched=watched)
            heads = await reader.heads()
            read = await reader.events_in_range(0, heads.latest.block.height)
            await reader.close()
            return heads.latest.block.height, len(read.events)

        seen = through(told["url"], ask)
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_SECONDS_MAX)

    assert seen == (20, 30)
    assert told["pid"] == process.pid
    assert code == 0
