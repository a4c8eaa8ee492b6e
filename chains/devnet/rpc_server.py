"""A JSON-RPC server on loopback: nodes in memory, nodes that answer again, and proxies."""

from abc import abstractmethod

import orjson

from chains.devnet.exchange import Body, RefusalError, body_of, refusal_answer
from chains.devnet.loopback import Closing, LoopbackServer, Reply
from chains.devnet.running import Running


class RpcServer(Running):
    """
    Answers requests at an address of its own; a context manager.

    Args:
        port: 0 for a free one.
        closing: called in the server's event loop once no connection is left.
    """

    def __init__(self, *, port: int = 0, closing: Closing | None = None) -> None:
        self._server = LoopbackServer(self._reply, port=port, closing=closing)

    @property
    def rpc_url(self) -> str:
        """The HTTP address to ask."""
        return self._server.url

    def start(self) -> None:
        """Listen; after stop() on the same port."""
        self._server.start()

    def stop(self) -> None:
        """Close every connection; calling it twice is fine."""
        self._server.stop()

    @abstractmethod
    async def reply_to(self, body: Body) -> Reply:
        """Return what goes back over the line."""

    async def _reply(self, raw: bytes) -> Reply:
        try:
            body = body_of(raw)
        except RefusalError as refusal:
            return Reply(orjson.dumps(refusal_answer(None, refusal)))
        return await self.reply_to(body)
