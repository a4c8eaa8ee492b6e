"""Playing the story in tests: interfering with it, and looking at what is left afterwards."""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Final

from eth_hash.auto import keccak
from rich.console import Console
from solders.pubkey import Pubkey

from chains.devnet.actors import ALICE, LIQUIDATOR
from chains.devnet.kit import WETH
from chains.devnet.rpc import DevnetRpc
from chains.devnet.solana_actors import SOLANA_ALICE, SOLANA_LIQUIDATOR
from chains.devnet.solana_deploy import NATIVE, SolanaDevChain
from chains.devnet.solana_kit import SOL, WRAPPED_SOL
from chains.evm.abi import encode_call
from chains.evm.reader import hex_address
from chains.solana.vault_addresses import VaultAddresses
from chains.types import SOLANA_NAMESPACE, word_of_text
from relayer.cli.demo.doors import OperatorDoor
from relayer.cli.demo.processes import Processes
from relayer.cli.demo.run import Script, play
from relayer.cli.demo.statement import Statement
from relayer.sections import ChainSettings
from relayer.settings import Settings, load_settings

ALICE_WETH: Final = 100 * WETH  # what the devnet gives her
MESSAGES: Final = {"credit_grant": 2, "release": 6, "seize": 2}
SOLANA_SOL: Final = 2 * WRAPPED_SOL * SOL  # the same, for her and the liquidator
FINAL_BLOCKS: Final = 8
FINAL_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.1
BALANCES_SLOT: Final = 0  # of the test token: mapping(address => uint256)


@dataclass
class Kills:
    """
    Kills processes as a crash would at given moments, and starts each again.

    Args:
        at: names of processes by moment.
        also: what else is done at a moment.
        is_waiting: the story goes on once a guardian that was started again answers.
    """

    at: dict[str, tuple[str, ...]]
    also: dict[str, Callable[[], None]] = field(default_factory=dict)
    is_waiting: bool = True
    killed: list[tuple[str, int]] = field(default_factory=list)
    moments: list[str] = field(default_factory=list)

    def __call__(self, name: str, processes: Processes) -> None:
        """Interfere at a moment of the story."""
        self.moments.append(name)
        for process in self.at.get(name, ()):
            before = processes.pid(process)
            processes.kill(process)
            assert processes.restart(process) != before
            if self.is_waiting and process.startswith("guardian-"):
                processes.wait_until_up([_status_url(processes.folder, process)])
            self.killed.append((process, before))
        if name in self.also:
            self.also[name]()


def play_quietly(folder: Path, script: Script, *, is_fleet: bool) -> tuple[Statement, str]:
    """Play and return the statement and the progress that was shown."""
    shown = StringIO()
    console = Console(file=shown, width=100)
    return play(folder, is_fleet=is_fleet, console=console, script=script), shown.getvalue()


def check_statement(statement: Statement) -> None:
    """Check that the story ended with equality in every ledger, and that no message came twice."""
    value = statement.value
    assert all(account["is_equal"] for account in value["custody"]), value["custody"]
    assert [guardian["is_equal"] for guardian in value["guardians"]] == [True] * 3, value[
        "guardians"
    ]
    assert value["debts"]
    assert all(debt["is_equal"] for debt in value["debts"])
    assert value["ledger"]["ok"]
    assert value["summary"] == "ledger equals chain: 4 of 4 custody accounts, to the unit"
    kinds = [message["kind"] for message in value["messages"]]
    assert {kind: kinds.count(kind) for kind in kinds} == MESSAGES
    for message in value["messages"]:
        events = [line["event"] for line in message["life"]]
        assert message["state"] == "CONFIRMED"
        assert events.count("CONFIRM") == 1, events
        assert len(message["signed_by"]) >= message["guardians"]["threshold"]
    entry_ids = [entry["entry_id"] for entry in value["entries"]]
    assert len(entry_ids) == len(set(entry_ids))
    assert statement.is_right


def weth_is_conserved(settings: Settings) -> bool:
    """Return whether owner, liquidator and vault together have what the owner began with."""
    chain = settings.chains[0]
    holders = (ALICE.address, LIQUIDATOR.address, word_of_text(chain.vaults[0].address))
    return sum(units_of(settings, holder) for holder in holders) == ALICE_WETH


