"""Prove: a lock whose tokens did not come in is never credited."""

import pytest

from relayer.errors import NotYetError
from relayer.steps.countersign import countersign
from relayer.steps.observe import ObserveLimits
from relayer.store.observed_rows import Booked, EventState
from relayer.store.unit_of_work import Store
from tests.flaky_nodes import accusing, node_of
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.steps.bookings import Bench, lock
from tests.relayer.steps.second_readings import halt_reason
from tests.relayer.steps.world import SIGNATORY, SIGNED_UNLOCK, catalog_of_world, request_of
from tests.simulated_chain import SimulatedChain

FORGED_UNITS = 666


def forged_chain(*, is_final: bool) -> SimulatedChain:
    """Return a chain with a lock of 666 units that no token confirms, between two real ones."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine(lock("real", 10), lock("forged", FORGED_UNITS), lock("also real", 20))
    if is_final:
        chain.finalize()
    return node_of(chain, accusing(FORGED_UNITS))


@pytest.mark.parametrize("is_final", [False, True])
def test_r14_a_lock_without_movement_is_parked_and_its_chain_halted(
    store: Store, is_final: bool
) -> None:
    """In a final range and near the head; the real ones beside it are booked, and it is told."""
    bench = Bench(store, forged_chain(is_final=is_final))

    bench.follow()
    bench.book()

    counters = bench.margin()
    assert counters.credits_posted + counters.credits_pending == 30
    (parked,) = bench.parked()
    assert str(parked.parked_reason).startswith("movement_missing: lock 2 claims 666")
    assert "movement_missing" in str(halt_reason(bench))
    assert bench.told().count("movement.missing") == 1


def test_r14_a_parked_lock_stays_out_when_its_block_becomes_final(quick_store: Store) -> None:
    """An operator who lets the chain go on has not thereby credited it."""
    bench = Bench(quick_store, forged_chain(is_final=False))
    bench.follow()
    bench.book()
    with quick_store.unit_of_work() as uow:
        uow.chains.resume(CHAIN_A, "the token was looked at")

    bench.chain.finalize()
    bench.follow()
    bench.book()

    (parked,) = bench.parked()
    assert (parked.state, parked.booked) == (EventState.FINAL, Booked.PARKED)
    assert bench.custody() == 30
    assert bench.told().count("movement.missing") == 1


def test_r14_a_parked_lock_of_a_dead_branch_leaves_nothing_behind(quick_store: Store) -> None:
    """The reorg takes it away like any other event."""
    bench = Bench(quick_store, forged_chain(is_final=False))
    bench.follow()
    bench.book()

    bench.chain.reorg(1, [lock("real", 10)], [])
    bench.follow()
    bench.book()

    assert bench.parked() == ()
    assert bench.soft() == 10


def test_r14_log_mode_books_and_tells(quick_store: Store) -> None:
    """For the first weeks with a new kind of token: nobody is stopped, everything is shown."""
    limits = ObserveLimits(0, 50, 50, is_movement_enforced=False)
    bench = Bench(quick_store, forged_chain(is_final=True), limits=limits)

    bench.follow()
    bench.book()

    assert bench.custody() == 30 + FORGED_UNITS
    assert bench.parked() == ()
    assert halt_reason(bench) is None
    assert bench.told().count("movement.missing") == 1


def test_r14_a_guardian_refuses_by_itself(quick_store: Store) -> None:
    """Its own reading halts its own chain: whatever the hub says, it signs nothing more."""
    replica = catalog_of_world(is_replica=True)
    guardian = Bench(quick_store, forged_chain(is_final=True), catalog=replica)
    guardian.follow()
    guardian.book()

    with pytest.raises(NotYetError, match="movement_missing"):
        countersign(quick_store, replica, SIGNATORY, request_of(SIGNED_UNLOCK))

    assert guardian.custody() == 30
    with quick_store.read() as uow:
        assert uow.outbox.signatures(request_of(SIGNED_UNLOCK).message.message_id, 0) == {}
