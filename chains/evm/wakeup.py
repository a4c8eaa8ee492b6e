"""New heads of an EVM chain over a websocket, as a hint to poll now."""

import asyncio
from typing import Any

from web3 import AsyncWeb3, WebSocketProvider
from web3.exceptions import Web3Exception

from chains.line.http import SILENT_LOGGER
from chains.line.wakeup import SILENCE_SECONDS_MAX, SOCKET_ERRORS, Wakeup


class QuietWebSocketProvider(WebSocketProvider):
    """web3's websocket provider, but it does not log its URL."""

    logger = SILENT_LOGGER


class HeadWakeup(Wakeup):
    """Wakes a poller when the node announces a block."""

    errors = (*SOCKET_ERRORS, Web3Exception)

    async def _listen(self) -> bool:
        has_spoken = False
        # A fresh AsyncWeb3 for each connection: a used one keeps its subscription labels.
        provider = QuietWebSocketProvider(self._ws_url, websocket_kwargs={"logger": SILENT_LOGGER})
        async with AsyncWeb3(provider) as w3:
            await w3.eth.subscribe("newHeads")
            heads: Any = w3.socket.process_subscriptions()
            while True:
                try:
                    async with asyncio.timeout(SILENCE_SECONDS_MAX):
                        await anext(heads)
                except (TimeoutError, StopAsyncIteration):
                    return has_spoken
                has_spoken = True
                self.tell()
