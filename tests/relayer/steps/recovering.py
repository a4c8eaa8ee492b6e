"""A chain with final locks whose final blocks are replaced, and what is asked of a recovery."""

import asyncio
from typing import Final

import pytest

from relayer.errors import RefusedError
from relayer.steps.recover import RecoveryPlan, plan_recovery
from relayer.store.recoveries import Order
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.steps.bookings import LIQUIDATOR, Bench, lock
from tests.simulated_chain import SimulatedChain

ORDER: Final = Order("two nodes of three agree on the new branch", "ann")


def stored(store: Store) -> Bench:
    """Let a bench store three locks one after another, two of them final."""
    bench = Bench(store, SimulatedChain(CHAIN_A))
    bench.chain.mine(lock("one", 5))
    bench.chain.finalize()
    bench.catch_up()
    bench.chain.mine()
    bench.chain.mine(lock("two", 7))
    bench.chain.mine(lock("three", 11, account=LIQUIDATOR))
    bench.catch_up()
    bench.chain.finalize(3)
    bench.catch_up()
    return bench


def violated(bench: Bench, depth: int = 3) -> None:
    """Replace the newest blocks, final ones among them, and halt as the watcher does."""
    bench.chain.final_height = bench.chain.height - depth
    bench.chain.reorg(depth, [], [lock("two", 7)], [], [])
    halt(bench)


def halt(bench: Bench, reason: str = "a final block was replaced") -> None:
    """Halt the chain."""
    with bench.store.unit_of_work() as uow:
        uow.chains.halt(CHAIN_A, reason)


def planned(bench: Bench, to_height: int | None = None) -> RecoveryPlan:
    """Plan."""
    return asyncio.run(plan_recovery(bench.store, bench.chain, to_height=to_height))


def refused(bench: Bench, to_height: int | None = None) -> str:
    """Return the code with which a plan is refused."""
    with pytest.raises(RefusedError) as caught:
        planned(bench, to_height)
    return caught.value.code
