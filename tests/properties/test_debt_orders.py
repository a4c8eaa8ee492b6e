"""A debt comes to the same whoever learned what first: the hub, and guardians in any order."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chains.types import ChainId
from relayer.clock import FixedClock
from relayer.steps.audit import Audit, AuditClock, audit
from tests.databases import NOW, TestDatabases
from tests.properties.debt_worlds import debt_world
from tests.relayer.api.kit import CHAIN_C
from tests.relayer.steps.audits import RULE, findings
from tests.simulated_chain import SimulatedChain

STEPS = 12
GUARDIANS = 2
WORLDS = 40
WORLDS_QUICK = 16
AUDITED = (0, 3)


@pytest.fixture(scope="module")
def databases() -> Iterator[TestDatabases]:
    """What makes the databases."""
    made = TestDatabases()
    yield made
    made.close()


def worlds(count: int) -> settings:
    """Return the settings of so many worlds, the same at each run."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@worlds(WORLDS_QUICK)
@given(random=st.randoms(use_true_random=False))
def test_a_debt_is_split_the_same_in_whatever_order_its_facts_are_learned(
    databases: TestDatabases, random: Random
) -> None:
    """Borrowings, repayments by anybody, liquidations, reorgs: each fact counts in its place."""
    check_world(databases, random)


@pytest.mark.long
@pytest.mark.timeout(600)
@worlds(WORLDS)
@given(random=st.randoms(use_true_random=False))
def test_a_debt_is_split_the_same_in_every_world(databases: TestDatabases, random: Random) -> None:
    """The same with all of them."""
    check_world(databases, random)


def check_world(databases: TestDatabases, random: Random) -> None:
    """Let a hub and guardians learn the facts of a world in any order, and compare them."""
    with ExitStack() as stack:
        stores = tuple(
            stack.enter_context(databases.store("sqlite", FixedClock(NOW)))
            for _ in range(1 + GUARDIANS)
        )
        world = debt_world(random, SimulatedChain(CHAIN_C), stores)
        world.begin()
        for _ in range(STEPS):
            world.step()
        world.end()

        expected = world.expected()
        for ledger in (world.hub, *world.guardians):
            assert ledger.debts() == expected
            assert ledger.bench.is_sound()
            ledger.bench.check_entries()


@pytest.mark.parametrize("seed", AUDITED)
def test_r20_an_audit_derives_what_was_booked_again(databases: TestDatabases, seed: int) -> None:
    """Every entry of hub and guardians follows from chain and commands, in the order booked."""
    with ExitStack() as stack:
        stores = tuple(
            stack.enter_context(databases.store("sqlite", FixedClock(NOW))) for _ in range(2)
        )
        chain = SimulatedChain(CHAIN_C)
        world = debt_world(Random(seed), chain, stores, are_payers_known=True)
        world.begin()
        for _ in range(STEPS):
            world.step()
        world.end()
        for ledger in (world.hub, *world.guardians):
            clock = AuditClock()
            scratch = stack.enter_context(databases.store("sqlite", clock))
            readers: dict[ChainId, Any] = {CHAIN_C: (world.chain, ledger.bench.limits)}
            asked = Audit(
                ledger.bench.store, scratch, clock, ledger.bench.catalog, readers, _shown, RULE
            )
            report = asyncio.run(audit(asked))

            assert report.is_equal, findings(report)
        assert "repay.reverted" in world.hub.bench.kinds()
        assert "repay.reversed" in world.guardians[0].bench.kinds()


def _shown(what: str, done: int, total: int) -> None:
    """Take the progress of an audit, and show it to nobody."""
