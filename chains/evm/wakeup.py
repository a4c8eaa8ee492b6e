"""
New heads over a websocket, as a hint to poll now.

The poll is the truth: a head that is lost, late or forged here costs at most one poll interval.
"""

import asyncio
import contextlib
from typing import Any, Final

from web3 import AsyncWeb3, WebSocketProvider
from web3.exceptions import Web3Exception
from websockets.exceptions import WebSocketException

from chains.line.http import SILENT_LOGGER

RECONNECT_SECONDS_FIRST: Final = 0.5
RECONNECT_SECONDS_MAX: Final = 30.0
SILENCE_SECONDS_MAX: Final = 180.0
SOCKET_ERRORS: Final = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    Web3Exception,
    WebSocketException,
)


class QuietWebSocketProvider(WebSocketProvider):
    """web3's websocket provider, but it does not log its URL."""

    logger = SILENT_LOGGER


class HeadWakeup:
    """Wakes a poller when the node announces a block."""

    def __init__(self, ws_url: str) -> None:
        self._ws_url = ws_url
        self._has_news = asyncio.Event()

    async def wait(self, timeout_seconds: float) -> bool:
        """Return True at the next announced head, False when the time is over first."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._has_news.wait()
        except TimeoutError:
            return False
        self._has_news.clear()
        return True

    async def run(self) -> None:
        """Listen until cancelled; any failure only means a pause and a new connection."""
        pause_seconds = RECONNECT_SECONDS_FIRST
        while True:
            with contextlib.suppress(*SOCKET_ERRORS):
                if await self._listen():
                    pause_seconds = RECONNECT_SECONDS_FIRST
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, RECONNECT_SECONDS_MAX)

    async def _listen(self) -> bool:
        """Listen on one connection until it ends or falls silent; say whether it ever spoke."""
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
                self._has_news.set()
