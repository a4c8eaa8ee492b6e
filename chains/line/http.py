"""One node's HTTP line: kept-alive connections, a bounded answer, and no logging of URLs."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, unquote_plus, urlsplit

import aiohttp

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
CHUNK_BYTES: Final = 256 * 1024
CONNECTIONS_MAX: Final = 16
RETRY_AFTER_DIGITS_MAX: Final = 6

SECRET_LENGTH_MIN: Final = 6  # a shorter part of a URL is a word like v3, and no key
# The SDKs log the URLs they talk to; a URL may hold a key.
SILENT_LOGGER: Final = logging.Logger("chains.line.silent", level=logging.CRITICAL + 1)


class AnswerTooLargeError(Exception):
    """An answer is above ANSWER_BYTES_MAX; never leaves the adapter."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back over a line; retry_after_seconds is what the node asks for, if it does."""

    status: int
    content: bytes
    retry_after_seconds: int | None = None


async def _held(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    """Close a session when this generator is closed, at the latest by its ending event loop."""
    try:
        yield
    finally:
        await session.close()


class HttpLine:
    """A way to post to one URL, which is never shown."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None
        self._holder: AsyncGenerator[None, None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def _session_of_loop(self) -> aiohttp.ClientSession:
        """Return the session of the running loop; a worker runs each step in a loop of its own."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
                headers={"Content-Type": "application/json"},
            )
            self._loop = loop
            self._holder = _held(self._session)
            await anext(self._holder)
        return self._session

    def __str__(self) -> str:
        """Return a text without the URL."""
        return "HttpLine"

    __repr__ = __str__

    async def post(self, body: bytes) -> HttpAnswer:
        """
        Return the answer to one request.

        Raises:
            AnswerTooLargeError: it is above ANSWER_BYTES_MAX; the rest is not read.
        """
        session = await self._session_of_loop()
        chunks: list[bytes] = []
        size = 0
        # A node does not choose whom in our network we talk to.
        async with session.post(self._url, data=body, allow_redirects=False) as response:
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                size += len(chunk)
                if size > ANSWER_BYTES_MAX:
                    raise AnswerTooLargeError
                chunks.append(chunk)
            wait = response.headers.get("Retry-After", "")
            is_number = wait.isascii() and wait.isdigit() and len(wait) <= RETRY_AFTER_DIGITS_MAX
            return HttpAnswer(response.status, b"".join(chunks), int(wait) if is_number else None)

    async def close(self) -> None:
        """Close the connections of the running loop."""
        if self._holder is not None and self._loop is asyncio.get_running_loop():
            await self._holder.aclose()
        self._session, self._holder = None, None


def secrets_of(rpc_url: str) -> tuple[str, ...]:
    """Return the parts of a URL that may be a key, the longest first: login, path and query."""
    try:
        parts = urlsplit(rpc_url)
    except ValueError:
        return (rpc_url,)
    texts = {rpc_url, parts.path, parts.query, parts.username or "", parts.password or ""}
    texts |= {*parts.path.split("/"), *re.split("[&=]", parts.query)}
    texts |= {unquoted(text) for text in texts for unquoted in (unquote, unquote_plus)}
    found = (text for text in texts if len(text) >= SECRET_LENGTH_MIN)
    return tuple(sorted(found, key=len, reverse=True))
