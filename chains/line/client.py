"""JSON-RPC over HTTP with every failure sorted into the chain errors, by a table of each family."""

import itertools
from typing import Any, Final

import aiohttp
import orjson

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
from chains.line import http
from chains.line.shapes import shown
from chains.line.statuses import fault_of_status
from chains.types import ChainId

RPC_TIMEOUT_SECONDS: Final = 10.0
STATUS_REFUSED_MIN: Final = 300  # what redirects refuses too
HIDDEN: Final = "<hidden>"

NAMED_ERRORS: Final[dict[FaultClass, type[RpcUnavailableError] | type[RpcAnswerError]]] = {
    FaultClass.RATE_LIMIT: RpcRateLimitError,
    FaultClass.AUTH: RpcAuthError,
    FaultClass.UNAVAILABLE: RpcUnavailableError,
    FaultClass.BAD_ANSWER: RpcAnswerError,
}
# Where the HTTP status knows better than a text that no row knows.
TELLING_FAULTS: Final = frozenset({FaultClass.RATE_LIMIT, FaultClass.AUTH})


class RpcFaultError(Exception):
    """
    A JSON-RPC error object; never leaves the adapter.

    Args:
        content: the object's data, as the node gave it.
        fault: what the error means, where no range of blocks was asked for.
        range_fault: what it means as the answer to a query over a range.
    """

    def __init__(
        self, code: int, text: str, content: object, *, fault: FaultClass, range_fault: FaultClass
    ) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.content = content
        self.fault = fault
        self.range_fault = range_fault


class LineClient:
    """One node. Its URL may hold a key, so it never appears in an error."""

    def __init__(
        self, chain_id: ChainId, rpc_url: str, *, timeout_seconds: float = RPC_TIMEOUT_SECONDS
    ) -> None:
        self.chain_id = chain_id
        self._line = http.HttpLine(rpc_url, timeout_seconds=timeout_seconds)
        self._ids = itertools.count(1)
        self._secrets = http.secrets_of(rpc_url)

    def fault_of(self, code: int, text: str, *, is_range: bool = False) -> FaultClass:
        """Return what an error object means in this family."""
        raise NotImplementedError

    def refusal(self, fault: RpcFaultError | None, reason: str) -> CallRevertedError:
        """Return the error of a contract or program that refused."""
        text = reason if fault is None else shown(fault.text)
        return CallRevertedError(chain_id=self.chain_id, reason=text)

    async def close(self) -> None:
        """Give the connections back; the client may be used again afterwards."""
        await self._line.close()

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
        posted = await self._posted(method, body)
        try:
            answer = orjson.loads(posted.content)
        except orjson.JSONDecodeError:
            answer = None
            if posted.status < STATUS_REFUSED_MIN:
                raise self._unavailable(method, "the answer is not JSON") from None
        if posted.status >= STATUS_REFUSED_MIN:
            raise self._refused(method, posted, answer)
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
        except http.AnswerTooLargeError:
            raise RpcAnswerError(
                chain_id=self.chain_id, method=method, reason=f"above {http.ANSWER_BYTES_MAX} bytes"
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
                return self.refusal(fault, reason)
            case FaultClass.STALE:
                return BlockGoneError(chain_id=self.chain_id, reference=reference or method)
            case FaultClass.TIMEOUT:
                return RpcTimeoutError(chain_id=self.chain_id, method=method)
            case _:
                error = NAMED_ERRORS.get(kind, RpcRequestError)
                return error(chain_id=self.chain_id, method=method, reason=reason)

    async def _posted(self, method: str, body: bytes) -> http.HttpAnswer:
        # "from None" throughout: the text of these errors holds the URL, which may hold a key.
        try:
            return await self._line.post(body)
        except TimeoutError:
            raise RpcTimeoutError(chain_id=self.chain_id, method=method) from None
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise self._unavailable(method, type(exc).__name__) from None

    def _refused(self, method: str, posted: http.HttpAnswer, answer: object) -> Exception:
        """Return what stands for an HTTP error: what its body says, else what its status says."""
        kind = fault_of_status(posted.status)
        said = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(said, dict) and isinstance(said.get("message"), str):
            fault = self._fault(method, {"code": 0} | said)
            if fault.fault is not FaultClass.OUR_MISTAKE or kind not in TELLING_FAULTS:
                return fault
        if kind is FaultClass.RANGE_TOO_BIG:
            return http.AnswerTooLargeError()
        seconds = posted.retry_after_seconds
        wait = "" if seconds is None else f", asks to wait {seconds} s"
        return self._error(method, kind, f"HTTP status {posted.status}{wait}")

    def _unavailable(self, method: str, reason: str) -> RpcUnavailableError:
        return RpcUnavailableError(chain_id=self.chain_id, method=method, reason=reason)

    def _fault(self, method: str, error: object) -> RpcFaultError:
        if not isinstance(error, dict):
            raise RpcAnswerError(
                chain_id=self.chain_id, method=method, reason=f"error is {shown(error)}"
            )
        code, text = error.get("code"), error.get("message")
        if isinstance(code, bool) or not isinstance(code, int) or not isinstance(text, str):
            raise RpcAnswerError(
                chain_id=self.chain_id, method=method, reason="error without code and message"
            )
        return RpcFaultError(
            code,
            self._scrubbed(text),
            error.get("data"),
            fault=self.fault_of(code, self._scrubbed(text)),
            range_fault=self.fault_of(code, self._scrubbed(text), is_range=True),
        )

    def _scrubbed(self, text: str) -> str:
        """Return a node's words without what it repeats of our URL."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text
