"""Turns: side by side, or alone."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from relayer.worker.turns import Turns

WAIT_SECONDS_MAX = 10.0
NOT_YET_SECONDS = 0.05


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that end with the test."""
    with ThreadPoolExecutor(4) as made:
        yield made


def test_many_work_side_by_side(pool: ThreadPoolExecutor) -> None:
    """All are inside at once."""
    turns, meeting = Turns(), threading.Barrier(4)

    def _work() -> None:
        with turns.shared():
            meeting.wait(WAIT_SECONDS_MAX)

    for done in [pool.submit(_work) for _ in range(4)]:
        done.result(WAIT_SECONDS_MAX)


def test_who_wants_to_be_alone_waits_for_those_at_work_and_is_waited_for(
    pool: ThreadPoolExecutor,
) -> None:
    """Nobody new begins while somebody waits to be alone, and nobody is beside him."""
    turns, order = Turns(), list[str]()
    at_work, may_end = threading.Event(), threading.Event()

    def _first() -> None:
        with turns.shared():
            at_work.set()
            may_end.wait(WAIT_SECONDS_MAX)
            order.append("first")

    def _alone() -> None:
        with turns.alone():
            order.append("alone begins")
            order.append("alone ends")

    def _late() -> None:
        with turns.shared():
            order.append("late")

    first = pool.submit(_first)
    assert at_work.wait(WAIT_SECONDS_MAX)
    alone = pool.submit(_alone)
    while not turns._wanting:
        threading.Event().wait(NOT_YET_SECONDS)
    late = pool.submit(_late)
    threading.Event().wait(NOT_YET_SECONDS)
    assert order == []
    may_end.set()
    for done in (first, alone, late):
        done.result(WAIT_SECONDS_MAX)

    assert order == ["first", "alone begins", "alone ends", "late"]


@pytest.mark.parametrize("kind", ["shared", "alone"])
def test_a_failure_gives_the_turn_back(kind: str) -> None:
    """The next one can be alone."""
    turns = Turns()

    with pytest.raises(KeyboardInterrupt), getattr(turns, kind)():
        raise KeyboardInterrupt

    with turns.alone():
        assert turns._is_alone
