"""What the tasks of one process share: store, catalog, chain clients, doorbell."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from chains.port import Bridge, ChainReader
from chains.types import ChainId
from relayer import wiring, wiring_senders
from relayer.errors import InvariantError
from relayer.settings import Settings
from relayer.steps.carrier import AnyCarrier
from relayer.steps.catalog import Catalog
from relayer.steps.ports import GuardianDoor
from relayer.store.unit_of_work import Store
from relayer.worker.keeper import LeaseKeeper
from relayer.worker.link import BrokerLink
from relayer.worker.loop import LoopThread
from relayer.worker.turns import Turns


@dataclass
class WorkContext:
    """
    Built once per process; clients are made when first used.

    stopping is set when the process is to end: running steps finish, no job is claimed any more.
    broken holds what only a bug can cause; the process ends with it.
    """

    settings: Settings
    store: Store
    catalog: Catalog
    ring_due: Callable[[], None]
    holder: str = field(default_factory=wiring.process_name)
    stopping: threading.Event = field(default_factory=threading.Event)
    broken: InvariantError | None = None
    on_broken: Callable[[], None] = lambda: None
    turns: Turns = field(default_factory=Turns)
    _readers: dict[ChainId, ChainReader] = field(default_factory=dict)
    _carriers: dict[ChainId, AnyCarrier] = field(default_factory=dict)
    _guardians: tuple[GuardianDoor, ...] | None = None
    _loop: LoopThread | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.keeper = LeaseKeeper(self.store, self.settings.messages.lease_seconds)
        self.link = BrokerLink(self.settings.broker_url)

    @property
    def loop(self) -> LoopThread:
        """The loop that chain clients live on."""
        with self._lock:
            if self._loop is None:
                self._loop = LoopThread()
            return self._loop

    @property
    def guardians(self) -> tuple[GuardianDoor, ...]:
        """The guardians that are asked for signatures."""
        with self._lock:
            if self._guardians is None:
                self._guardians = wiring.guardian_doors(self.settings)
            return self._guardians

    def bridge(self, chain_id: ChainId) -> Bridge:
        """Return the bridge to a chain's contracts."""
        return wiring_senders.bridge(self.settings, self.reader(chain_id))

    def break_off(self, error: InvariantError) -> None:
        """End the process because of what only a bug can cause; the first one counts."""
        with self._lock:
            self.broken = self.broken or error
        self.stopping.set()
        self.on_broken()

    def cancel_steps(self) -> None:
        """Cancel what still asks a chain or a guardian; its job is due again at once."""
        with self._lock:
            loop = self._loop
        if loop is not None:
            loop.cancel_all()

    def reader(self, chain_id: ChainId) -> ChainReader:
        """Return the reader of a chain."""
        with self._lock:
            if chain_id not in self._readers:
                self._readers[chain_id] = wiring.chain_reader(self.settings, chain_id)
            return self._readers[chain_id]

    def carrier(self, chain_id: ChainId) -> AnyCarrier:
        """Return what carries messages to a chain; one per process, so that it may be locked."""
        with self._lock:
            if chain_id not in self._carriers:
                self._carriers[chain_id] = wiring_senders.carrier_of(
                    self.settings, self.bridge(chain_id), chain_id, self.holder
                )
            return self._carriers[chain_id]

    def close(self) -> None:
        """Give connections back."""
        self.keeper.close()
        self.link.close()
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            for reader in self._readers.values():
                loop.run(reader.close())
            for carrier in self._carriers.values():
                loop.run(carrier.sender.close())
                loop.run(carrier.pricer(is_urgent=True).close())
            loop.close()
        self.store.close()
