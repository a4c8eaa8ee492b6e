"""Recover: only an operator goes below a final block; planned first, in one transaction."""

import asyncio

import pytest

from chains.errors import RpcTimeoutError, WrongChainError
from relayer.clock import FixedClock
from relayer.errors import CursorMovedError, LeaseLostError, NotYetError, RefusedError
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.steps.recover import (
    LEASE_SECONDS,
    check_resumable,
    recover,
    release_watch,
    take_watch,
)
from relayer.store.engine import engine_of
from relayer.store.leases import watch_lease_name
from relayer.store.observed_rows import EventFilter, EventState
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, CHAIN_B
from tests.relayer.steps.bookings import LIQUIDATOR, Bench, leave, lock, unlock_message
from tests.relayer.steps.recovering import ORDER, halt, planned, refused, stored, violated
from tests.relayer.steps.rounds import Rounds
from tests.relayer.steps.world import SIGNATORY, SIGNED_UNLOCK, request_of, settled_world
from tests.simulated_chain import SimulatedChain, fail_once


@pytest.fixture
def bench(store: Store) -> Bench:
    """A final lock at 1, one at 3, and one at 4 that is only seen."""
    return stored(store)


@pytest.fixture
def quick_bench(quick_store: Store) -> Bench:
    """The same on SQLite."""
    return stored(quick_store)


def unresumable(bench: Bench) -> str:
    """Return the code with which resuming is refused."""
    with pytest.raises(RefusedError) as caught:
        asyncio.run(check_resumable(bench.store, bench.chain))
    return caught.value.code


def test_r2_a_plan_shows_what_goes_and_changes_nothing(bench: Bench) -> None:
    """The newest block that both have stays; all above goes, final or not."""
    violated(bench)
    before = bench.balances()

    plan = planned(bench)

    assert plan.target == bench.chain.blocks[1].header.block
    assert (plan.checkpoints_count, plan.events_count, plan.entries) == (3, 2, (1, 1))
    assert [found.event.account for found in plan.events] == [LIQUIDATOR, ACCOUNT]
    assert plan.shortfalls == ()
    assert bench.balances() == before


def test_r2_a_recovery_reverses_what_was_final_and_reads_the_new_branch(bench: Bench) -> None:
    """By linked entries; nothing is deleted, the chain stays halted, and who and why are kept."""
    violated(bench)

    recovery = recover(bench.store, planned(bench), lease=bench.lease(), order=ORDER)
    waiting = unresumable(bench)
    bench.book()

    assert (bench.available(), bench.soft(LIQUIDATOR), bench.custody()) == (5, 0, 5)
    kinds = bench.kinds()
    assert kinds[-2:] == ["lock.reverted", "lock.reversed"]
    with bench.store.read() as uow:
        (gone,) = [e for e in uow.ledger.entries(after_seq=0, limit=99) if e.entry.reversal_of]
        reversed_entry = uow.ledger.entry(gone.entry.reversal_of or b"")
        (halted,) = uow.chains.halts()
        assert uow.recoveries.recoveries(CHAIN_A) == (recovery,)
    assert reversed_entry is not None
    assert reversed_entry.entry.kind == "lock.final"
    assert waiting == "entries_waiting"
    assert "ann: two nodes" in halted.reason
    assert "chain.recovered" in bench.told()
    asyncio.run(check_resumable(bench.store, bench.chain))
    bench.chain.finalize()
    bench.catch_up()
    assert (bench.available(), bench.custody()) == (12, 12)
    assert bench.is_sound()


def test_r2_two_branches_of_final_blocks_are_recovered_one_after_the_other(bench: Bench) -> None:
    """The second recovery goes over blocks that the first one made room for."""
    for depth in (2, 4):
        violated(bench, depth)
        recover(bench.store, planned(bench), lease=bench.lease(), order=ORDER)
        bench.catch_up()
        bench.chain.finalize()
        bench.catch_up()
        with bench.store.unit_of_work() as uow:
            uow.chains.resume(CHAIN_A, "recovered")

    units = sum(getattr(event, "units", 0) for event in bench.chain.events)
    assert bench.custody() == units
    assert bench.is_sound()


