"""Holes, forged locks and the lock counter on a real cluster, through a node that hides or lies."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from chains.agreement.board import Terms
from chains.agreement.reader import AgreeingReader
from chains.devnet.proxy import FaultProxy, Lie, on
from relayer.clock import FixedClock
from relayer.steps.fence import open_fence
from relayer.steps.reconcile import reconcile
from relayer.steps.recount import Recount, ScanMemory, recount, store_recount
from relayer.steps.reread import RereadLimits, second_reading, store_second_reading
from relayer.store.unit_of_work import Store
from tests.chains.solana.scenes import Scene, scene
from tests.databases import NOW, TestDatabases
from tests.devnet.following import LIMITS, lease_of, lock_counts, read_all
from tests.devnet.solana_follower import catalog_of

LOCKS = 6
SIGNATURES = "getSignaturesForAddress"


@pytest.fixture
def store(databases: TestDatabases) -> Iterator[Store]:
    """A migrated, empty store."""
    with databases.store("sqlite", FixedClock(NOW)) as made:
        yield made


@pytest.fixture
def world() -> Iterator[Scene]:
    """A cluster with some final locks, one a slot, some slots apart."""
    with scene() as made:
        made.net.advance(3)
        for number in range(LOCKS):
            made.lock(100 + number)
            made.net.skip(2)
            made.net.advance(3)
        made.finalize()
        yield made


def counts(store: Store, world: Scene) -> tuple[int, int]:
    """Return how many locks are stored, and how many were missed at first."""
    return lock_counts(store, world.net.chain_id, world.vault)


class Hiding:
    """Leaves signatures of some locks out of what a node lists, and nothing else."""

    def __init__(self, hidden: list[str]) -> None:
        self.hidden = set(hidden)

    def __call__(self, page: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the page without them."""
        return [entry for entry in page if entry["signature"] not in self.hidden]


def test_r3_a_second_node_fills_what_the_first_one_hid(store: Store, world: Scene) -> None:
    """Every second lock is not listed; the second reading brings it."""
    lease = lease_of(store, world.net.chain_id)
    limits = RereadLimits(observe=LIMITS, age_seconds=0)
    hiding = Hiding(world.sent[-LOCKS::2])

    async def act(url: str) -> int:
        liar, honest = world.reader(url), world.reader()
        await read_all(store, liar, lease)
        before, _ = counts(store, world)
        hiding.hidden.clear()
        first = AgreeingReader((liar, honest), Terms(2))
        while (found := await second_reading(store, first, honest, limits)) is not None:
            store_second_reading(store, found, limits, lease)
        await first.close()
        return before

    with FaultProxy(world.net.url, on(SIGNATURES, Lie(hiding))) as proxy:
        before = asyncio.run(act(proxy.rpc_url))

    assert (before, counts(store, world)) == (LOCKS // 2, (LOCKS, LOCKS // 2))


def test_r3_the_vaults_counter_finds_locks_that_every_range_hid(store: Store, world: Scene) -> None:
    """There are no old states to halve over: the gaps are read range by range."""
    lease = lease_of(store, world.net.chain_id)

    async def act(url: str) -> Recount:
        blind = world.reader(url)
        await read_all(store, blind, lease)
        await blind.close()
        honest = world.reader()
        memory = ScanMemory()
        while True:
            found = await recount(store, catalog_of(world), honest, limits=LIMITS, memory=memory)
            assert found is not None
            store_recount(store, found, LIMITS, lease)
            if found.is_equal:
                await honest.close()
                return found

    with FaultProxy(world.net.url, on(SIGNATURES, Lie(Hiding(world.sent[-LOCKS:])))) as proxy:
        found = asyncio.run(act(proxy.rpc_url))

    assert counts(store, world) == (found.lock_count, found.lock_count) == (LOCKS, LOCKS)


def unmoved(block: Any) -> Any:
    """Return a block in which no token balance changes."""
    if not isinstance(block, dict):
        return block
    for entry in block.get("transactions", []):
        meta = entry["meta"]
        meta["postTokenBalances"] = meta["preTokenBalances"]
    return block


def test_r14_a_lock_without_a_token_movement_is_never_credited(store: Store, world: Scene) -> None:
    """A node shows the vault's events and no tokens that came in: parked, and the chain halted."""
    lease = lease_of(store, world.net.chain_id)

    async def act(url: str) -> None:
        liar = world.reader(url)
        try:
            await read_all(store, liar, lease)
        finally:
            await liar.close()

    with FaultProxy(world.net.url, on("getBlock", Lie(unmoved))) as proxy:
        asyncio.run(act(proxy.rpc_url))

    reconcile(store, catalog_of(world), world.net.chain_id, fence=open_fence)
    with store.read() as uow:
        parked = uow.chains.parked_events()
        lines = uow.ledger.trial_balance()
        is_halted = uow.chains.is_halted(world.net.chain_id)
    reasons = {str(one.parked_reason).partition(":")[0] for one in parked}
    assert (len(parked), reasons, is_halted) == (LOCKS, {"movement_missing"}, True)
    assert not lines
