"""Drives a watcher without time: each wait is one round, and the test acts in between."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from chains.nodes import NodePool
from chains.port import ChainReader
from relayer.steps.observe import Observation
from relayer.steps.watch import Watch, watch
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import contract
from tests.relayer.steps.bookings import CATALOG, LIMITS
from tests.simulated_chain import SimulatedChain
from tests.simulated_feeds import SimulatedFeeds

POLL_SECONDS = 1.0
Round = Callable[[int], None]


@dataclass(slots=True)
class Rounds:
    """
    Drives a watcher without time: each wait is one round, and the test acts in between.

    Args:
        act: called with the number of the round after it; the watcher waits meanwhile.
        reader: what is watched instead of the chain, for example several nodes of it.
    """

    store: Store
    chain: SimulatedChain
    count: int
    act: Round = lambda number: None
    on_news: Callable[[Observation], Awaitable[None]] | None = None
    holder: str = "watcher-1"
    reader: ChainReader | None = None
    pool: NodePool | None = None
    feeds: SimulatedFeeds = field(default_factory=SimulatedFeeds)
    pauses: list[float] = field(default_factory=list)
    news: list[Observation] = field(default_factory=list)

    def __post_init__(self) -> None:
        for label in ("weth-usd", "usdc-usd"):
            self.feeds.set(contract(label), 10**8, updated_at_seconds=NOW)

    def run(self) -> None:
        """Watch for so many rounds."""
        asyncio.run(self._watch())

    async def _watch(self) -> None:
        stop = asyncio.Event()

        async def wait(seconds: float) -> None:
            self.pauses.append(seconds)
            await asyncio.to_thread(self.act, len(self.pauses))
            if len(self.pauses) >= self.count:
                stop.set()

        async def told(observation: Observation) -> None:
            self.news.append(observation)
            if self.on_news is not None:
                await self.on_news(observation)

        await watch(
            Watch(
                store=self.store,
                catalog=CATALOG,
                reader=self.chain if self.reader is None else self.reader,
                prices=self.feeds,
                limits=LIMITS,
                poll_seconds=POLL_SECONDS,
                holder=self.holder,
                wait=wait,
                on_news=told,
                pool=self.pool,
            ),
            stop,
        )
