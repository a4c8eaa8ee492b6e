"""A debt comes to the same whoever learned what first: the hub, and guardians in any order."""

from collections.abc import Iterator
from contextlib import ExitStack
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relayer.clock import FixedClock
from tests.databases import NOW, TestDatabases
from tests.properties.debt_worlds import debt_world
from tests.relayer.api.kit import CHAIN_C
from tests.simulated_chain import SimulatedChain

STEPS = 16
GUARDIANS = 2
WORLDS = 60


@pytest.fixture(scope="module")
def databases() -> Iterator[TestDatabases]:
    """What makes the databases."""
    made = TestDatabases()
    yield made
    made.close()


@settings(
    max_examples=WORLDS,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(random=st.randoms(use_true_random=False))
def test_a_debt_is_split_the_same_in_whatever_order_its_facts_are_learned(
    databases: TestDatabases, random: Random
) -> None:
    """Borrowings, repayments by anybody, liquidations, reorgs: each fact counts in its place."""
    with ExitStack() as stack:
        stores = tuple(
            stack.enter_context(databases.store("sqlite", FixedClock(NOW)))
            for _ in range(1 + GUARDIANS)
        )
        world = debt_world(random, SimulatedChain(CHAIN_C), stores)
        for _ in range(STEPS):
            world.step()
        world.end()

        expected = world.expected()
        for ledger in (world.hub, *world.guardians):
            assert ledger.debts() == expected
            assert ledger.bench.is_sound()
            ledger.bench.check_entries()
