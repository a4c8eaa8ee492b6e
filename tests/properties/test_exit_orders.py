"""An exit comes to the same whoever learned what first: the hub, and guardians in any order."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from chains.types import ChainId
from relayer.clock import FixedClock
from relayer.steps.audit import Audit, AuditClock, audit
from tests.databases import NOW, TestDatabases
from tests.properties.exit_worlds import OTHERS_UNITS, ExitWorld, exit_world
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.steps.audits import RULE, findings

STEPS = 16
GUARDIANS = 2
WORLDS = 30
AUDITED = (10,)


@pytest.fixture(scope="module")
def databases() -> Iterator[TestDatabases]:
    """What makes the databases."""
    made = TestDatabases()
    yield made
    made.close()


@pytest.mark.parametrize("others_units", OTHERS_UNITS)
@pytest.mark.parametrize("seed", range(WORLDS))
def test_an_exit_is_booked_the_same_in_whatever_order_its_facts_are_learned(
    databases: TestDatabases, seed: int, others_units: int
) -> None:
    """Also where nothing of others in the vault covers what is announced to leave it twice."""
    with ExitStack() as stack:
        world = lived_through(databases, stack, Random(seed), others_units)

        for ledger in world.ledgers:
            left, held = world.collateral(), ledger.held()
            margin, owed = max(0, left - held), max(0, held - left)
            assert ledger.balances() == (left, margin, held, owed)
            assert ledger.bench.parked() == ()
        world.end()
        for ledger in world.ledgers:
            left = world.collateral()
            assert ledger.balances() == (left, left, 0, 0)
            assert ledger.bench.parked() == ()
            assert ledger.bench.is_sound()
            ledger.bench.check_entries()


@pytest.mark.parametrize("others_units", OTHERS_UNITS)
@pytest.mark.parametrize("seed", AUDITED)
def test_r20_an_audit_derives_what_an_exit_left_owed(
    databases: TestDatabases, seed: int, others_units: int
) -> None:
    """Also what a guardian that learned of a message last lent for it."""
    with ExitStack() as stack:
        world = lived_through(databases, stack, Random(seed), others_units)
        world.end()
        lent = 0
        for ledger in world.ledgers:
            clock = AuditClock()
            scratch = stack.enter_context(databases.store("sqlite", clock))
            readers: dict[ChainId, Any] = {CHAIN_A: (world.chain, ledger.bench.limits)}
            asked = Audit(
                ledger.bench.store, scratch, clock, ledger.bench.catalog, readers, _shown, RULE
            )
            report = asyncio.run(audit(asked))

            assert report.is_equal, findings(report)
            kinds = ledger.bench.kinds()
            pairs = list(pairwise(kinds))
            lent += pairs.count(("deficit.booked", "unlock.held"))
        assert lent


def lived_through(
    databases: TestDatabases, stack: ExitStack, random: Random, others_units: int
) -> ExitWorld:
    """Return a world after its steps, with everything shown that can be shown."""
    clock = FixedClock(NOW)
    stores = tuple(
        stack.enter_context(databases.store("sqlite", clock)) for _ in range(1 + GUARDIANS)
    )
    world = exit_world(random, clock, stores, others_units=others_units)
    world.begin()
    for _ in range(STEPS):
        world.step()
    world.settle()
    return world


def _shown(what: str, done: int, total: int) -> None:
    """Take the progress of an audit, and show it to nobody."""
