"""Stop: end the loops of a process when it is told to."""

import asyncio
import signal
from collections.abc import Callable
from typing import Final

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def on_stop_signal(act: Callable[[], object]) -> None:
    """Call something on the running loop, in the main thread, at SIGTERM and at SIGINT."""
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, act)


def stop_at_signals() -> asyncio.Event:
    """Return what is set at SIGTERM and at SIGINT; call it on the main thread's running loop."""
    stop = asyncio.Event()
    on_stop_signal(stop.set)
    return stop


async def stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    """Return whether the process is told to stop; False once so many seconds are over."""
    try:
        async with asyncio.timeout(seconds):
            return await stop.wait()
    except TimeoutError:
        return False
