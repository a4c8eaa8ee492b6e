"""Below the final block: after a recovery the ledger is that of the branch that stands."""

import asyncio
from random import Random
from typing import Any, Final

import pytest

from chains.errors import FinalityViolationError
from relayer.ledger.chart import BAD_DEBT, margin_code
from relayer.steps.ending import settle_hold
from relayer.steps.recover import check_resumable, plan_recovery, recover
from relayer.store.recoveries import Order
from tests.chain_families import Family
from tests.databases import TestDatabases
from tests.properties.reorg_worlds import ACCOUNTS, ReorgWorld, counts, detected, image, started
from tests.relayer.api.kit import VAULT_A, WETH_A
from tests.relayer.steps.bookings import Bench, unlock_message

# worlds of each kind: make long goes through all of them
WORLDS: Final = pytest.mark.parametrize(
    "worlds",
    [
        pytest.param(18, marks=[pytest.mark.long, pytest.mark.timeout(600)]),
        pytest.param(6, marks=pytest.mark.slow),
    ],
)
# among the first few seeds from here on is one whose reorg takes back what was spent
SPENT_SEEDS: Final = {Family.EVM: 1_000, Family.SOLANA: 1_010}
FAMILIES: Final = pytest.mark.parametrize("family", Family)
ORDER: Final = Order("the node lied", "ann")
SPENDER, OTHER = ACCOUNTS


def violate(world: ReorgWorld) -> None:
    """Replace blocks that were final, as far down as the first one after the beginning."""
    lowest = 1 if world.is_credit else 2
    depth = world.random.randint(world.unfinal + 1, len(world.chain.blocks) - 1 - lowest)
    left = world.chain.blocks[-depth - 1].header.block.height
    world.chain.final_height = min(world.chain.final_height, left)
    height = world.chain.height
    world.reorg(depth, depth + world.random.randint(0, 2))
    while world.chain.height < height:  # a node that has not come as far proves nothing
        world.grow(1)


def follow_below(world: ReorgWorld, bench: Bench) -> None:
    """Halt, recover, book, and read the branch that stands, as an operator and a watcher do."""
    assert detected(bench)
    with pytest.raises(FinalityViolationError):
        bench.go_back()
    with bench.store.unit_of_work() as uow:
        uow.chains.halt(bench.chain_id, "a final block was replaced")
    plan = asyncio.run(plan_recovery(bench.store, world.chain))
    recover(bench.store, plan, lease=bench.lease(), order=ORDER)
    bench.book()
    asyncio.run(check_resumable(bench.store, world.chain))
    with bench.store.unit_of_work() as uow:
        uow.chains.resume(bench.chain_id, "recovered")
    bench.catch_up()


def grown(world: ReorgWorld, bench: Bench) -> None:
    """Let a chain grow, all but its newest blocks become final, and book on the way."""
    for _ in range(3):
        world.grow(world.random.randint(2, 9))
        bench.catch_up()
        world.chain.finalize(world.chain.height - world.random.randint(0, 2))
        bench.catch_up()


@FAMILIES
@WORLDS
def test_r2_a_recovered_chain_is_what_a_fresh_index_finds(
    databases: TestDatabases, worlds: int, family: Family
) -> None:
    """Where nobody had used what went: 0 differences, nothing deleted, the journal sound."""
    for seed in range(worlds):
        is_credit = seed % 3 == 2 and family is Family.EVM
        world = ReorgWorld(Random(seed), is_credit, family)
        with started(world, databases) as bench:
            for _ in range(2):
                grown(world, bench)
                rows = counts(bench)
                violate(world)
                follow_below(world, bench)
                assert all(new >= old for new, old in zip(counts(bench), rows, strict=True))
                bench.check_entries()
            found = image(bench)
            assert bench.is_sound()
        with started(world, databases) as fresh:
            fresh.catch_up()
            assert found == image(fresh), f"seed {seed}"


def spend(bench: Bench, units: int, nonce: int) -> None:
    """Send a message that takes units of the spender out of the vault; nobody delivers it."""
    composed = bench.compose(unlock_message(units, nonce))
    with bench.store.unit_of_work() as uow:
        settle_hold(uow, composed)


def custody(bench: Bench) -> tuple[int, int]:
    """Return what ledger and vault say at the newest block, all of it final."""
    block = bench.chain.blocks[-1].header.block
    state = asyncio.run(bench.chain.vault_state(VAULT_A, WETH_A, block))
    return bench.custody(), state.held_units


def lines_of(found: dict[str, Any], account: bytes) -> dict[Any, Any]:
    """Return the balances of one account."""
    code = margin_code(account)
    return {line: sums for line, sums in found["balances"].items() if line[0] == code}


def worth(found: dict[str, Any]) -> int:
    """Return what the spender owns less what the hub bears for it."""
    codes = (margin_code(SPENDER), BAD_DEBT)
    lines = [sums for line, sums in found["balances"].items() if line[0] in codes]
    return -sum(int(posted) + int(pending) for posted, pending, _ in lines)


@FAMILIES
@WORLDS
def test_r2_collateral_that_was_used_is_missing_visibly(
    databases: TestDatabases, worlds: int, family: Family
) -> None:
    """Custody equals the chain to the unit, the hub bears the rest, and nobody else notices."""
    booked = 0
    for seed in range(SPENT_SEEDS[family], SPENT_SEEDS[family] + worlds):
        world = ReorgWorld(Random(seed), is_credit=False, family=family)
        with started(world, databases) as bench:
            grown(world, bench)
            spent = bench.available() - world.random.randint(0, 9)
            spend(bench, spent, nonce=99)
            violate(world)
            follow_below(world, bench)
            world.chain.finalize()
            bench.catch_up()
            found = image(bench)
            ours, theirs = custody(bench)
            assert ours == theirs, f"seed {seed}"
            assert bench.is_sound()
            with bench.store.read() as uow:
                open_deficits = uow.deficits.open(bench.chain_id)
            assert not open_deficits or bench.available() == 0
            assert all(deficit.account == SPENDER for deficit in open_deficits)
            booked += bool(open_deficits)
        with started(world, databases) as fresh:
            fresh.catch_up()
            plain = image(fresh)
        assert lines_of(found, OTHER) == lines_of(plain, OTHER)
        assert worth(found) == worth(plain) - spent
    assert booked > 0
