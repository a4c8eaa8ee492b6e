"""Secrets that must never be seen again: a deployment made of them, and a search for them."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Final

from coincurve import PrivateKey
from eth_hash.auto import keccak

from chains.attestation import signer_address
from chains.devnet.anvil import free_port
from chains.devnet.memory_node.load import LOAD_TOKEN, LOAD_VAULT
from chains.types import text_of_word
from relayer.cli.demo.world import toml_of

ROOT: Final = Path(__file__).parents[2]
RUN_SECONDS_MAX: Final = 90
KEYS: Final = {name: keccak(f"canary {name}".encode()) for name in ("sender", "guardian", "switch")}
TEXTS: Final = {
    "token": "canary-token-" + keccak(b"token").hex()[:24],
    "rpc path": "canaryRpcPath" + keccak(b"path").hex()[:16],
    "rpc query": "canaryRpcQuery" + keccak(b"query").hex()[:16],
    "rpc login": "canaryRpcLogin" + keccak(b"login").hex()[:16],
    "door": "canaryDoor" + keccak(b"door").hex()[:16],
    "password": "canaryPassword" + keccak(b"password").hex()[:16],
}


def forms_of(key: bytes) -> dict[str, str]:
    """Return how a key could be written; hex also stands for 0x-hex, and case is not regarded."""
    return {
        "hex": key.hex(),
        "decimal": str(int.from_bytes(key, "big")),
        "bytes": repr(key)[2:-1],
        "list": str(list(key))[1:-1],
        "compact list": ",".join(map(str, key)),
        "base64": base64.b64encode(key).decode().rstrip("="),
        "url base64": base64.urlsafe_b64encode(key).decode().rstrip("="),
    }


def hits(text: str) -> list[str]:
    """Return which secrets stand in a text, and in what form."""
    folded = text.lower()
    found = [
        f"{name} as {form}"
        for name, key in KEYS.items()
        for form, written in forms_of(key).items()
        if written.lower() in folded
    ]
    return found + [name for name, secret in TEXTS.items() if secret.lower() in folded]


@dataclass(frozen=True)
class CanaryWorld:
    """A deployment of one guardian whose every secret is a canary, on SQLite and one node."""

    folder: Path
    config: Path
    guardian_config: Path
    guardian_port: int

    @property
    def secret_files(self) -> set[Path]:
        """Where secrets belong; everywhere else they are leaks."""
        return {*self.folder.glob("*.key"), *self.folder.glob("*.token"), *self.configs}

    @property
    def configs(self) -> set[Path]:
        """The configurations: RPC URLs stand in them."""
        return set(self.folder.glob("*.toml"))

    def file_hits(self) -> list[str]:
        """Return the secrets in all files that the processes wrote: databases, logs, anything."""
        return [
            f"{path.name}: {hit}"
            for path in self.folder.rglob("*")
            if path.is_file() and path not in self.secret_files
            for hit in hits(path.read_bytes().decode("latin-1"))
        ]


def build_canary_world(folder: Path, node_url: str) -> CanaryWorld:
    """Write the key files and configurations of a hub and its guardian."""
    for name, key in KEYS.items():
        write_secret(folder / f"{name}.key", "0x" + key.hex())
    write_secret(folder / "guardian.token", TEXTS["token"])
    port = free_port()
    hub = _values(folder, node_url, port) | {
        "database_url": f"sqlite:///{folder / 'hub.sqlite3'}",
        "sender": {"key_file": str(folder / "sender.key")},
        "switches": {
            "operator": address_of("switch"),
            "key_file": str(folder / "switch.key"),
        },
        "api": {"listen_port": free_port()},
    }
    guardian = _values(folder, node_url, port) | {
        "database_url": f"sqlite:///{folder / 'guardian.sqlite3'}",
        "guardian": {
            "label": "guardian-1",
            "key_file": str(folder / "guardian.key"),
            "token_file": str(folder / "guardian.token"),
            "listen_port": port,
        },
        "switches": {"operator": address_of("switch")},
    }
    config, guardian_config = folder / "relayer.toml", folder / "guardian.toml"
    config.write_text(toml_of(hub))
    guardian_config.write_text(toml_of(guardian))
    return CanaryWorld(folder, config, guardian_config, port)


def address_of(name: str) -> str:
    """Return the address of a canary key."""
    return text_of_word(signer_address(PrivateKey(KEYS[name])))


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.write_text(text)
    path.chmod(0o600)


def _values(folder: Path, node_url: str, guardian_port: int) -> dict[str, Any]:
    secret_url = f"{node_url}/v2/{TEXTS['rpc path']}?apikey={TEXTS['rpc query']}"
    return {
        "hub": "hub:canary",
        "profile": "development",
        "broker_url": "memory://",
        "log_format": "json",
        "log_level": "debug",
        "chains": [
            {
                "chain_id": "eip155:31337",
                "rpc_urls": [secret_url],
                "poll_milliseconds": 200,
                "vaults": [{"address": text_of_word(LOAD_VAULT)}],
            }
        ],
        "assets": [
            {
                "asset_id": "WETH",
                "scale": 18,
                "tokens": [{"chain_id": "eip155:31337", "address": text_of_word(LOAD_TOKEN)}],
            }
        ],
        "guardians": {
            "members": [
                {
                    "label": "guardian-1",
                    "address": address_of("guardian"),
                    "url": f"http://127.0.0.1:{guardian_port}/{TEXTS['door']}",
                    "token_file": str(folder / "guardian.token"),
                }
            ]
        },
    }


def command(*line: str, variables: dict[str, str] | None = None) -> tuple[int, str]:
    """Run one command as a process of its own; return its status and all that it printed."""
    ended = subprocess.run(
        [sys.executable, "-m", "relayer.cli", *line],
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
        check=False,
        cwd=ROOT,
        env=os.environ | (variables or {}),
    )
    return ended.returncode, ended.stdout + ended.stderr


def run_until(output: Path, is_enough: Callable[[str], bool], *line: str) -> tuple[int, str]:
    """Run a process until its output is enough, stop it, and return its status and output."""
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "relayer.cli", *line],
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
        try:
            deadline = time.monotonic() + RUN_SECONDS_MAX
            while time.monotonic() < deadline and process.poll() is None:
                if is_enough(output.read_text()):
                    break
                Event().wait(0.2)
            process.terminate()
            process.wait(timeout=RUN_SECONDS_MAX)
        finally:
            process.kill()
            process.wait()
    return process.returncode, output.read_text()


def events_of(text: str) -> list[str]:
    """Return the names of the logged events; lines that are no JSON have none."""
    lines = [line for line in text.splitlines() if line.startswith("{")]
    return [str(json.loads(line).get("event")) for line in lines]
