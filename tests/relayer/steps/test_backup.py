"""Backup: second readings run beside the head, and the head never waits for them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from chains.errors import RpcAnswerError, RpcTimeoutError
from chains.port import ChainReader, EventRead
from relayer.clock import FixedClock
from relayer.steps.backup import RECOUNT_AFTER_BREAK_SECONDS, RECOUNT_SECONDS, Backup
from relayer.steps.observe import ObserveLimits
from relayer.steps.reread import RereadLimits
from relayer.steps.watch import Watch, watch
from relayer.store.holes import HoleKind
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.flaky_nodes import hiding, node_of
from tests.relayer.api.kit import CHAIN_A, contract
from tests.relayer.steps.bookings import CATALOG, Bench, lock, malformed
from tests.relayer.steps.long_chain import LongChain
from tests.relayer.steps.second_readings import (
    AT_ONCE,
    chain_ids,
    halt_reason,
    holes,
    reread_height,
    stored_ids,
)
from tests.simulated_chain import SimulatedChain, fail_once
from tests.simulated_feeds import SimulatedFeeds

BACKFILL_BLOCKS = 1_000_000
SPAN = 2_000
ROUNDS_MAX = 2_000


@dataclass(slots=True)
class Loop:
    """A watcher with a backup, driven round by round; act runs between two rounds."""

    store: Store
    reader: SimulatedChain
    seconds: tuple[ChainReader, ...]
    limits: RereadLimits = AT_ONCE
    rounds: int = 0
    pauses: list[float] = field(default_factory=list)

    def run(self, act: "Callable[[Loop], bool]") -> None:
        """Watch until act says that it has seen enough."""
        asyncio.run(self._run(act))

    async def _run(self, act: "Callable[[Loop], bool]") -> None:
        stop = asyncio.Event()
        feeds = SimulatedFeeds()
        for label in ("weth-usd", "usdc-usd"):
            feeds.set(contract(label), 10**8, updated_at_seconds=NOW)

        async def wait(seconds: float) -> None:
            self.rounds += 1
            self.pauses.append(seconds)
            assert self.rounds < ROUNDS_MAX
            if await asyncio.to_thread(act, self):
                stop.set()

        async def told(_observation: object) -> None:
            return

        await watch(
            Watch(
                store=self.store,
                catalog=CATALOG,
                reader=self.reader,
                prices=feeds,
                limits=self.limits.observe,
                poll_seconds=1.0,
                holder="watcher-1",
                wait=wait,
                on_news=told,
                backup=Backup(self.store, CATALOG, self.reader, self.seconds, self.limits),
            ),
            stop,
        )

    @property
    def stored_height(self) -> int:
        """The newest stored height."""
        with self.store.read() as uow:
            head = uow.chains.cursor(CHAIN_A).head
        return -1 if head is None else head.height


def lag_p99(lags: list[int]) -> int:
    """Return the lag that 99 of 100 polls do not exceed."""
    return sorted(lags)[len(lags) * 99 // 100]


@pytest.mark.slow
def test_r7_a_backfill_of_a_million_blocks_does_not_delay_the_head(quick_store: Store) -> None:
    """One new block a poll while all of the past is read again: head lag p99 <= 2 polls."""
    chain = LongChain(CHAIN_A, head=BACKFILL_BLOCKS, final=BACKFILL_BLOCKS)
    limits = RereadLimits(ObserveLimits(0, 50, SPAN), depth_blocks=100, age_seconds=10**9)
    bench = Bench(quick_store, chain, limits=ObserveLimits(0, 50, 100_000))
    bench.follow()
    chain.ranges.clear()
    second = LongChain(CHAIN_A, head=BACKFILL_BLOCKS, final=BACKFILL_BLOCKS)
    lags: list[int] = []

    def act(loop: Loop) -> bool:
        lags.append(chain.head - loop.stored_height)
        chain.head += 1
        chain.final += 1
        return (reread_height(bench) or 0) >= BACKFILL_BLOCKS - 100

    Loop(quick_store, chain, (second,), limits).run(act)

    assert sum(last - first + 1 for first, last in second.ranges) >= BACKFILL_BLOCKS - 100
    assert second.ranges[0] == (0, SPAN - 1)
    assert len(lags) >= BACKFILL_BLOCKS // SPAN
    assert lag_p99(lags) <= 2


def test_r7_a_second_node_that_hangs_costs_the_head_nothing(quick_store: Store) -> None:
    """Its question stays open for as long as it likes; each poll stores the newest block."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine_empty(5)
    chain.finalize()
    lags: list[int] = []

    class Hanging(SimulatedChain):
        async def events_in_range(self, first_height: int, last_height: int) -> EventRead:
            await asyncio.Event().wait()
            raise AssertionError("never")

    def act(loop: Loop) -> bool:
        lags.append(chain.height - loop.stored_height)
        chain.mine(lock(f"lock {loop.rounds}", 5))
        return loop.rounds == 30

    Loop(quick_store, chain, (Hanging(CHAIN_A),)).run(act)

    assert max(lags) <= 1


