"""Random crashes while the story is told: planned from a seed, so that a run can be repeated."""

import os
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from eth_hash.auto import keccak

from chains.devnet.rpc import DevnetRpc
from chains.evm.reader import hex_address
from chains.solana.vault_events import VaultEventKind
from chains.types import SOLANA_NAMESPACE, word_of_text
from relayer.cli.demo.doors import OperatorDoor
from relayer.cli.demo.processes import Processes
from relayer.cli.demo.run import BEFORE_STATEMENT
from relayer.cli.demo.statement import Statement
from relayer.cli.demo.story import Story
from relayer.settings import Settings
from tests.devnet.solana_events import vault_events
from tests.devnet.story import settings_in, sol_is_conserved, solana_chain, weth_is_conserved

SEED_VARIABLE: Final = "FAULT_SEED"
KILLS_VARIABLE: Final = "FAULT_KILLS"
KILLS_COUNT: Final = 6
OFFSET_SECONDS_MAX: Final = 2.5
DOWN_SECONDS_MAX: Final = 3.0
JOIN_SECONDS_MAX: Final = 60.0
LEVEL_SECONDS_MAX: Final = 40.0
POLL_SECONDS: Final = 0.5
MOMENTS: Final = (
    "open",
    "lock.seen",
    "lock.final",
    "grant",
    "borrow",
    "unlock",
    "unlock.sent",
    "unlock.solana",
    "liquidate",
    "seize",
    "repay",
    "revoke",
    "leave",
)
EXECUTIONS: Final = (
    "CollateralReleased(bytes32,bytes32,address,address,uint256,uint256)",
    "CollateralSeized(bytes32,bytes32,address,address,uint256,uint256)",
    "CreditGranted(bytes32,bytes32,address,uint256,uint64,uint64)",
)
PAYMENTS: Final = (VaultEventKind.COLLATERAL_RELEASED, VaultEventKind.COLLATERAL_SEIZED)


@dataclass(frozen=True, slots=True)
class Kill:
    """One crash: when after which moment, of which process, and for how long it stays away."""

    moment: str
    process: str
    offset_seconds: float
    down_seconds: float

    def __str__(self) -> str:
        return (
            f"{self.process} {self.offset_seconds:.2f} s after {self.moment},"
            f" away {self.down_seconds:.2f} s"
        )


def seed_of_run() -> int:
    """Return the seed that the caller chose, or a new one."""
    return int(os.environ.get(SEED_VARIABLE) or secrets.randbelow(1_000_000))


def kills_planned(seed: int, processes: tuple[str, ...]) -> tuple[Kill, ...]:
    """Return as many crashes as the environment says; the same seed plans the same ones."""
    chance = random.Random(seed)
    count = int(os.environ.get(KILLS_VARIABLE) or KILLS_COUNT)
    return tuple(
        Kill(
            moment=chance.choice(MOMENTS),
            process=chance.choice(processes),
            offset_seconds=chance.uniform(0, OFFSET_SECONDS_MAX),
            down_seconds=chance.uniform(0, DOWN_SECONDS_MAX),
        )
        for _ in range(count)
    )


