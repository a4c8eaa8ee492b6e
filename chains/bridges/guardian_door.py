"""Asks one guardian over HTTP for a signature."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chains.bridges.door import HTTP_OK, DoorFailureError, HttpDoor, code_and_detail

ATTESTATIONS_PATH: Final = "/v1/attestations"
HTTP_REFUSED: Final = 409
HTTP_NOT_YET: Final = 425
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


class GuardianHttpDoor(HttpDoor):
    """Where a guardian signs messages."""

    QUESTION_SECONDS_MAX = 5.0

    async def ask(self, request: Mapping[str, Any]) -> DoorAnswer:
        """Ask for a signature; every failure to answer is a passing one."""
        try:
            return self._judged(*await self.post(ATTESTATIONS_PATH, request))
        except DoorFailureError as failure:
            return DoorAnswer(None, False, failure.code, failure.detail)

    def _judged(self, status: int, fields: dict[str, Any]) -> DoorAnswer:
        code, detail = code_and_detail(fields)
        if status == HTTP_OK:
            signature = _signature(fields.get("signature"))
            if signature is None:
                raise self.unusable("no signature")
            return DoorAnswer(signature, False, "signed", "")
        if status == HTTP_REFUSED:
            return DoorAnswer(None, True, code, detail)
        if status == HTTP_NOT_YET:
            return DoorAnswer(None, False, code, detail)
        raise self.unusable(f"status {status}: {detail}")


def _signature(value: object) -> bytes | None:
    """Return the signature of an answer, None for anything else than 0x-hex of 65 bytes."""
    if not isinstance(value, str) or not SIGNATURE.fullmatch(value):
        return None
    return bytes.fromhex(value[2:])
