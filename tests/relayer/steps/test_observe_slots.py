"""Observe and rewind where heights are missing: nothing lost, nothing stuck, noticed at once."""

import pytest

from chains.errors import (
    BlockGoneError,
    FinalityViolationError,
    RpcContradictionError,
    RpcUnavailableError,
)
from relayer.steps.observe import ObserveLimits
from relayer.store.chains import BranchError
from relayer.store.unit_of_work import Store
from tests.chain_families import Slots
from tests.flaky_nodes import inventing, node_of
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.steps.bookings import Bench, lock
from tests.relayer.steps.second_readings import chain_ids, stored_ids
from tests.simulated_chain import SimulatedChain

SPAN = 10


@pytest.fixture
def bench(quick_store: Store) -> Bench:
    """A chain of slots with a first block, not looked at yet; 10 heights a range or a run."""
    chain = SimulatedChain(CHAIN_A, slots=Slots(lambda: 0))
    return Bench(quick_store, chain, limits=ObserveLimits(0, SPAN, SPAN))


def ranges(bench: Bench) -> list[tuple[int, int]]:
    """Return the ranges that were asked for."""
    return [ask[1:] for ask in bench.chain.asked if ask[0] == "events_in_range"]


def head_height(bench: Bench) -> int:
    """Return the height of the stored head."""
    with bench.store.read() as uow:
        head = uow.chains.cursor(CHAIN_A).head
    assert head is not None
    return head.height


def check_headers(bench: Bench) -> None:
    """Fail unless the headers above the first range are an unbroken chain up to the head."""
    with bench.store.read() as uow:
        stored = uow.chains.newest_checkpoints(CHAIN_A)
    by_hash = {block.header.block.block_hash: block.header for block in bench.chain.blocks}
    assert stored[0].header == bench.chain.blocks[-1].header
    for found in stored:
        assert by_hash[found.header.block.block_hash] == found.header


def test_a_range_whose_end_has_no_block_ends_at_the_block_below(bench: Bench) -> None:
    """The next range begins behind that block; no event is read as of another height."""
    for number, gap in enumerate((3, 4, 2, 0, 6)):
        bench.chain.mine(lock(f"lock {number}", 5), gap=gap)
    bench.chain.finalize()

    bench.catch_up()

    assert [block.header.block.height for block in bench.chain.blocks] == [0, 4, 9, 12, 13, 20]
    assert ranges(bench)[:3] == [(0, 9), (10, 19), (14, 20)]
    assert stored_ids(bench) == chain_ids(bench)
    assert bench.available() == 25


@pytest.mark.parametrize("gap", [10, 11, 25, 500, 10**7])
def test_a_range_without_any_block_makes_progress(bench: Bench, gap: int) -> None:
    """A cluster that stood still for long is crossed in one step, at the start as well."""
    bench.chain.mine(lock("before", 5))
    bench.chain.mine(lock("behind", 7), gap=gap)
    bench.chain.mine(lock("last", 9), gap=gap)
    bench.chain.finalize()

    bench.catch_up()

    assert stored_ids(bench) == chain_ids(bench)
    assert head_height(bench) == bench.chain.height
    assert len(bench.chain.asked) < 160


def test_a_start_within_a_gap_begins_at_the_block_behind_it(bench: Bench) -> None:
    """The first range may have no block and nothing is stored yet."""
    bench.chain.mine(lock("too early", 5))
    bench.chain.mine(lock("first", 7), gap=100)
    bench.chain.finalize()
    bench.limits = ObserveLimits(20, SPAN, SPAN)

    bench.catch_up()

    assert bench.available() == 7


@pytest.mark.parametrize("gap", [1, 9, 10, 11, 31, 32, 33, 1_000])
def test_blocks_that_are_not_final_are_walked_over_a_gap(bench: Bench, gap: int) -> None:
    """A gap longer than a run takes blocks makes progress, and headers stay an unbroken chain."""
    bench.follow()
    for number in range(25):
        bench.chain.mine(lock(f"lock {number}", 5), gap=gap if number % 8 == 3 else 0)

    observation = bench.follow()
    bench.book()

    assert observation.is_level
    assert bench.soft() == 125
    check_headers(bench)


