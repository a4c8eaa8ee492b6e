"""Watch: one chain in a loop under one lease; faults are logged and survived, violations halt."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from chains.errors import RpcTimeoutError, WrongChainError
from chains.types import BlockHeader, BlockRef
from relayer.clock import FixedClock
from relayer.errors import InvariantError
from relayer.steps.observe import Observation
from relayer.steps.watch import LEASE_SECONDS, Watch, watch
from relayer.store.leases import watch_lease_name
from relayer.store.observed_rows import EventFilter
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import CHAIN_A, contract
from tests.relayer.steps.bookings import CATALOG, LIMITS, Bench, lock
from tests.relayer.steps.rounds import POLL_SECONDS, Rounds
from tests.simulated_chain import SimulatedChain, fail_once

ROUNDS_MAX = 10


@pytest.fixture
def chain() -> SimulatedChain:
    """A chain with a final genesis."""
    return SimulatedChain(CHAIN_A)


def events_stored(store: Store) -> int:
    """Return how many events are stored."""
    with store.read() as uow:
        return len(uow.chains.events(EventFilter()))


def is_halted(store: Store) -> bool:
    """Return whether the chain is halted."""
    with store.read() as uow:
        return uow.chains.is_halted(CHAIN_A)


def timeout() -> RpcTimeoutError:
    """Return what a silent node raises."""
    return RpcTimeoutError(chain_id=CHAIN_A, method="test")


def test_a_watcher_follows_its_chain_and_tells(store: Store, chain: SimulatedChain) -> None:
    """New blocks are stored round by round; the lease is given back at the end."""
    rounds = Rounds(store, chain, 3, act=lambda number: void(chain.mine(lock(str(number), 5))))

    rounds.run()

    assert events_stored(store) == 2
    assert [news.events for news in rounds.news] == [0, 1, 1]
    assert rounds.pauses == [POLL_SECONDS] * 3
    with store.read() as uow:
        assert uow.leases.lease(watch_lease_name(CHAIN_A)) is None
        assert uow.prices.latest("weth-usd") is not None
        assert uow.prices.latest("usdc-usd") is not None


def void(value: object) -> None:
    """Drop a value."""
    del value


def test_a_chain_that_is_behind_is_read_without_pauses(
    quick_store: Store, chain: SimulatedChain
) -> None:
    """Only a chain that is level waits for the next poll."""
    chain.mine_empty(120)
    rounds = Rounds(quick_store, chain, 3)

    rounds.run()

    assert rounds.pauses == [0.0, 0.0, POLL_SECONDS]


def test_a_reorg_is_left_at_once(store: Store, chain: SimulatedChain) -> None:
    """The round that finds it rewinds, the next one reads the new branch without a pause."""

    def act(number: int) -> None:
        if number == 1:
            chain.mine(lock("old", 5))
        if number == 2:
            chain.reorg(1, [lock("new", 5)], [])

    rounds = Rounds(store, chain, 4, act=act)
    rounds.run()

    assert rounds.pauses == [POLL_SECONDS, POLL_SECONDS, 0.0, POLL_SECONDS]
    assert events_stored(store) == 2


def test_a_reorg_below_the_final_block_halts_for_good(store: Store, chain: SimulatedChain) -> None:
    """Neither more rounds nor a new process read on; only an operator lets the chain go on."""

    def act(number: int) -> None:
        if number == 1:
            chain.mine(lock("one", 5))
            chain.finalize()
        if number == 2:
            chain.reorg(1, [lock("forged", 500)], [])
        if number == 4:
            chain.mine(lock("more", 7))

    Rounds(store, chain, 6, act=act).run()
    Rounds(store, chain, 3, holder="watcher-2").run()
    bench = Bench(store, chain)
    bench.book()

    assert is_halted(store)
    assert events_stored(store) == 1
    assert bench.available() == 5
    with store.unit_of_work() as uow:
        (halt,) = uow.chains.halts()
        assert "was replaced" in halt.reason
        uow.chains.resume(CHAIN_A, "the node was wrong")
    chain.blocks[1:] = []
    Rounds(store, chain, 1).run()
    assert not is_halted(store)


def test_two_events_for_one_lock_halt_the_chain(quick_store: Store, chain: SimulatedChain) -> None:
    """One of them is forged; nothing of the block is stored."""

    def act(number: int) -> None:
        if number == 1:
            block = chain.mine(lock("one", 5), lock("two", 5))
            double = replace(block.events[1], lock_id=1)  # type: ignore[arg-type]
            chain.blocks[1] = replace(block, events=(block.events[0], double))

    Rounds(quick_store, chain, 3, act=act).run()

    assert is_halted(quick_store)
    assert events_stored(quick_store) == 0


def test_a_watcher_starts_as_soon_as_its_node_answers(
    quick_store: Store, chain: SimulatedChain
) -> None:
    """A node that is silent or lies at the start is asked again."""
    chain.fault = fail_once("identity", timeout())
    rounds = Rounds(quick_store, chain, 2)

    rounds.run()

    assert rounds.pauses == [2.0, POLL_SECONDS]
    assert len(rounds.news) == 1


@pytest.mark.parametrize("fault", [ValueError("a bug"), KeyError("a bug"), OSError("disk")])
def test_an_unexpected_fault_is_logged_and_survived(
    quick_store: Store, chain: SimulatedChain, fault: Exception
) -> None:
    """With its traceback; the watcher goes on and misses nothing."""
    faults = [fault]

    async def told(observation: Observation) -> None:
        if faults:
            raise faults.pop()

    def act(number: int) -> None:
        chain.mine(lock(str(number), 5))

    with capture_logs() as logs:
        rounds = Rounds(quick_store, chain, 3, act=act, on_news=told)
        rounds.run()

    (logged,) = [one for one in logs if one["log_level"] == "error"]
    assert (logged["event"], logged["exc_info"]) == ("chain.unreadable", fault)
    assert rounds.pauses == [2.0, POLL_SECONDS, POLL_SECONDS]
    assert events_stored(quick_store) == 2


def test_a_database_that_is_away_is_a_warning(quick_store: Store, chain: SimulatedChain) -> None:
    """It comes back by itself: no person is called, and the log holds no statement."""
    faults = [OperationalError("SELECT secret", {}, OSError("closed"))]

    async def told(observation: Observation) -> None:
        if faults:
            raise faults.pop()

    with capture_logs() as logs:
        rounds = Rounds(quick_store, chain, 3, on_news=told)
        rounds.run()

    unread = [line for line in logs if line["event"].startswith("chain.unread")]
    assert [(line["log_level"], line["event"], line["reason"]) for line in unread] == [
        ("warning", "chain.unread", "OperationalError")
    ]
    assert rounds.pauses == [2.0, POLL_SECONDS, POLL_SECONDS]


def test_a_broken_invariant_ends_the_watcher_loudly(
    quick_store: Store, chain: SimulatedChain
) -> None:
    """No retry heals a bug; the error is logged, the lease is free for another process."""

    async def told(observation: Observation) -> None:
        raise InvariantError("sums differ")

    with capture_logs() as logs, pytest.raises(InvariantError):
        Rounds(quick_store, chain, 3, on_news=told).run()

    assert any(one["log_level"] == "error" and one["reason"] == "sums differ" for one in logs)
    with quick_store.read() as uow:
        assert uow.leases.lease(watch_lease_name(CHAIN_A)) is None


def test_the_node_of_another_chain_ends_the_watcher(
    quick_store: Store, chain: SimulatedChain
) -> None:
    """A setting is wrong; reading on would mix two chains."""
    Rounds(quick_store, chain, 1).run()
    other = SimulatedChain(CHAIN_A)
    other.mine()
    other.blocks.pop(0)

    with pytest.raises(WrongChainError):
        Rounds(quick_store, other, 1).run()


def test_prices_that_fail_do_not_keep_news_back(quick_store: Store, chain: SimulatedChain) -> None:
    """Events are booked although a feed does not answer."""
    rounds = Rounds(quick_store, chain, 2)
    rounds.feeds.answers[contract("weth-usd")] = timeout()

    rounds.run()

    assert len(rounds.news) == 2
    assert rounds.pauses == [2.0, 4.0]


def test_of_two_watchers_one_reads(store: Store, chain: SimulatedChain) -> None:
    """The other polls and takes over when the lease ran out."""
    with store.unit_of_work() as uow:
        taken = uow.leases.acquire(watch_lease_name(CHAIN_A), "watcher-2", LEASE_SECONDS)
    clock = store.clock
    assert taken is not None
    assert isinstance(clock, FixedClock)

    def act(number: int) -> None:
        if number == 2:
            clock.move(LEASE_SECONDS)

    rounds = Rounds(store, chain, 4, act=act)
    rounds.run()

    assert len(rounds.news) == 2
    assert rounds.pauses == [POLL_SECONDS] * 4


def test_a_lease_is_renewed_before_it_ends(quick_store: Store, chain: SimulatedChain) -> None:
    """The same token goes on for as long as the watcher runs."""
    tokens = []

    def act(number: int) -> None:
        clock = quick_store.clock
        assert isinstance(clock, FixedClock)
        clock.move(LEASE_SECONDS - 4)
        with quick_store.unit_of_work() as uow:
            lease = uow.leases.lease(watch_lease_name(CHAIN_A))
        assert lease is not None
        tokens.append(lease.token)

    rounds = Rounds(quick_store, chain, 4, act=act)
    rounds.run()

    assert tokens == [1, 1, 1, 1]
    assert len(rounds.news) == 4


def test_a_watcher_that_lost_its_lease_in_a_round_stores_nothing_more(
    store: Store, chain: SimulatedChain
) -> None:
    """Another process took it while this one was reading; it steps back and waits."""

    def steal(method: str, height: int) -> None:
        if method == "events_in_block":
            chain.fault = None
            with store.unit_of_work() as uow:
                held = uow.leases.lease(watch_lease_name(CHAIN_A))
                assert held is not None
                uow.leases.release(held)
                assert uow.leases.acquire(held.name, "watcher-2", 600) is not None

    def act(number: int) -> None:
        if number == 1:
            chain.mine(lock("one", 5))
            chain.fault = steal

    rounds = Rounds(store, chain, 4, act=act)
    rounds.run()

    assert events_stored(store) == 0
    assert rounds.pauses == [1.0, 2.0, 1.0, 1.0]
    with store.read() as uow:
        held = uow.leases.lease(watch_lease_name(CHAIN_A))
    assert held is not None
    assert held.holder == "watcher-2"


def test_a_node_that_disagrees_with_itself_is_not_asked_without_pause(
    quick_store: Store, chain: SimulatedChain
) -> None:
    """Its final block is of a branch that its headers are not on: wait, do not spin."""
    chain.mine_empty(6)
    forged = BlockHeader(BlockRef(3, b"\x03" * 32), bytes(32), NOW)

    def act(number: int) -> None:
        if number == 1:
            chain.claimed_final = forged

    rounds = Rounds(quick_store, chain, ROUNDS_MAX, act=act)
    rounds.run()

    assert rounds.pauses == [POLL_SECONDS] * ROUNDS_MAX
    assert not is_halted(quick_store)


def test_a_stop_before_the_first_round_reads_nothing(
    quick_store: Store, chain: SimulatedChain
) -> None:
    """Nothing is asked and nothing stored."""

    async def main() -> None:
        stop = asyncio.Event()
        stop.set()
        rounds = Rounds(quick_store, chain, 0)

        async def wait(seconds: float) -> None:
            raise AssertionError(f"waited {seconds}")

        async def told(observation: Observation) -> None:
            raise AssertionError(f"told {observation}")

        watcher = Watch(
            quick_store, CATALOG, chain, rounds.feeds, LIMITS, 1.0, "watcher-1", wait, told
        )
        await watch(watcher, stop)

    asyncio.run(main())

    assert chain.asked == []
