"""Ports that steps ask and that are no chains."""

from collections.abc import Mapping
from typing import Any, Protocol

from chains.switch_order import SignedOrder


class GuardianAnswer(Protocol):
    """What one guardian answered, unjudged."""

    @property
    def signature(self) -> bytes | None:
        """The signature, None unless it signed."""
        ...

    @property
    def is_final(self) -> bool:
        """Whether it will never sign this message."""
        ...

    @property
    def code(self) -> str:
        """A machine-readable reason."""
        ...

    @property
    def detail(self) -> str:
        """The reason for people."""
        ...


class GuardianDoor(Protocol):
    """Where one guardian is asked."""

    @property
    def label(self) -> str:
        """The guardian's name for people."""
        ...

    @property
    def address(self) -> bytes:
        """The guardian's key, as a left-padded address."""
        ...

    async def ask(self, request: Mapping[str, Any]) -> GuardianAnswer:
        """Ask for a signature; a guardian that cannot be reached answers a passing reason."""
        ...


class SwitchAnswer(Protocol):
    """What one guardian answered to an order about a switch."""

    @property
    def is_acknowledged(self) -> bool:
        """Whether it obeys from now on."""
        ...

    @property
    def code(self) -> str:
        """A machine-readable reason."""
        ...

    @property
    def detail(self) -> str:
        """The reason for people."""
        ...


class SwitchDoor(Protocol):
    """Where one guardian takes orders about switches."""

    @property
    def label(self) -> str:
        """The guardian's name for people."""
        ...

    @property
    def address(self) -> bytes:
        """The guardian's key, as a left-padded address."""
        ...

    async def order(self, signed: SignedOrder) -> SwitchAnswer:
        """Tell it; one that cannot be reached has not acknowledged."""
        ...
