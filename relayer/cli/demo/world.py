"""The demo's world: four local chains, the parties' keys, and the files that processes read."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chains.command import account_id
from chains.devnet.actors import ALICE, LIQUIDATOR, OPERATOR, RELAYER, DevKey, DevWallet
from chains.devnet.anvil import free_port
from chains.devnet.kit import DeployedChain, Devnet
from chains.devnet.solana_actors import SOLANA_ALICE, SOLANA_LIQUIDATOR, SOLANA_RELAYER
from chains.devnet.solana_kit import DeployedSolana, SolanaKit
from chains.types import ChainId, address_text, text_of_word
from relayer.cli.demo import plot

PROTOCOL: Final = "lendco"
HEARTBEAT_SECONDS: Final = 3_600
POLL_MILLISECONDS: Final = 400
REREAD_AGE_SECONDS: Final = 3
GUARDIAN_POLL_MILLISECONDS: Final = 700
ALICE_SALT: Final = bytes(31) + b"\x01"
LIQUIDATOR_SALT: Final = bytes(31) + b"\x02"
SCALES: Final = {"WETH": 18, "USDC": 6, "SOL": 9}

Place = DeployedChain | DeployedSolana


@dataclass(frozen=True, slots=True)
class Account:
    """A margin account, the wallet that opens it, and its owner's wallet on Solana."""

    wallet: DevKey
    solana: DevWallet
    salt: bytes

    @property
    def account(self) -> bytes:
        """The account's id."""
        return account_id(opener=self.wallet.address, salt=self.salt)

    def wallet_on(self, place: Place) -> DevKey | DevWallet:
        """Return the owner's wallet of a chain's family."""
        return self.solana if isinstance(place, DeployedSolana) else self.wallet


OWNER: Final = Account(ALICE, SOLANA_ALICE, ALICE_SALT)
BACKSTOP: Final = Account(LIQUIDATOR, SOLANA_LIQUIDATOR, LIQUIDATOR_SALT)


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the hub keeps its data and rings its doorbell; guardians have SQLite of their own."""

    database_url: str
    broker_url: str
    broker_prefix: str


@dataclass(frozen=True, slots=True)
class World:
    """The chains and the files of one run."""

    devnet: Devnet
    solana: SolanaKit
    folder: Path
    api_port: int
    guardian_ports: tuple[int, ...]

    @property
    def chain_s(self) -> DeployedSolana:
        """The chain of the other family."""
        return self.solana.chain_s

    @property
    def places(self) -> dict[str, Place]:
        """The chains by their letters."""
        devnet = self.devnet
        return {"A": devnet.chain_a, "B": devnet.chain_b, "C": devnet.chain_c, "S": self.chain_s}

    @property
    def config(self) -> Path:
        """The hub's configuration."""
        return self.folder / "relayer.toml"

    @property
    def api_url(self) -> str:
        """Where the message API listens."""
        return f"http://127.0.0.1:{self.api_port}"

    def place_of(self, chain_id: ChainId) -> Place:
        """Return the chain of an id."""
        return {place.chain_id: place for place in self.places.values()}[chain_id]

    def guardian_config(self, place: int) -> Path:
        """One guardian's configuration."""
        return self.folder / f"guardian-{place + 1}.toml"


def build_world(devnet: Devnet, solana: SolanaKit, folder: Path, servers: Servers) -> World:
    """Fund the liquidator and write every configuration and key file."""
    count = len(devnet.guardian_set.members)
    ports = tuple(free_port() for _ in range(count))
    world = World(devnet, solana, folder, free_port(), ports)
    chain_b = devnet.chain_b
    chain_b.chain.mint(chain_b.tokens["USDC"], LIQUIDATOR.address, plot.BACKSTOP_USDC)
    write_files(world, servers)
    return world


def write_files(world: World, servers: Servers) -> None:
    """Write the configurations and keys of the hub and of each guardian."""
    folder = world.folder
    _write_secret(folder / "sender.key", RELAYER.key.hex())
    _write_secret(folder / "solana-sender.key", SOLANA_RELAYER.seed.hex())
    for place, key in enumerate(world.devnet.options.guardians):
        _write_secret(folder / f"guardian-{place + 1}.key", key.key.hex())
        _write_secret(folder / f"guardian-{place + 1}.token", secrets.token_hex(32))
        values = _values(world, f"sqlite:///{folder}/guardian-{place + 1}.sqlite3", "memory://")
        values["guardian"] = {
            "label": f"guardian-{place + 1}",
            "key_file": str(folder / f"guardian-{place + 1}.key"),
            "token_file": str(folder / f"guardian-{place + 1}.token"),
            "listen_port": world.guardian_ports[place],
        }
        for chain in values["chains"]:
            chain["poll_milliseconds"] = GUARDIAN_POLL_MILLISECONDS
        world.guardian_config(place).write_text(toml_of(values))
    hub = _values(world, servers.database_url, servers.broker_url)
    hub["broker_prefix"] = servers.broker_prefix
    hub["sender"] = {
        "key_file": str(folder / "sender.key"),
        "solana_key_file": str(folder / "solana-sender.key"),
    }
    hub["api"] = {"listen_port": world.api_port}
    world.config.write_text(toml_of(hub))


