"""A watcher without time: observe and rewind until level, over one reader."""

from dataclasses import dataclass, field

from chains.events import ObservedEvent
from chains.port import ChainReader
from relayer.steps.observe import Observation, ObserveLimits, observe, remember_chain
from relayer.steps.rewind import rewind
from relayer.store.chains import BranchError
from relayer.store.leases import Lease, watch_lease_name
from relayer.store.observed_rows import EventFilter, EventState
from relayer.store.unit_of_work import Store

ROUNDS_MAX = 200
LIMITS = ObserveLimits(start_height=0, blocks_per_run_max=50, finalized_span_max=50)
LEASE_SECONDS = 600


@dataclass(slots=True)
class Follower:
    """Follows one chain; rewound counts the blocks that went."""

    store: Store
    reader: ChainReader
    rewound: int = 0
    _lease: Lease | None = field(default=None)

    async def follow(self) -> Observation:
        """Observe until level with the heads, leaving dead branches on the way."""
        await remember_chain(self.store, self.reader)
        lease = self._held()
        for _ in range(ROUNDS_MAX):
            try:
                observation = await observe(self.store, self.reader, limits=LIMITS, lease=lease)
            except BranchError:
                self.rewound += await rewind(self.store, self.reader, lease=lease)
                continue
            if observation.is_level:
                return observation
        raise AssertionError(f"not level after {ROUNDS_MAX} rounds")

    def seen(self, *states: EventState) -> tuple[ObservedEvent, ...]:
        """Return the stored events in these states, in the order of the chain."""
        with self.store.read() as uow:
            stored = uow.chains.events(EventFilter(chain_id=self.reader.chain_id, states=states))
        return tuple(one.event for one in stored)

    def _held(self) -> Lease:
        if self._lease is None:
            with self.store.unit_of_work() as uow:
                name = watch_lease_name(self.reader.chain_id)
                self._lease = uow.leases.acquire(name, "follower", LEASE_SECONDS)
        assert self._lease is not None
        return self._lease
