"""Runs asynchronous steps to their end at once, in this thread and in one order."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

from relayer.worker.loop import STEP_SECONDS_MAX, LoopThread

Result = TypeVar("Result")


class InlineLoop(asyncio.AbstractEventLoop):  # of its many methods, those that the steps use
    """
    An event loop without time, sockets and threads; what a thread would do is done at once.

    One loop runs one coroutine. A coroutine that waits for the world lets the scheduler run
    others inside its wait, each on a loop of its own.
    """

    def __init__(self) -> None:
        self._ready: deque[asyncio.Handle] = deque()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Return what a coroutine returns, or raise what it raises."""
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            task = asyncio.Task(coroutine, loop=self)
            while not task.done():
                if not self._ready:
                    raise AssertionError("a step waits for something that never comes")
                self._ready.popleft()._run()
            return task.result()
        finally:
            asyncio._set_running_loop(outer)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback after those that wait already."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        """Return a task that runs with the others."""
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        """Do at once what a thread would do."""
        done = self.create_future()
        done.set_result(func(*args))
        return done

    def get_debug(self) -> bool:
        """Return that nothing is watched."""
        return False

    def is_running(self) -> bool:
        """Return that it runs: it does while anybody can ask."""
        return True

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Drop what nobody waited for: its process died."""


def run_inline(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Return what a coroutine returns, or raise what it raises."""
    return InlineLoop().run(coroutine)  # type: ignore[abstract]


class InlineThread(LoopThread):
    """What a worker's handlers run their coroutines with, without a thread."""

    def __init__(self) -> None:
        """Start nothing."""

    def run(
        self, coroutine: Coroutine[Any, Any, Result], seconds_max: float = STEP_SECONDS_MAX
    ) -> Result:
        """Return what a coroutine returns, or raise what it raises."""
        return run_inline(coroutine)

    def close(self) -> None:
        """Stop nothing."""
