"""One asyncio loop in a thread of its own: chain clients live on it for the process's life."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, Final, TypeVar

from relayer.errors import NotYetError

Result = TypeVar("Result")
STEP_SECONDS_MAX: Final = 45.0


class LoopThread:
    """Runs coroutines for threads that have no loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="chain-loop", daemon=True)
        self._thread.start()

    def run(
        self, coroutine: Coroutine[Any, Any, Result], seconds_max: float = STEP_SECONDS_MAX
    ) -> Result:
        """
        Return what a coroutine returns, or raise what it raises.

        Raises:
            NotYetError: it took too long or the process stops; it was cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(seconds_max)
        except CancelledError as exc:
            raise NotYetError(reason="process_stopping", detail="the step was cancelled") from exc
        except TimeoutError as exc:
            if future.done() and not future.cancelled():
                raise  # the coroutine's own
            future.cancel()
            raise NotYetError(reason="step_timeout", detail=f"over {seconds_max} s") from exc

    def cancel_all(self) -> None:
        """Cancel what runs; whoever waits for it gets NotYetError."""

        def _cancel() -> None:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()

        self._loop.call_soon_threadsafe(_cancel)

    def close(self) -> None:
        """Stop the loop and wait for its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
