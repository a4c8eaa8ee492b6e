"""Whatever a chain goes through above its final block, the ledger is that of its last branch."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Final

import pytest

from chains.errors import TransientChainError
from tests.chain_families import Family
from tests.databases import TestDatabases
from tests.properties.reorg_worlds import (
    DEPTH_MAX,
    ReorgWorld,
    counts,
    detected,
    image,
    is_replaced,
    started,
)
from tests.relayer.steps.bookings import Bench

REORGS_PER_WORLD: Final = 20
SLOTS_BACK_MAX: Final = 31  # a confirmed block can go until its cluster roots it, 32 slots later
DEEPEST: Final = {Family.EVM: DEPTH_MAX, Family.SOLANA: SLOTS_BACK_MAX}
KINDS: Final = ("single", "single", "double", "nested", "return", "mid-poll", "finality")


@dataclass(slots=True)
class Tally:
    """
    What the suite went through, so that it cannot go through less unnoticed.

    vanished counts blocks whose height has none on the new branch, filled those that got one.
    """

    reorgs: int = 0
    unnoticed: int = 0
    deepest: int = 0
    vanished: int = 0
    filled: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


def depth_of(world: ReorgWorld) -> int:
    """Return how many blocks the next reorg replaces: mostly a few, at times all that may go."""
    deepest = DEEPEST[world.family]
    wanted = world.random.choice((2, 3, 3, 4, 8, 16, deepest))
    depth = wanted if wanted == deepest else world.random.randint(1, wanted)
    if world.family is Family.SOLANA:  # a cluster goes back by slots
        depth = world.chain.blocks_within(depth)
    return min(depth, world.unfinal)


def reorganise(world: ReorgWorld, tally: Tally) -> None:
    """Replace some blocks by fewer, as many or more."""
    depth = depth_of(world)
    gone = world.chain.blocks[-depth:] if depth else []
    left = world.chain.blocks[-depth - 1].header.block.height
    world.reorg(depth, world.random.randint(max(1, depth - 2), depth + 2))
    tally.reorgs += 1
    heights = {block.header.block.height for block in gone}
    top = max(heights, default=left)
    tally.deepest = max(tally.deepest, top - left if world.family is Family.SOLANA else depth)
    both = set(range(left + 1, min(top, world.chain.height) + 1))
    new = {block.header.block.height for block in world.chain.blocks}
    tally.vanished += len(both & heights - new)
    tally.filled += len(both & new - heights)


def under_the_reader(world: ReorgWorld, tally: Tally) -> None:
    """Let the chain reorganise itself while a poll is under way, before one of its answers."""
    left = [world.random.randint(1, 12)]

    def _fault(method: str, height: int) -> None:
        del method, height
        left[0] -= 1
        if left[0] == 0:
            reorganise(world, tally)

    world.chain.fault = _fault


def go_through(world: ReorgWorld, bench: Bench, tally: Tally) -> None:
    """Do one thing to the chain, poll once as a watcher does, and book at times."""
    kind = world.random.choice(KINDS)
    tally.kinds[kind] += 1
    world.grow(world.random.randint(0, 3))
    if world.unfinal == 0:
        world.grow(1)
    match kind:
        case "single" | "finality":
            reorganise(world, tally)
        case "double":
            reorganise(world, tally)
            reorganise(world, tally)
        case "nested":
            reorganise(world, tally)
            poll(bench, tally)
            reorganise(world, tally)
        case "return":
            old = list(world.chain.blocks)
            reorganise(world, tally)
            poll(bench, tally)
            bench.book()
            world.return_to(old)
        case "mid-poll":
            under_the_reader(world, tally)
            with suppress(TransientChainError):
                detected(bench)
            world.chain.fault = None
    if kind == "finality":
        settled = world.chain.height - world.random.randint(1, DEPTH_MAX)
        world.chain.finalize(max(world.chain.final_height, settled))
    poll(bench, tally)
    if world.random.random() < 0.5:
        bench.book()


def poll(bench: Bench, tally: Tally) -> None:
    """Poll once: if the stored head was replaced, this very poll must notice."""
    was_replaced = is_replaced(bench)
    noticed = detected(bench)
    if noticed:
        bench.go_back()
    tally.unnoticed += was_replaced and not noticed


def settle(bench: Bench, before: tuple[int, ...]) -> tuple[int, ...]:
    """Follow to the head and book; return the numbers of rows, none of which fell."""
    bench.catch_up()
    bench.check_entries()
    after = counts(bench)
    assert all(new >= old for new, old in zip(after, before, strict=True)), (before, after)
    return after


@pytest.mark.timeout(600)
@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize(
    "reorgs",
    [pytest.param(500, marks=pytest.mark.long), pytest.param(240, marks=pytest.mark.slow)],
)
def test_r1_reorgs_leave_what_a_fresh_index_of_the_last_branch_finds(
    databases: TestDatabases, reorgs: int, family: Family
) -> None:
    """Balances, living events, debts and grants: 0 differences; noticed at once; nothing gone."""
    tally = Tally()
    for seed in range(reorgs // REORGS_PER_WORLD):
        is_credit = seed % 2 == 1 and family is Family.EVM
        world = ReorgWorld(Random(seed), is_credit, family)
        world_reorgs = tally.reorgs
        with started(world, databases) as bench:
            rows = counts(bench)
            world.grow(world.random.choice((4, 8, 32, DEPTH_MAX)))
            while tally.reorgs < world_reorgs + REORGS_PER_WORLD:
                go_through(world, bench, tally)
                rows = settle(bench, rows) if world.random.random() < 0.3 else rows
            settle(bench, rows)
            found = image(bench)
            assert bench.is_sound()
        with started(world, databases) as fresh:
            fresh.catch_up()
            assert found == image(fresh), f"seed {seed}"
    assert tally.unnoticed == 0
    assert tally.reorgs >= reorgs
    assert tally.deepest >= DEEPEST[family]
    assert set(tally.kinds) == set(KINDS)
    assert (tally.vanished > 0, tally.filled > 0) == (family is Family.SOLANA,) * 2
