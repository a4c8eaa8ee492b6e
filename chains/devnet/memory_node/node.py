"""The node: a chain in memory behind an HTTP address of loopback."""

from typing import Any

from chains.devnet.exchange import Body, answer_to
from chains.devnet.loopback import Reply
from chains.devnet.memory_node.chain import MemoryChain
from chains.devnet.memory_node.commands import COMMANDS, command
from chains.devnet.memory_node.methods import NodeLimits, NodeMethods
from chains.devnet.rpc_server import RpcServer
from chains.types import ChainId


class MemoryNode(RpcServer):
    """
    Serves a chain; a context manager. It starts again with the same chain.

    The chain may be changed from any thread while it is served, and two nodes may serve one.

    Args:
        port: 0 for a free one.
    """

    def __init__(
        self,
        chain: MemoryChain | None = None,
        *,
        limits: NodeLimits | None = None,
        port: int = 0,
    ) -> None:
        self.chain = chain or MemoryChain()
        self.methods = NodeMethods(self.chain, limits)
        self.request_count = 0
        super().__init__(port=port)

    @property
    def chain_id(self) -> ChainId:
        """The chain's CAIP-2 name."""
        return self.chain.chain_id

    async def reply_to(self, body: Body) -> Reply:
        """Return what the chain says."""
        return Reply(body.joined([await answer_to(each, self._ask) for each in body.requests]))

    async def _ask(self, method: str, params: list[Any]) -> Any:
        self.request_count += 1
        if method in COMMANDS:
            return command(self.chain, method, params)
        return await self.methods.ask(method, params)
