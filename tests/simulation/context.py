"""The context of a worker in the simulation: the real one, with ports that chance decides about."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from kombu.entity import Exchange

from chains.bridges.guardian import GuardianBridge
from chains.port import Bridge, ChainReader
from chains.sending import NonceSender
from chains.types import ChainId
from relayer import wiring_senders
from relayer.errors import NotYetError
from relayer.settings import Settings
from relayer.steps.carrier import AnyCarrier, Carrier
from relayer.steps.catalog import Catalog
from relayer.steps.ports import GuardianDoor
from relayer.store.engine import DATABASE_ERRORS
from relayer.store.jobs import Job
from relayer.worker.context import WorkContext
from relayer.worker.keeper import LeaseKeeper
from relayer.worker.link import BrokerError, BrokerLink, Letter
from relayer.worker.turns import Turns
from tests.simulation.chain import SimulatedChain
from tests.simulation.inline import InlineThread
from tests.simulation.nodes import SimulatedNode
from tests.simulation.process import Process
from tests.simulation.senders import SimulatedSender


@dataclass(slots=True)
class Broker:
    """The broker: bells in a bag, lost and doubled at will, and the letters it confirmed."""

    bells: list[tuple[str, str]] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)

    def ring_due(self, process: Process) -> None:
        """Put a bell for each queue with due work into the bag, as far as chance lets it."""
        try:
            with process.store.read() as uow:
                pairs = uow.jobs.due_doorbells(uow.clock.now())
        except DATABASE_ERRORS:
            return
        chance = process.around.chance
        for pair in pairs:
            if chance.hits(chance.rates.bell):
                continue
            if pair not in self.bells or chance.hits(chance.rates.bell):
                self.bells.append(pair)


class NoKeeper(LeaseKeeper):
    """A keeper that never comes to extend a lease: the worst that may happen to a worker."""

    @contextmanager
    def keeping(self, jobs: Iterable[Job]) -> Iterator[None]:
        """Keep nothing."""
        del jobs
        yield

    def release(self, job: Job) -> None:
        """Nothing is kept."""


class SimulatedLink(BrokerLink):
    """The connection that events are published on: some letters arrive, then it breaks."""

    def __init__(self, process: Process, broker: Broker) -> None:
        super().__init__("memory://")
        self._process = process
        self._broker = broker

    def publish_all(self, exchange: Exchange, letters: Sequence[Letter]) -> None:
        """Take letters in order, all or a first part."""
        del exchange
        self._process.call_point("publish")
        chance = self._process.around.chance
        if chance.hits(chance.rates.bell):
            arrived = letters[: chance.number(0, len(letters))]
            self._broker.letters += [letter.message_id for letter in arrived]
            raise BrokerError(ConnectionError("simulated"))
        self._broker.letters += [letter.message_id for letter in letters]


class Gate(asyncio.Lock):
    """
    The gate of a carrier where nobody can wait: whoever goes on lets the one inside wait for him.

    Who finds it shut comes again later, as he does when a step takes too long.
    """

    def __init__(self, chain_id: ChainId) -> None:
        super().__init__()
        self._chain_id = chain_id

    async def acquire(self) -> Literal[True]:
        """Take the gate, or raise NotYetError."""
        if self.locked():
            raise NotYetError(reason="step_timeout", detail=f"the gate of {self._chain_id} is shut")
        return await super().acquire()


class InlineTurns(Turns):
    """
    Turns where nobody can wait: there is one thread, and who is inside goes on when the other ends.

    Alone or beside others makes no difference here, as every process dies as a whole.
    """

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Work at once."""
        yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Work at once."""
        yield


class SimulatedContext(WorkContext):
    """What the tasks of one simulated process share."""

    process: Process
    chains: dict[ChainId, SimulatedChain]
    doors: tuple[GuardianDoor, ...]

    @property
    def loop(self) -> InlineThread:
        """What runs coroutines, here and now."""
        return InlineThread()

    @property
    def guardians(self) -> tuple[GuardianDoor, ...]:
        """The guardians' doors."""
        return self.doors

    def reader(self, chain_id: ChainId) -> ChainReader:
        """Return the reader of a chain."""
        return SimulatedNode(self.process, self.chains[chain_id])

    def bridge(self, chain_id: ChainId) -> Bridge:
        """Return the real bridge over the reader."""
        return GuardianBridge(self.reader(chain_id))

    def sender(self, chain_id: ChainId) -> NonceSender:
        """Return the sender of a chain."""
        return SimulatedSender(self.process, self.chains[chain_id])

    def carrier(self, chain_id: ChainId) -> AnyCarrier:
        """Return what carries to a chain, with the limits of the settings; one gate a process."""
        if chain_id not in self._carriers:
            self._carriers[chain_id] = Carrier(
                sender=self.sender(chain_id),
                bridge=self.bridge(chain_id),
                holder=self.holder,
                urgent=self.sender(chain_id),
                limits=wiring_senders.send_limits(self.settings, chain_id),
                gate=Gate(chain_id),
            )
        return self._carriers[chain_id]


@dataclass(frozen=True, slots=True)
class Setup:
    """What every process of a deployment is made of."""

    settings: Settings
    catalog: Catalog
    chains: dict[ChainId, SimulatedChain]
    broker: Broker


def context_of(
    process: Process,
    setup: Setup,
    doors_of: Callable[[Process], tuple[GuardianDoor, ...]],
) -> SimulatedContext:
    """Return the context of a worker process."""
    context = SimulatedContext(
        turns=InlineTurns(),
        settings=setup.settings,
        store=process.store,
        catalog=setup.catalog,
        ring_due=lambda: setup.broker.ring_due(process),
        holder=process.name,
    )
    context.process = process
    context.chains = setup.chains
    context.doors = doors_of(process)
    context.keeper = NoKeeper(process.store, setup.settings.messages.lease_seconds)
    context.link = SimulatedLink(process, setup.broker)
    return context
