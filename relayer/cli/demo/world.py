"""The demo's world: three local chains, the parties' keys, and the files that processes read."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chains.command import account_id
from chains.devnet.actors import ALICE, LIQUIDATOR, OPERATOR, RELAYER, DevKey
from chains.devnet.anvil import free_port
from chains.devnet.kit import USDC, DeployedChain, Devnet
from chains.types import text_of_word

PROTOCOL: Final = "lendco"
LIQUIDATOR_COLLATERAL_UNITS: Final = 50_000 * USDC
HEARTBEAT_SECONDS: Final = 3_600
POLL_MILLISECONDS: Final = 400
REREAD_AGE_SECONDS: Final = 3
GUARDIAN_POLL_MILLISECONDS: Final = 700
ALICE_SALT: Final = bytes(31) + b"\x01"
LIQUIDATOR_SALT: Final = bytes(31) + b"\x02"


@dataclass(frozen=True, slots=True)
class Account:
    """A margin account and the wallet that opens it."""

    wallet: DevKey
    salt: bytes

    @property
    def account(self) -> bytes:
        """The account's id."""
        return account_id(opener=self.wallet.address, salt=self.salt)


OWNER: Final = Account(ALICE, ALICE_SALT)
BACKSTOP: Final = Account(LIQUIDATOR, LIQUIDATOR_SALT)


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
    folder: Path
    api_port: int
    guardian_ports: tuple[int, ...]

    @property
    def config(self) -> Path:
        """The hub's configuration."""
        return self.folder / "relayer.toml"

    @property
    def api_url(self) -> str:
        """Where the message API listens."""
        return f"http://127.0.0.1:{self.api_port}"

    def guardian_config(self, place: int) -> Path:
        """One guardian's configuration."""
        return self.folder / f"guardian-{place + 1}.toml"


def build_world(devnet: Devnet, folder: Path, servers: Servers) -> World:
    """Fund the liquidator and write every configuration and key file."""
    count = len(devnet.guardian_set.members)
    world = World(devnet, folder, free_port(), tuple(free_port() for _ in range(count)))
    chain_b = devnet.chain_b
    chain_b.chain.mint(chain_b.tokens["USDC"], LIQUIDATOR.address, LIQUIDATOR_COLLATERAL_UNITS)
    _write_secret(folder / "sender.key", RELAYER.key.hex())
    for place, key in enumerate(devnet.options.guardians):
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
    hub["sender"] = {"key_file": str(folder / "sender.key")}
    hub["api"] = {"listen_port": world.api_port}
    world.config.write_text(toml_of(hub))
    return world


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
        "chains": [_chain(chain) for chain in devnet.chains],
        "assets": [_asset(devnet, "WETH", 18), _asset(devnet, "USDC", 6)],
        "risk": {
            "paths": [
                _path("WETH", devnet.chain_a, initial=7_600, maintenance=8_100, latency=100),
                _path("USDC", devnet.chain_b, initial=9_050, maintenance=9_350, latency=50),
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
                    {"chain_id": chain.chain_id, "address": text_of_word(LIQUIDATOR.address)}
                    for chain in (devnet.chain_a, devnet.chain_b)
                ],
            }
        ],
    }


def _chain(chain: DeployedChain) -> dict[str, Any]:
    values: dict[str, Any] = {
        "chain_id": chain.chain_id,
        "rpc_urls": [chain.rpc_url],
        "poll_milliseconds": POLL_MILLISECONDS,
        "reread_age_seconds": REREAD_AGE_SECONDS,
    }
    if chain.vault is not None:
        values["vaults"] = [{"address": text_of_word(chain.vault)}]
    if chain.credit_line is not None:
        values["credit_lines"] = [
            {
                "protocol": PROTOCOL,
                "address": text_of_word(chain.credit_line),
                "token": text_of_word(chain.tokens["USDC"]),
                "operator": text_of_word(OPERATOR.address),
            }
        ]
    return values


def _asset(devnet: Devnet, asset_id: str, scale: int) -> dict[str, Any]:
    return {
        "asset_id": asset_id,
        "scale": scale,
        "heartbeat_seconds": HEARTBEAT_SECONDS,
        "sources_min": 2,
        "tokens": [
            {"chain_id": chain.chain_id, "address": text_of_word(chain.tokens[asset_id])}
            for chain in devnet.chains
            if asset_id in chain.tokens
        ],
        "feeds": [
            {
                "label": f"{asset_id}/{chain.chain_id}",
                "chain_id": chain.chain_id,
                "address": text_of_word(chain.feeds[asset_id]),
            }
            for chain in devnet.chains
            if asset_id in chain.feeds
        ],
    }


def _path(
    asset_id: str, chain: DeployedChain, *, initial: int, maintenance: int, latency: int
) -> dict[str, Any]:
    return {
        "asset_id": asset_id,
        "chain_id": chain.chain_id,
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
