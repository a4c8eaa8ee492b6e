"""Recover where the node has no old blocks, or none at the height of a final one."""

import pytest

from chains.errors import BlockGoneError
from relayer.steps.recover import recover
from relayer.store.unit_of_work import Store
from tests.chain_families import Slots
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.steps.bookings import Bench, lock
from tests.relayer.steps.recovering import ORDER, halt, planned, refused, stored, violated
from tests.simulated_chain import SimulatedChain


@pytest.fixture
def quick_bench(quick_store: Store) -> Bench:
    """A final lock at 1, one at 3, and one at 4 that is only seen."""
    return stored(quick_store)


def pruned(bench: Bench, first_height: int) -> None:
    """Let the node know no block below a height."""

    def _fault(method: str, height: int) -> None:
        if method == "header_at" and height < first_height:
            raise BlockGoneError(chain_id=CHAIN_A, reference=str(height))

    bench.chain.fault = _fault


def test_r2_a_node_without_old_blocks_is_not_asked_for_them(quick_store: Store) -> None:
    """How far down is looked for depends on how deep the chain was replaced, not on its age."""
    bench = Bench(quick_store, SimulatedChain(CHAIN_A))
    bench.chain.mine_empty(300)
    bench.catch_up()
    bench.chain.finalize()
    bench.catch_up()
    bench.chain.final_height = 280
    bench.chain.reorg(10, *[[]] * 10)
    halt(bench)
    pruned(bench, 270)

    plan = planned(bench)

    assert plan.target == bench.chain.blocks[290].header.block


def test_r2_a_node_that_lost_the_blocks_in_question_plans_nothing(quick_bench: Bench) -> None:
    """What it does not know any more it cannot contradict; it is not taken for another branch."""
    violated(quick_bench, depth=3)
    pruned(quick_bench, 4)

    assert refused(quick_bench) == "node_without_history"
    assert refused(quick_bench, 1) == "node_without_history"


def test_r2_a_final_block_whose_height_is_empty_now_is_recovered(quick_store: Store) -> None:
    """The new branch skips its height: a contradiction, though no other block stands there."""
    bench = Bench(quick_store, SimulatedChain(CHAIN_A, slots=Slots(lambda: 0)))
    for transaction, gap in ((lock("kept", 5), 2), (lock("gone", 7), 0)):
        bench.chain.mine(transaction, gap=gap)
        bench.chain.finalize()
        bench.catch_up()
    bench.chain.final_height = 3
    bench.chain.reorg(1)
    bench.chain.mine(gap=8)
    halt(bench)

    plan = planned(bench)
    recover(quick_store, plan, lease=bench.lease(), order=ORDER)
    bench.book()

    assert plan.target == bench.chain.blocks[1].header.block
    assert (bench.available(), bench.custody()) == (5, 5)
