"""What the tasks of one process share: store, catalog, chain clients, doorbell."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from chains.port import Bridge, ChainReader, TransactionSender
from chains.types import ChainId
from relayer import wiring
from relayer.settings import Settings
from relayer.steps.catalog import Catalog
from relayer.steps.ports import GuardianDoor
from relayer.store.unit_of_work import Store
from relayer.worker.loop import LoopThread


@dataclass
class WorkContext:
    """Built once per process; clients are made when first used."""

    settings: Settings
    store: Store
    catalog: Catalog
    ring_due: Callable[[], None]
    holder: str = field(default_factory=wiring.process_name)
    _readers: dict[ChainId, ChainReader] = field(default_factory=dict)
    _senders: dict[ChainId, TransactionSender] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def loop(self) -> LoopThread:
        """The loop that chain clients live on."""
        return LoopThread()

    def bridge(self, chain_id: ChainId) -> Bridge:
        """Return the bridge to a chain's contracts."""
        return wiring.bridge(self.reader(chain_id))

    @cached_property
    def guardians(self) -> tuple[GuardianDoor, ...]:
        """The guardians that are asked for signatures."""
        return wiring.guardian_doors(self.settings)

    def reader(self, chain_id: ChainId) -> ChainReader:
        """Return the reader of a chain."""
        with self._lock:
            if chain_id not in self._readers:
                self._readers[chain_id] = wiring.chain_reader(self.settings, chain_id)
            return self._readers[chain_id]

    def sender(self, chain_id: ChainId) -> TransactionSender:
        """Return the sender of a chain."""
        with self._lock:
            if chain_id not in self._senders:
                self._senders[chain_id] = wiring.transaction_sender(self.settings, chain_id)
            return self._senders[chain_id]

    def close(self) -> None:
        """Give connections back."""
        if "loop" in self.__dict__:
            for reader in self._readers.values():
                self.loop.run(reader.close())
            for sender in self._senders.values():
                self.loop.run(sender.close())
            self.loop.close()
        self.store.close()
