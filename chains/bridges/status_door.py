"""Asks one guardian who it is; what comes back is hostile until checked."""

from typing import ClassVar, Final

from chains.bridges.door import HTTP_OK, DoorFailureError, HttpDoor

PATH: Final = "/v1/status"


class StatusHttpDoor(HttpDoor):
    """Where a guardian is asked who it is."""

    QUESTION_SECONDS_MAX: ClassVar[float] = 5.0

    async def answered_address(self) -> tuple[str | None, str]:
        """Return the address that the guardian names, or None, and what it answered for people."""
        try:
            status, fields = await self.get(PATH)
        except DoorFailureError as exc:
            return None, exc.detail
        address = fields.get("address")
        if status != HTTP_OK or not isinstance(address, str):
            return None, f"{self.label} gave no guardian's answer: HTTP {status}"
        return address, f"answers as {address}"
