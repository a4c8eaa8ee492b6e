"""Observe: cursor, lease, finality and identity guard what is stored; odd logs are kept."""

import asyncio
from dataclasses import replace

import pytest

from chains.errors import (
    WrongChainError,
)
from relayer.errors import CursorMovedError, LeaseLostError
from relayer.steps.observe import ObserveLimits, observe, remember_chain
from relayer.steps.queues import RECONCILE
from relayer.store.leases import watch_lease_name
from relayer.store.observed_rows import EventFilter, EventState, LockConflictError
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import CHAIN_A, VAULT_A
from tests.relayer.steps.bookings import Bench, lock, malformed
from tests.simulated_chain import SimulatedChain


@pytest.fixture
def bench(store: Store) -> Bench:
    """A chain with a final genesis, not looked at yet."""
    return Bench(store, SimulatedChain(CHAIN_A))


@pytest.fixture
def quick_bench(quick_store: Store) -> Bench:
    """The same on one kind of database."""
    return Bench(quick_store, SimulatedChain(CHAIN_A))


def seen(bench: Bench, *states: EventState) -> list[bytes]:
    """Return the ids of the stored events in these states, or of all."""
    with bench.store.read() as uow:
        found = uow.chains.events(EventFilter(chain_id=bench.chain_id, states=states))
    return [stored.event_id for stored in found]


def on_chain(bench: Bench) -> list[bytes]:
    """Return the ids of the chain's events."""
    return [event.position.event_id for event in bench.chain.events]


def test_of_two_watchers_with_one_cursor_the_second_stores_nothing(bench: Bench) -> None:
    """Both read the same cursor; the one that commits later finds it moved."""
    bench.follow()
    bench.chain.mine(lock("one", 5))

    def overtake(method: str, height: int) -> None:
        if method == "events_in_block":
            bench.chain.fault = None
            with bench.store.unit_of_work() as uow:
                header = bench.chain.blocks[1].header
                events = bench.chain.blocks[1].events
                uow.chains.store_block(uow.chains.cursor(CHAIN_A), header, events, bench.lease())

    bench.chain.fault = overtake
    with pytest.raises(CursorMovedError):
        bench.look()

    assert seen(bench) == on_chain(bench)


def test_a_watcher_that_lost_its_lease_stores_nothing(bench: Bench) -> None:
    """Another process holds a newer token, whatever the slow one still has in its hands."""
    bench.follow()
    bench.chain.mine(lock("one", 5))
    lease = bench.lease()
    with bench.store.unit_of_work() as uow:
        uow.leases.release(lease)
        assert uow.leases.acquire(watch_lease_name(CHAIN_A), "watcher-2", 60) is not None

    with pytest.raises(LeaseLostError):
        bench.look()

    assert seen(bench) == []


@pytest.mark.parametrize("is_final", [True, False])
def test_a_malformed_log_is_kept_with_its_own_place(bench: Bench, is_final: bool) -> None:
    """Its block and its contract are what a person must look at; the others go on."""
    bench.chain.mine(malformed("broken"), lock("good", 5))
    bench.chain.mine_empty(3)
    if is_final:
        bench.chain.finalize()

    bench.follow()

    with bench.store.read() as uow:
        (kept,) = uow.chains.malformed(CHAIN_A)
    assert kept.block == bench.chain.blocks[1].header.block
    assert kept.contract == VAULT_A
    assert (kept.log_index, kept.reason) == (0, "shape")
    assert seen(bench) == on_chain(bench)


def test_one_lock_in_two_living_events_is_refused(quick_bench: Bench) -> None:
    """A vault counts its locks; a second event for one of them is forged."""
    quick_bench.follow()
    forged = quick_bench.chain.mine(lock("one", 5), lock("two", 5))
    double = replace(forged.events[1], lock_id=1)  # type: ignore[arg-type]
    quick_bench.chain.blocks[1] = replace(forged, events=(forged.events[0], double))

    with pytest.raises(LockConflictError):
        quick_bench.look()


def test_new_events_and_new_finality_ring_for_booking(bench: Bench) -> None:
    """Both change what the journal must say; a quiet round rings for nothing."""

    def is_rung() -> bool:
        with bench.store.read() as uow:
            due = uow.jobs.due_doorbells(uow.clock.now())
        return any(RECONCILE in pair for pair in due)

    bench.follow()
    was_rung = is_rung()
    bench.chain.mine(lock("one", 5))
    bench.follow()

    assert (was_rung, is_rung()) == (False, True)


def test_the_node_of_another_chain_is_refused(bench: Bench) -> None:
    """Its first block is not the stored one."""
    asyncio.run(remember_chain(bench.store, bench.chain))
    other = SimulatedChain(CHAIN_A)
    other.reorg(1, [], [])

    asyncio.run(remember_chain(bench.store, bench.chain))
    other.blocks.pop(0)

    with pytest.raises(WrongChainError):
        asyncio.run(remember_chain(bench.store, other))


def test_a_run_takes_no_more_than_its_limit(quick_bench: Bench) -> None:
    """Many blocks are several runs, so that lease and halt are looked at in between."""
    quick_bench.limits = ObserveLimits(0, 4, 50)
    quick_bench.follow()
    quick_bench.chain.mine_empty(10)

    observation = asyncio.run(
        observe(
            quick_bench.store,
            quick_bench.chain,
            limits=quick_bench.limits,
            lease=quick_bench.lease(),
        )
    )

    assert not observation.is_level
    assert observation.cursor.head == quick_bench.chain.blocks[4].header.block
