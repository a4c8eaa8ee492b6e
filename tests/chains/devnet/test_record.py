"""Recording: proxies before nodes that write down what was said."""

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from chains.devnet.lies.identity import SwapChainId
from chains.devnet.memory_node.node import MemoryNode
from chains.devnet.packs import PackHeader, read_pack
from chains.devnet.record import Recording, node_of
from chains.errors import RpcUnavailableError
from tests.chains.devnet.scenes import CHAIN, chain_with_locks, see, through

STOP_SECONDS_MAX = 10
REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}


def test_each_provider_has_its_own_exchanges(tmp_path: Path) -> None:
    """In one pack, in order, lies included."""
    path = tmp_path / "two.pack"
    header = PackHeader(CHAIN, ("honest", "liar"), "by a test")
    layers = {"liar": [SwapChainId(5)]}
    with MemoryNode(chain_with_locks(1)) as node:
        nodes = dict.fromkeys(header.providers, node.rpc_url)
        with Recording(path, header, nodes, layers=layers) as recording:
            for url in recording.urls.values():
                httpx.post(url, json=[REQUEST, REQUEST | {"method": "eth_blockNumber"}])

    pack = read_pack(path)
    told = {label: [one.outcome["result"] for one in pack.of(label)] for label in header.providers}
    assert told == {"honest": ["0x7a69", "0x1"], "liar": ["0x5", "0x1"]}
    assert recording.writer.exchange_count == 4


def test_a_recorded_reader_sees_what_the_node_says(tmp_path: Path) -> None:
    """Recording changes nothing; a node that is gone is recorded as a broken line."""
    path = tmp_path / "one.pack"
    header = PackHeader(CHAIN, ("main",), "by a test")
    node = MemoryNode(chain_with_locks(1, 2))
    node.start()
    with Recording(path, header, {"main": node.rpc_url}) as recording:
        assert through(recording.urls["main"], see) == through(node.rpc_url, see)
        node.stop()
        with pytest.raises(RpcUnavailableError):
            through(recording.urls["main"], see)

    assert read_pack(path).exchanges[-1].outcome == {"fault": {"kind": "reset"}}


def test_a_node_is_named_by_label_and_address_or_file(tmp_path: Path) -> None:
    """A file keeps a key out of the list of processes."""
    secret = tmp_path / "url"
    secret.write_text("https://rpc.example/v3/abcdefgh\n", encoding="utf-8")

    assert node_of("a=http://127.0.0.1:1") == ("a", "http://127.0.0.1:1")
    assert node_of(f"b=@{secret}") == ("b", "https://rpc.example/v3/abcdefgh")
    for wrong in ("http://127.0.0.1:1", "A=http://x", "a=", "a=ftp://x", f"a=@{secret}.not"):
        with pytest.raises(argparse.ArgumentTypeError):
            node_of(wrong)


def test_a_recording_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    """Told to stop, it leaves a complete pack."""
    path = tmp_path / "process.pack"
    with MemoryNode(chain_with_locks(1)) as node:
        arguments = ["--chain-id", CHAIN, "--node", f"main={node.rpc_url}", str(path)]
        command = [sys.executable, "-m", "chains.devnet.record", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["main"]
            answer = httpx.post(url, json=REQUEST).json()
            process.send_signal(signal.SIGTERM)
            code = process.wait(STOP_SECONDS_MAX)

    (exchange,) = read_pack(path).exchanges
    assert exchange.outcome == {"result": answer["result"]} == {"result": "0x7a69"}
    assert (exchange.provider, code) == ("main", 0)