@dataclass
class Chaos:
    """
    Carries out planned crashes while a story is told.

    Several processes may be away at once. Before the statement everything runs again.

    Args:
        plan: the crashes.
        beside: what else is done beside the story from a moment on.
    """

    plan: tuple[Kill, ...] = ()
    beside: dict[str, Callable[[], None]] = field(default_factory=dict)
    done: list[Kill] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    quarantined: list[Any] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    is_conserved: bool = False
    _threads: list[threading.Thread] = field(default_factory=list)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)
    _ending: threading.Event = field(default_factory=threading.Event)

    def hook(self, name: str, processes: Processes) -> None:
        """Start the crashes of a moment; before the statement look at what is left."""
        for kill in self.plan:
            if kill.moment == name:
                lock = self._locks.setdefault(kill.process, threading.Lock())
                self._start(partial(self._crash, kill, processes, lock))
        if name in self.beside:
            self._start(self.beside[name])
        if name == BEFORE_STATEMENT:
            self._look(processes)

    def tell(self, story: Story) -> None:
        """Play the whole story; whatever happens, no crash comes after it."""
        try:
            story.tell()
        except BaseException:
            self._ending.set()
            raise
        finally:
            for thread in self._threads:
                thread.join(JOIN_SECONDS_MAX)

    def check(self, statement: Statement) -> None:
        """Check that all was carried out, and that no message came twice and no job is stuck."""
        assert self.errors == []
        assert sorted(map(str, self.done)) == sorted(map(str, self.plan))
        assert self.quarantined == []
        message_ids = sorted(message["message_id"] for message in statement.value["messages"])
        assert sorted(self.executed) == message_ids
        assert self.is_conserved

    def _start(self, act: Callable[[], None]) -> None:
        def _run() -> None:
            try:
                act()
            except Exception as exc:  # noqa: BLE001 - told to the test at its end
                self.errors.append(exc)

        thread = threading.Thread(target=_run)
        self._threads.append(thread)
        thread.start()

    def _crash(self, kill: Kill, processes: Processes, lock: threading.Lock) -> None:
        if self._ending.wait(kill.offset_seconds):
            return
        with lock:
            processes.kill(kill.process)
            self._ending.wait(kill.down_seconds)
            processes.restart(kill.process)
        self.done.append(kill)

    def _look(self, processes: Processes) -> None:
        settings = settings_in(processes.folder)
        urls = [f"{member.url}/v1/status" for member in settings.guardians.members]
        processes.wait_until_up([f"http://127.0.0.1:{settings.api.listen_port}/readyz", *urls])
        labels = [member.label for member in settings.guardians.members]
        wait_until_level([processes.folder / f"{name}.toml" for name in ("relayer", *labels)])
        self.executed = executed_messages(settings)
        self.is_conserved = weth_is_conserved(settings) and sol_is_conserved(settings)
        for name in ("relayer", *labels):
            listed = OperatorDoor(processes.folder / f"{name}.toml").run("jobs", "list")
            self.quarantined += listed["quarantined"]


def wait_until_level(configs: list[Path]) -> None:
    """Wait until all ledgers hold the same: one that was away reads the last blocks later."""
    deadline = time.monotonic() + LEVEL_SECONDS_MAX
    while True:
        asked = [OperatorDoor(config).ask("custody")[1] for config in configs]
        held = [[line["ledger_units"] for line in one.get("accounts", [])] for one in asked]
        if held[0] and all(units == held[0] for units in held):
            return
        assert time.monotonic() < deadline, f"ledgers do not come to the same: {held}"
        threading.Event().wait(POLL_SECONDS)


def executed_messages(settings: Settings) -> list[str]:
    """Return the ids of the messages that contracts executed, one for each time they did."""
    topics = ["0x" + keccak(signature.encode()).hex() for signature in EXECUTIONS]
    found: list[str] = []
    with solana_chain(settings) as (chain_s, at):
        events = vault_events(chain_s, at)
        found += ["0x" + one.words["message_id"].hex() for one in events if one.kind in PAYMENTS]
    for chain in settings.chains:
        if chain.chain_id.startswith(SOLANA_NAMESPACE):
            continue
        contracts = [vault.address for vault in chain.vaults]
        contracts += [line.address for line in chain.credit_lines]
        wanted = {
            "fromBlock": "0x0",
            "toBlock": "latest",
            "address": [hex_address(word_of_text(address)) for address in contracts],
            "topics": [topics],
        }
        rpc = DevnetRpc(chain.id, chain.rpc_urls[0])
        found += [log["topics"][1] for log in rpc.call("eth_getLogs", wanted)]
        rpc.close()
    return found