def test_an_exit_above_a_lock_is_taken_back_before_it(quick_bench: Bench) -> None:
    """The account had spent what goes, and got it back as the exit goes too: nothing is short."""
    bench = quick_bench
    bench.chain.mine(leave("exit", 12))
    bench.chain.finalize()
    bench.catch_up()
    violated(bench, 4)

    plan = planned(bench)
    recover(bench.store, plan, lease=bench.lease(), order=ORDER)
    bench.book()

    assert plan.shortfalls == ()
    assert (bench.available(), bench.custody()) == (5, 5)
    assert "deficit.booked" not in bench.kinds()


def test_what_was_used_is_planned_booked_and_owed(bench: Bench) -> None:
    """The margin goes to zero, the rest is bad debt, and the account's next lock pays it back."""
    message = unlock_message(10)
    bench.compose(message)
    violated(bench)

    plan = planned(bench)
    recover(bench.store, plan, lease=bench.lease(), order=ORDER)
    bench.book()
    short = (bench.available(), bench.units("bad_debt"), bench.custody())
    bench.chain.finalize()
    bench.catch_up()

    assert [(found.account, found.units) for found in plan.shortfalls] == [(ACCOUNT, 5)]
    assert short == (0, 5, 5)
    assert (bench.available(), bench.units("bad_debt"), bench.custody()) == (2, 0, 12)
    assert [kind for kind in bench.kinds() if kind.startswith("deficit")] == [
        "deficit.booked",
        "deficit.cured",
    ]
    assert {"deficit.booked", "deficit.cured"} <= set(bench.told())
    assert bench.is_sound()


def test_a_chain_that_never_was_is_taken_back_as_a_whole(quick_bench: Bench) -> None:
    """No stored block is on it but the first, which the chain's identity names."""
    bench = quick_bench
    violated(bench, 4)

    plan = planned(bench)
    recover(bench.store, plan, lease=bench.lease(), order=ORDER)
    bench.catch_up()

    assert plan.target is None  # the first final range kept its last block only
    assert bench.custody() == 0
    assert bench.soft() == 7


def test_an_operator_may_go_lower_than_the_chain_demands(quick_bench: Bench) -> None:
    """A block that a lying node made up counts no more; a true one comes back as it was."""
    bench = quick_bench
    halt(bench, "two events claim one lock")
    plan = planned(bench, to_height=2)

    recover(bench.store, plan, lease=bench.lease(), order=ORDER)
    bench.book()
    low = bench.available()
    bench.catch_up()

    assert plan.target == bench.chain.blocks[2].header.block
    assert (low, bench.available(), bench.soft(LIQUIDATOR)) == (5, 12, 11)
    assert bench.kinds().count("lock.reversed") == 1
    assert bench.is_sound()


def test_where_no_block_is_stored_the_next_lower_one_is_taken(quick_store: Store) -> None:
    """A final range keeps its last block only."""
    bench = Bench(quick_store, SimulatedChain(CHAIN_A))
    bench.chain.mine_empty(5)
    bench.chain.finalize()
    bench.follow()
    bench.chain.mine_empty(10)
    bench.chain.finalize()
    with bench.store.unit_of_work() as uow:
        cursor = uow.chains.cursor(CHAIN_A)
        uow.chains.store_finalized_range(cursor, (), bench.chain.blocks[15].header, bench.lease())
    bench.chain.reorg(3, [], [], [], [])
    halt(bench)

    assert planned(bench).target == bench.chain.blocks[5].header.block


def test_what_is_no_violation_is_refused(quick_bench: Bench) -> None:
    """Each refusal has its code, and none changes anything."""
    bench = quick_bench
    running = refused(bench)
    halt(bench)
    assert (running, refused(bench)) == ("not_halted", "no_violation")
    assert refused(bench, to_height=99) == "not_on_chain"
    assert refused(bench, to_height=4) == "not_below_final"
    bench.chain.seen_height = 2
    assert refused(bench) == "node_behind"
    with bench.store.read() as uow:
        assert uow.chains.events(EventFilter(states=(EventState.ORPHANED,))) == ()


