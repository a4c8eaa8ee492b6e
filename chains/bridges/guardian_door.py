"""Asks one guardian over HTTP for a signature. What comes back is hostile until checked."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import orjson

ANSWER_BYTES_MAX: Final = 16_384
ASK_SECONDS_MAX: Final = 5.0
HTTP_OK: Final = 200
HTTP_REFUSED: Final = 409
HTTP_NOT_YET: Final = 425
TEXT_CHARACTERS_MAX: Final = 1_000
CODE_CHARACTERS_MAX: Final = 64
CHUNK_BYTES: Final = 4_096
SIGNATURE: Final = re.compile(r"0x[0-9a-fA-F]{130}")


@dataclass(frozen=True, slots=True)
class DoorAnswer:
    """
    What a guardian answered, unjudged.

    signature is None unless it signed; is_final says that it will never sign this message.
    """

    signature: bytes | None
    is_final: bool
    code: str
    detail: str


class GuardianHttpDoor:
    """One guardian; its URL never appears in an error or a log."""

    def __init__(
        self,
        *,
        label: str,
        address: bytes,
        url: str,
        token: str | None = None,
        seconds_max: float = ASK_SECONDS_MAX,
    ) -> None:
        self._label = label
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._seconds_max = seconds_max
        self._address = address
        self._url = url.rstrip("/") + "/v1/attestations"

    @property
    def label(self) -> str:
        """The guardian's name for people."""
        return self._label

    @property
    def address(self) -> bytes:
        """The guardian's key, as a left-padded address."""
        return self._address

    async def ask(self, request: Mapping[str, Any]) -> DoorAnswer:
        """Ask for a signature; every failure to answer is a passing one."""
        try:
            async with asyncio.timeout(self._seconds_max):
                status, body = await post_object(
                    self._url, request, headers=self._headers, seconds_max=self._seconds_max
                )
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as exc:
            return _passing("unreachable", f"{self._label} did not answer ({type(exc).__name__})")
        if len(body) > ANSWER_BYTES_MAX:
            return _passing("answer_unusable", f"{self._label} answered too much")
        try:
            fields = orjson.loads(body)
        except ValueError:
            return _passing("answer_unusable", f"{self._label} answered no JSON")
        if not isinstance(fields, dict):
            return _passing("answer_unusable", f"{self._label} answered no object")
        return self._judged(status, fields)

    def _judged(self, status: int, fields: dict[str, Any]) -> DoorAnswer:
        code = shown_text(fields.get("code"), CODE_CHARACTERS_MAX) or "unknown"
        detail = shown_text(fields.get("detail"), TEXT_CHARACTERS_MAX)
        if status == HTTP_OK:
            signature = _signature(fields.get("signature"))
            if signature is None:
                return _passing("answer_unusable", f"{self._label} answered no signature")
            return DoorAnswer(signature, False, "signed", "")
        if status == HTTP_REFUSED:
            return DoorAnswer(None, True, code, detail)
        if status == HTTP_NOT_YET:
            return DoorAnswer(None, False, code, detail)
        return _passing("answer_unusable", f"{self._label} answered status {status}: {detail}")


async def post_object(
    url: str, fields: Mapping[str, Any], *, headers: Mapping[str, str], seconds_max: float
) -> tuple[int, bytes]:
    """Return status and body; of a body that is too long only so much as shows it."""
    # The bytes are taken as they come: nothing is unpacked, so nothing can swell.
    sent = {"Accept-Encoding": "identity", **headers}
    async with (
        httpx.AsyncClient(timeout=seconds_max, trust_env=False) as client,
        client.stream("POST", url, json=dict(fields), headers=sent) as response,
    ):
        body = bytearray()
        async for chunk in response.aiter_raw(CHUNK_BYTES):
            body += chunk
            if len(body) > ANSWER_BYTES_MAX:
                break
        return response.status_code, bytes(body)


def _signature(value: object) -> bytes | None:
    """Return the signature of an answer, None for anything else than 0x-hex of 65 bytes."""
    if not isinstance(value, str) or not SIGNATURE.fullmatch(value):
        return None
    return bytes.fromhex(value[2:])


def shown_text(value: object, characters_max: int) -> str:
    """Return a guardian's text for logs and tables: short, one line, nothing unprintable."""
    if not isinstance(value, str):
        return ""
    return "".join(letter if letter.isprintable() else "?" for letter in value[:characters_max])


def _passing(code: str, detail: str) -> DoorAnswer:
    return DoorAnswer(None, False, code, detail)
