"""A deployment under steady load, looked at all the time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from chains.devnet.proxy import Break, ErrorObject, Fault, FaultProxy, HttpStatus, Late
from chains.devnet.schedule import draw
from tests.databases import TestDatabases
from tests.faults.load.books import check_books, wait_until_level
from tests.faults.load.deployment import Combination, LoadDeployment, deployment
from tests.faults.load.growing import GrowingChain
from tests.soak.samples import Sample, sample_of

SEED: Final = 22
EVENTS_PER_BLOCK: Final = 10
REORG_SHARE: Final = 0.1
FAULTS: Final[tuple[Fault, ...]] = (
    Break.RESET,
    Break.HALF_BODY,
    Break.NOT_JSON,
    Break.WRONG_ID,
    HttpStatus(429),
    HttpStatus(503),
    ErrorObject(-32603, "internal error"),
    Late(0.3),
)
CLEAR_SHARE: Final = 60  # one fault for so many right answers of a kind


@dataclass(frozen=True, slots=True)
class Plan:
    """
    How long and how hard.

    Args:
        block_seconds: how often each chain gets a block.
        sample_seconds: how often each process is looked at.
        is_fleet: separate processes on PostgreSQL and RabbitMQ instead of one on SQLite.
    """

    seconds: float
    block_seconds: float = 1.0
    sample_seconds: float = 5.0
    is_fleet: bool = False

    @property
    def combination(self) -> Combination:
        """What it runs on."""
        if self.is_fleet:
            return Combination("rabbitmq", "postgresql", lease_seconds=15, has_api=True)
        return Combination("memory", "sqlite", lease_seconds=15)


@dataclass
class Soaked:
    """What was seen: samples by process, events booked, and faults of the nodes' lines."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    events: int = 0
    reorgs: int = 0
    rpc_faults: int = 0


class _Faults:
    """A rule that breaks one request in so many, by its place in the run; it remembers nothing."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._asked = 0

    def __call__(self, method: str, params: list[object]) -> Fault | None:
        self._asked += 1
        chosen = draw(self._seed, method, self._asked) % (len(FAULTS) * CLEAR_SHARE)
        return FAULTS[chosen] if chosen < len(FAULTS) else None


def soak(plan: Plan, databases: TestDatabases, folder: Path) -> Soaked:
    """
    Run a deployment under load for a while; check its books at the end.

    Raises:
        AssertionError: a process ended, or a book is wrong.
    """
    soaked, proxies = Soaked(), list[FaultProxy]()

    @contextmanager
    def _front(chain: GrowingChain) -> Iterator[str]:
        with FaultProxy(chain.url, _Faults(chain.chain_number)) as proxy:
            proxies.append(proxy)
            yield proxy.rpc_url

    with deployment(plan.combination, databases, folder, SEED, _front) as load:
        load.start()
        _run(plan, load, soaked)
        for chain in load.chains:
            chain.settle()
        wait_until_level(load)
        for proxy in proxies:
            soaked.rpc_faults += proxy.injected.total()
            proxy.rules.clear()
        soaked.events = sum(chain.events for chain in load.chains)
        check_books(load)
    return soaked


def _run(plan: Plan, load: LoadDeployment, soaked: Soaked) -> None:
    chance, begun = Random(SEED), time.monotonic()
    next_block = next_sample = 0.0
    while (now := time.monotonic() - begun) < plan.seconds:
        if now >= next_block:
            next_block = now + plan.block_seconds
            for chain in load.chains:
                soaked.reorgs += _grow(chain, chance)
        if now >= next_sample:
            next_sample = now + plan.sample_seconds
            load.processes.check()
            events = sum(chain.events for chain in load.chains)
            for name in load.processes.names:
                sample = sample_of(load.processes.pid(name), seconds=now, events=events)
                soaked.samples.setdefault(name, []).append(sample)
        threading.Event().wait(max(0.0, min(next_block, next_sample) - now))


def _grow(chain: GrowingChain, chance: Random) -> bool:
    chain.mine(chance.randint(0, 2 * EVENTS_PER_BLOCK))
    if chance.random() >= REORG_SHARE:
        return False
    chain.reorg()
    return True
