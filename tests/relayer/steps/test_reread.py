"""Reread: what the first reading missed is found, reported once, and believed only by quorum."""

from dataclasses import replace
from random import Random

import pytest

from chains.errors import FinalityViolationError
from chains.events import CollateralLocked, EventPosition
from chains.types import BlockRef
from relayer.clock import FixedClock
from relayer.errors import RefusedError
from relayer.steps.dead_letters import dead_letter, put_back
from relayer.steps.observe import ObserveLimits
from relayer.steps.reread import RereadLimits
from relayer.store.holes import HoleKind
from relayer.store.observed_rows import LockConflictError
from relayer.store.unit_of_work import Store
from tests.chain_families import Family, Slots
from tests.databases import NOW, TestDatabases
from tests.flaky_nodes import accusing, hiding, inventing, losing, node_of
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, VAULT_A, WETH_A, contract
from tests.relayer.steps.bookings import LIMITS, Bench, lock, malformed
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

BLOCKS = 30
LOCKS_PER_BLOCK = 3


def lossy_world(store: Store, seed: int, family: Family) -> tuple[Bench, Backups, int]:
    """Return a chain read for the first time by a node that loses logs, and what it cost."""
    chain = chain_of(family, CHAIN_A, Random(seed))
    first = node_of(chain, losing(seed))
    bench = Bench(store, first, limits=ObserveLimits(0, 50, 7))
    for number in range(BLOCKS):
        chain.mine(*(lock(f"{number}/{at}", 5) for at in range(LOCKS_PER_BLOCK)))
        if number == BLOCKS // 2:
            first.finalize(chain.height)
            bench.follow()  # the older half by ranges
    bench.follow()  # the newer half block by block
    first.finalize(chain.height)
    bench.follow()
    missed = len(chain_ids(bench) - stored_ids(bench))
    seconds = (node_of(first, losing(1_000 + seed)), node_of(first, losing(2_000 + seed)))
    return bench, Backups(bench, first, seconds), missed


def check_lossy(store: Store, seed: int, family: Family) -> int:
    """Fail unless two passes find every lock; return how many the first reading had missed."""
    bench, backups, missed = lossy_world(store, seed, family)

    backups.whole_pass()
    backups.whole_pass()

    assert stored_ids(bench) == chain_ids(bench), seed
    assert holes(bench, HoleKind.MISSED) == missed, seed
    assert bench.told().count("hole.found") == missed, seed
    assert holes(bench, HoleKind.UNCONFIRMED) == 0, seed
    assert halt_reason(bench) is None, seed
    bench.book()
    assert bench.custody() == 5 * BLOCKS * LOCKS_PER_BLOCK, seed
    assert bench.is_sound(), seed
    return missed


@pytest.mark.timeout(600)
@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize(
    "seeds", [pytest.param(60, marks=pytest.mark.long), pytest.param(20, marks=pytest.mark.slow)]
)
def test_r3_every_lock_is_in_the_ledger_within_two_passes(
    databases: TestDatabases, seeds: int, family: Family
) -> None:
    """Nodes lose 1 % of all logs and cut 2 % of all answers; each hole counts once."""
    missed = 0

    for seed in range(seeds):
        with databases.store("sqlite", FixedClock(NOW)) as store:
            missed += check_lossy(store, seed, family)

    assert missed > seeds  # or the faults would have tested nothing


@pytest.mark.services
@pytest.mark.parametrize("family", Family)
def test_r3_the_same_on_postgresql(databases: TestDatabases, family: Family) -> None:
    """The other database finds and counts the same."""
    missed = 0

    for seed in range(3):
        with databases.store("postgresql", FixedClock(NOW)) as store:
            missed += check_lossy(store, seed, family)

    assert missed > 0


@pytest.fixture
def bench(store: Store) -> Bench:
    """A chain with three locks in final blocks, the second one hidden at the first reading."""
    chain = SimulatedChain(CHAIN_A)
    for number in range(3):
        chain.mine(lock(f"lock {number}", 10 + number))
    chain.finalize()
    hidden = {chain.events[1].position.event_id}
    made = Bench(store, node_of(chain, hiding(hidden)))
    made.follow()
    made.book()
    hidden.clear()
    return made


def test_r3_a_hole_is_stored_as_final_and_booked_and_told_once(bench: Bench) -> None:
    """The owner gets what was missed; a further pass finds nothing."""
    backups = Backups(bench, bench.chain, (node_of(bench.chain),))
    before = bench.available()

    backups.read()
    bench.book()
    backups.whole_pass()

    assert (before, bench.available()) == (10 + 12, 10 + 11 + 12)
    assert bench.told().count("hole.found") == 1
    assert holes(bench, HoleKind.MISSED) == 1
    assert reread_height(bench) == 3


