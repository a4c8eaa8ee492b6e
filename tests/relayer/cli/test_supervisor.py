"""`relayer up` as a process: readiness, an orderly end, and an end when a part fails."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from chains.devnet.anvil import find_anvil
from chains.devnet.kit import Devnet
from chains.devnet.rpc import DevnetError
from chains.devnet.solana_kit import SolanaKit
from relayer.cli.demo.world import Servers, World, build_world
from relayer.cli.supervisor import run_up
from relayer.errors import SettingsError
from relayer.settings import load_settings
from relayer.store.unit_of_work import Store
from relayer.wiring import unchecked_store

pytestmark = [pytest.mark.slow, pytest.mark.devnet, pytest.mark.timeout(120)]
READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
POLL_SECONDS = 0.1


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Four local chains, and the files and the migrated database of a hub beside them."""
    try:
        find_anvil()
    except DevnetError as exc:
        pytest.skip(str(exc))
    with Devnet() as devnet, SolanaKit() as solana:
        servers = Servers(f"sqlite:///{tmp_path}/hub.sqlite3", "memory://", "relayer")
        found = build_world(devnet, solana, tmp_path, servers)
        with store_of(found) as store:
            store.upgrade()
        yield found


@contextmanager
def store_of(world: World) -> Iterator[Store]:
    """Open the hub's store, and close it."""
    store = unchecked_store(load_settings(world.config))
    try:
        yield store
    finally:
        store.close()


@contextmanager
def up(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `relayer up` and end it in any case."""
    command = [sys.executable, "-m", "relayer.cli", "up", "--config", str(config), "--json"]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as found:
        try:
            yield found
        finally:
            if found.poll() is None:
                found.kill()


def wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    """Wait until the API says that it is ready; its process must not end before."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not _is_ready(url):
        assert time.monotonic() < deadline, "the API did not answer"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=1.0).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def is_listening(port: int) -> bool:
    """Return whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_up_serves_and_ends_with_status_0_on_sigterm(world: World, tmp_path: Path) -> None:
    """The API gets ready; SIGTERM ends everything in an orderly way."""
    log = tmp_path / "up.log"
    with up(world.config, log) as process:
        wait_until_ready(process, world.api_url)

        process.send_signal(signal.SIGTERM)

        assert process.wait(STOP_SECONDS_MAX) == 0, log.read_text()
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events.count("process.started") == 1
    assert events.count("process.stopped") == 1
    assert not is_listening(world.api_port)


def test_up_ends_as_a_whole_when_a_watcher_fails(world: World, tmp_path: Path) -> None:
    """A node of another chain ends its watcher, and with it the rest; the error names the chain."""
    chain_id = world.devnet.chain_b.chain_id
    with store_of(world) as store, store.unit_of_work() as uow:
        uow.chains.remember_identity(chain_id, "31338", b"\x01" * 32)
    log = tmp_path / "up.log"

    with up(world.config, log) as process:
        status = process.wait(READY_SECONDS_MAX)

    assert status == 2, log.read_text()
    failed = [line for line in log.read_text().splitlines() if '"wrong_chain"' in line]
    assert chain_id in log.read_text()
    assert failed, log.read_text()
    assert not is_listening(world.api_port)


def test_up_refuses_a_port_that_is_taken(world: World) -> None:
    """Somebody listens there already: the error names the setting and the remedy."""
    with (
        socket.create_server(("127.0.0.1", world.api_port)),
        pytest.raises(SettingsError, match=r"api\.listen_port: .* name a free one"),
    ):
        run_up(load_settings(world.config))
