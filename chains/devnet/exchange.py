"""JSON-RPC 2.0 as a server sees it: one request or a batch in, answers out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson

CODE_PARSE: Final = -32700
CODE_INVALID_REQUEST: Final = -32600
CODE_NO_METHOD: Final = -32601
CODE_INVALID_PARAMS: Final = -32602
CODE_INTERNAL: Final = -32603
CODE_SERVER: Final = -32000

Ask = Callable[[str, list[Any]], Awaitable[Any]]


class RefusalError(Exception):
    """A JSON-RPC error object: what a node answers when it does not answer."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.data = data

    def fields(self) -> dict[str, Any]:
        """Return the error object; data only where there is some."""
        plain: dict[str, Any] = {"code": self.code, "message": self.message}
        return plain if self.data is None else plain | {"data": self.data}


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a body; request_id is whatever the asker chose."""

    request_id: Any
    method: str
    params: list[Any]


@dataclass(frozen=True, slots=True)
class Body:
    """What one HTTP request holds: one request, or several as a batch."""

    requests: tuple[Request, ...]
    is_batch: bool

    def joined(self, answers: list[dict[str, Any]]) -> bytes:
        """Return the answers to the requests, in their order, as one body."""
        return orjson.dumps(answers if self.is_batch else answers[0])


def body_of(raw: bytes) -> Body:
    """
    Parse the body of an HTTP request.

    Raises:
        RefusalError: not JSON, an empty batch, or something that is no request.
    """
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise RefusalError(CODE_PARSE, "the request is not JSON") from None
    if isinstance(content, list) and content:
        return Body(tuple(map(_request_of, content)), is_batch=True)
    return Body((_request_of(content),), is_batch=False)


def _request_of(item: object) -> Request:
    if not isinstance(item, dict) or not isinstance(item.get("method"), str):
        raise RefusalError(CODE_INVALID_REQUEST, "a request is an object with a method")
    params = item.get("params", [])
    if not isinstance(params, list):
        raise RefusalError(CODE_INVALID_REQUEST, "params are a list")
    return Request(item.get("id"), item["method"], params)


def result_answer(request_id: object, result: object) -> dict[str, Any]:
    """Return the answer that carries a result."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def refusal_answer(request_id: object, refusal: RefusalError) -> dict[str, Any]:
    """Return the answer that carries an error object."""
    return {"jsonrpc": "2.0", "id": request_id, "error": refusal.fields()}


async def answer_to(request: Request, ask: Ask) -> dict[str, Any]:
    """Return the answer to one request, a result or an error object."""
    try:
        return result_answer(request.request_id, await ask(request.method, request.params))
    except RefusalError as refusal:
        return refusal_answer(request.request_id, refusal)
