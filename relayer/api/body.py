"""Reading a body strictly: JSON of bounded size, no key twice, no number that is no number."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from relayer.api.problems import ProblemError, printable

BODY_BYTES_MAX: Final = 64 * 1024
DEPTH_MAX: Final = 64
STRING: Final = re.compile(r'"(?:[^"\\]|\\.?)*+"?', re.DOTALL)  # no way back: linear in length
BRACKETS: Final = re.compile(r"[\[\]{}]")
JSON_REMEDY: Final = "send one JSON object in UTF-8"


def _object_of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ProblemError(
                "json_invalid", f"body: {printable(name)} stands twice; send it once"
            )
        members[name] = value
    return members


def _refuse_constant(text: str) -> None:
    raise ProblemError("json_invalid", f"body: {text} is not JSON; send numbers as text")


def strict_json(raw: bytes) -> Any:
    """
    Parse JSON without guessing.

    Raises:
        ProblemError: not JSON in UTF-8, a key twice in one object, NaN or Infinity, or too deep.
    """
    try:
        text = raw.decode("utf-8")
        if _depth_max(text) > DEPTH_MAX:
            raise ProblemError("json_invalid", "body: it is nested too deeply; flatten it")
        return json.loads(text, object_pairs_hook=_object_of_pairs, parse_constant=_refuse_constant)
    except ValueError as exc:
        raise ProblemError("json_invalid", f"body: it is not JSON; {JSON_REMEDY}") from exc


def _depth_max(text: str) -> int:
    """
    Return how deeply a text may be nested at most, brackets inside strings not counted.

    Nothing else bounds it: a library that we load raises the interpreter's limit beyond what the
    stack holds, and then the parser ends the process instead of raising an error.
    """
    depth = depth_max = 0
    for bracket in BRACKETS.findall(STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        depth_max = max(depth_max, depth)
    return depth_max


class _StrictRequest(Request):
    async def json(self) -> Any:
        """Parse the body strictly, once."""
        if not hasattr(self, "_strict_json"):
            self._strict_json = strict_json(await self.body())
        return self._strict_json


class StrictRoute(APIRoute):
    """A route that refuses bodies of another type than JSON and parses them strictly."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Return the handler, given a request that parses strictly."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            if request.method == "POST":
                _check_content_type(request.headers.get("content-type", ""))
            response: Response = await handle(_StrictRequest(request.scope, request.receive))
            return response

        return handle_strictly


def _check_content_type(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in ("application/json", "application/cloudevents+json"):
        raise ProblemError(
            "media_type_unsupported",
            f"Content-Type: {printable(media_type) or 'missing'}; send application/json or "
            "application/cloudevents+json",
        )
