"""
A proxy in front of a node that injects faults: the node behaves, the line does not.

It knows JSON-RPC and no chain. Rules are asked in order for each request; the first that gives a
fault decides. Layers stand between the line and the node and may change what the node says: what a
chain's own lies are is theirs to know (chains.devnet.lies for EVM).
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Final, Protocol

import aiohttp
import orjson

from chains.devnet.exchange import (
    CODE_INTERNAL,
    Ask,
    Body,
    RefusalError,
    Request,
    answer_to,
    refusal_answer,
)
from chains.devnet.loopback import STATUS_OK, Reply
from chains.devnet.rpc_server import RpcServer

NODE_TIMEOUT_SECONDS: Final = 30.0
HANG_SECONDS_MAX: Final = 60.0
GATEWAY_PAGE: Final = b"<html>bad gateway</html>"


class Break(Enum):
    """Ways in which the line fails."""

    RESET = "the connection ends without an answer"
    HALF_BODY = "the connection ends in the middle of the answer"
    NOT_JSON = "a gateway's page instead of an answer"
    HANG = "no answer until the proxy stops"
    WRONG_ID = "the answer to another request"


@dataclass(frozen=True, slots=True)
class HttpStatus:
    """An HTTP error instead of an answer; it may say when to come back."""

    status: int
    retry_after_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class ErrorObject:
    """A JSON-RPC error object instead of an answer."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Lie:
    """The node's result, changed."""

    change: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Late:
    """The right answer, later."""

    delay_seconds: float


Fault = Break | HttpStatus | ErrorObject | Lie | Late
Rule = Callable[[str, list[Any]], Fault | None]


class Layer(Protocol):
    """Something between the line and the node that may change what the node says."""

    @property
    def injected(self) -> Counter[str]:
        """How often it did so, by kind."""
        ...

    async def answer(self, method: str, params: list[Any], ask: Ask) -> Any:
        """
        Return the result of a request, with the node's help or without.

        Raises:
            RefusalError: an error object, the node's or one of its own.
        """
        ...


class Witness(Protocol):
    """Whoever writes down what the asker was told."""

    def note(self, method: str, params: list[Any], outcome: dict[str, Any]) -> None:
        """Take one exchange; outcome holds result, error, or fault."""
        ...


def kind_of(fault: Fault) -> str:
    """Return the name under which a fault is counted, for example reset or http_429."""
    match fault:
        case Break():
            return fault.name.lower()
        case HttpStatus():
            return f"http_{fault.status}"
        case ErrorObject():
            return f"error_{fault.code}"
        case Lie():
            return "lie"
        case Late():
            return "late"


def always(fault: Fault) -> Rule:
    """Return a rule for every request."""
    return lambda _method, _params: fault


def on(method: str, fault: Fault, *, times: int | None = None) -> Rule:
    """Return a rule for one method, for ever or for its next few requests."""
    left = [times]
    lock = threading.Lock()

    def rule(asked: str, _params: list[Any]) -> Fault | None:
        with lock:
            if asked != method or left[0] == 0:
                return None
            if left[0] is not None:
                left[0] -= 1
            return fault

    return rule


class _NodeStatusError(Exception):
    """The node itself answered with an HTTP error."""

    def __init__(self, fault: HttpStatus) -> None:
        super().__init__(f"HTTP status {fault.status}")
        self.fault = fault


