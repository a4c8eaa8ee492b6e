"""Ports that steps ask and that are no chains."""

from collections.abc import Mapping
from typing import Any, Protocol


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
