"""relayer devnet: a local chain as a process of its own."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from solana.rpc.websocket_api import SolanaWsClient

from tests.relayer.cli.conftest import Run

WAIT_SECONDS_MAX = 60


@contextmanager
def served(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a cluster and yield its first line; it is ended in any case."""
    line = [sys.executable, "-m", "relayer.cli", "devnet", "solana", "--port", "0", *options]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline(), process
        finally:
            process.kill()


def test_a_cluster_says_where_it_is_and_ends_when_told() -> None:
    """One object on one line; slots move by themselves; SIGTERM is a clean end."""

    async def first_slot(ws_url: str) -> int:
        async with SolanaWsClient(ws_url) as client:
            await client.slot_subscribe()
            return int((await client.recv()).result.slot)  # type: ignore[union-attr]

    with served("--slot-ms", "10", "--json") as (line, process):
        told = json.loads(line)
        asked = {"jsonrpc": "2.0", "id": 1, "method": "getGenesisHash"}
        genesis = httpx.post(told["url"], json=asked, timeout=WAIT_SECONDS_MAX).json()["result"]
        assert told["chain_id"] == f"solana:{genesis[:32]}"
        assert asyncio.run(asyncio.wait_for(first_slot(told["ws_url"]), WAIT_SECONDS_MAX)) > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS_MAX) == 0


def test_people_get_the_address_alone() -> None:
    """The first line is the URL."""
    with served() as (line, _):
        asked = {"jsonrpc": "2.0", "id": 1, "method": "getHealth"}
        answer = httpx.post(line.strip(), json=asked, timeout=WAIT_SECONDS_MAX)

    assert answer.json()["result"] == "ok"


def test_options_that_make_no_cluster_are_refused(run: Run) -> None:
    """Final before confirmed is an error with its reason."""
    result = run("devnet", "solana", "--confirmed-lag-slots", "9", "--finalized-lag-slots", "3",
                 "--json")  # fmt: skip

    assert result.exit_code == 2
    failed = json.loads(result.stdout)["error"]
    assert failed["code"] == "devnet"
    assert "finalized_lag_slots" in str(failed)


@pytest.mark.parametrize("option", ["--port", "--slot-ms", "--seed", "--finalized-lag-slots"])
def test_help_names_every_option(run: Run, option: str) -> None:
    """Long flags only."""
    assert option in run("devnet", "solana", "--help").stdout
