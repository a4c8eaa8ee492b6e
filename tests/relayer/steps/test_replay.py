"""Final blocks read again: idempotent, beside a watcher, and only where nothing can go."""

import asyncio

import pytest

from chains.errors import FinalityViolationError
from relayer.errors import RefusedError
from relayer.steps.replay import Replayed, Span, replay
from relayer.store.unit_of_work import Store
from tests.chain_families import Slots
from tests.flaky_nodes import accusing, node_of
from tests.relayer.api.kit import CHAIN_A, contract
from tests.relayer.steps.bookings import CATALOG, Bench, lock
from tests.simulated_chain import SimulatedChain, fail_once


@pytest.fixture
def bench(store: Store) -> Bench:
    """A chain of three locks, final and booked, and a block that is not final."""
    chain = SimulatedChain(CHAIN_A)
    made = Bench(store, chain)
    for number in range(3):
        chain.mine(lock(f"lock {number}", 5))
    chain.finalize()
    made.catch_up()
    chain.mine(lock("young", 7))
    made.catch_up()
    return made


def read_again(bench: Bench, first: int = 0, last: int = 3, blocks_max: int = 2) -> Replayed:
    """Replay a range."""
    span = Span(first, last, blocks_max)
    shown: list[tuple[str, int, int]] = []
    found = asyncio.run(
        replay(bench.store, CATALOG, bench.chain, span, progress=lambda *done: shown.append(done))
    )
    assert shown[-1][1:] == (last - first + 1, last - first + 1)
    return found


def hide(bench: Bench, height: int) -> None:
    """Let the chain have had no log in a block while it was first read."""
    block = bench.chain.blocks[height]
    bench.chain.blocks[height] = type(block)(block.header, (), ())


def test_r20_a_replay_of_what_is_known_changes_nothing(bench: Bench) -> None:
    """Twice, beside the watcher that holds the lease: no entry, no event, no moved cursor."""
    before = bench.lines(), bench.kinds()
    with bench.store.read() as uow:
        cursor = uow.chains.cursor(CHAIN_A)

    for _ in range(2):
        found = read_again(bench)
        assert (found.seen, found.known, found.new) == (3, 3, 0)
        assert (found.unparked, found.booked, found.parked) == (0, 0, 0)

    assert (bench.lines(), bench.kinds()) == before
    with bench.store.read() as uow:
        assert uow.chains.cursor(CHAIN_A) == cursor
    assert bench.is_sound()


def test_r20_what_was_missed_is_stored_and_booked(store: Store) -> None:
    """A node that gave no logs the first time; the custody is whole afterwards."""
    bench = Bench(store, SimulatedChain(CHAIN_A))
    whole = bench.chain.mine(lock("missed", 5))
    bench.chain.mine(lock("seen", 7))
    hide(bench, 1)
    bench.chain.finalize()
    bench.catch_up()
    bench.chain.blocks[1] = whole
    assert bench.custody() == 7

    found = read_again(bench, 0, 2)

    assert (found.seen, found.new, found.booked) == (2, 1, 1)
    assert bench.custody() == 12
    assert read_again(bench, 0, 2).new == 0


def test_a_parked_event_is_tried_again(store: Store) -> None:
    """Unhealed it is parked again, and said to be."""
    bench = Bench(store, SimulatedChain(CHAIN_A))
    bench.chain.mine(lock("strange", 5, token=contract("strange token")))
    bench.chain.finalize()
    bench.catch_up()

    found = read_again(bench, 0, 1)

    assert (found.new, found.unparked, found.booked, found.parked) == (0, 1, 0, 1)
    assert len(bench.parked()) == 1


@pytest.mark.parametrize(
    ("first", "last", "code"), [(0, 4, "not_final"), (3, 2, "range"), (-1, 2, "range")]
)
def test_only_a_range_of_final_blocks_is_read(
    bench: Bench, first: int, last: int, code: str
) -> None:
    """Above them the watcher reads by hash, and rewinds."""
    with pytest.raises(RefusedError) as error:
        asyncio.run(
            replay(bench.store, CATALOG, bench.chain, Span(first, last, 5), progress=_silent)
        )

    assert error.value.code == code


def _silent(_what: str, _done: int, _total: int) -> None:
    return


def test_a_halted_chain_is_not_read(bench: Bench) -> None:
    """Whoever halted it must be heard first."""
    with bench.store.unit_of_work() as uow:
        uow.chains.halt(CHAIN_A, "finality violated")

    with pytest.raises(RefusedError, match="finality violated"):
        read_again(bench)


def test_a_chain_halted_meanwhile_takes_nothing(bench: Bench) -> None:
    """The halt is looked at again in the transaction that writes."""

    def halt(method: str, height: int) -> None:
        if method == "events_in_range":
            bench.chain.fault = None
            with bench.store.unit_of_work() as uow:
                uow.chains.halt(CHAIN_A, "just now")

    bench.chain.fault = halt

    with pytest.raises(RefusedError, match="just now"):
        read_again(bench)


def test_a_node_with_another_final_block_is_not_believed(bench: Bench) -> None:
    """Nothing of it is stored."""
    bench.chain.reorg(3, [], [], [lock("forged", 9)])

    with pytest.raises(FinalityViolationError):
        read_again(bench)
    assert bench.custody() == 15


def test_a_replay_that_broke_off_is_begun_again(bench: Bench) -> None:
    """What was read stays."""
    error = RuntimeError("cut")
    bench.chain.fault = fail_once("events_in_range", error, after=1)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="cut"):
        read_again(bench)

    assert read_again(bench).known == 3


def test_r14_a_forged_lock_that_no_node_shows_any_more_stays_parked(store: Store) -> None:
    """The operator replaced the lying node and resumed: the replay says nothing for the lock."""
    bench = Bench(store, SimulatedChain(CHAIN_A))
    bench.chain.mine(lock("real", 10))
    bench.chain.mine(lock("forged", 666))
    bench.chain.finalize()
    honest = bench.chain
    bench.chain = node_of(honest, accusing(666))
    bench.catch_up()
    assert bench.custody() == 10
    with store.unit_of_work() as uow:
        uow.chains.resume(CHAIN_A, "the lying node was replaced")
    bench.chain = honest
    hide(bench, 2)

    found = read_again(bench, 0, 2)

    assert (found.seen, found.unparked, found.booked) == (1, 0, 0)
    assert bench.custody() == 10
    assert len(bench.parked()) == 1


def test_r20_a_replay_over_heights_without_blocks_brings_what_was_missed(store: Store) -> None:
    """Ranges may begin, end and lie where no block is."""
    chain = SimulatedChain(CHAIN_A, slots=Slots(lambda: 3))
    made = Bench(store, chain)
    chain.mine(lock("known", 5))
    chain.mine(lock("missed", 7))
    chain.mine()
    whole = list(chain.blocks)
    chain.blocks[2] = type(whole[2])(whole[2].header, (), ())
    chain.finalize()
    made.catch_up()
    chain.blocks[2] = whole[2]

    found = read_again(made, first=1, last=11, blocks_max=2)

    assert (found.seen, found.new) == (2, 1)
    assert (made.available(), made.custody()) == (12, 12)