def test_r3_an_event_that_one_node_invents_is_disputed_and_not_stored(bench: Bench) -> None:
    """The range stays due, so another node is asked, whose reading agrees with the first."""
    block = bench.chain.blocks[2].header.block
    position = EventPosition(CHAIN_A, block, b"\x07" * 32, 9, VAULT_A)
    forged = CollateralLocked(position, 77, ACCOUNT, WETH_A, ACCOUNT, 10**24, 10**24)
    liar = node_of(bench.chain, inventing(forged))
    backups = Backups(bench, bench.chain, (liar, node_of(bench.chain)))

    backups.read()
    after_liar = reread_height(bench)
    backups.read()

    assert (after_liar, reread_height(bench)) == (None, 3)
    assert stored_ids(bench) == chain_ids(bench)
    assert holes(bench, HoleKind.DISPUTED) == 1
    assert halt_reason(bench) is None


def test_r3_an_event_that_one_node_overlooks_is_disputed_and_stays(bench: Bench) -> None:
    """The first reader is asked again, and its word stays."""
    overlooked = {bench.chain.events[0].position.event_id}
    backups = Backups(bench, bench.chain, (node_of(bench.chain, hiding(overlooked)),))

    backups.whole_pass()

    assert holes(bench, HoleKind.DISPUTED) == 1
    assert bench.told().count("event.unconfirmed") == 0
    assert stored_ids(bench) == chain_ids(bench)
    assert halt_reason(bench) is None


def test_r3_an_event_that_all_nodes_deny_later_halts_the_chain(store: Store) -> None:
    """It was forged, or the first answer wrong: parked, flagged, told, and never silent."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine(lock("real", 10))
    chain.mine()
    chain.finalize()
    position = EventPosition(CHAIN_A, chain.blocks[2].header.block, b"\x07" * 32, 0, VAULT_A)
    forged = CollateralLocked(position, 2, ACCOUNT, WETH_A, ACCOUNT, 10**24, 10**24)
    bench = Bench(store, node_of(chain, inventing(forged)))
    bench.follow()
    honest = node_of(bench.chain)
    backups = Backups(bench, honest, (honest,))

    backups.read()
    bench.book()

    assert "deny" in str(halt_reason(bench))
    assert bench.told().count("event.unconfirmed") == 1
    assert holes(bench, HoleKind.UNCONFIRMED) == 1
    (parked,) = bench.parked()
    assert str(parked.parked_reason).startswith("denied_by_quorum")
    assert bench.available() == 10


def test_r3_a_denied_event_is_told_once_and_an_operator_can_go_on(store: Store) -> None:
    """After the chain is resumed the range is done and nothing halts it again."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine(lock("gone", 10))
    chain.finalize()
    bench = Bench(store, node_of(chain))
    bench.follow()
    denying = node_of(chain, hiding(chain_ids(bench)))
    backups = Backups(bench, denying, (denying,))
    backups.read()
    with store.unit_of_work() as uow:
        uow.chains.resume(CHAIN_A, "compared with an explorer")

    backups.read()

    assert reread_height(bench) == 1
    assert bench.told().count("event.unconfirmed") == 1
    assert halt_reason(bench) is None


def test_r3_a_lock_denied_before_it_was_booked_is_not_put_back_by_a_word(store: Store) -> None:
    """Parked for another reason first: the denial counts, and only a reading heals it."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine(lock("gone", 10, token=contract("strange token")))
    chain.finalize()
    bench = Bench(store, node_of(chain))
    bench.catch_up()
    denying = node_of(chain, hiding(chain_ids(bench)))

    Backups(bench, denying, (denying,)).read()

    (parked,) = bench.parked()
    assert str(parked.parked_reason).startswith("denied_by_quorum")
    with store.unit_of_work() as uow, pytest.raises(RefusedError, match="relayer replay"):
        letter = dead_letter(uow, "event:0x" + parked.event_id.hex())
        put_back(uow, letter, reason="my word", taken_by="ops")


def test_r3_an_event_that_came_back_and_is_denied_again_halts_again(store: Store) -> None:
    """It was told once before; that does not make the second denial silent."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine(lock("gone", 10))
    chain.finalize()
    bench = Bench(store, node_of(chain))
    bench.catch_up()
    hidden = chain_ids(bench)
    denying = node_of(chain, hiding(hidden))
    backups = Backups(bench, denying, (denying,))
    backups.read()
    with store.unit_of_work() as uow:
        uow.chains.resume(CHAIN_A, "an explorer has it")
        uow.chains.unpark(next(iter(hidden)))

    backups.read()

    assert "deny" in str(halt_reason(bench))
    assert len(bench.parked()) == 1


def test_a_replaced_final_block_is_a_finality_violation(bench: Bench) -> None:
    """The second reading notices what the head no longer looks at."""
    other = SimulatedChain(CHAIN_A)
    other.mine()
    other.reorg(1, (), (), (), ())
    other.finalize()

    with pytest.raises(FinalityViolationError):
        Backups(bench, other, (other,)).read()


