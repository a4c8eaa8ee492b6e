"""Asks one guardian over HTTP for a signature. What comes back is hostile until checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

ANSWER_BYTES_MAX: Final = 16_384
ASK_SECONDS_MAX: Final = 5.0
HTTP_OK: Final = 200
HTTP_REFUSED: Final = 409
HTTP_NOT_YET: Final = 425
TEXT_CHARACTERS_MAX: Final = 1_000


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

    def __init__(self, *, label: str, address: bytes, url: str) -> None:
        self._label = label
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
            async with httpx.AsyncClient(timeout=ASK_SECONDS_MAX) as client:
                response = await client.post(self._url, json=dict(request))
        except httpx.HTTPError as exc:
            return _passing("unreachable", f"{self._label} did not answer ({type(exc).__name__})")
        if len(response.content) > ANSWER_BYTES_MAX:
            return _passing("answer_unusable", f"{self._label} answered too much")
        try:
            fields = response.json()
        except ValueError:
            return _passing("answer_unusable", f"{self._label} answered no JSON")
        if not isinstance(fields, dict):
            return _passing("answer_unusable", f"{self._label} answered no object")
        return self._judged(response.status_code, fields)

    def _judged(self, status: int, fields: dict[str, Any]) -> DoorAnswer:
        code = str(fields.get("code", "unknown"))[:64]
        detail = str(fields.get("detail", ""))[:TEXT_CHARACTERS_MAX]
        if status == HTTP_OK:
            try:
                return DoorAnswer(bytes.fromhex(str(fields["signature"])[2:]), False, "signed", "")
            except (KeyError, ValueError):
                return _passing("answer_unusable", f"{self._label} answered no signature")
        if status == HTTP_REFUSED:
            return DoorAnswer(None, True, code, detail)
        if status == HTTP_NOT_YET:
            return DoorAnswer(None, False, code, detail)
        return _passing("answer_unusable", f"{self._label} answered status {status}: {detail}")


def _passing(code: str, detail: str) -> DoorAnswer:
    return DoorAnswer(None, False, code, detail)
