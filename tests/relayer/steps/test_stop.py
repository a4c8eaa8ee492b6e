"""A process that is told to stop: by either signal, and within the time it waits."""

import asyncio
import signal

import pytest

from relayer.steps.stop import on_stop_signal, stop_at_signals, stopped_within

FOR_EVER_SECONDS = 60.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_either_signal_ends_the_wait(number: signal.Signals) -> None:
    """Long before the time is over."""

    async def _run() -> bool:
        stop = stop_at_signals()
        signal.raise_signal(number)
        return await stopped_within(stop, FOR_EVER_SECONDS)

    assert asyncio.run(_run())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_either_signal_calls_what_was_asked_for(number: signal.Signals) -> None:
    """On the loop, not inside the signal's handler."""

    async def _run() -> bool:
        called = asyncio.Event()
        on_stop_signal(called.set)
        signal.raise_signal(number)
        was_called_at_once = called.is_set()
        return await stopped_within(called, FOR_EVER_SECONDS) and not was_called_at_once

    assert asyncio.run(_run())


@pytest.mark.parametrize("seconds", [0.0, 0.01])
def test_a_wait_without_a_stop_ends_with_its_time(seconds: float) -> None:
    """The loop goes on."""

    async def _run() -> bool:
        return await stopped_within(asyncio.Event(), seconds)

    assert not asyncio.run(_run())
