"""Observe, far behind: a run takes a few ranges of final blocks."""

from typing import Final

import pytest

from chains.errors import FinalityViolationError, RpcTimeoutError
from relayer.steps import observe as observe_step
from relayer.steps.observe import FINAL_RANGES_PER_RUN_MAX, ObserveLimits
from relayer.store.observed_rows import EventFilter
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.steps.bookings import Bench, lock
from tests.simulated_chain import SimulatedChain

SPAN: Final = 3
BLOCKS: Final = 40


@pytest.fixture
def long_bench(quick_store: Store) -> Bench:
    """A chain with a lock in each of many final blocks, not looked at yet."""
    bench = Bench(quick_store, SimulatedChain(CHAIN_A))
    bench.limits = ObserveLimits(0, 50, SPAN)
    for number in range(BLOCKS):
        bench.chain.mine(lock(f"lock {number}", 5))
    bench.chain.finalize()
    return bench


def stored_count(bench: Bench) -> int:
    """Return how many events are stored."""
    with bench.store.read() as uow:
        return len(uow.chains.events(EventFilter(chain_id=CHAIN_A)))


def ranges_asked(bench: Bench) -> list[tuple[int, int]]:
    """Return the ranges that were asked for, in order."""
    return [ask[1:] for ask in bench.chain.asked if ask[0] == "events_in_range"]


def test_a_run_takes_so_many_ranges_and_the_next_goes_on_behind_them(long_bench: Bench) -> None:
    """The lease is kept, and news are told, between runs; nothing is read twice."""
    first = long_bench.look()

    count = FINAL_RANGES_PER_RUN_MAX
    assert ranges_asked(long_bench) == [(SPAN * n, SPAN * n + 2) for n in range(count)]
    assert (first.is_level, first.events) == (False, stored_count(long_bench))
    long_bench.follow()
    asked = ranges_asked(long_bench)
    assert [start for start, _ in asked[1:]] == [end + 1 for _, end in asked[:-1]]
    assert stored_count(long_bench) == BLOCKS


def test_a_slow_run_begins_no_other_range(
    long_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease would run out meanwhile."""
    monkeypatch.setattr(observe_step, "RUN_SECONDS_MAX", 0.0)

    long_bench.look()

    assert ranges_asked(long_bench) == [(0, 2)]


def test_a_final_block_that_is_replaced_within_a_run_is_noticed(long_bench: Bench) -> None:
    """What was stored before it stays; what comes behind it is not stored."""
    chain = long_bench.chain

    def _replace(method: str, height: int) -> None:
        if method == "events_in_range" and height == SPAN:
            chain.fault = None
            chain.reorg(chain.height - 1, *[[lock("other", 5)]] * (chain.height - 1))

    chain.fault = _replace

    with pytest.raises(FinalityViolationError):
        long_bench.look()

    assert stored_count(long_bench) == SPAN - 1


def test_a_range_that_fails_takes_nothing_from_those_before_it(
    long_bench: Bench,
) -> None:
    """What was stored stays."""

    def _fail(method: str, height: int) -> None:
        if method == "events_in_range" and height == SPAN:
            raise RpcTimeoutError(chain_id=CHAIN_A, method=method)

    long_bench.chain.fault = _fail

    with pytest.raises(RpcTimeoutError):
        long_bench.look()

    assert stored_count(long_bench) == SPAN - 1
