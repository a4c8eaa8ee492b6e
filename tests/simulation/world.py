"""The world of one run: chains, fleet and people out of one seed, step by step."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chains.types import ChainId
from relayer import wiring
from relayer.clock import FixedClock
from relayer.steps.observe import ObserveLimits
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import (
    CHAIN_A,
    CHAIN_B,
    CHAIN_C,
    GUARDIANS,
    HUB,
    LINE_C,
    USDC_B,
    USDC_C,
    VAULT_A,
    VAULT_B,
    WETH_A,
    deployment_settings,
)
from tests.relayer.steps.world import (
    DOLLAR,
    ETHER,
    LIQ,
    LIQ_ACCOUNT,
    LIQ_OPEN,
    LIQ_RECIPIENT,
    signed,
)
from tests.simulation.chain import SimulatedChain
from tests.simulation.chance import Chance
from tests.simulation.context import Broker, Setup
from tests.simulation.contracts import Borrow, Lock, Site
from tests.simulation.fleet import Fleet
from tests.simulation.guardians import Guardian, Slot
from tests.simulation.invariants import Watchdog
from tests.simulation.nodes import Market
from tests.simulation.people import PEOPLE, PRICE_USD, Society, liquidator_lock
from tests.simulation.process import Database, Surroundings, database_in_memory

EXPIRY_SECONDS: Final = 240
LEASE_SECONDS: Final = 15
EXIT_DELAY_SECONDS: Final = 400
DEBT_USD: Final = 11_000
NAMES: Final = ("hub", "g0", "g1", "g2")
LIMITS: Final = ObserveLimits(start_height=0, blocks_per_run_max=6, finalized_span_max=8)


def _settings() -> Any:
    recipients = [
        {"chain_id": chain_id, "address": "0x" + LIQ_RECIPIENT.hex()}
        for chain_id in (CHAIN_A, CHAIN_B)
    ]
    return deployment_settings(
        liquidators=[{"account": "0x" + LIQ_ACCOUNT.hex(), "recipients": recipients}],
        messages={"expiry_seconds": EXPIRY_SECONDS, "lease_seconds": LEASE_SECONDS},
    )


@dataclass(slots=True)
class World:
    """Everything of one run. The same seed makes the same world do the same."""

    chance: Chance
    clock: FixedClock
    fleet: Fleet
    society: Society
    around: Surroundings
    watchdog: Watchdog
    lines: list[str] = field(default_factory=list)
    happened: int = 0

    @property
    def chains(self) -> tuple[SimulatedChain, ...]:
        """The chains in order of their names."""
        return tuple(self.fleet.setup.chains.values())

    @property
    def trace_hash(self) -> str:
        """A hash of everything that happened."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()

    def step(self) -> None:
        """Let one thing happen, then check what must always hold."""
        self._something()
        self.watchdog.look()
        self.lines.append(self.watchdog.heads_line())

    def go_on(self) -> None:
        """Let some things happen while a process waits."""
        if self.chance.hits(400):
            self._advance(self.chance.number(LEASE_SECONDS, 3 * LEASE_SECONDS))
            if self.fleet.current is not None:
                # Whoever waits has lost its lease by now; another takes the job.
                slot = self.chance.pick(self.fleet.workers)
                self.around.note(f"work {slot.name} {self.fleet.current} as well")
                self.fleet.work(slot, self.fleet.current)
        for _ in range(self.chance.number(1, 3)):
            self._something()

    def _something(self) -> None:
        self.happened += 1
        if self.chance.hits(self.chance.rates.jump):
            self._advance(self.chance.number(10, 120))
        happening = self.chance.weighted(
            (
                (12, self._mine),
                (5, self._finalize),
                (3, self._reorg),
                (6, self._tick),
                (18, self._watch_hub),
                (16, self._watch_guardian),
                (24, self._work),
                (4, self._sweep),
                (14, self.society.act),
            )
        )
        happening()

    def _advance(self, seconds: int) -> None:
        self.clock.move(seconds)
        self.around.note(f"clock +{seconds}")

    def _tick(self) -> None:
        self._advance(self.chance.number(1, 6))

    def _chain(self) -> SimulatedChain:
        return self.chance.pick(self.chains)

    def _mine(self) -> None:
        chain = self._chain()
        block = chain.mine()
        names = " ".join(one.name for one in block.transactions)
        self.around.note(f"mine {chain.chain_id} {block.ref.height} {names}")

    def _finalize(self) -> None:
        chain = self._chain()
        chain.finalize(chain.height - self.chance.number(1, 5))
        self.around.note(f"final {chain.chain_id} {chain.final_height}")

    def _reorg(self) -> None:
        chain = self._chain()
        depth = chain.reorg(self.chance.number(1, 8), self.chance.rates.pool)
        self.around.note(f"reorg {chain.chain_id} depth {depth} to {chain.height}")

    def _watch_hub(self) -> None:
        slot = self.chance.pick(self.fleet.watchers)
        chain = self._chain()
        self.around.note(f"watch {slot.name} {chain.chain_id}")
        self.fleet.watch_hub(slot, chain.chain_id)

    def _watch_guardian(self) -> None:
        guardian = self.chance.pick(self.fleet.guardians)
        chain = self._chain()
        self.around.note(f"watch {guardian.name} {chain.chain_id}")
        self.fleet.watch_guardian(guardian, chain.chain_id)

    def _work(self) -> None:
        bells = self.fleet.setup.broker.bells
        if not bells:
            self._sweep()
            return
        pair = bells.pop(self.chance.number(0, len(bells) - 1))
        slot = self.chance.pick(self.fleet.workers)
        self.around.note(f"work {slot.name} {pair}")
        self.fleet.work(slot, pair)

    def _sweep(self) -> None:
        self.around.note("sweep")
        is_custody, is_assess = self.chance.hits(200), self.chance.hits(200)
        self.fleet.sweep(is_custody=is_custody, is_assess=is_assess)


