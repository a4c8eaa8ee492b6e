"""Tells one guardian over HTTP what is switched off. What comes back is hostile until checked."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import httpx
import orjson

from chains.bridges.guardian_door import (
    ANSWER_BYTES_MAX,
    CODE_CHARACTERS_MAX,
    HTTP_OK,
    TEXT_CHARACTERS_MAX,
    post_object,
    shown_text,
)
from chains.switch_order import SignedOrder, signed_order_fields

ORDER_SECONDS_MAX: Final = 4.0
ACKNOWLEDGED: Final = "acknowledged"


@dataclass(frozen=True, slots=True)
class OrderAnswer:
    """What a guardian answered to an order."""

    is_acknowledged: bool
    code: str
    detail: str


class SwitchHttpDoor:
    """One guardian; its URL never appears in an error or a log."""

    def __init__(
        self,
        *,
        label: str,
        address: bytes,
        url: str,
        token: str | None = None,
        seconds_max: float = ORDER_SECONDS_MAX,
    ) -> None:
        self._label = label
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._seconds_max = seconds_max
        self._address = address
        self._url = url.rstrip("/") + "/v1/switches"

    @property
    def label(self) -> str:
        """The guardian's name for people."""
        return self._label

    @property
    def address(self) -> bytes:
        """The guardian's key, as a left-padded address."""
        return self._address

    async def order(self, signed: SignedOrder) -> OrderAnswer:
        """Tell the guardian; acknowledged only where it repeats the order's number."""
        try:
            async with asyncio.timeout(self._seconds_max):
                status, body = await post_object(
                    self._url,
                    signed_order_fields(signed),
                    headers=self._headers,
                    seconds_max=self._seconds_max,
                )
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as exc:
            detail = f"{self._label} did not answer ({type(exc).__name__})"
            return OrderAnswer(False, "unreachable", detail)
        try:
            fields = orjson.loads(body) if len(body) <= ANSWER_BYTES_MAX else None
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            return OrderAnswer(False, "answer_unusable", f"{self._label} answered no object")
        return _judged(status, fields, signed.order.sequence)


def _judged(status: int, fields: dict[str, Any], sequence: int) -> OrderAnswer:
    code = shown_text(fields.get("code"), CODE_CHARACTERS_MAX) or "unknown"
    detail = shown_text(fields.get("detail"), TEXT_CHARACTERS_MAX)
    if status == HTTP_OK and fields.get("sequence") == str(sequence):
        return OrderAnswer(True, ACKNOWLEDGED, "")
    return OrderAnswer(False, code, detail)