def emptied(store: Store) -> tuple[Bench, SimulatedChain]:
    """Return a bench with a final lock at 3, and a node on whose chain height 3 is empty."""
    chain = SimulatedChain(CHAIN_A, slots=Slots(lambda: 0))
    chain.mine()
    other = node_of(chain)
    other.blocks = list(chain.blocks)
    chain.mine(lock("gone", 10), gap=1)
    for one, gap in ((chain, 0), (other, 5)):
        one.mine(gap=gap)
        one.finalize()
    bench = Bench(store, chain)
    bench.follow()
    return bench, other


def test_r2_a_final_block_whose_height_is_empty_now_is_a_finality_violation(store: Store) -> None:
    """There is no other block to be compared with, and the one below has another height."""
    bench, other = emptied(store)

    with pytest.raises(FinalityViolationError, match="final block 3"):
        Backups(bench, other, (other,)).read()


def test_r3_an_event_where_the_first_reader_has_no_block_is_disputed(store: Store) -> None:
    """The block below is not read for it, and the range stays due for another node."""
    chain = SimulatedChain(CHAIN_A, slots=Slots(lambda: 0))
    chain.mine(lock("true", 5))
    chain.mine(gap=5)
    chain.finalize()
    bench = Bench(store, chain)
    bench.follow()
    block = BlockRef(4, b"\x09" * 32)
    position = EventPosition(CHAIN_A, block, b"\x07" * 64, 0, VAULT_A)
    forged = CollateralLocked(position, 2, ACCOUNT, WETH_A, ACCOUNT, 99, 99)
    chain.asked.clear()

    Backups(bench, chain, (node_of(chain, inventing(forged)),)).read()

    assert holes(bench, HoleKind.DISPUTED) == 1
    assert reread_height(bench) is None
    assert stored_ids(bench) == chain_ids(bench)
    assert "events_in_block" not in [ask[0] for ask in chain.asked]


def test_a_missed_lock_with_the_id_of_a_stored_one_is_a_conflict(store: Store) -> None:
    """One of the two is forged; nothing is stored."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine(lock("real", 10))
    chain.mine()
    chain.finalize()
    position = EventPosition(CHAIN_A, chain.blocks[2].header.block, b"\x07" * 32, 0, VAULT_A)
    forged = CollateralLocked(position, 1, ACCOUNT, WETH_A, ACCOUNT, 99, 99)
    real_id = chain.events[0].position.event_id
    bench = Bench(store, node_of(chain, lambda read: inventing(forged)(hiding({real_id})(read))))
    bench.follow()
    seeing_both = node_of(chain, inventing(forged))

    with pytest.raises(LockConflictError):
        Backups(bench, seeing_both, (seeing_both,)).read()


def test_r14_a_hole_without_a_token_movement_is_parked(bench: Bench) -> None:
    """What the second reading finds is held to the same rule."""
    accuser = node_of(bench.chain, accusing(11))
    backups = Backups(bench, accuser, (accuser,))

    backups.read()
    bench.book()

    assert bench.available() == 10 + 12
    assert bench.told().count("movement.missing") == 1
    assert "movement_missing" in str(halt_reason(bench))


def test_a_range_is_due_by_depth_or_by_age(quick_store: Store, clock: FixedClock) -> None:
    """Whichever comes first; before that nothing is asked."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine_empty(30)
    chain.finalize()
    bench = Bench(quick_store, chain, limits=ObserveLimits(0, 50, 10))
    bench.follow()
    limits = RereadLimits(observe=LIMITS, depth_blocks=25, age_seconds=600)
    backups = Backups(bench, chain, (chain,), limits)

    backups.read()
    by_depth = reread_height(bench)
    nothing = backups.read()
    clock.move(600)
    backups.read()

    assert by_depth == 5
    assert nothing is None
    assert reread_height(bench) == 30


def test_a_first_run_above_the_start_height_is_read_again_from_where_it_began(
    quick_store: Store,
) -> None:
    """A start above the final head begins at that head; its events are read twice as well."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine_empty(4)
    chain.mine(lock("early", 5))
    chain.finalize()
    bench = Bench(quick_store, chain, limits=ObserveLimits(99, 50, 50))
    bench.follow()
    limits = replace(AT_ONCE, observe=bench.limits)
    backups = Backups(bench, chain, (chain,), limits)

    backups.read()

    assert ("events_in_range", 5, 5) in chain.asked[-3:]
    assert reread_height(bench) == 5


def test_an_unreadable_log_is_kept_once(quick_store: Store) -> None:
    """The second reading of a log that the first one reported adds nothing; a new one is added."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine(malformed("broken"), lock("good", 5))
    chain.finalize()
    blind = node_of(chain, lambda read: replace(read, malformed=()))
    bench = Bench(quick_store, blind)
    bench.follow()
    backups = Backups(bench, chain, (chain,))

    backups.read()
    with quick_store.read() as uow:
        kept = uow.chains.malformed(CHAIN_A)

    assert len(kept) == 1
    assert reread_height(bench) == 1
