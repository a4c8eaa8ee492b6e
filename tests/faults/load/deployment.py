"""A deployment under load: growing chains, one database, and the processes of one combination."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from chains.devnet.anvil import free_port
from chains.types import text_of_word
from relayer import wiring
from relayer.cli.demo.world import toml_of
from relayer.clock import SystemClock
from relayer.settings import Settings, load_settings
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store
from relayer.worker.app import remove_queues
from tests.databases import TestDatabases
from tests.faults.load.growing import GrowingChain
from tests.faults.load.program import LoadProcesses
from tests.relayer.api.kit import GUARDIANS
from tests.relayer.worker.kit import MEMORY_URL, RABBITMQ_URL, new_prefix

CHAIN_NUMBERS: Final = (31337, 31338)
POLL_MILLISECONDS: Final = 100
LEASE_SECONDS: Final = 2
ASSET: Final = "WETH"


@dataclass(frozen=True, slots=True)
class Combination:
    """
    What a deployment runs on.

    Args:
        broker: memory, or rabbitmq with separate processes.
        backend: sqlite or postgresql.
        broker_url, database_url: where a proxy stands in front; empty for the usual ones.
        has_api: whether a fleet has a process that answers queries.
    """

    broker: str
    backend: str
    broker_url: str = ""
    database_url: str = ""
    lease_seconds: int = LEASE_SECONDS
    has_api: bool = False


@dataclass
class LoadDeployment:
    """Chains, database and processes; nothing runs before start."""

    combination: Combination
    chains: Sequence[GrowingChain]
    settings: Settings
    config: Path
    store: Store
    processes: LoadProcesses
    commands: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def start(self) -> None:
        """Start every process."""
        self.start_only(*self.commands)

    def start_only(self, *names: str) -> None:
        """Start some of the processes."""
        for name in names:
            self.processes.start(name, *self.command(name))

    def command(self, name: str) -> list[str]:
        """Return what follows `relayer` on a process's command line."""
        return [*self.commands[name], "--config", str(self.config), "--json"]

    def journal_seq(self) -> int:
        """Return how many entries the journal has."""
        with self.store.read() as uow:
            return uow.ledger.head().seq


Front = Callable[[GrowingChain], AbstractContextManager[str]]


@contextmanager
def deployment(
    combination: Combination,
    databases: TestDatabases,
    folder: Path,
    seed: int,
    front: Front | None = None,
) -> Iterator[LoadDeployment]:
    """
    Yield a deployment with chains that do not grow yet; leave nothing behind.

    Args:
        front: puts something between the processes and a node, and names its address.
    """
    with ExitStack() as stack:
        chains = [
            stack.enter_context(GrowingChain(number, Random(f"{seed}:{number}")))
            for number in CHAIN_NUMBERS
        ]
        database_url = databases.migrated_url(combination.backend)
        stack.callback(databases.drop, database_url)
        config = folder / "relayer.toml"
        url = combination.database_url or database_url
        values = _values(combination, chains, url)
        if front is not None:
            for section, chain in zip(values["chains"], chains, strict=True):
                section["rpc_urls"] = [stack.enter_context(front(chain))]
        config.write_text(toml_of(values))
        settings = load_settings(config)
        store = Store(engine_of(database_url), SystemClock())
        stack.callback(store.close)
        if combination.broker == "rabbitmq":
            stack.callback(_remove_queues, settings)
        processes = stack.enter_context(LoadProcesses(folder))
        commands = _commands(combination, chains)
        yield LoadDeployment(combination, chains, settings, config, store, processes, commands)


def _remove_queues(settings: Settings) -> None:
    direct = settings.model_copy(update={"broker_url": RABBITMQ_URL})
    remove_queues(wiring.catalog_of(direct), direct)


def _commands(
    combination: Combination, chains: Sequence[GrowingChain]
) -> dict[str, tuple[str, ...]]:
    if combination.broker == "memory":
        return {"up": ("up",)}
    watchers = {f"watcher-{chain.chain_number}": ("watch", chain.chain_id) for chain in chains}
    api: dict[str, tuple[str, ...]] = {"api": ("api",)} if combination.has_api else {}
    workers = {"worker-1": ("worker",), "worker-2": ("worker",)}
    return {**watchers, **workers, "sweeper": ("sweep",), **api}


def _values(
    combination: Combination, chains: Sequence[GrowingChain], database_url: str
) -> dict[str, Any]:
    broker_url = combination.broker_url or RABBITMQ_URL
    return {
        "hub": "hub:load",
        "profile": "development",
        "database_url": database_url,
        "broker_url": MEMORY_URL if combination.broker == "memory" else broker_url,
        "broker_prefix": new_prefix(),
        "log_format": "json",
        "api": {"listen_port": free_port()},
        "messages": {"lease_seconds": combination.lease_seconds},
        "chains": [
            {
                "chain_id": chain.chain_id,
                "rpc_urls": [chain.url],
                "poll_milliseconds": POLL_MILLISECONDS,
                "watch_lease_seconds": combination.lease_seconds,
                "vaults": [{"address": text_of_word(chain.vault)}],
            }
            for chain in chains
        ],
        "assets": [
            {
                "asset_id": ASSET,
                "scale": 18,
                "tokens": [
                    {"chain_id": chain.chain_id, "address": text_of_word(chain.token)}
                    for chain in chains
                ],
            }
        ],
        "guardians": {
            "threshold": 2,
            "members": [
                {
                    "label": f"g{number}",
                    "address": text_of_word(guardian.address),
                    "url": f"http://127.0.0.1:{9 + number}",
                }
                for number, guardian in enumerate(GUARDIANS)
            ],
        },
    }
