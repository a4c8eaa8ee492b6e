"""JSON-RPC over HTTP: bounded, timed, and with every failure sorted into the chain errors."""

import asyncio
import itertools
import logging
import re
from collections.abc import AsyncGenerator
from typing import Any, Final
from urllib.parse import unquote, unquote_plus, urlsplit

import aiohttp
import orjson
from web3 import AsyncHTTPProvider

from chains.agreement.faults import FaultClass
from chains.errors import (
    BlockGoneError,
    CallRevertedError,
    ChainError,
    RpcAnswerError,
    RpcAuthError,
    RpcRateLimitError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from chains.evm.abi import decode_revert
from chains.evm.answers import shown
from chains.evm.faults import fault_of, fault_of_status
from chains.types import ChainId

RPC_TIMEOUT_SECONDS: Final = 10.0
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
CHUNK_BYTES: Final = 256 * 1024
CONNECTIONS_MAX: Final = 16

STATUS_REFUSED_MIN: Final = 400
SECRET_LENGTH_MIN: Final = 6  # a shorter part of a URL is a word like v3, and no key
HIDDEN: Final = "<hidden>"
# The SDKs log the URLs they talk to; a URL may hold a key.
SILENT_LOGGER: Final = logging.Logger("chains.evm.silent", level=logging.CRITICAL + 1)

NAMED_ERRORS: Final[dict[FaultClass, type[RpcUnavailableError] | type[RpcAnswerError]]] = {
    FaultClass.RATE_LIMIT: RpcRateLimitError,
    FaultClass.AUTH: RpcAuthError,
    FaultClass.UNAVAILABLE: RpcUnavailableError,
    FaultClass.BAD_ANSWER: RpcAnswerError,
}
# Where the HTTP status knows better than a text that no row knows.
TELLING_FAULTS: Final = frozenset({FaultClass.RATE_LIMIT, FaultClass.AUTH})


class RpcFaultError(Exception):
    """A JSON-RPC error object; never leaves the adapter."""

    def __init__(self, *, code: int, text: str, revert_data: bytes | None) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.revert_data = revert_data

    @property
    def fault(self) -> FaultClass:
        """What the error means, where no range of logs was asked for."""
        return fault_of(self.code, self.text)

    @property
    def range_fault(self) -> FaultClass:
        """What the error means as the answer to a query of logs over a range."""
        return fault_of(self.code, self.text, is_range=True)


class AnswerTooLargeError(Exception):
    """An answer is above ANSWER_BYTES_MAX; never leaves the adapter."""


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

    def __str__(self) -> str:
        """Return a text without the URL, which the inherited one shows."""
        return "BoundedProvider"

    __repr__ = __str__

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """Return the HTTP status and the answer to one request."""
        session = await self._session_of_loop()
        chunks: list[bytes] = []
        size = 0
        async with session.post(str(self.endpoint_uri), data=body) as response:
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                size += len(chunk)
                if size > ANSWER_BYTES_MAX:
                    raise AnswerTooLargeError
                chunks.append(chunk)
            return response.status, b"".join(chunks)

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
        self._secrets = secrets_of(rpc_url)

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
            RpcRequestError: an HTTP error says that the request is at fault.
            RpcAnswerError: not a JSON-RPC answer to this request.
        """
        request_id = next(self._ids)
        body = orjson.dumps(
            {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        )
        status, raw = await self._posted(method, body)
        try:
            answer = orjson.loads(raw)
        except orjson.JSONDecodeError:
            answer = None
            if status < STATUS_REFUSED_MIN:
                raise self._unavailable(method, "the answer is not JSON") from None
        if status >= STATUS_REFUSED_MIN:
            raise self._refused(method, status, answer)
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
        reason = f"{fault.code} {shown(fault.text)}"
        return self._error(method, fault.fault, reason, reference=reference, fault=fault)

    def _error(
        self,
        method: str,
        kind: FaultClass,
        reason: str,
        *,
        reference: str = "",
        fault: RpcFaultError | None = None,
    ) -> ChainError:
        """Return the chain error of a class of faults."""
        match kind:
            case FaultClass.REVERT:
                data = None if fault is None else fault.revert_data
                text = reason if fault is None else shown(fault.text)
                return CallRevertedError(
                    chain_id=self.chain_id, reason=decode_revert(data) if data else text
                )
            case FaultClass.STALE:
                return BlockGoneError(chain_id=self.chain_id, reference=reference or method)
            case FaultClass.TIMEOUT:
                return RpcTimeoutError(chain_id=self.chain_id, method=method)
            case _:
                error = NAMED_ERRORS.get(kind, RpcRequestError)
                return error(chain_id=self.chain_id, method=method, reason=reason)

    async def _posted(self, method: str, body: bytes) -> tuple[int, bytes]:
        # "from None" throughout: the text of these errors holds the URL, which may hold a key.
        try:
            return await self._provider.post(body)
        except TimeoutError:
            raise RpcTimeoutError(chain_id=self.chain_id, method=method) from None
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise self._unavailable(method, type(exc).__name__) from None

    def _refused(self, method: str, status: int, answer: object) -> Exception:
        """Return what stands for an HTTP error: what its body says, else what its status says."""
        kind = fault_of_status(status)
        said = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(said, dict) and isinstance(said.get("message"), str):
            fault = self._fault(method, {"code": 0} | said)
            if fault.fault is not FaultClass.OUR_MISTAKE or kind not in TELLING_FAULTS:
                return fault
        if kind is FaultClass.RANGE_TOO_BIG:
            return AnswerTooLargeError()
        return self._error(method, kind, f"HTTP status {status}")

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
        return RpcFaultError(code=code, text=self._scrubbed(text), revert_data=revert_bytes(data))

    def _scrubbed(self, text: str) -> str:
        """Return a node's words without what it repeats of our URL."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


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
