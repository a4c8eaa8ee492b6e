"""Tells one guardian over HTTP what is switched off."""

from dataclasses import dataclass
from typing import Final

from chains.bridges.door import HTTP_OK, DoorFailureError, HttpDoor, code_and_detail
from chains.switch_order import SignedOrder, signed_order_fields

SWITCHES_PATH: Final = "/v1/switches"
ACKNOWLEDGED: Final = "acknowledged"


@dataclass(frozen=True, slots=True)
class OrderAnswer:
    """What a guardian answered to an order."""

    is_acknowledged: bool
    code: str
    detail: str


class SwitchHttpDoor(HttpDoor):
    """Where a guardian takes orders."""

    QUESTION_SECONDS_MAX = 4.0

    async def order(self, signed: SignedOrder) -> OrderAnswer:
        """Tell the guardian; acknowledged only where it repeats the order's number."""
        try:
            status, fields = await self.post(SWITCHES_PATH, signed_order_fields(signed))
        except DoorFailureError as failure:
            return OrderAnswer(False, failure.code, failure.detail)
        if status == HTTP_OK and fields.get("sequence") == str(signed.order.sequence):
            return OrderAnswer(True, ACKNOWLEDGED, "")
        return OrderAnswer(False, *code_and_detail(fields))