class FaultProxy(RpcServer):
    """
    A proxy on a free port of loopback; a context manager. rules may be changed at any time.

    Args:
        layers: the first is nearest to the asker, the last nearest to the node.
        witness: told every exchange as the asker sees it.
    """

    def __init__(
        self,
        node_url: str,
        *rules: Rule,
        layers: Sequence[Layer] = (),
        witness: Witness | None = None,
    ) -> None:
        self.rules = list(rules)
        self.layers = tuple(layers)
        self.request_count = 0
        self.broken: Counter[str] = Counter()
        self._node_url = node_url
        self._witness = witness
        self._session: aiohttp.ClientSession | None = None
        super().__init__(closing=self._close)

    @property
    def injected(self) -> Counter[str]:
        """How often each kind of fault was injected, by rules and by layers."""
        return sum((layer.injected for layer in self.layers), Counter(self.broken))

    def fault_of(self, request: Request) -> Fault | None:
        """Return what goes wrong with a request, and count it."""
        self.request_count += 1
        for rule in tuple(self.rules):
            fault = rule(request.method, request.params)
            if fault is not None:
                self.broken[kind_of(fault)] += 1
                return fault
        return None

    async def reply_to(self, body: Body) -> Reply:
        """Return what the node says, unless a rule or a layer has it otherwise."""
        faults = [self.fault_of(request) for request in body.requests]
        for fault in faults:
            if isinstance(fault, HttpStatus | Break) and fault not in _LATE_BREAKS:
                return await self._broken(body.requests, fault)
        answers = []
        try:
            for request, fault in zip(body.requests, faults, strict=True):
                answers.append(await self._answer(request, fault))
        except _NodeStatusError as exc:
            return await self._broken(body.requests, exc.fault)
        except (aiohttp.ClientError, OSError):  # the node itself is gone
            return await self._broken(body.requests, Break.RESET)
        whole = body.joined(answers)
        if Break.HALF_BODY in faults:
            self._note_all(body.requests, {"fault": {"kind": "half_body"}})
            return Reply(whole[: len(whole) // 2], announced_bytes=len(whole))
        for request, fault, answer in zip(body.requests, faults, answers, strict=True):
            self._note(request, fault, answer)
        return Reply(whole)

    async def _broken(self, requests: Sequence[Request], fault: HttpStatus | Break) -> Reply:
        """Return what comes instead of any answer."""
        self._note_all(requests, {"fault": fault_fields(fault)})
        if fault is Break.HANG:
            await asyncio.sleep(HANG_SECONDS_MAX)
        return broken_reply(fault)

    async def _answer(self, request: Request, fault: Fault | None) -> dict[str, Any]:
        match fault:
            case ErrorObject(code, message):
                return refusal_answer(request.request_id, RefusalError(code, message))
            case Late(delay_seconds):
                await asyncio.sleep(delay_seconds)
        answer = await answer_to(request, self._layered())
        if isinstance(fault, Lie) and "result" in answer:
            answer["result"] = fault.change(answer["result"])
        if fault is Break.WRONG_ID:
            answer["id"] = wrong_id(request.request_id)
        return answer

    def _layered(self) -> Ask:
        """Return how the node is asked through all layers."""
        ask: Ask = self._ask
        for layer in reversed(self.layers):
            ask = partial(layer.answer, ask=ask)
        return ask

    async def _ask(self, method: str, params: list[Any]) -> Any:
        """
        Ask the node itself.

        Raises:
            RefusalError: it answered with an error object, or with nothing readable.
            _NodeStatusError: it answered with an HTTP error.
            ClientError, OSError: it is gone.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True),  # a node may come back anew
                timeout=aiohttp.ClientTimeout(total=NODE_TIMEOUT_SECONDS),
                headers={"Content-Type": "application/json"},
            )
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self._session.post(self._node_url, data=orjson.dumps(request)) as response:
            if response.status != STATUS_OK:
                seconds = response.headers.get("Retry-After", "")
                retry_after_seconds = int(seconds) if seconds.isdecimal() else None
                raise _NodeStatusError(HttpStatus(response.status, retry_after_seconds))
            raw = await response.read()
        try:
            answer = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise RefusalError(CODE_INTERNAL, "the node behind the proxy sent no JSON") from None
        if "result" in answer and answer.get("error") is None:
            return answer["result"]
        error = answer.get("error") or {}
        raise RefusalError(
            error.get("code", CODE_INTERNAL), error.get("message", ""), error.get("data")
        )

    async def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _note(self, request: Request, fault: Fault | None, answer: dict[str, Any]) -> None:
        if self._witness is None:
            return
        if fault is Break.WRONG_ID:
            outcome = {"fault": fault_fields(Break.WRONG_ID)}
        else:
            outcome = {name: answer[name] for name in ("result", "error") if name in answer}
        self._witness.note(request.method, request.params, outcome)

    def _note_all(self, requests: Sequence[Request], outcome: dict[str, Any]) -> None:
        if self._witness is not None:
            for request in requests:
                self._witness.note(request.method, request.params, outcome)


_LATE_BREAKS: Final = (Break.HALF_BODY, Break.WRONG_ID)  # these need the node's answer first


def broken_reply(fault: HttpStatus | Break) -> Reply:
    """Return what goes over the line instead of an answer."""
    match fault:
        case HttpStatus(status, retry_after_seconds):
            seconds = retry_after_seconds
            headers = () if seconds is None else (("Retry-After", str(seconds)),)
            return Reply(status=status, headers=headers)
        case Break.NOT_JSON:
            return Reply(GATEWAY_PAGE)
        case _:
            return Reply(is_reset=True)


def fault_fields(fault: HttpStatus | Break) -> dict[str, Any]:
    """Return a fault of the line as plain fields, for a pack."""
    if isinstance(fault, Break):
        return {"kind": kind_of(fault)}
    return {
        "kind": "http",
        "status": fault.status,
        "retry_after_seconds": fault.retry_after_seconds,
    }


def wrong_id(request_id: object) -> object:
    """Return an id that is not the asked one."""
    return request_id + 1 if isinstance(request_id, int) else "another"
