"""
Answer from a pack (chains.devnet.packs) as the recorded nodes did.

Run: python -m chains.devnet.replay tests/packs/reorg.pack

The first line of output is one JSON object: for each provider of the pack the address to ask.

The same request (method and parameters) gets the recorded answers one after the other; the last
one repeats. A request that was never recorded gets an error object that names it.
"""

import argparse
import asyncio
import contextlib
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from chains.devnet.exchange import (
    CODE_SERVER,
    Body,
    RefusalError,
    Request,
    result_answer,
)
from chains.devnet.loopback import Reply
from chains.devnet.packs import Pack, PackError, question_of, read_pack
from chains.devnet.proxy import (
    HANG_SECONDS_MAX,
    Break,
    HttpStatus,
    broken_reply,
    wrong_id,
)
from chains.devnet.rpc_server import RpcServer
from chains.devnet.serving import Ending, announce

PARAMS_SHOWN_MAX: Final = 200
HALF_BODY: Final = b'{"jsonrpc":"2.0",'


class ReplayNode(RpcServer):
    """
    One provider of a pack, answering again; a context manager.

    unknown counts by method what was asked and is not in the pack.
    """

    def __init__(self, pack: Pack, provider: str, *, port: int = 0) -> None:
        self.unknown: Counter[str] = Counter()
        self._provider = provider
        self._answers: dict[bytes, list[dict[str, Any]]] = {}
        for exchange in pack.of(provider):
            self._answers.setdefault(exchange.question, []).append(exchange.outcome)
        self._asked: Counter[bytes] = Counter()
        self._lock = threading.Lock()
        super().__init__(port=port)

    def outcome_of(self, request: Request) -> dict[str, Any]:
        """Return what came of a request when it was recorded, for the next time it is asked."""
        question = question_of(request.method, request.params)
        with self._lock:
            answers = self._answers.get(question)
            if answers is None:
                self.unknown[request.method] += 1
                return {"error": self._refusal(request).fields()}
            place = min(self._asked[question], len(answers) - 1)
            self._asked[question] += 1
            return answers[place]

    async def reply_to(self, body: Body) -> Reply:
        """Return what was answered, or what went wrong instead, when it was recorded."""
        outcomes = [self.outcome_of(request) for request in body.requests]
        for outcome in outcomes:
            if "fault" in outcome and outcome["fault"].get("kind") != "wrong_id":
                return await _broken(outcome["fault"])
        pairs = zip(body.requests, outcomes, strict=True)
        answers = [_answer(request, outcome) for request, outcome in pairs]
        return Reply(body.joined(answers))

    def _refusal(self, request: Request) -> RefusalError:
        asked = orjson.dumps(request.params).decode()[:PARAMS_SHOWN_MAX]
        return RefusalError(
            CODE_SERVER,
            f"the pack holds no answer of {self._provider} to {request.method} with {asked}; "
            "record it with the program that asks this",
        )


def _answer(request: Request, outcome: dict[str, Any]) -> dict[str, Any]:
    if "fault" in outcome:
        return result_answer(wrong_id(request.request_id), None)
    if "error" in outcome:
        return {"jsonrpc": "2.0", "id": request.request_id, "error": outcome["error"]}
    return result_answer(request.request_id, outcome["result"])


async def _broken(fields: dict[str, Any]) -> Reply:
    """Return what the line did, done again."""
    match fields.get("kind"):
        case "http":
            return broken_reply(HttpStatus(fields["status"], fields.get("retry_after_seconds")))
        case "not_json":
            return broken_reply(Break.NOT_JSON)
        case "half_body":
            return Reply(HALF_BODY, announced_bytes=2 * len(HALF_BODY))
        case "hang":
            await asyncio.sleep(HANG_SECONDS_MAX)
    return broken_reply(Break.RESET)


def main(arguments: Sequence[str]) -> None:
    """Answer until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m chains.devnet.replay",
        description="Answer from a pack, on loopback only, one address for each provider.",
    )
    parser.add_argument("pack", type=Path, help="the file to answer from")
    options = parser.parse_args(arguments)
    try:
        pack = read_pack(options.pack)
    except PackError as exc:
        parser.error(str(exc))
    ending = Ending()
    with contextlib.ExitStack() as running:
        nodes = {
            label: running.enter_context(ReplayNode(pack, label)) for label in pack.header.providers
        }
        announce({label: node.rpc_url for label, node in nodes.items()})
        ending.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
