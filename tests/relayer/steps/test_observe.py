"""Observe: block by block or range by range into the store, nothing lost and nothing twice."""

import pytest

from chains.errors import (
    BlockGoneError,
    FinalityViolationError,
    RangeTooLargeError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from relayer.steps.observe import ObserveLimits
from relayer.store.chains import BranchError, CheckpointState
from relayer.store.observed_rows import EventFilter, EventState
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.steps.bookings import Bench, lock
from tests.simulated_chain import SimulatedChain, fail_once


@pytest.fixture
def bench(store: Store) -> Bench:
    """A chain with a final genesis, not looked at yet."""
    return Bench(store, SimulatedChain(CHAIN_A))


@pytest.fixture
def quick_bench(quick_store: Store) -> Bench:
    """The same on one kind of database."""
    return Bench(quick_store, SimulatedChain(CHAIN_A))


def seen(bench: Bench, *states: EventState) -> list[bytes]:
    """Return the ids of the stored events in these states, or of all."""
    with bench.store.read() as uow:
        found = uow.chains.events(EventFilter(chain_id=bench.chain_id, states=states))
    return [stored.event_id for stored in found]


def on_chain(bench: Bench) -> list[bytes]:
    """Return the ids of the chain's events."""
    return [event.position.event_id for event in bench.chain.events]


def timeout() -> RpcTimeoutError:
    """Return what a silent node raises."""
    return RpcTimeoutError(chain_id=CHAIN_A, method="test")


def test_empty_blocks_keep_the_chain_of_headers(bench: Bench) -> None:
    """Each block above the final one is a checkpoint whose parent is the one before."""
    bench.chain.mine_empty(5)

    bench.follow()

    with bench.store.read() as uow:
        headers = [found.header for found in uow.chains.newest_checkpoints(CHAIN_A)]
    assert headers == [block.header for block in reversed(bench.chain.blocks)]


def test_a_long_past_is_read_by_ranges_and_then_block_by_block(bench: Bench) -> None:
    """Final blocks cost one question a range; the others are asked for by their hash."""
    bench.chain.mine(lock("one", 5))
    bench.chain.mine_empty(119)
    bench.chain.mine(lock("two", 7))
    bench.chain.finalize()
    bench.chain.mine(lock("three", 9))
    bench.chain.mine_empty(2)

    bench.follow()

    ranges = [ask[1:] for ask in bench.chain.asked if ask[0] == "events_in_range"]
    blocks = [ask[1] for ask in bench.chain.asked if ask[0] == "events_in_block"]
    assert ranges == [(0, 49), (50, 99), (100, 121)]
    assert blocks == [122, 123, 124]
    assert seen(bench) == on_chain(bench)
    assert len(seen(bench, EventState.FINAL)) == 2


def test_the_first_run_begins_where_it_is_told(quick_bench: Bench) -> None:
    """Older blocks are not asked for."""
    quick_bench.chain.mine_empty(20)
    quick_bench.chain.finalize(10)
    quick_bench.limits = ObserveLimits(8, 50, 50)

    quick_bench.follow()

    assert ("events_in_range", 8, 10) in quick_bench.chain.asked


def test_a_start_above_the_final_head_begins_at_that_head(quick_bench: Bench) -> None:
    """A wrong start height loses no block that is still to come."""
    quick_bench.chain.mine_empty(5)
    quick_bench.limits = ObserveLimits(99, 50, 50)

    quick_bench.follow()

    assert ("events_in_range", 0, 0) in quick_bench.chain.asked


def test_a_refused_range_is_halved_until_it_fits(quick_bench: Bench) -> None:
    """What the first half left out is read next; no event is lost."""
    quick_bench.chain.mine_empty(30)
    quick_bench.chain.mine(lock("late", 5))
    quick_bench.chain.finalize()
    quick_bench.chain.span_max = 4

    quick_bench.follow()

    ranges = [ask[1:] for ask in quick_bench.chain.asked if ask[0] == "events_in_range"]
    assert ranges[:5] == [(0, 31), (0, 15), (0, 7), (0, 3), (4, 31)]
    assert seen(quick_bench) == on_chain(quick_bench)


def test_a_node_that_refuses_single_blocks_is_no_endless_loop(quick_bench: Bench) -> None:
    """The error goes up; nothing is stored."""
    quick_bench.chain.span_max = 0

    with pytest.raises(RangeTooLargeError):
        quick_bench.look()


@pytest.mark.parametrize("method", ["heads", "header_at", "events_in_block", "events_in_range"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_node_that_fails_on_the_way_loses_and_repeats_nothing(
    quick_bench: Bench, method: str, after: int
) -> None:
    """Whatever was stored before the fault stays; the next round goes on behind it."""
    chain = quick_bench.chain
    quick_bench.limits = ObserveLimits(0, 50, 3)
    for number in range(20):
        chain.mine(lock(f"lock {number}", 5))
        if number == 15:
            chain.finalize()  # more ranges than one run takes
    chain.fault = fail_once(method, timeout(), after=after)

    failed = 0
    while True:
        try:
            quick_bench.follow()
            break
        except RpcTimeoutError:
            failed += 1
    quick_bench.book()

    assert failed == 1
    assert seen(quick_bench) == on_chain(quick_bench)
    assert quick_bench.available() + quick_bench.soft() == 100


def test_a_replaced_head_is_noticed_without_a_block_after_it(bench: Bench) -> None:
    """The new branch may be as long as the old one."""
    bench.chain.mine_empty(3)
    bench.follow()

    bench.chain.reorg(1, [lock("new", 5)])

    with pytest.raises(BranchError):
        bench.look()


def test_a_block_that_goes_between_two_questions_is_asked_again(quick_bench: Bench) -> None:
    """Its header was there, its logs are not: the answer is transient and nothing is stored."""
    chain = quick_bench.chain
    quick_bench.follow()
    chain.mine(lock("old", 5))

    def replace_it(method: str, height: int) -> None:
        if method == "events_in_block" and height == 1:
            chain.fault = None
            chain.reorg(1, [lock("new", 7)])

    chain.fault = replace_it
    with pytest.raises(BlockGoneError):
        quick_bench.look()
    quick_bench.follow()

    assert seen(quick_bench) == on_chain(quick_bench)


def test_a_block_of_another_branch_is_not_stored(quick_bench: Bench) -> None:
    """The chain is replaced while its blocks are being read: the parent does not fit."""
    chain = quick_bench.chain
    quick_bench.follow()
    chain.mine_empty(3)

    def replace_it(method: str, height: int) -> None:
        if method == "header_at" and height == 3:
            chain.fault = None
            chain.reorg(3, [lock("new", 7)], [], [])

    chain.fault = replace_it
    with pytest.raises(BranchError):
        quick_bench.look()

    assert seen(quick_bench) == []


def test_a_node_that_lags_behind_is_no_reorg(bench: Bench) -> None:
    """Another node of the same address knows less; nothing is taken back for that."""
    bench.chain.mine_empty(2)
    bench.chain.mine(lock("seen", 5))
    bench.follow()

    bench.chain.seen_height = 1
    with pytest.raises(RpcUnavailableError, match="behind the stored head"):
        bench.look()

    assert len(seen(bench, EventState.SEEN)) == 1


def test_a_shorter_branch_is_a_reorg(bench: Bench) -> None:
    """The node's head is lower and not one of the stored blocks."""
    bench.chain.mine_empty(4)
    bench.follow()

    bench.chain.reorg(3, [])

    with pytest.raises(BranchError):
        bench.look()


def test_a_node_below_the_final_block_does_not_halt_the_chain(quick_bench: Bench) -> None:
    """A node that starts anew knows nothing yet; that replaces no final block."""
    quick_bench.chain.mine_empty(6)
    quick_bench.chain.finalize()
    quick_bench.follow()

    quick_bench.chain.seen_height = 2
    with pytest.raises((RpcUnavailableError, BlockGoneError)):
        quick_bench.look()
    with pytest.raises(BlockGoneError):
        quick_bench.go_back()


def test_finality_advances_along_the_stored_branch(bench: Bench) -> None:
    """What the chain calls final is final here, as far as it is stored, with its events."""
    bench.chain.mine(lock("one", 5))
    bench.chain.mine_empty(2)
    bench.chain.mine(lock("two", 7))
    bench.follow()

    bench.chain.finalize(2)
    observation = bench.follow()

    assert observation.cursor.finalized == bench.chain.blocks[2].header.block
    assert len(seen(bench, EventState.FINAL)) == 1
    assert len(seen(bench, EventState.SEEN)) == 1
    with bench.store.read() as uow:
        states = [found.state for found in uow.chains.newest_checkpoints(CHAIN_A)]
    assert states == [CheckpointState.CANONICAL] * 2 + [CheckpointState.FINAL] * 3


def test_finality_of_another_branch_is_refused(bench: Bench) -> None:
    """The final block changes while the run goes on: nothing on the old branch becomes final."""
    chain = bench.chain
    chain.mine_empty(3)
    bench.follow()
    chain.mine(lock("old", 5))

    def replace_it(method: str, height: int) -> None:
        if method == "header_at" and height == 3:
            chain.fault = None
            chain.reorg(4, [], [], [], [])
            chain.finalize(2)

    chain.fault = replace_it
    with pytest.raises(BranchError):
        bench.look()

    assert seen(bench, EventState.FINAL) == []


def test_finality_far_ahead_stops_at_the_stored_head(quick_bench: Bench) -> None:
    """A watcher that was away declares final only what it has, then goes on by ranges."""
    quick_bench.limits = ObserveLimits(0, 2, 50)
    quick_bench.chain.mine_empty(2)
    quick_bench.follow()
    quick_bench.chain.mine_empty(30)
    quick_bench.chain.finalize()

    observation = quick_bench.look()

    assert observation.cursor.head == observation.cursor.finalized
    assert observation.cursor.head == quick_bench.chain.blocks[4].header.block
    quick_bench.follow()
    assert quick_bench.chain.asked[-1][0] != "events_in_block"


def test_a_replaced_final_block_is_a_violation(bench: Bench) -> None:
    """The next range would not follow what is stored."""
    bench.chain.mine_empty(3)
    bench.chain.finalize()
    bench.follow()

    bench.chain.reorg(1, [], [], [])
    bench.chain.finalize()

    with pytest.raises(FinalityViolationError):
        bench.look()
