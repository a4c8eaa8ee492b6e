"""Asks one guardian over HTTP. What comes back is hostile until checked."""

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import httpx
import orjson

ANSWER_BYTES_MAX: Final = 16_384
HTTP_OK: Final = 200
TEXT_CHARACTERS_MAX: Final = 1_000
CODE_CHARACTERS_MAX: Final = 64
CHUNK_BYTES: Final = 4_096
UNREACHABLE: Final = "unreachable"
UNUSABLE: Final = "answer_unusable"


class DoorFailureError(Exception):
    """
    A guardian gave no usable answer; never leaves chains.bridges.

    Args:
        code: UNREACHABLE or UNUSABLE.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class HttpDoor:
    """
    One guardian; its URL never appears in an error or a log.

    Args:
        seconds_max: the whole time of one question, however its bytes are spread; None for what
            this kind of door gives.
    """

    QUESTION_SECONDS_MAX: ClassVar[float]

    def __init__(
        self,
        *,
        label: str,
        address: bytes,
        url: str,
        token: str | None = None,
        seconds_max: float | None = None,
    ) -> None:
        self._label = label
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._seconds_max = self.QUESTION_SECONDS_MAX if seconds_max is None else seconds_max
        self._address = address
        self._url = url.rstrip("/")

    @property
    def label(self) -> str:
        """The guardian's name for people."""
        return self._label

    @property
    def address(self) -> bytes:
        """The guardian's key, as a left-padded address."""
        return self._address

    async def post(self, path: str, fields: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """
        Return the status and the object that the guardian answers to an object.

        Raises:
            DoorFailureError: it cannot be reached, or what it answers is no object.
        """
        return await self._answered("POST", path, dict(fields))

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """
        Return the status and the object that the guardian answers when it is told nothing.

        Raises:
            DoorFailureError: as for post.
        """
        return await self._answered("GET", path, None)

    async def _answered(
        self, method: str, path: str, fields: dict[str, Any] | None
    ) -> tuple[int, dict[str, Any]]:
        try:
            async with asyncio.timeout(self._seconds_max):
                status, body = await self._exchanged(method, path, fields)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as exc:
            reason = f"did not answer ({type(exc).__name__})"
            raise DoorFailureError(UNREACHABLE, f"{self._label} {reason}") from exc
        if len(body) > ANSWER_BYTES_MAX:
            raise self.unusable("too much")
        try:
            answered = orjson.loads(body)
        except ValueError as exc:
            raise self.unusable("no JSON") from exc
        if not isinstance(answered, dict):
            raise self.unusable("no object")
        return status, answered

    def unusable(self, what: str) -> DoorFailureError:
        """Return the error that says what the guardian answered instead of what was asked for."""
        return DoorFailureError(UNUSABLE, f"{self._label} answered {what}")

    async def _exchanged(
        self, method: str, path: str, fields: dict[str, Any] | None
    ) -> tuple[int, bytes]:
        """Return status and body; of a body that is too long only so much as shows it."""
        # The bytes are taken as they come: nothing is unpacked, so nothing can swell.
        headers = {"Accept-Encoding": "identity", **self._headers}
        url = self._url + path
        async with (
            httpx.AsyncClient(
                timeout=self._seconds_max,
                trust_env=False,
                follow_redirects=False,
                event_hooks={"response": [_forget_location]},
            ) as client,
            client.stream(method, url, json=fields, headers=headers) as response,
        ):
            body = bytearray()
            async for chunk in response.aiter_raw(CHUNK_BYTES):
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    break
            return response.status_code, bytes(body)


async def _forget_location(response: httpx.Response) -> None:
    """Leave the client no address to read: it parses one even where it follows none."""
    response.headers.pop("Location", None)


def code_and_detail(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a guardian says of itself, for logs and tables; "unknown" for no code."""
    code = _shown_text(fields.get("code"), CODE_CHARACTERS_MAX) or "unknown"
    return code, _shown_text(fields.get("detail"), TEXT_CHARACTERS_MAX)


def _shown_text(value: object, characters_max: int) -> str:
    """Return a guardian's text: short, one line, nothing unprintable."""
    if not isinstance(value, str):
        return ""
    return "".join(letter if letter.isprintable() else "?" for letter in value[:characters_max])
