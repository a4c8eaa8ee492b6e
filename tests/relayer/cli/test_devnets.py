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
from solders.pubkey import Pubkey

from chains.devnet.solana_deploy import SolanaDevChain
from chains.devnet.solana_kit import USDC, WALLET_USDC
from tests.relayer.cli.conftest import Run

WAIT_SECONDS_MAX = 60
key_of = Pubkey.from_string


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


def test_a_vault_is_put_there_and_told() -> None:
    """The addresses are what stands there: the vault belongs to the program, Alice has tokens."""
    with served("--vault", "--json") as (line, _):
        told = json.loads(line)
        chain = SolanaDevChain(told["url"])
        account = chain.rpc.ask(lambda client: client.get_account_info(key_of(told["vault"]))).value
        usdc, alice = (bytes(key_of(told[name])) for name in ("USDC", "alice"))

        assert account is not None
        assert str(account.owner) == told["program"]
        assert chain.units_of(usdc, alice) == WALLET_USDC * USDC
        assert told["hub"] == "hub:devnet"


def test_people_get_what_stands_there_line_by_line() -> None:
    """Name and address, one a line, the URL first."""
    with served("--vault") as (line, process):
        assert process.stdout is not None
        lines = [line, *(process.stdout.readline() for _ in range(6))]

    names = [name for name, _ in map(str.split, lines)]
    assert names == ["url", "chain_id", "hub", "program", "vault", "USDC", "SOL"]


def test_options_that_make_no_cluster_are_refused(run: Run) -> None:
    """Final before confirmed is an error with its reason."""
    result = run("devnet", "solana", "--confirmed-lag-slots", "9", "--finalized-lag-slots", "3",
                 "--json")  # fmt: skip

    assert result.exit_code == 2
    failed = json.loads(result.stdout)["error"]
    assert failed["code"] == "devnet"
    assert "finalized_lag_slots" in str(failed)


@pytest.mark.parametrize(
    "option", ["--port", "--slot-ms", "--seed", "--finalized-lag-slots", "--vault"]
)
def test_help_names_every_option(run: Run, option: str) -> None:
    """Long flags only."""
    assert option in run("devnet", "solana", "--help").stdout
