"""The node: a chain in memory behind an HTTP address of loopback."""

from types import TracebackType
from typing import Any, Self

from chains.devnet.exchange import answer_body
from chains.devnet.loopback import LoopbackServer, Reply
from chains.devnet.memory_node.chain import MemoryChain
from chains.devnet.memory_node.commands import COMMANDS, command
from chains.devnet.memory_node.methods import NodeLimits, NodeMethods
from chains.types import ChainId


class MemoryNode:
    """
    Serves a chain; a context manager.

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
        self._server = LoopbackServer(self._reply, port=port)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def chain_id(self) -> ChainId:
        """The chain's CAIP-2 name."""
        return self.chain.chain_id

    @property
    def rpc_url(self) -> str:
        """The node's HTTP address."""
        return self._server.url

    def start(self) -> None:
        """Listen; after stop() on the same port, with the same chain."""
        self._server.start()

    def stop(self) -> None:
        """Close every connection; calling it twice is fine."""
        self._server.stop()

    async def _reply(self, raw: bytes) -> Reply:
        return Reply(await answer_body(raw, self._ask))

    async def _ask(self, method: str, params: list[Any]) -> Any:
        self.request_count += 1
        if method in COMMANDS:
            return command(self.chain, method, params)
        return await self.methods.ask(method, params)