def sol_is_conserved(settings: Settings) -> bool:
    """Return whether owner, liquidator and vault have what owner and liquidator began with."""
    with solana_chain(settings) as (chain, at):
        held = chain.units_at(bytes(at.custody(Pubkey(NATIVE))))
        wallets = (SOLANA_ALICE.address, SOLANA_LIQUIDATOR.address)
        return held + sum(chain.units_of(NATIVE, wallet) for wallet in wallets) == SOLANA_SOL


@contextmanager
def solana_chain(settings: Settings) -> Iterator[tuple[SolanaDevChain, VaultAddresses]]:
    """Yield chain S of a run, and the addresses of its vault."""
    found = next(one for one in settings.chains if one.chain_id.startswith(SOLANA_NAMESPACE))
    vault = found.vaults[0]
    assert vault.program is not None
    keys = (Pubkey(word_of_text(text)) for text in (vault.program, vault.address))
    with closing(SolanaDevChain(found.rpc_urls[0])) as chain:
        yield chain, VaultAddresses(*keys)


def units_of(settings: Settings, holder: bytes) -> int:
    """Return how much WETH somebody has on chain A."""
    call = {
        "to": hex_address(_weth(settings)),
        "data": "0x" + encode_call("balanceOf(address)", (holder,)).hex(),
    }
    return int(str(_rpc(settings.chains[0]).call("eth_call", call, "latest")), 16)


def give_to_vault(settings: Settings, units: int) -> None:
    """Send tokens to the vault of chain A without a lock, from the owner's wallet."""
    vault = word_of_text(settings.chains[0].vaults[0].address)
    transaction = {
        "from": hex_address(ALICE.address),
        "to": hex_address(_weth(settings)),
        "data": "0x" + encode_call("transfer(address,uint256)", (vault, units)).hex(),
    }
    rpc = _rpc(settings.chains[0])
    rpc.receipt(str(rpc.call("eth_sendTransaction", transaction)))


def take_from_vault(folder: Path, units: int) -> None:
    """Change the token's storage so that the vault of chain A has less; the hub sees it final."""
    settings = settings_in(folder)
    vault = word_of_text(settings.chains[0].vaults[0].address)
    slot = "0x" + keccak(vault + BALANCES_SLOT.to_bytes(32, "big")).hex()
    left = units_of(settings, vault) - units
    rpc = _rpc(settings.chains[0])
    rpc.call("anvil_setStorageAt", hex_address(_weth(settings)), slot, f"0x{left:064x}")
    assert units_of(settings, vault) == left
    height = int(str(rpc.call("eth_blockNumber")), 16) + 1
    rpc.call("anvil_mine", hex(FINAL_BLOCKS))
    deadline = time.monotonic() + FINAL_SECONDS_MAX
    operator = OperatorDoor(folder / "relayer.toml")
    while operator.run("status")["chains"][0]["finalized_height"] < height:
        assert time.monotonic() < deadline, "the hub did not see the block final"
        threading.Event().wait(POLL_SECONDS)


def settings_in(folder: Path) -> Settings:
    """Return the hub's settings of a run."""
    return load_settings(folder / "relayer.toml")


def ports_of(folder: Path) -> tuple[int, ...]:
    """Return every port that a run listens on."""
    settings = settings_in(folder)
    urls = [chain.rpc_urls[0] for chain in settings.chains]
    urls += [member.url for member in settings.guardians.members]
    return (settings.api.listen_port, *(int(url.rsplit(":", 1)[1]) for url in urls))


def are_free(ports: Iterable[int]) -> bool:
    """Return whether nobody listens on any of the ports."""
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return False
    return True


def processes_naming(text: str) -> list[str]:
    """Return the command lines of living processes that hold a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        if text in line:
            found.append(line)
    return found


def _status_url(folder: Path, label: str) -> str:
    members = settings_in(folder).guardians.members
    return {member.label: f"{member.url}/v1/status" for member in members}[label]


def _weth(settings: Settings) -> bytes:
    tokens: dict[str, Any] = {asset.asset_id: asset.tokens[0] for asset in settings.assets}
    return word_of_text(tokens["WETH"].address)


def _rpc(chain: ChainSettings) -> DevnetRpc:
    return DevnetRpc(chain.id, chain.rpc_urls[0])
