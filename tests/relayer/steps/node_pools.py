"""Several nodes of one simulated chain, behind the agreement that a deployment uses."""

from chains.agreement.board import Terms
from chains.agreement.reader import AgreeingReader
from chains.errors import RpcTimeoutError
from chains.nodes import NodeStatus
from chains.types import BlockRef
from relayer.steps.condition import log_node
from tests.relayer.api.kit import CHAIN_A
from tests.simulated_chain import SimulatedChain


class NodeOfChain(SimulatedChain):
    """A node that can also name its newest block; newest_count says how often it did."""

    newest_count = 0

    async def newest(self) -> BlockRef:
        """Return the newest block."""
        self.newest_count += 1
        return (await self.heads()).latest.block

    def nodes(self) -> tuple[NodeStatus, ...]:
        """Return nothing: it is only one."""
        return ()


def nodes_of_chain(count: int) -> tuple[NodeOfChain, ...]:
    """Return nodes that know the same chain; what one of them mines is its own affair."""
    return tuple(NodeOfChain(CHAIN_A) for _ in range(count))


def agreement_of(nodes: tuple[NodeOfChain, ...], quorum: int) -> AgreeingReader:
    """Return what reads through all of them."""
    return AgreeingReader(nodes, Terms(quorum, report=log_node))


def cut_off(method: str, height: int) -> None:
    """Be a fault of a node that nobody can reach."""
    del height
    raise RpcTimeoutError(chain_id=CHAIN_A, method=method)
