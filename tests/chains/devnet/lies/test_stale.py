"""A node that lags, seen through the real reader."""

from typing import Any

import pytest

from chains.devnet.lies.stale import StaleHead
from chains.devnet.memory_node.chain import MemoryChain
from chains.devnet.memory_node.logs import word_text
from chains.devnet.memory_node.node import MemoryNode
from chains.devnet.proxy import FaultProxy
from chains.devnet.rpc import DevnetError, DevnetRpc
from chains.errors import BlockGoneError
from chains.evm.reader import EvmReader
from tests.chains.devnet.scenes import (
    CHAIN,
    TOKEN,
    VAULT,
    agreeing,
    chain_with_locks,
    see,
    through,
)

LAG = 3


@pytest.fixture
def chain() -> MemoryChain:
    """Eight blocks with a lock each; six are final."""
    chain = chain_with_locks(1, 1, 1, 1, 1, 1)
    chain.mine_many(2)
    return chain


def test_a_reader_of_a_lagging_node_sees_a_shorter_chain(chain: MemoryChain) -> None:
    """Heads, ranges, blocks, receipts and views all end at the same height."""
    newest, known = chain.blocks[6].block, chain.blocks[5].block

    async def ask(reader: EvmReader) -> None:
        heads = await reader.heads()
        assert (heads.latest.block.height, heads.finalized.block.height) == (5, 3)
        assert len((await see(reader)).by_range) == 5
        for gone in (
            reader.header_at(6),
            reader.header_of(newest.block_hash),
            reader.events_in_block(newest),
            reader.vault_state(VAULT, TOKEN, newest),
        ):
            with pytest.raises(BlockGoneError):
                await gone
        assert (await reader.vault_state(VAULT, TOKEN, known)).lock_count == 5
        assert len((await reader.events_in_block(known)).events) == 1
        assert len((await reader.events_in_range(4, 8)).events) == 2
        assert (await reader.events_in_range(6, 8)).events == ()

    stale = StaleHead(LAG)
    with MemoryNode(chain) as node, FaultProxy(node.rpc_url, layers=[stale]) as proxy:
        through(proxy.rpc_url, ask)
        assert proxy.injected["stale_head"] > 0


def test_other_methods_lag_as_much(chain: MemoryChain) -> None:
    """Block number, tags in calls, receipts of a block and of a transaction."""
    transaction = {"to": "0x" + VAULT[12:].hex(), "data": "0x9b10b6f5"}
    hidden, shown = (word_text(chain.blocks[height].txs[0].tx_hash) for height in (6, 5))

    def asked(url: str) -> list[Any]:
        rpc = DevnetRpc(CHAIN, url)
        answers = [
            rpc.call("eth_blockNumber"),
            rpc.call("eth_getBlockReceipts", "0x6"),
            rpc.call("eth_getTransactionReceipt", hidden),
            rpc.call("eth_getTransactionReceipt", shown)["blockNumber"],
            rpc.call("eth_getBlockByNumber", "safe", False)["number"],
            len(rpc.call("eth_getBlockReceipts", "latest")),
            len(rpc.call("eth_getLogs", {"fromBlock": "earliest", "toBlock": "latest"})),
        ]
        with pytest.raises(DevnetError, match="header not found"):
            rpc.call("eth_call", transaction, "0x6")
        rpc.close()
        return answers

    with MemoryNode(chain) as node, FaultProxy(node.rpc_url, layers=[StaleHead(LAG)]) as proxy:
        assert asked(proxy.rpc_url) == ["0x5", None, None, "0x5", "0x3", 1, 10]


def test_a_view_at_the_newest_block_is_as_old_as_the_head(chain: MemoryChain) -> None:
    """An unpinned call does not look past the lag."""

    async def ask(reader: EvmReader) -> int:
        latest = (await reader.heads()).latest.block
        return (await reader.vault_state(VAULT, TOKEN, latest)).lock_count

    with MemoryNode(chain) as node, FaultProxy(node.rpc_url, layers=[StaleHead(7)]) as proxy:
        assert through(proxy.rpc_url, ask) == 1


def test_a_node_that_catches_up_is_as_the_others(chain: MemoryChain) -> None:
    """Without a lag nothing is changed or counted."""
    stale = StaleHead(LAG)
    with MemoryNode(chain) as node, FaultProxy(node.rpc_url, layers=[stale]) as proxy:
        stale.lag = 0

        assert through(proxy.rpc_url, see) == through(node.rpc_url, see)
        assert proxy.injected["stale_head"] == 0


def test_a_quorum_follows_the_faster_nodes(chain: MemoryChain) -> None:
    """Two of three are enough; with two that lag the heads are theirs."""
    with (
        MemoryNode(chain) as node,
        FaultProxy(node.rpc_url, layers=[StaleHead(LAG)]) as slow,
        FaultProxy(node.rpc_url, layers=[StaleHead(LAG)]) as slower,
    ):
        quick = agreeing([node.rpc_url, node.rpc_url, slow.rpc_url], 2, lambda each: each.heads())
        late = agreeing([node.rpc_url, slow.rpc_url, slower.rpc_url], 2, lambda each: each.heads())

    assert quick.latest.block.height == 8
    assert late.latest.block.height == 5


def test_a_negative_lag_is_refused() -> None:
    """A node knows nothing of the future."""
    with pytest.raises(ValueError, match="lag is -1"):
        StaleHead(-1)
