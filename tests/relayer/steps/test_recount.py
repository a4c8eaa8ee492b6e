"""Recount: the vault's own counter finds what every reading of logs has missed."""

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from chains.errors import BlockGoneError, ChainError, RpcAnswerError
from chains.events import CollateralLocked, EventPosition
from relayer.steps.observe import ObserveLimits
from relayer.steps.recount import (
    LOCKS_PER_TURN_MAX,
    RANGES_PER_TURN_MAX,
    ScanMemory,
    recount,
    store_break,
)
from relayer.steps.reread import RereadLimits
from relayer.store.holes import HoleKind
from relayer.store.unit_of_work import Store
from tests.chain_families import Family
from tests.flaky_nodes import accusing, hiding, inventing, node_of
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, CHAIN_C, VAULT_A, WETH_A
from tests.relayer.steps.bookings import Bench, lock
from tests.relayer.steps.second_readings import (
    AT_ONCE,
    Backups,
    chain_ids,
    halt_reason,
    holes,
    reread_height,
    stored_ids,
)
from tests.simulated_chain import SimulatedChain, chain_of


@pytest.fixture
def chain() -> SimulatedChain:
    """Eight locks, 20 blocks apart, all final."""
    return spaced(Family.EVM)


@pytest.fixture(params=Family)
def any_chain(request: pytest.FixtureRequest) -> SimulatedChain:
    """The same, and one whose heights have gaps and whose old states are gone."""
    return spaced(request.param)


def spaced(family: Family) -> SimulatedChain:
    """Return a chain with eight locks, 20 blocks apart, all final."""
    made = chain_of(family, CHAIN_A, Random(7))
    for number in range(8):
        made.mine(lock(f"lock {number}", 10 + number))
        made.mine_empty(19)
    made.finalize()
    return made


def blind_bench(store: Store, chain: SimulatedChain, *hidden: int) -> Bench:
    """Return a bench whose first reading missed some of the chain's events."""
    ids = {chain.events[at].position.event_id for at in hidden}
    bench = Bench(store, node_of(chain, hiding(ids)))
    bench.follow()
    bench.book()
    ids.clear()
    return bench


@pytest.mark.parametrize("hidden", [(0,), (3,), (7,), (2, 3), (0, 4, 7), tuple(range(8))])
def test_r3_a_shortfall_is_found_by_the_ids_that_are_missing(
    store: Store, any_chain: SimulatedChain, hidden: tuple[int, ...]
) -> None:
    """The first, the last, neighbours, or all: each is stored as final, told and counted once."""
    bench = blind_bench(store, any_chain, *hidden)
    backups = Backups(bench, bench.chain, ())

    while not backups.count().is_equal:
        pass
    bench.book()

    assert stored_ids(bench) == chain_ids(bench)
    assert holes(bench, HoleKind.MISSED) == len(hidden)
    assert bench.told().count("hole.found") == len(hidden)
    assert bench.custody() == sum(range(10, 18))
    assert reread_height(bench) is None  # the second reading has still to come


def test_r3_the_block_of_a_missing_lock_is_found_by_halving(
    quick_store: Store, chain: SimulatedChain
) -> None:
    """Old states lead to the one block: no range is read for it."""
    bench = blind_bench(quick_store, chain, 4)
    bench.chain.asked.clear()

    Backups(bench, bench.chain, ()).count()

    asked = [ask[0] for ask in bench.chain.asked]
    assert "events_in_range" not in asked
    assert asked.count("events_in_block") == 1
    assert len(asked) < 16  # of 160 blocks


def forgetting(final_height: int, error: type[ChainError]) -> Callable[[str, int], None]:
    """Return a fault: a node that has no state below the final block."""

    def _fault(method: str, height: int) -> None:
        if method == "vault_state" and height < final_height:
            if error is BlockGoneError:
                raise BlockGoneError(chain_id=CHAIN_A, reference=str(height))
            raise RpcAnswerError(chain_id=CHAIN_A, method="eth_call", reason="no such view here")

    return _fault


def test_r3_without_old_states_the_gap_is_read_range_by_range(
    quick_store: Store, chain: SimulatedChain
) -> None:
    """A node that forgot its states still has its logs, and only the gap is read."""
    bench = blind_bench(quick_store, chain, 4)
    bench.chain.asked.clear()
    bench.chain.fault = forgetting(chain.height, BlockGoneError)

    found = Backups(bench, bench.chain, ()).count()

    assert found.is_searched
    assert stored_ids(bench) == chain_ids(bench)
    ranges = [ask[1:] for ask in bench.chain.asked if ask[0] == "events_in_range"]
    assert ranges == [(61, 101)]


def test_r3_states_that_mislead_are_checked_by_the_logs(
    quick_store: Store, chain: SimulatedChain
) -> None:
    """Where a node answers that there was no vault, the halving ends in a wrong block."""
    bench = blind_bench(quick_store, chain, 4)
    bench.chain.fault = forgetting(chain.height, RpcAnswerError)

    Backups(bench, bench.chain, ()).count()

    assert stored_ids(bench) == chain_ids(bench)


