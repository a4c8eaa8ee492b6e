"""
News over a websocket, as a hint to poll now.

The poll is the truth: news that is lost, late or forged here costs at most one poll interval.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import Final

from websockets.exceptions import WebSocketException

RECONNECT_SECONDS_FIRST: Final = 0.5
RECONNECT_SECONDS_MAX: Final = 30.0
SILENCE_SECONDS_MAX: Final = 180.0
SOCKET_ERRORS: Final = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    WebSocketException,
)


class Wakeup(ABC):
    """Wakes a poller when the node announces news."""

    errors: tuple[type[Exception], ...] = SOCKET_ERRORS

    def __init__(self, ws_url: str) -> None:
        self._ws_url = ws_url
        self._has_news = asyncio.Event()

    async def wait(self, timeout_seconds: float) -> bool:
        """Return True at the next news, False when the time is over first."""
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
            with contextlib.suppress(*self.errors):
                if await self._listen():
                    pause_seconds = RECONNECT_SECONDS_FIRST
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, RECONNECT_SECONDS_MAX)

    def tell(self) -> None:
        """Wake whoever waits."""
        self._has_news.set()

    @abstractmethod
    async def _listen(self) -> bool:
        """Listen on one connection until it ends or falls silent; say whether it ever spoke."""
