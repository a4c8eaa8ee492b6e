"""A node that serves another chain than its address promises."""

from collections import Counter
from typing import Any

from chains.devnet.exchange import Ask


class SwapChainId:
    """Answers for another chain number; blocks stay what they are."""

    def __init__(self, chain_number: int) -> None:
        self.injected: Counter[str] = Counter()
        self._chain_number = chain_number

    async def answer(self, method: str, params: list[Any], ask: Ask) -> Any:
        """Return the result of a request."""
        if method not in ("eth_chainId", "net_version"):
            return await ask(method, params)
        self.injected["chain_id"] += 1
        return hex(self._chain_number) if method == "eth_chainId" else str(self._chain_number)
