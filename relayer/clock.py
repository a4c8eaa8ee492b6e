"""Time as whole Unix seconds, from an injected clock."""

import time
from typing import NewType, Protocol

UnixSeconds = NewType("UnixSeconds", int)


class Clock(Protocol):
    """Anything that tells the time."""

    def now(self) -> UnixSeconds:
        """Return the current Unix second, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> UnixSeconds:
        """Return the current Unix second, UTC."""
        return UnixSeconds(int(time.time()))


class FixedClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_seconds: int) -> None:
        self._now_seconds = now_seconds

    def now(self) -> UnixSeconds:
        """Return the set second."""
        return UnixSeconds(self._now_seconds)

    def move(self, seconds: int) -> None:
        """Move the clock forward."""
        self._now_seconds += seconds