def test_r7_a_poisoned_log_does_not_keep_the_others_back(quick_store: Store) -> None:
    """Neither at the head nor in the second reading: each lock around it is booked."""
    chain = SimulatedChain(CHAIN_A)
    for number in range(10):
        chain.mine(lock(f"a{number}", 5), malformed(f"poison {number}"), lock(f"b{number}", 5))
    chain.finalize()
    missed = {chain.events[7].position.event_id}
    reader = node_of(chain, hiding(missed))
    bench = Bench(quick_store, reader)
    lags: list[int] = []

    def act(loop: Loop) -> bool:
        lags.append(reader.height - loop.stored_height)
        if loop.rounds == 2:
            missed.clear()
        reader.mine(malformed(f"late poison {loop.rounds}"), lock(f"late {loop.rounds}", 5))
        return (reread_height(bench) or 0) >= 10

    Loop(quick_store, reader, (node_of(reader),)).run(act)
    bench.follow()
    bench.book()

    assert stored_ids(bench) == chain_ids(bench)
    assert bench.parked() == ()
    assert max(lags[1:]) <= 1


def test_r3_a_watcher_finds_a_hole_by_itself(store: Store) -> None:
    """The loop does what its parts do: hidden at first, stored and told some rounds later."""
    chain = SimulatedChain(CHAIN_A)
    for number in range(4):
        chain.mine(lock(f"lock {number}", 5))
    chain.finalize()
    hidden = {chain.events[2].position.event_id}
    reader = node_of(chain, hiding(hidden))
    bench = Bench(store, reader)

    def act(loop: Loop) -> bool:
        if loop.rounds == 1:
            hidden.clear()
        return bool(holes(bench, HoleKind.MISSED))

    Loop(store, reader, (node_of(chain),)).run(act)

    assert stored_ids(bench) == chain_ids(bench)
    assert bench.told().count("hole.found") == 1


def test_r3_a_shortfall_that_nobody_can_fill_is_a_break_and_asked_again_later(
    quick_store: Store, clock: FixedClock
) -> None:
    """Once told, it is looked for at a slower pace."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine(lock("one", 5), lock("two", 7))
    chain.finalize()
    reader = node_of(chain, hiding({chain.events[1].position.event_id}))
    bench = Bench(quick_store, reader)
    counted: list[int] = []

    def act(loop: Loop) -> bool:
        counted.append(sum(ask[0] == "vault_state" for ask in reader.asked))
        if loop.rounds in (20, 40):
            reader.mine()
            reader.finalize()
            clock.move(RECOUNT_SECONDS if loop.rounds == 20 else RECOUNT_AFTER_BREAK_SECONDS)
        return loop.rounds == 60

    Loop(quick_store, reader, (reader,)).run(act)

    assert bench.told().count("break.found") == 1
    assert counted[19] == counted[39] < counted[-1]
    assert halt_reason(bench) is None


def test_r3_a_denied_event_halts_the_watcher(quick_store: Store) -> None:
    """Nothing more is read of the chain after the denial."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine(lock("one", 5))
    chain.finalize()
    hidden: set[bytes] = set()
    reader = node_of(chain, hiding(hidden))
    bench = Bench(quick_store, reader)

    def act(loop: Loop) -> bool:
        if loop.rounds == 1:
            hidden.update(chain_ids(bench))
        return halt_reason(bench) is not None

    Loop(quick_store, reader, (reader,)).run(act)

    assert holes(bench, HoleKind.UNCONFIRMED) == 1


@pytest.mark.parametrize(
    "error",
    [
        RpcTimeoutError(chain_id=CHAIN_A, method="eth_getLogs"),
        RpcAnswerError(chain_id=CHAIN_A, method="eth_getLogs", reason="test"),
    ],
)
def test_a_second_node_that_fails_is_asked_again(
    quick_store: Store, error: RpcTimeoutError | RpcAnswerError
) -> None:
    """The head's pace stays; the range is read in the end."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine_empty(5)
    chain.finalize()
    second = node_of(chain)
    second.fault = fail_once("events_in_range", error)
    bench = Bench(quick_store, chain)
    loop = Loop(quick_store, chain, (second,))

    loop.run(lambda _loop: reread_height(bench) == 5)

    assert set(loop.pauses[1:]) <= {1.0}


def test_the_first_reader_reads_twice_where_there_is_no_other(quick_store: Store) -> None:
    """One node, at two times."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine_empty(5)
    chain.finalize()
    bench = Bench(quick_store, chain)

    Loop(quick_store, chain, ()).run(lambda _loop: reread_height(bench) == 5)

    ranges = [ask[1:] for ask in chain.asked if ask[0] == "events_in_range"]
    assert ranges == [(0, 5), (0, 5)]
