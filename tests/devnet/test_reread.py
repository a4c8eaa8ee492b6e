"""Holes, forged locks and the lock counter on a real chain, through a node that hides logs."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chains.agreement.board import Terms
from chains.agreement.reader import AgreeingReader
from chains.devnet.actors import ALICE
from chains.devnet.kit import WETH, Devnet
from chains.devnet.proxy import FaultProxy, Lie, on
from chains.evm.reader import EvmReader
from chains.types import TokenRef
from relayer.assets import Asset, AssetRegistry
from relayer.clock import FixedClock
from relayer.money import AssetId
from relayer.steps.catalog import Catalog
from relayer.steps.recount import Recount, ScanMemory, recount, store_recount
from relayer.steps.reread import RereadLimits, second_reading, store_second_reading
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.devnet.following import LIMITS, lease_of, lock_counts, read_all
from tests.devnet.letters import account_named
from tests.devnet.test_evidence import forged_lock
from tests.relayer.steps.bookings import CATALOG

LOCKS = 6


@pytest.fixture
def store(databases: TestDatabases) -> Iterator[Store]:
    """A migrated, empty store."""
    with databases.store("sqlite", FixedClock(NOW)) as made:
        yield made


def catalog_of(devnet: Devnet) -> Catalog:
    """Return a catalog with chain A's vault and its token."""
    chain_a = devnet.chain_a
    assert chain_a.vault is not None
    token = TokenRef(chain_a.chain_id, chain_a.tokens["WETH"])
    registry = AssetRegistry({token: Asset(AssetId("WETH"), 18)})
    return replace(CATALOG, assets=registry, vaults={chain_a.chain_id: chain_a.vault})


def lock_and_finalize(devnet: Devnet) -> None:
    """Lock a few times on chain A, and make it final."""
    chain_a = devnet.chain_a
    assert chain_a.vault is not None
    for number in range(LOCKS):
        account = account_named(f"reread {number}")
        chain_a.chain.lock(ALICE, chain_a.vault, account, chain_a.tokens["WETH"], WETH)
        chain_a.chain.mine(3)
    chain_a.chain.finalize()


def counts(store: Store, devnet: Devnet) -> tuple[int, int]:
    """Return how many locks are stored, and how many were missed at first."""
    chain_a = devnet.chain_a
    assert chain_a.vault is not None
    return lock_counts(store, chain_a.chain_id, chain_a.vault)


def hidden_half(logs: list[object]) -> list[object]:
    """Leave out every second log."""
    return logs[::2]


def test_r3_a_second_node_fills_what_the_first_one_hid(store: Store, devnet: Devnet) -> None:
    """Every second log of the first node's ranges is gone; the second reading brings it."""
    lock_and_finalize(devnet)
    chain_a = devnet.chain_a
    lease = lease_of(store, devnet.chain_a.chain_id)
    limits = RereadLimits(observe=LIMITS, age_seconds=0)

    async def act(url: str, proxy: FaultProxy) -> tuple[int, int]:
        liar = EvmReader(chain_a.chain_id, url, watched=chain_a.watched)
        honest = chain_a.reader()
        await read_all(store, liar, lease)
        before, _ = counts(store, devnet)
        proxy.rules.clear()
        first = AgreeingReader((liar, honest), Terms(2))
        while (found := await second_reading(store, first, honest, limits)) is not None:
            store_second_reading(store, found, limits, lease)
        await first.close()
        return before, counts(store, devnet)[0]

    with FaultProxy(chain_a.rpc_url, on("eth_getLogs", Lie(hidden_half))) as proxy:
        before, after = asyncio.run(act(proxy.rpc_url, proxy))

    on_chain = chain_a.chain.number(catalog_of(devnet).vaults[chain_a.chain_id], "lockCount()")
    assert before < after == on_chain
    assert counts(store, devnet)[1] == after - before


def test_r3_the_vaults_counter_finds_locks_that_every_range_hid(
    store: Store, devnet: Devnet
) -> None:
    """By halving over its old states to the very blocks, which are then read by hash."""
    lock_and_finalize(devnet)
    chain_a = devnet.chain_a
    lease = lease_of(store, devnet.chain_a.chain_id)

    async def act(url: str) -> Recount:
        blind = EvmReader(chain_a.chain_id, url, watched=chain_a.watched)
        await read_all(store, blind, lease)
        await blind.close()
        honest = chain_a.reader()
        while True:
            found = await recount(
                store, catalog_of(devnet), honest, limits=LIMITS, memory=ScanMemory()
            )
            assert found is not None
            store_recount(store, found, LIMITS, lease)
            if found.is_equal:
                await honest.close()
                return found

    with FaultProxy(chain_a.rpc_url, on("eth_getLogs", Lie(lambda _: []))) as proxy:
        found = asyncio.run(act(proxy.rpc_url))

    assert counts(store, devnet) == (found.lock_count, found.lock_count)
    assert found.lock_count >= LOCKS


def test_r14_a_forged_lock_on_a_real_chain_is_parked(store: Store, anvil_binary: str) -> None:
    """Announced by code in the vault's place: never credited, and the chain is halted."""
    del anvil_binary
    with Devnet() as own:
        chain_a = own.chain_a
        assert chain_a.vault is not None
        forged_lock(own, chain_a.vault, chain_a.tokens["WETH"])
        chain_a.chain.finalize()
        lease = lease_of(store, own.chain_a.chain_id)

        async def act() -> None:
            reader = chain_a.reader()
            await read_all(store, reader, lease)
            await reader.close()

        asyncio.run(act())

    with store.read() as uow:
        (parked,) = uow.chains.parked_events()
        (halt,) = uow.chains.halts()
    assert str(parked.parked_reason).startswith("movement_missing")
    assert halt.chain_id == own.chain_a.chain_id
