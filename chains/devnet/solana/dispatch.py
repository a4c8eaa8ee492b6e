"""From the bytes of a request to the bytes of its answer, as a cluster gives it."""

from typing import Any, Final

import orjson

from chains.devnet.exchange import (
    CODE_INTERNAL,
    CODE_INVALID_PARAMS,
    CODE_INVALID_REQUEST,
    CODE_NO_METHOD,
    CODE_PARSE,
    RefusalError,
    Request,
    refusal_answer,
    result_answer,
)
from chains.devnet.loopback import STATUS_TOO_LARGE, Reply
from chains.devnet.proxy import ErrorObject, HttpStatus, broken_reply
from chains.devnet.solana.methods.accounts import AccountMethods
from chains.devnet.solana.methods.cluster import ClusterMethods
from chains.devnet.solana.methods.history import HistoryMethods
from chains.devnet.solana.methods.node import Method, Node
from chains.devnet.solana.methods.transactions import TransactionMethods
from chains.devnet.solana.params import Params

BODY_BYTES_MAX: Final = 50 * 1024
BATCH_MAX: Final = 100
PARSE_ERROR: Final = RefusalError(CODE_PARSE, "Parse error")
INVALID_REQUEST: Final = RefusalError(CODE_INVALID_REQUEST, "Invalid request")


class _InsteadError(Exception):
    """A fault has an HTTP error in the answer's place."""

    def __init__(self, fault: HttpStatus) -> None:
        super().__init__(f"HTTP status {fault.status}")
        self.fault = fault


class Dispatch:
    """Answers requests over HTTP; any number of threads."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.history = HistoryMethods(node)
        self.methods: dict[str, Method] = {
            **ClusterMethods(node).methods,
            **AccountMethods(node).methods,
            **self.history.methods,
            **TransactionMethods(node).methods,
        }

    async def reply(self, raw: bytes) -> Reply:
        """Return what goes back over the line."""
        if len(raw) > BODY_BYTES_MAX:
            return Reply(status=STATUS_TOO_LARGE)
        try:
            return Reply(orjson.dumps(self._answered(raw)))
        except _InsteadError as exc:
            return broken_reply(exc.fault)

    def ask(self, method: str, params: list[Any]) -> Any:
        """
        Return the result of a request.

        Raises:
            RefusalError: what a cluster would refuse, or what this one does not serve.
        """
        found = self.methods.get(method)
        if found is None:
            text = f"Method not found: {method[:64]} is not served by this devnet"
            raise RefusalError(CODE_NO_METHOD, text)
        with self.node.ledger.lock:
            return answered(lambda: found(Params(params)))

    def _answered(self, raw: bytes) -> Any:
        try:
            content = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return refusal_answer(None, PARSE_ERROR)
        if not isinstance(content, list):
            return self._answer(content)
        if not content or len(content) > BATCH_MAX:
            return refusal_answer(None, INVALID_REQUEST)
        return [self._answer(one) for one in content]

    def _answer(self, item: object) -> dict[str, Any]:
        request_id = None
        try:
            request = request_of(item)
            request_id = request.request_id
            fault = self.node.faults.fault_of(
                request.method, request.params, self.node.ledger.tip.slot
            )
            if isinstance(fault, HttpStatus):
                raise _InsteadError(fault)
            if isinstance(fault, ErrorObject):
                raise RefusalError(fault.code, fault.message)
            return result_answer(request_id, self.ask(request.method, request.params))
        except RefusalError as refusal:
            return refusal_answer(request_id, refusal)


def request_of(item: object) -> Request:
    """
    Return a request; parameters that are left out are none.

    Raises:
        RefusalError: it is no request.
    """
    if not isinstance(item, dict) or item.get("jsonrpc") != "2.0":
        raise INVALID_REQUEST
    method, params = item.get("method"), item.get("params")
    if not isinstance(method, str):
        raise INVALID_REQUEST
    if params is not None and not isinstance(params, list):
        raise RefusalError(CODE_INVALID_PARAMS, "Invalid params: expected an array.")
    request_id = item.get("id")
    if not isinstance(request_id, str | int | None):
        raise INVALID_REQUEST
    return Request(request_id, method, params or [])


def answered(ask: Any) -> Any:
    """
    Return what a method gives; whatever it stumbles over becomes an error object.

    Raises:
        RefusalError: the method's own, or one about what it stumbled over.
    """
    try:
        return ask()
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError) as exc:
        raise RefusalError(CODE_INVALID_PARAMS, f"Invalid params: {exc}") from exc
    except BaseException as exc:  # the runtime inside panics past Exception
        if type(exc).__name__ != "PanicException":
            raise
        raise RefusalError(CODE_INTERNAL, f"Internal error: {exc}") from exc