def test_a_run_takes_no_more_blocks_than_its_limit_behind_a_gap(bench: Bench) -> None:
    """Blocks are counted, not heights, and those found on the way down as well."""
    bench.follow()
    bench.chain.mine(gap=5)
    bench.chain.mine_empty(30)

    bench.look()

    assert head_height(bench) == bench.chain.blocks[SPAN].header.block.height


def test_r1_a_head_whose_slot_is_empty_on_the_new_branch_is_noticed(bench: Bench) -> None:
    """No block stands there to be compared; the one below answers for it."""
    bench.chain.mine(lock("kept", 5))
    bench.chain.mine(lock("gone", 7))
    bench.catch_up()
    bench.chain.reorg(1)
    bench.chain.mine(lock("new", 9), gap=3)

    with pytest.raises(BranchError):
        bench.look()
    bench.go_back()
    bench.catch_up()

    assert bench.soft() == 14
    assert bench.kinds().count("lock.reverted") == 1
    check_headers(bench)


def test_r1_a_lower_head_at_a_height_that_was_empty_is_another_branch(bench: Bench) -> None:
    """All stored blocks up to it are there, and it is none of them: no node that only lags."""
    bench.chain.mine(gap=2)
    bench.chain.mine(lock("gone", 7), gap=6)
    bench.catch_up()
    bench.chain.reorg(1)
    bench.chain.mine(lock("new", 9), gap=3)

    with pytest.raises(BranchError):
        bench.look()
    bench.go_back()
    bench.catch_up()

    assert bench.soft() == 9


def test_a_node_that_lags_behind_a_gap_is_no_reorg(bench: Bench) -> None:
    """Its head is a stored block, or one below the final block that was never stored."""
    bench.chain.mine_empty(4)
    bench.chain.finalize()
    bench.chain.mine(gap=4)
    bench.chain.mine(lock("seen", 5), gap=4)
    bench.catch_up()

    for place in (2, 4, 5):
        bench.chain.seen_height = bench.chain.blocks[place].header.block.height
        with pytest.raises((RpcUnavailableError, BlockGoneError)):
            bench.look()

    assert bench.soft() == 5


def test_r1_slots_that_were_empty_are_filled_on_the_new_branch(bench: Bench) -> None:
    """Blocks in between are read, and the same transaction counts where it landed."""
    bench.chain.mine(lock("one", 5), gap=3)
    bench.chain.mine(lock("two", 7), gap=3)
    bench.catch_up()

    bench.chain.reorg(2, [lock("late", 9)], [lock("two", 7)], [], [lock("one", 5)], [])
    for _ in range(8):
        bench.chain.mine(gap=0)
    bench.catch_up()

    assert bench.soft() == 21
    check_headers(bench)


def test_r2_a_final_block_whose_slot_is_empty_now_is_a_violation(bench: Bench) -> None:
    """Also where no other block has its height."""
    bench.chain.mine(lock("one", 5))
    bench.chain.finalize()
    bench.catch_up()
    bench.chain.final_height = 0
    bench.chain.reorg(1)
    bench.chain.mine(gap=4)

    with pytest.raises(BranchError):
        bench.look()
    with pytest.raises(FinalityViolationError):
        bench.go_back()


def test_an_event_above_the_newest_block_of_its_range_is_refused(bench: Bench) -> None:
    """A node that shows one contradicts itself: asked again, nothing stored, nobody stopped."""
    bench.chain.mine(lock("one", 5), gap=2)
    bench.chain.finalize()
    (event,) = bench.chain.events
    hollow = node_of(bench.chain)
    hollow.blocks = [bench.chain.blocks[0]]
    hollow.mine(gap=4)
    hollow.finalize()
    showing = Bench(bench.store, hollow, limits=ObserveLimits(0, 5, 5))
    hollow.change = inventing(event)

    with pytest.raises(RpcContradictionError, match="an event stands at 3"):
        showing.look()

    assert stored_ids(bench) == set()
