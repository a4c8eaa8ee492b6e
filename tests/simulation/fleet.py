"""The fleet: what each process does when it is its turn, with the real steps."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from chains.errors import WrongChainError
from chains.types import ChainId
from relayer.api.guardian import book
from relayer.errors import InvariantError
from relayer.steps.observe import Observation, ObserveLimits
from relayer.steps.watch import Watch, watch
from relayer.store.engine import DATABASE_ERRORS
from relayer.worker import processing, sweeper, tasks
from tests.simulation.context import Setup, SimulatedContext, context_of
from tests.simulation.guardians import Guardian, SimulatedDoor, Slot
from tests.simulation.inline import run_inline
from tests.simulation.nodes import Market, SimulatedFeeds, SimulatedNode
from tests.simulation.process import CrashError, Process, ViolationError

WORKS: Final = {work.kind: work for work in tasks.WORKS}
News = Callable[[Process, Observation], None]


@dataclass(slots=True)
class Fleet:
    """The hub's processes and the guardians."""

    setup: Setup
    market: Market
    limits: ObserveLimits
    watchers: tuple[Slot, ...]
    workers: tuple[Slot, ...]
    sweeper: Slot
    api: Slot
    guardians: tuple[Guardian, ...]
    current: tuple[str, str] | None = None
    _booked: dict[tuple[str, ChainId], object] = field(default_factory=dict)
    _contexts: dict[str, SimulatedContext] = field(default_factory=dict)

    def doors_of(self, process: Process) -> tuple[SimulatedDoor, ...]:
        """Return the guardians' doors as a process of the hub reaches them, by address."""
        doors = [SimulatedDoor(process, guardian) for guardian in self.guardians]
        return tuple(sorted(doors, key=lambda door: door.address))

    def watch_hub(self, slot: Slot, chain_id: ChainId) -> None:
        """Let a watcher of the hub do a round or two."""

        def _ring(process: Process, observation: Observation) -> None:
            del observation
            self.setup.broker.ring_due(process)

        self._watch(slot, self.setup.catalog.is_replica, chain_id, _ring)

    def watch_guardian(self, guardian: Guardian, chain_id: ChainId) -> None:
        """Let a guardian look at a chain; it books when there is another block, as it does."""

        def _book(process: Process, observation: Observation) -> None:
            place = (observation.cursor.head, observation.cursor.finalized)
            name = (process.name, chain_id)
            if self._booked.get(name) != place:
                book(process.store, guardian.catalog, chain_id)
                self._booked[name] = place

        self._watch(guardian.slot, guardian.catalog.is_replica, chain_id, _book)

    def _watch(self, slot: Slot, is_replica: bool, chain_id: ChainId, on_news: News) -> None:
        process = slot.process
        if chain_id in process.busy:
            return
        process.busy.add(chain_id)
        catalog = self.guardians[0].catalog if is_replica else self.setup.catalog
        stop, rounds = asyncio.Event(), [1 + process.around.chance.hits(200)]
        reader = SimulatedNode(process, self.setup.chains[chain_id])

        async def _wait(seconds: float) -> None:
            del seconds
            rounds[0] -= 1
            if rounds[0] <= 0:
                stop.set()
            process.wait_perhaps("the end of a round")

        async def _told(observation: Observation) -> None:
            on_news(process, observation)

        watcher = Watch(
            store=process.store,
            catalog=catalog,
            reader=reader,
            prices=SimulatedFeeds(process, self.market),
            limits=self.limits,
            poll_seconds=1.0,
            holder=process.name,
            wait=_wait,
            on_news=_told,
        )
        try:
            run_inline(watch(watcher, stop))
        except (WrongChainError, InvariantError) as exc:
            raise ViolationError("no_invariant_error", f"{process.name}: {exc}") from exc
        except DATABASE_ERRORS:
            pass  # the process waits and watches again
        except CrashError:
            pass
        finally:
            process.busy.discard(chain_id)

    def work(self, slot: Slot, pair: tuple[str, str]) -> None:
        """Let a worker answer a bell."""
        process = slot.process
        queue, kind = pair
        self.current = pair
        context = self._contexts.get(process.name)
        if context is None:
            context = context_of(process, self.setup, self.doors_of)
            self._contexts[process.name] = context
        try:
            processing.process_due(context, WORKS[kind], queue)
        except InvariantError as exc:
            raise ViolationError("no_invariant_error", f"{process.name}: {exc}") from exc
        except CrashError:
            pass

    def sweep(self, *, is_custody: bool = False, is_assess: bool = False) -> None:
        """Let the sweeper ring, and wind what no event winds."""
        process = self.sweeper.process
        try:
            if is_custody:
                sweeper._ring_custody(process.store, self.setup.catalog)
            if is_assess:
                sweeper._ring_assess(process.store)
            self.setup.broker.ring_due(process)
        except (CrashError, *DATABASE_ERRORS):
            return
