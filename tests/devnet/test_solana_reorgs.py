"""Rollbacks of a real cluster: what the ledger holds is what a fresh index of the node finds."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

import pytest

from chains.devnet.rpc import DevnetError
from chains.errors import TransientChainError
from relayer.clock import FixedClock
from relayer.steps.compare import compare
from relayer.steps.fence import open_fence
from tests.chains.solana.scenes import ACCOUNT, OTHER_ACCOUNT, Scene, scene
from tests.databases import NOW, TestDatabases
from tests.devnet.following import Follower
from tests.devnet.solana_follower import USDC_ID, followed, head_of

SLOTS_BACK_MAX: Final = 31
ROLLBACKS_PER_WORLD: Final = 20
KINDS: Final = ("single", "single", "double", "nested", "restart")


@dataclass(slots=True)
class Tally:
    """What the suite went through, so that it cannot go through less unnoticed."""

    rollbacks: int = 0
    unnoticed: int = 0
    deepest: int = 0
    gone: int = 0
    again: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class World:
    """A cluster that changes its mind, followed by one watcher."""

    random: Random
    scene: Scene
    follower: Follower
    tally: Tally

    def grow(self, slots: int) -> None:
        """Let slots pass; some are empty, some have locks, some have no block."""
        for _ in range(slots):
            while self.random.random() < 0.3:
                account = self.random.choice((ACCOUNT, OTHER_ACCOUNT))
                self.scene.lock(self.random.randint(1, 999), self.random.randrange(2), account)
            if self.random.random() < 0.15:
                self.scene.net.skip(self.random.randint(1, 9))
            else:
                self.scene.net.advance()

    def roll_back(self) -> None:
        """Take back some slots; what stood in them may land elsewhere, or the slots stay empty."""
        wanted = self.random.choice((1, 2, 3, 4, 8, 16, SLOTS_BACK_MAX))
        slots = wanted if wanted == SLOTS_BACK_MAX else self.random.randint(1, wanted)
        ledger = self.scene.net.ledger
        lowest = self.scene.net.slot - slots
        dropped = {name for name, landed in ledger.landed.items() if landed.slot > lowest}
        try:
            self.scene.net.rollback(
                slots,
                is_including_again=self.random.random() < 0.5,
                is_refilling=self.random.random() < 0.5,
            )
        except DevnetError:
            return  # it would take back a final slot
        self.tally.gone += len(dropped - set(ledger.landed))
        self.tally.again += len(dropped & set(ledger.landed))
        self.tally.rollbacks += 1
        self.tally.deepest = max(self.tally.deepest, slots)
        self.grow(self.random.randint(2, 5))
        self.scene.net.advance(2)  # what is new is confirmed

    def poll(self) -> None:
        """Poll once: if the stored head was replaced, this very poll must notice."""
        head = self.follower.head()
        assert head is not None
        block = self.scene.net.ledger.block_of(head.height)
        was_replaced = block is None or block.block_hash != head.block_hash
        noticed = False
        with suppress(TransientChainError):
            noticed = asyncio.run(self.follower.poll())
        self.tally.unnoticed += was_replaced and not noticed

    def go_through(self) -> None:
        """Do one thing to the cluster, poll once, and book at times."""
        kind = self.random.choice(KINDS)
        self.tally.kinds[kind] += 1
        self.grow(self.random.randint(0, 6))
        self.roll_back()
        if kind == "nested":
            self.poll()
        if kind in ("double", "nested"):
            self.roll_back()
        if kind == "restart":  # a process that knows nothing goes on with what is stored
            fresh = self.scene.reader()
            place = replace(self.follower.place, reader=lambda: fresh)
            self.follower = replace(self.follower, place=place)
        self.poll()
        if self.random.random() < 0.5:
            self.follower.catch_up()


def check_custody(follower: Follower, world: Scene) -> None:
    """Fail unless the vault has to the unit what the ledger says, at the final block."""
    reader = world.reader()

    async def compared() -> list[bool]:
        found = await compare(follower.store, follower.catalog, reader, fence=open_fence)
        await reader.close()
        return [custody.is_equal for custody in found]

    assert asyncio.run(compared()) == [True, True]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "rollbacks",
    [pytest.param(200, marks=pytest.mark.long), pytest.param(40, marks=pytest.mark.slow)],
)
def test_r1_rollbacks_of_a_cluster_leave_what_a_fresh_index_finds(
    databases: TestDatabases, rollbacks: int
) -> None:
    """Balances and living events: 0 differences; each noticed by the next poll; custody equal."""
    tally = Tally()
    clock = FixedClock(NOW)
    for seed in range(rollbacks // ROLLBACKS_PER_WORLD):
        random = Random(seed)
        with (
            scene() as made,
            databases.store("sqlite", clock) as store,
            databases.store("sqlite", clock) as empty,
        ):
            made.net.advance(40)
            world = World(random, made, followed(store, made), tally)
            world.follower.catch_up()
            done = tally.rollbacks + ROLLBACKS_PER_WORLD
            while tally.rollbacks < done:
                world.go_through()
            world.follower.catch_up()
            fresh = followed(empty, made)
            fresh.catch_up()
            assert world.follower.head() == fresh.head() == head_of(made), f"seed {seed}"
            assert world.follower.image() == fresh.image(), f"seed {seed}"
            made.finalize()
            for follower in (world.follower, fresh):
                follower.catch_up()
                check_custody(follower, made)
            assert world.follower.image() == fresh.image(), f"seed {seed}"
    assert tally.unnoticed == 0
    assert tally.rollbacks >= rollbacks
    assert tally.deepest == SLOTS_BACK_MAX
    assert tally.gone > 0 < tally.again
    assert set(tally.kinds) == set(KINDS)


def test_r24_a_lock_is_credited_by_the_poll_after_its_level_is_reached(
    databases: TestDatabases,
) -> None:
    """Not while it is only processed; as soft once confirmed; for good once final."""
    with scene() as world, databases.store("sqlite", FixedClock(NOW)) as store:
        world.net.advance(40)
        follower = followed(store, world)
        follower.catch_up()
        slot = world.slot_of(world.lock(700, mint=1))
        found = []
        for level in ("processed", "confirmed", "finalized"):
            while int(world.net.ask("getSlot", {"commitment": level})) < slot:
                world.net.advance()
            asyncio.run(follower.poll())
            follower.book()
            found.append(
                (follower.soft(ACCOUNT, USDC_ID), follower.available(ACCOUNT, USDC_ID)),
            )

    assert found == [(0, 0), (700, 0), (0, 700)]
