"""Rewind: back to the newest common block; final blocks never go, nothing is deleted."""

from collections.abc import Iterator
from itertools import count
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.errors import BlockGoneError, FinalityViolationError
from relayer.clock import FixedClock
from relayer.steps.observe import ObserveLimits
from relayer.store.chains import BranchError
from relayer.store.observed_rows import EventFilter, EventState
from relayer.store.unit_of_work import Store
from tests.chain_families import Family
from tests.databases import NOW, TestDatabases
from tests.relayer.api.kit import ACCOUNT, CHAIN_A
from tests.relayer.steps.bookings import LIQUIDATOR, Bench, leave, lock
from tests.simulated_chain import SimulatedChain, Tx, chain_of

EXAMPLES = {"sqlite": 25, "postgresql": 4}


@pytest.fixture
def bench(store: Store) -> Bench:
    """A chain with a final genesis."""
    return Bench(store, SimulatedChain(CHAIN_A))


def test_a_lock_that_a_reorg_drops_is_taken_back(bench: Bench) -> None:
    """The soft balance goes; the journal keeps both entries."""
    bench.chain.mine(lock("one", 5))
    bench.catch_up()
    before = bench.soft()

    bench.chain.reorg(1, [])
    bench.catch_up()

    assert (before, bench.soft(), bench.available()) == (5, 0, 0)
    assert bench.kinds() == ["lock.seen", "lock.reverted"]
    assert bench.told() == ["collateral.lock.seen", "collateral.lock.reverted"]
    assert bench.is_sound()


def test_a_lock_that_moves_to_another_block_counts_once(bench: Bench) -> None:
    """The same transaction in another block is another event."""
    bench.chain.mine(lock("one", 5))
    bench.chain.mine()
    bench.catch_up()

    bench.chain.reorg(2, [], [lock("one", 5)])
    bench.catch_up()
    soft = bench.soft()
    bench.chain.finalize()
    bench.catch_up()

    assert (soft, bench.soft(), bench.available(), bench.custody()) == (5, 0, 5, 5)
    assert bench.kinds() == ["lock.seen", "lock.reverted", "lock.seen", "lock.final"]


def test_a_lock_may_appear_in_a_block_that_was_empty(bench: Bench) -> None:
    """The empty block was stored, so its replacement is noticed."""
    bench.chain.mine_empty(3)
    bench.catch_up()

    bench.chain.reorg(3, [], [lock("late", 5)], [])
    bench.catch_up()

    assert bench.soft() == 5


def test_two_reorgs_within_one_poll_are_one_rewind(bench: Bench) -> None:
    """What stood on the branch in between is never known."""
    bench.chain.mine(lock("one", 5))
    bench.chain.mine(lock("two", 7))
    bench.catch_up()

    bench.chain.reorg(1, [lock("between", 9)], [])
    bench.chain.reorg(3, [lock("two", 7)], [], [lock("last", 11)], [])
    bench.catch_up()

    assert bench.soft() == 18
    assert bench.kinds().count("lock.reverted") == 2


def test_a_branch_that_comes_back_is_booked_again(bench: Bench) -> None:
    """The same event was taken back in the journal before; its new entries have other ids."""
    bench.chain.mine(lock("one", 5))
    bench.catch_up()
    old = list(bench.chain.blocks)
    for branch in range(2):
        bench.chain.reorg(bench.chain.height, [], [])
        bench.catch_up()
        assert bench.soft() == 0, branch
        bench.chain.blocks = list(old)
        bench.chain.mine_empty(2)
        bench.catch_up()
        assert bench.soft() == 5, branch

    bench.chain.finalize()
    bench.catch_up()

    assert bench.available() == 5
    assert bench.kinds().count("lock.seen") == 3
    assert bench.is_sound()


def test_a_branch_that_comes_back_before_it_was_booked_is_no_change(bench: Bench) -> None:
    """The journal never heard of the detour."""
    bench.chain.mine(lock("one", 5))
    bench.catch_up()
    old = list(bench.chain.blocks)
    bench.chain.reorg(1, [], [])
    bench.follow()
    bench.chain.blocks = list(old)
    bench.chain.mine_empty(2)

    bench.catch_up()

    assert (bench.soft(), bench.kinds()) == (5, ["lock.seen"])


def test_a_reorg_below_the_final_block_is_a_violation(bench: Bench) -> None:
    """Nothing is declared gone, whatever the node says."""
    bench.chain.mine(lock("one", 5))
    bench.chain.mine_empty(2)
    bench.chain.finalize()
    bench.chain.mine(lock("two", 7))
    bench.catch_up()

    bench.chain.reorg(4, [], [], [], [])

    with pytest.raises(BranchError):
        bench.look()
    with pytest.raises(FinalityViolationError):
        bench.go_back()
    with bench.store.read() as uow:
        gone = uow.chains.events(EventFilter(states=(EventState.ORPHANED,)))
    assert gone == ()
    assert (bench.available(), bench.soft()) == (5, 7)


