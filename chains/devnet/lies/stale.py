"""A node that lags: it is right about a chain that is shorter than the others'."""

from collections import Counter
from typing import Any

from chains.devnet.exchange import CODE_SERVER, Ask, RefusalError
from chains.devnet.lies.blocks import BLOCK_PLACES, TAGS, block_named, height_of

TRANSACTION_METHODS = ("eth_getTransactionReceipt", "eth_getTransactionByHash")


class StaleHead:
    """
    Shows the chain as it was some blocks ago, in every method that names a block.

    Args:
        lag: how many of the newest blocks are not known; the tags safe and finalized are as much
            behind. May be changed at any time.
    """

    def __init__(self, lag: int) -> None:
        if lag < 0:
            raise ValueError(f"lag is {lag}, 0 or more is possible")
        self.lag = lag
        self.injected: Counter[str] = Counter()

    async def answer(self, method: str, params: list[Any], ask: Ask) -> Any:
        """Return the result of a request."""
        head = await self._height(ask, "latest")
        if method == "eth_blockNumber":
            return self._told(hex(head))
        if method == "eth_getLogs":
            return await self._logs(params[0], ask, head)
        if method == "eth_getBlockByHash":
            block = await ask(method, params)
            return self._known(block, "number", head)
        if method in TRANSACTION_METHODS:
            found = await ask(method, params)
            return self._known(found, "blockNumber", head)
        if method in BLOCK_PLACES:
            return await self._at_block(method, params, ask, head)
        return await ask(method, params)

    async def _height(self, ask: Ask, tag: str) -> int:
        """Return the height of a tag as this node sees it."""
        block = await block_named(ask, tag)
        return max(0, (0 if block is None else height_of(block)) - self.lag)

    async def _reference(self, ask: Ask, reference: object) -> object:
        """Return a reference that means to the node behind what the asked one means here."""
        if reference is None or (reference in TAGS and reference != "earliest"):
            return self._told(hex(await self._height(ask, str(reference or "latest"))))
        return reference

    async def _at_block(self, method: str, params: list[Any], ask: Ask, head: int) -> Any:
        place = BLOCK_PLACES[method]
        padded = [*params, *[None] * max(0, place + 1 - len(params))]
        padded[place] = await self._reference(ask, padded[place])
        block = await block_named(ask, padded[place])
        if block is not None and height_of(block) > head:
            self._told(None)
            if place == 0:
                return None
            raise RefusalError(CODE_SERVER, "header not found")
        return await ask(method, padded)

    async def _logs(self, fields: dict[str, Any], ask: Ask, head: int) -> Any:
        if "blockHash" in fields:
            block = await block_named(ask, fields["blockHash"])
            if block is not None and height_of(block) > head:
                self._told(None)
                raise RefusalError(CODE_SERVER, "unknown block")
            return await ask("eth_getLogs", [fields])
        first = await self._reference(ask, fields.get("fromBlock"))
        last = await self._reference(ask, fields.get("toBlock"))
        if isinstance(last, str) and last != "earliest" and int(last, 16) > head:
            last = self._told(hex(head))  # as older nodes do: the end is cut without a word
        if isinstance(first, str) and first != "earliest" and int(first, 16) > head:
            return []
        return await ask("eth_getLogs", [fields | {"fromBlock": first, "toBlock": last}])

    def _known(self, found: Any, name: str, head: int) -> Any:
        """Return what was found, None where it stands in a block that is not known here."""
        if not isinstance(found, dict) or found.get(name) is None:
            return found
        return found if height_of(found, name) <= head else self._told(None)

    def _told(self, answer: Any) -> Any:
        """Count an answer that differs from the node's."""
        self.injected["stale_head"] += self.lag > 0
        return answer
