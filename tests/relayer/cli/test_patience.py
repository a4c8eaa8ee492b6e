"""Asking again for what another process brings about: bounded, and only for the right reason."""

import asyncio

import pytest

from relayer.cli import patience
from relayer.cli.patience import ask_again
from relayer.errors import NotYetError


class Source:
    """Is ready from its third answer on; before it gives a reason."""

    def __init__(self, reason: str = "behind") -> None:
        self.asked = 0
        self._reason = reason

    async def ask(self) -> int:
        """Answer or refuse."""
        self.asked += 1
        if self.asked < 3:
            raise NotYetError(reason=self._reason, detail="test")
        return self.asked


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time does not pass."""
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.0)


def test_what_comes_is_returned() -> None:
    """As soon as it is there."""
    assert asyncio.run(ask_again(Source().ask)) == 3


def test_the_last_attempt_tells_why_not() -> None:
    """So many attempts are made, then one whose error is the answer."""
    source = Source()

    with pytest.raises(NotYetError, match="test"):
        asyncio.run(ask_again(source.ask, attempts_max=1))
    assert source.asked == 2


def test_another_reason_is_not_waited_for() -> None:
    """Waiting would not mend it."""
    source = Source("halted")

    with pytest.raises(NotYetError, match="test"):
        asyncio.run(ask_again(source.ask, only_reason="behind"))
    assert source.asked == 1
    assert asyncio.run(ask_again(Source().ask, only_reason="behind")) == 3