def test_a_chain_that_lost_its_newest_blocks_goes_back_to_what_is_left(bench: Bench) -> None:
    """Blocks that the node no longer has are skipped; the common one below is found."""
    bench.chain.mine_empty(2)
    bench.chain.mine(lock("one", 5))
    bench.chain.mine_empty(3)
    bench.catch_up()

    bench.chain.reorg(5, [])
    bench.catch_up()

    assert bench.soft() == 0
    with bench.store.read() as uow:
        assert uow.chains.cursor(CHAIN_A).head == bench.chain.blocks[-1].header.block


def test_a_head_that_is_there_after_all_takes_nothing_back(bench: Bench) -> None:
    """Two nodes of one address disagreed for a moment."""
    bench.chain.mine(lock("one", 5))
    bench.catch_up()

    assert bench.go_back() == 0
    assert bench.soft() == 5


def test_a_node_without_the_final_block_proves_nothing(bench: Bench) -> None:
    """It is far behind; only another block at that height would be a violation."""
    bench.chain.mine_empty(4)
    bench.chain.finalize()
    bench.follow()
    bench.chain.seen_height = 1

    with pytest.raises(BlockGoneError):
        bench.go_back()


def test_a_deep_reorg_of_a_chain_with_slow_finality_is_followed(quick_store: Store) -> None:
    """A chain of quick blocks has thousands that are not final; all of them may go."""
    bench = Bench(quick_store, SimulatedChain(CHAIN_A))
    bench.limits = ObserveLimits(0, 2_000, 50)
    bench.chain.mine(lock("one", 5))
    bench.chain.mine_empty(1_100)
    bench.catch_up()

    bench.chain.reorg(1_101, [], [])
    bench.look_back()

    assert bench.soft() == 0


Action = tuple[str, int, tuple[int, ...]]
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["mine", "mine", "reorg", "reorg", "finalize", "poll", "book", "exit"]),
        st.integers(0, 5),
        st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple),
    ),
    max_size=14,
)


def transactions(names: Iterator[int], counts: tuple[int, ...]) -> list[list[Tx]]:
    """Return blocks with so many locks each, of two accounts."""
    blocks = []
    for locks in counts:
        block = []
        for _ in range(locks):
            number = next(names)
            account = ACCOUNT if number % 2 else LIQUIDATOR
            block.append(lock(f"lock {number}", 5 + number, account=account))
        blocks.append(block)
    return blocks


def exit_of_all(chain: SimulatedChain, name: int) -> list[Tx]:
    """Return an exit of everything that the account has on this branch, if it has anything."""
    units = sum(
        getattr(event, "units", 0) * (1 if hasattr(event, "lock_id") else -1)
        for event in chain.events
        if event.account == ACCOUNT
    )
    return [leave(f"exit {name}", units)] if units else []


def play(bench: Bench, actions: list[Action]) -> None:
    """Let chain and processes do these things in this order."""
    names = count()
    chain = bench.chain
    for name, number, counts in actions:
        unfinal = chain.unfinal
        match name:
            case "mine":
                for block in transactions(names, counts):
                    chain.mine(*block)
            case "exit":
                chain.mine(*exit_of_all(chain, next(names)))
            case "reorg":
                blocks = transactions(names, counts)
                chain.reorg(min(number, unfinal), *blocks)
            case "finalize":
                chain.finalize(chain.blocks[-1 - max(0, unfinal - number)].header.block.height)
            case "poll":
                bench.limits = ObserveLimits(0, 1 + number, 1 + len(counts))
                bench.follow()
            case _:
                bench.book()
                bench.check_entries()
    bench.catch_up()
    bench.check_entries()


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_balances_are_those_of_a_run_that_saw_only_the_last_branch(
    kind: str, databases: TestDatabases, family: Family
) -> None:
    """Whatever blocks, reorgs above the final block and batches came before; no entry is lost."""

    @settings(max_examples=EXAMPLES[kind])
    @given(actions=ACTIONS, seed=st.integers(0, 1_000))
    def check(actions: list[Action], seed: int) -> None:
        chain = chain_of(family, CHAIN_A, Random(seed))
        with databases.store(kind, FixedClock(NOW)) as first:
            bench = Bench(first, chain)
            play(bench, actions)
            balances = bench.balances()
            assert bench.parked() == ()
            assert bench.is_sound()
        with databases.store(kind, FixedClock(NOW)) as second:
            other = Bench(second, chain)
            other.catch_up()
            assert balances == other.balances()
            chain.finalize()
            other.catch_up()
            final = other.balances()
        held = sum(units for (code, *_), (units, *_) in final.items() if code[:5] == "vault")
        moved = [getattr(event, "units", 0) for event in chain.events]
        signs = [1 if hasattr(event, "lock_id") else -1 for event in chain.events]
        assert held == sum(sign * units for sign, units in zip(signs, moved, strict=True))

    check()