def test_nothing_stored_is_nothing_to_recover(quick_store: Store) -> None:
    """A chain may be halted before it was ever read."""
    bench = Bench(quick_store, SimulatedChain(CHAIN_A))
    halt(bench)

    assert refused(bench) == "nothing_stored"
    asyncio.run(check_resumable(quick_store, bench.chain))


def test_the_node_of_another_chain_proves_nothing(quick_bench: Bench) -> None:
    """All its blocks differ, and yet nothing was replaced."""
    bench = quick_bench
    halt(bench)
    with bench.store.unit_of_work() as uow:
        uow.chains.remember_identity(CHAIN_A, CHAIN_A, b"\x01" * 32)

    with pytest.raises(WrongChainError):
        planned(bench)


def test_resuming_is_refused_while_the_violation_stands(quick_bench: Bench) -> None:
    """Another block, a missing one, or a node that does not answer: none is a reason to go on."""
    bench = quick_bench
    asyncio.run(check_resumable(bench.store, bench.chain))
    bench.chain.seen_height = 2
    missing = unresumable(bench)
    bench.chain.seen_height = None
    violated(bench)

    assert (missing, unresumable(bench)) == ("finality_violated", "finality_violated")
    bench.chain.fault = fail_once(
        "header_at", RpcTimeoutError(chain_id=CHAIN_A, method="eth_getBlockByNumber")
    )
    with pytest.raises(RpcTimeoutError):
        asyncio.run(check_resumable(bench.store, bench.chain))


def test_the_watcher_cannot_move_meanwhile(store: Store, clock: FixedClock) -> None:
    """The lease is the watcher's until it lets go; a plan over a cursor that moved is dropped."""
    bench = stored(store)
    violated(bench)
    plan = planned(bench)
    with pytest.raises(NotYetError, match="watcher_running"):
        take_watch(store, CHAIN_A, "recover")
    clock.move(LEASE_SECONDS)

    lease = take_watch(store, CHAIN_A, "recover")
    with pytest.raises(LeaseLostError):
        recover(store, plan, lease=bench.lease(), order=ORDER)
    recover(store, plan, lease=lease, order=ORDER)
    with pytest.raises(CursorMovedError):
        recover(store, plan, lease=lease, order=ORDER)
    release_watch(store, lease)

    assert take_watch(store, CHAIN_A, "another") != lease


def test_r2_a_violation_stops_signing_and_survives_a_restart(
    store: Store, catalog: Catalog
) -> None:
    """Detected, it stops this chain and every signature; other chains are read on."""
    settled_world(store)
    chain_a, chain_b = SimulatedChain(CHAIN_A), SimulatedChain(CHAIN_B)

    def replace_final(number: int) -> None:
        if number == 2:
            chain_a.mine(lock("one", 5))
            chain_a.finalize()
        if number == 4:
            chain_a.reorg(1, [lock("forged", 500)], [])

    fresh = engine_of(store.engine.url.render_as_string(hide_password=False))
    restarted = Store(fresh, store.clock)
    start_over(store)
    Rounds(store, chain_a, 6, act=replace_final).run()
    Rounds(restarted, chain_a, 2, holder="watcher-2").run()
    other = Rounds(restarted, chain_b, 2, holder="watcher-3")
    other.run()

    with restarted.read() as uow:
        assert [halted.chain_id for halted in uow.chains.halts()] == [CHAIN_A]
    assert other.news
    for _ in range(3):
        with pytest.raises(NotYetError, match="chain_halted"):
            countersign(restarted, catalog, SIGNATORY, request_of(SIGNED_UNLOCK))
    restarted.close()


def start_over(store: Store) -> None:
    """Forget the blocks that the world made up: these chains have their own."""
    for chain_id in (CHAIN_A, CHAIN_B):
        with store.unit_of_work() as uow:
            held = uow.leases.lease(watch_lease_name(chain_id))
            assert held is not None
            uow.chains.halt(chain_id, "another chain of the test begins")
            uow.recoveries.recover(uow.chains.cursor(chain_id), None, held, ORDER)
            uow.chains.resume(chain_id, "begun")
            uow.leases.release(held)