def test_r7_a_long_scan_goes_on_where_it_stopped(quick_store: Store) -> None:
    """A bounded number of ranges a turn, and none twice."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine(lock("first", 5))
    chain.mine_empty(5 * RANGES_PER_TURN_MAX)
    chain.mine(lock("second", 7))
    chain.finalize()
    bench = blind_bench(quick_store, chain, 1)
    bench.chain.asked.clear()
    bench.chain.fault = forgetting(chain.height, BlockGoneError)
    observe = ObserveLimits(0, 50, 3)
    backups = Backups(bench, bench.chain, (), RereadLimits(observe=observe))

    first, second = backups.count(), backups.count()

    assert (first.is_searched, second.is_searched) == (False, True)
    ranges = [ask[1:] for ask in bench.chain.asked if ask[0] == "events_in_range"]
    assert len(ranges) == len(set(ranges)) > RANGES_PER_TURN_MAX
    assert stored_ids(bench) == chain_ids(bench)


def test_many_gaps_are_searched_a_few_a_turn(quick_store: Store, chain: SimulatedChain) -> None:
    """The nodes are not flooded, and the next turn takes the next ones."""
    for number in range(16):
        chain.mine(lock(f"late {number}", 5))
    chain.finalize()
    bench = blind_bench(quick_store, chain, *range(1, 24, 2))
    backups = Backups(bench, bench.chain, ())

    first = backups.count()
    turns = 1
    while not backups.count().is_equal:
        turns += 1

    assert not first.is_searched
    assert len(first.found.events) <= LOCKS_PER_TURN_MAX
    assert turns == 3
    assert stored_ids(bench) == chain_ids(bench)


def test_r14_a_lock_that_the_vault_has_not_counted_halts_the_chain(store: Store) -> None:
    """More is stored than the vault gave out: one lock is forged, and the ledger holds it."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine(lock("real", 10))
    chain.mine()
    chain.finalize()
    position = EventPosition(CHAIN_A, chain.blocks[2].header.block, b"\x07" * 32, 0, VAULT_A)
    forged = CollateralLocked(position, 2, ACCOUNT, WETH_A, ACCOUNT, 99, 99)
    bench = Bench(store, node_of(chain, inventing(forged)))
    bench.follow()
    bench.book()

    found = Backups(bench, node_of(chain), ()).count()
    store_break(store, bench.catalog, found, bench.lease())
    store_break(store, bench.catalog, found, bench.lease())

    assert found.is_surplus
    assert "a lock is forged" in str(halt_reason(bench))
    assert bench.told().count("break.found") == 1
    with store.read() as uow:
        (kept,) = uow.breaks.open_breaks(CHAIN_A)
    assert (kept.difference.ledger_units, kept.difference.chain_units) == (109, 10)


def test_r3_a_forged_lock_does_not_make_up_for_a_missing_one(
    quick_store: Store, chain: SimulatedChain
) -> None:
    """The counts are equal, and the ids show both."""
    missing = {chain.events[3].position.event_id}
    position = EventPosition(CHAIN_A, chain.blocks[2].header.block, b"\x07" * 32, 0, VAULT_A)
    forged = CollateralLocked(position, 99, ACCOUNT, WETH_A, ACCOUNT, 99, 99)
    change = inventing(forged)
    bench = Bench(quick_store, node_of(chain, lambda read: change(hiding(missing)(read))))
    bench.limits = ObserveLimits(0, 50, 1_000)
    bench.follow()

    found = Backups(bench, node_of(chain), ()).count()

    assert found.stored.count == found.lock_count
    assert found.is_surplus
    assert missing <= stored_ids(bench)
    assert halt_reason(bench) is not None


def test_r3_a_shortfall_that_stays_is_a_break(
    quick_store: Store, any_chain: SimulatedChain
) -> None:
    """No node has the log any more: shown to a person, never repaired."""
    bench = blind_bench(quick_store, any_chain, 4)
    hidden = {any_chain.events[4].position.event_id}
    backups = Backups(bench, node_of(bench.chain, hiding(hidden)), ())

    found = backups.count()
    store_break(quick_store, bench.catalog, found, bench.lease())

    assert (found.is_equal, found.is_surplus, found.is_searched) == (False, False, True)
    assert bench.told().count("break.found") == 1
    assert halt_reason(bench) is None


def test_r14_a_missing_lock_without_a_token_movement_is_parked(
    quick_store: Store, any_chain: SimulatedChain
) -> None:
    """What the counter finds is held to the same rule; the count is right afterwards."""
    bench = blind_bench(quick_store, any_chain, 4)
    backups = Backups(bench, node_of(bench.chain, accusing(14)), ())

    backups.count()
    again = backups.count()
    bench.book()

    assert again.is_equal
    assert "movement_missing" in str(halt_reason(bench))
    assert bench.custody() == sum(range(10, 18)) - 14


def test_a_chain_without_a_vault_or_a_final_block_is_not_counted(quick_store: Store) -> None:
    """There is nothing to ask."""
    for chain_id in (CHAIN_A, CHAIN_C):
        bench = Bench(quick_store, SimulatedChain(chain_id))
        if chain_id == CHAIN_C:
            bench.follow()

        counted = asyncio.run(
            recount(
                quick_store,
                bench.catalog,
                bench.chain,
                limits=AT_ONCE.observe,
                memory=ScanMemory(),
            )
        )

        assert counted is None
