"""JSON-RPC over HTTP: bounded, timed, and with every failure sorted into the chain errors."""

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator
from typing import Any, Final

import aiohttp
import orjson
from web3 import AsyncHTTPProvider

from chains.errors import (
    BlockGoneError,
    CallRevertedError,
    ChainError,
    RpcAnswerError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from chains.evm.abi import decode_revert
from chains.evm.answers import shown
from chains.types import ChainId

RPC_TIMEOUT_SECONDS: Final = 10.0
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
CHUNK_BYTES: Final = 256 * 1024
CONNECTIONS_MAX: Final = 16

CODE_REVERTED: Final = 3
CODE_LIMIT: Final = -32005
STATUS_TOO_MANY_REQUESTS: Final = 429
STATUS_TOO_LARGE: Final = 413
CODES_PASSING: Final = frozenset({-32603, -32016, -32090, -32097})
# The SDKs log the URLs they talk to; a URL may hold a key.
SILENT_LOGGER: Final = logging.Logger("chains.evm.silent", level=logging.CRITICAL + 1)
BLOCK_GONE_TEXTS: Final = (
    "unknown block",
    "block not found",
    "header not found",
    "blockoutofrange",
    "not canonical",
    "resource not found",
    "block range extends beyond",
    "requested epoch was a null round",
    "missing trie node",
    "state not available",
)
RANGE_TEXTS: Final = (
    "too many results",
    "query returned more than",
    "response size",
    "range is too",
    "range too",
    "block range",
    "blocks range",
    "limited to a",
    "exceeds the range",
    "exceed maximum block range",
    "log response size exceeded",
    "query timeout exceeded",
    "more than 10000",
)
RATE_TEXTS: Final = ("rate limit", "request count", "too many requests", "capacity", "throttle")
PASSING_TEXTS: Final = ("timeout", "timed out", "temporarily", "try again", "busy", "overloaded")


class RpcFaultError(Exception):
    """A JSON-RPC error object; never leaves the adapter."""

    def __init__(self, *, code: int, text: str, revert_data: bytes | None) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.revert_data = revert_data

    @property
    def is_revert(self) -> bool:
        """Whether a contract refused, as opposed to the node."""
        return self.code == CODE_REVERTED or "revert" in self.text.lower()

    @property
    def is_block_gone(self) -> bool:
        """Whether the node does not know the asked block."""
        return _has(self.text, BLOCK_GONE_TEXTS)

    @property
    def is_rate_limit(self) -> bool:
        """Whether the node only asks for patience."""
        return self.code == STATUS_TOO_MANY_REQUESTS or _has(self.text, RATE_TEXTS)

    @property
    def is_range_too_large(self) -> bool:
        """Whether the node refuses this many blocks or logs at once."""
        if self.is_rate_limit:
            return False
        return self.code == CODE_LIMIT or _has(self.text, RANGE_TEXTS)

    @property
    def is_passing(self) -> bool:
        """Whether asking again later may succeed."""
        return (
            self.is_rate_limit
            or self.code == CODE_LIMIT
            or self.code in CODES_PASSING
            or _has(self.text, PASSING_TEXTS)
        )


class AnswerTooLargeError(Exception):
    """An answer is above ANSWER_BYTES_MAX; never leaves the adapter."""


def _has(text: str, parts: tuple[str, ...]) -> bool:
    lower = text.lower()
    return any(part in lower for part in parts)


async def _held(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    """Close a session when this generator is closed, at the latest by its ending event loop."""
    try:
        yield
    finally:
        await session.close()


class BoundedProvider(AsyncHTTPProvider):
    """web3's HTTP provider with kept-alive connections, a bounded answer and no logging of URLs."""

    logger = SILENT_LOGGER

    def __init__(self, endpoint_uri: str, *, timeout_seconds: float) -> None:
        super().__init__(endpoint_uri, exception_retry_configuration=None)
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

    async def post(self, body: bytes) -> bytes:
        """Return the answer to one HTTP request."""
        session = await self._session_of_loop()
        chunks: list[bytes] = []
        size = 0
        async with session.post(str(self.endpoint_uri), data=body) as response:
            response.raise_for_status()
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                size += len(chunk)
                if size > ANSWER_BYTES_MAX:
                    raise AnswerTooLargeError
                chunks.append(chunk)
        return b"".join(chunks)

    async def close(self) -> None:
        """Close the connections of the running loop."""
        if self._holder is not None and self._loop is asyncio.get_running_loop():
            await self._holder.aclose()
        self._session, self._holder = None, None


class RpcClient:
    """One node. Its URL may hold a key, so it never appears in an error."""

    def __init__(
        self, chain_id: ChainId, rpc_url: str, *, timeout_seconds: float = RPC_TIMEOUT_SECONDS
    ) -> None:
        self.chain_id = chain_id
        self._provider = BoundedProvider(rpc_url, timeout_seconds=timeout_seconds)
        self._ids = itertools.count(1)

    async def close(self) -> None:
        """Give the connections back; the client may be used again afterwards."""
        await self._provider.close()

    async def request(self, method: str, params: list[Any]) -> object:
        """
        Return the result of one request, unread.

        Raises:
            RpcFaultError: the node answered with an error object.
            AnswerTooLargeError: the answer is above ANSWER_BYTES_MAX.
            RpcTimeoutError: no answer in time.
            RpcUnavailableError: refused, broken off, HTTP error, or not JSON.
            RpcAnswerError: not a JSON-RPC answer to this request.
        """
        request_id = next(self._ids)
        body = orjson.dumps(
            {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        )
        raw = await self._posted(method, body)
        try:
            answer = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise self._unavailable(method, "the answer is not JSON") from None
        # True is 1 to Python, and an answer to nothing that was asked.
        if (
            not isinstance(answer, dict)
            or type(answer.get("id")) is not int
            or answer["id"] != request_id
        ):
            raise RpcAnswerError(
                chain_id=self.chain_id, method=method, reason="not an answer to this request"
            )
        if answer.get("error") is not None:
            raise self._fault(method, answer["error"])
        if "result" not in answer:
            raise RpcAnswerError(
                chain_id=self.chain_id, method=method, reason="neither result nor error"
            )
        return answer["result"]

    async def call(self, method: str, params: list[Any], *, reference: str = "") -> object:
        """
        Return the result of one request; an error object becomes a chain error.

        Args:
            reference: names the block that is asked for, for BlockGoneError.
        """
        try:
            return await self.request(method, params)
        except RpcFaultError as fault:
            raise self.classified(method, fault, reference=reference) from fault
        except AnswerTooLargeError:
            raise RpcAnswerError(
                chain_id=self.chain_id, method=method, reason=f"above {ANSWER_BYTES_MAX} bytes"
            ) from None

    def classified(self, method: str, fault: RpcFaultError, *, reference: str = "") -> ChainError:
        """Return the chain error that stands for an error object."""
        if fault.is_revert:
            data = fault.revert_data
            reason = decode_revert(data) if data else shown(fault.text)
            return CallRevertedError(chain_id=self.chain_id, reason=reason)
        if fault.is_block_gone:
            return BlockGoneError(chain_id=self.chain_id, reference=reference or method)
        if fault.is_passing:
            return self._unavailable(method, f"{fault.code} {shown(fault.text)}")
        return RpcAnswerError(
            chain_id=self.chain_id, method=method, reason=f"{fault.code} {shown(fault.text)}"
        )

    async def _posted(self, method: str, body: bytes) -> bytes:
        # "from None" throughout: the text of these errors holds the URL, which may hold a key.
        try:
            return await self._provider.post(body)
        except TimeoutError:
            raise RpcTimeoutError(chain_id=self.chain_id, method=method) from None
        except aiohttp.ClientResponseError as exc:
            if exc.status == STATUS_TOO_LARGE:
                raise AnswerTooLargeError from None
            raise self._unavailable(method, f"HTTP status {exc.status}") from None
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise self._unavailable(method, type(exc).__name__) from None

    def _unavailable(self, method: str, reason: str) -> RpcUnavailableError:
        return RpcUnavailableError(chain_id=self.chain_id, method=method, reason=reason)

    def _fault(self, method: str, error: object) -> RpcFaultError:
        if not isinstance(error, dict):
            raise RpcAnswerError(
                chain_id=self.chain_id, method=method, reason=f"error is {shown(error)}"
            )
        code, text, data = error.get("code"), error.get("message"), error.get("data")
        if isinstance(code, bool) or not isinstance(code, int) or not isinstance(text, str):
            raise RpcAnswerError(
                chain_id=self.chain_id, method=method, reason="error without code and message"
            )
        return RpcFaultError(code=code, text=text, revert_data=revert_bytes(data))


def revert_bytes(data: object) -> bytes | None:
    """Return the bytes of a revert; nodes put them in data or in data.data."""
    if isinstance(data, dict):
        data = data.get("data")
    if not isinstance(data, str):
        return None
    start = data.find("0x")
    try:
        return bytes.fromhex(data[start + 2 :]) if start >= 0 else None
    except ValueError:
        return None
