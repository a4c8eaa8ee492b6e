"""A node of another chain, seen through the real reader."""

import pytest

from chains.devnet.lies.identity import SwapChainId
from chains.devnet.memory_node.node import MemoryNode
from chains.devnet.proxy import FaultProxy
from chains.devnet.rpc import DevnetRpc
from chains.errors import RpcDisagreementError, WrongChainError
from tests.chains.devnet.scenes import CHAIN, agreeing, chain_with_locks, through


def test_a_swapped_chain_id_is_noticed() -> None:
    """The reader refuses the node; every way to ask tells the same number."""
    with (
        MemoryNode(chain_with_locks(1)) as node,
        FaultProxy(node.rpc_url, layers=[SwapChainId(1)]) as proxy,
    ):
        with pytest.raises(WrongChainError) as caught:
            through(proxy.rpc_url, lambda reader: reader.identity())
        rpc = DevnetRpc(CHAIN, proxy.rpc_url)
        told = (rpc.call("eth_chainId"), rpc.call("net_version"))
        rpc.close()

        assert (caught.value.expected, caught.value.found) == ("31337", "1")
        assert told == ("0x1", "1")
        assert proxy.injected == {"chain_id": 3}


def test_a_quorum_that_needs_all_stops_at_one_node_of_another_chain() -> None:
    """It contradicts the others; two of three would go on without it."""
    with (
        MemoryNode(chain_with_locks(1)) as node,
        FaultProxy(node.rpc_url, layers=[SwapChainId(1)]) as proxy,
        pytest.raises(RpcDisagreementError),
    ):
        urls = (node.rpc_url, node.rpc_url, proxy.rpc_url)
        agreeing(urls, 3, lambda together: together.identity())
