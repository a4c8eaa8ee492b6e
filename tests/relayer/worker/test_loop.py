"""The loop thread: results, errors, and an end to what takes too long."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from relayer.errors import NotYetError
from relayer.worker.loop import LoopThread


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    """A running loop."""
    made = LoopThread()
    yield made
    made.close()


async def forever() -> None:
    """Wait for what never comes."""
    await asyncio.Event().wait()


def test_results_and_errors_come_back(loop: LoopThread) -> None:
    """As from an ordinary call."""

    async def _answer() -> int:
        return 7

    async def _fail() -> None:
        raise KeyError("mine")

    assert loop.run(_answer()) == 7
    with pytest.raises(KeyError, match="mine"):
        loop.run(_fail())


def test_what_takes_too_long_is_cancelled(loop: LoopThread) -> None:
    """The job is asked again later; the thread is free."""
    with pytest.raises(NotYetError) as late:
        loop.run(forever(), 0.05)

    assert late.value.reason == "step_timeout"


def test_a_timeout_of_the_coroutine_itself_stays_its_own(loop: LoopThread) -> None:
    """It is not ours to explain."""

    async def _time_out() -> None:
        raise TimeoutError("the node's")

    with pytest.raises(TimeoutError, match="the node's"):
        loop.run(_time_out())


def test_a_stopping_process_cancels_what_runs(loop: LoopThread) -> None:
    """SIGTERM does not wait for a guardian that does not answer."""
    started = threading.Event()
    reasons: list[str] = []

    async def _hang() -> None:
        started.set()
        await forever()

    def _run() -> None:
        try:
            loop.run(_hang())
        except NotYetError as exc:
            reasons.append(exc.reason)

    thread = threading.Thread(target=_run)
    thread.start()
    assert started.wait(10)
    loop.cancel_all()
    thread.join(10)

    assert reasons == ["process_stopping"]