def _write_secret(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _values(world: World, database_url: str, broker_url: str) -> dict[str, Any]:
    devnet = world.devnet
    return {
        "hub": devnet.options.hub,
        "profile": "development",
        "database_url": database_url,
        "broker_url": broker_url,
        "log_format": "json",
        "chains": [_chain(place) for place in world.places.values()],
        "assets": [_asset(world, asset_id) for asset_id in SCALES],
        "risk": {
            "paths": [
                _path("WETH", devnet.chain_a, plot.WETH_ON_A),
                _path("USDC", devnet.chain_b, plot.USDC_ON_B),
                _path("USDC", world.chain_s, plot.USDC_ON_S),
                _path("SOL", world.chain_s, plot.SOL_ON_S),
            ]
        },
        "guardians": {
            "threshold": devnet.guardian_set.threshold,
            "members": [
                {
                    "label": f"guardian-{place + 1}",
                    "address": text_of_word(key.address),
                    "url": f"http://127.0.0.1:{world.guardian_ports[place]}",
                    "token_file": str(world.folder / f"guardian-{place + 1}.token"),
                }
                for place, key in enumerate(devnet.options.guardians)
            ],
        },
        "liquidators": [
            {
                "account": "0x" + BACKSTOP.account.hex(),
                "recipients": [
                    {
                        "chain_id": place.chain_id,
                        "address": _spelled(place, BACKSTOP.wallet_on(place).address),
                    }
                    for place in (devnet.chain_a, devnet.chain_b, world.chain_s)
                ],
            }
        ],
    }


def _chain(place: Place) -> dict[str, Any]:
    values: dict[str, Any] = {
        "chain_id": place.chain_id,
        "rpc_urls": [place.rpc_url],
        "poll_milliseconds": POLL_MILLISECONDS,
        "reread_age_seconds": REREAD_AGE_SECONDS,
    }
    match place:
        case DeployedSolana():
            values["vaults"] = [
                {
                    "address": _spelled(place, place.vault),
                    "program": _spelled(place, place.program),
                }
            ]
        case DeployedChain(vault=bytes() as vault):
            values["vaults"] = [{"address": text_of_word(vault)}]
        case DeployedChain(credit_line=bytes() as credit_line):
            values["credit_lines"] = [
                {
                    "protocol": PROTOCOL,
                    "address": text_of_word(credit_line),
                    "token": text_of_word(place.tokens["USDC"]),
                    "operator": text_of_word(OPERATOR.address),
                }
            ]
    return values


def _asset(world: World, asset_id: str) -> dict[str, Any]:
    return {
        "asset_id": asset_id,
        "scale": SCALES[asset_id],
        "heartbeat_seconds": HEARTBEAT_SECONDS,
        "sources_min": 2,
        "tokens": [
            {
                "chain_id": place.chain_id,
                "address": _spelled(place, place.tokens[asset_id]),
            }
            for place in world.places.values()
            if asset_id in place.tokens
        ],
        "feeds": [
            {
                "label": f"{asset_id}/{chain.chain_id}",
                "chain_id": chain.chain_id,
                "address": text_of_word(chain.feeds[asset_id]),
            }
            for chain in world.devnet.chains
            if asset_id in chain.feeds
        ],
    }


def _spelled(place: Place, word: bytes) -> str:
    return address_text(place.chain_id, word)


def _path(asset_id: str, place: Place, weights_bps: tuple[int, int, int]) -> dict[str, Any]:
    initial, maintenance, latency = weights_bps
    return {
        "asset_id": asset_id,
        "chain_id": place.chain_id,
        "initial_weight_bps": initial,
        "maintenance_weight_bps": maintenance,
        "latency_haircut_bps": latency,
    }


def toml_of(values: dict[str, Any]) -> str:
    """Return values as TOML; lists of tables become inline arrays."""
    lines = [f"{name} = {_toml(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{name} = {_toml(entry)}" for name, entry in value.items())
        return "{ " + inner + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    return json.dumps(value)