class Stage:
    """
    Where runs take place, one after the other: four databases, and how they look at the start.

    The start is made once: accounts are open, the first collateral is locked and booked
    everywhere. Each run begins with a copy of it.
    """

    def __init__(self) -> None:
        self._databases = {name: database_in_memory(name) for name in NAMES}
        self._starts = {name: database_in_memory(name) for name in NAMES}
        self._chains: dict[ChainId, SimulatedChain] = {}
        self._now = NOW
        self._settings = _settings()
        self._prepare()

    def world(self, seed: int, on_check: Callable[[], None] | None = None) -> World:
        """Return the world of a seed at its start."""
        del on_check
        for name, database in self._databases.items():
            database.copy_from(self._starts[name])
            database.is_open = False
        return self._made(Chance(seed), FixedClock(self._now), self._chains)

    def _prepare(self) -> None:
        """Make the start, with the same steps as everything else."""
        for database in self._databases.values():
            Store(database.engine, FixedClock(NOW)).upgrade()
        chance, clock = Chance(0), FixedClock(NOW)
        chance.calm()
        chains = {site.chain_id: SimulatedChain(site, clock, chance) for site in self._sites()}
        world = self._made(chance, clock, chains)
        society = world.society
        for opening, key in [(LIQ_OPEN, LIQ)] + [(one.opening, one.key) for one in PEOPLE]:
            society._send(signed(opening, key))
        society.submit(CHAIN_B, liquidator_lock())
        for person in PEOPLE:
            lock = Lock(person.account, WETH_A, person.key.address, 6 * ETHER)
            society.submit(CHAIN_A, lock)
        _turn(world, rounds=2)
        ann = PEOPLE[0]
        society.ask_credit(ann, DEBT_USD * DOLLAR)
        _turn(world, rounds=5)
        society.submit(CHAIN_C, Borrow(ann.account, ann.key.address, DEBT_USD * DOLLAR))
        _turn(world, rounds=3)
        self._chains, self._now = dict(world.fleet.setup.chains), clock.now()
        for name, database in self._databases.items():
            self._starts[name].copy_from(database)

    def _made(
        self, chance: Chance, clock: FixedClock, chains: dict[ChainId, SimulatedChain]
    ) -> World:
        lines: list[str] = []

        def _note(line: str) -> None:
            lines.append(f"{clock.now() - NOW:5d} {'  ' * around.depth}{line}")

        around = Surroundings(chance, clock, lambda: None, _note)
        own = {chain_id: chain.copy(clock, chance) for chain_id, chain in chains.items()}
        setup = Setup(self._settings, wiring.catalog_of(self._settings), own, Broker())
        market = Market(clock)
        watchdog = Watchdog(tuple(self._databases.values()), own)
        fleet = self._fleet(setup, market, around, watchdog)
        society = Society(fleet, around)
        society.set_price(PRICE_USD)
        world = World(chance, clock, fleet, society, around, watchdog, lines)
        watchdog.society = society
        around.go_on = world.go_on
        return world

    def _fleet(
        self, setup: Setup, market: Market, around: Surroundings, watchdog: Watchdog
    ) -> Fleet:
        def _slot(name: str, database: Database | None = None) -> Slot:
            return Slot(name, database or self._databases["hub"], around)

        replica = replace(setup.catalog, is_replica=True)
        liar = around.chance.number(0, 5)
        guardians = tuple(
            Guardian(
                slot=_slot(f"g{number}", self._databases[f"g{number}"]),
                catalog=replica,
                key=key,
                check=watchdog.check_signature,
                is_liar=number == liar,
            )
            for number, key in enumerate(GUARDIANS)
        )
        return Fleet(
            setup=setup,
            market=market,
            limits=LIMITS,
            watchers=(_slot("watcher1"), _slot("watcher2")),
            workers=(_slot("worker1"), _slot("worker2")),
            sweeper=_slot("sweeper"),
            api=_slot("api"),
            guardians=guardians,
        )

    def _sites(self) -> tuple[Site, ...]:
        guardian_set = wiring.catalog_of(self._settings).guardian_set
        places = (
            (CHAIN_A, VAULT_A, WETH_A, True),
            (CHAIN_B, VAULT_B, USDC_B, True),
            (CHAIN_C, LINE_C, USDC_C, False),
        )
        return tuple(
            Site(
                chain_id=chain_id,
                hub=HUB,
                contract=word,
                tokens=(token,),
                guardian_set=guardian_set,
                is_vault=is_vault,
                exit_delay_seconds=EXIT_DELAY_SECONDS,
            )
            for chain_id, word, token, is_vault in places
        )


def _turn(world: World, *, rounds: int) -> None:
    """Let everybody do everything so often, without a fault."""
    for _ in range(rounds):
        world.clock.move(2)
        for chain in world.chains:
            chain.mine()
            chain.mine()
            chain.finalize(chain.height - 1)
            world.fleet.watch_hub(world.fleet.watchers[0], chain.chain_id)
            for guardian in world.fleet.guardians:
                world.fleet.watch_guardian(guardian, chain.chain_id)
        world.fleet.sweep()
        while world.fleet.setup.broker.bells:
            world.fleet.work(world.fleet.workers[0], world.fleet.setup.broker.bells.pop())
