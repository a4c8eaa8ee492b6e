"""What was recorded is answered again: a reader cannot tell the difference."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from chains.devnet.memory_node.chain import MemoryChain
from chains.devnet.memory_node.node import MemoryNode
from chains.devnet.packs import Exchange, Pack, PackHeader, PackWriter, read_pack, write_pack
from chains.devnet.proxy import Break, ErrorObject, Fault, FaultProxy, HttpStatus, Rule
from chains.devnet.replay import ReplayNode
from chains.devnet.schedule import Script
from chains.errors import ChainError, RpcAnswerError
from chains.evm.reader import EvmReader
from tests.chains.devnet.scenes import (
    ACCOUNT,
    CHAIN,
    TOKEN,
    VAULT,
    chain_with_locks,
    lock_tx,
    through,
)

HEADER: Final = PackHeader(CHAIN, ("only",), "by a test")
FAULTS: Final[tuple[tuple[Fault, int], ...]] = (
    (Break.RESET, 1),
    (Break.HALF_BODY, 1),
    (Break.NOT_JSON, 1),
    (Break.WRONG_ID, 1),
    (HttpStatus(429, 1), 1),
    (ErrorObject(-32005, "limit exceeded"), 1),
    (ErrorObject(-32000, "header not found"), 1),
)
STOP_SECONDS_MAX: Final = 10


@contextmanager
def recorded(path: Path, chain: MemoryChain, *rules: Rule) -> Iterator[str]:
    """Record a chain behind a faulty line."""
    with (
        MemoryNode(chain) as node,
        PackWriter(path, HEADER) as writer,
        FaultProxy(node.rpc_url, *rules, witness=writer.provider("only")) as proxy,
    ):
        yield proxy.rpc_url


async def diary(reader: EvmReader, chain: MemoryChain | None) -> list[str]:
    """Return all that a reader meets while a chain goes on; None when it is replayed."""
    met: list[str] = []

    async def note(question: Any) -> None:
        try:
            met.append(repr(await question))
        except ChainError as exc:
            met.append(f"{type(exc).__name__}: {exc}")

    for turn in range(12):
        if chain is not None:
            chain.mine(lock_tx(f"turn {turn}", turn + 1))
            if turn == 6:
                chain.reorg(3, [[lock_tx("late", 99)]])
        await note(reader.heads())
        for height in (2, 5, 7):
            await note(reader.header_at(height))
        await note(reader.events_in_range(0, 2))
        try:
            block = (await reader.header_at(3)).block
        except ChainError as exc:
            met.append(str(exc))
            continue
        await note(reader.events_in_block(block))
        await note(reader.collateral_units(VAULT, ACCOUNT, TOKEN, block))
    return met


@pytest.mark.parametrize("seed", range(4))
def test_a_replayed_reader_meets_exactly_what_was_recorded(tmp_path: Path, seed: int) -> None:
    """Answers, errors, broken lines and a reorg, in order, from start to end."""
    path, chain = tmp_path / "diary.pack", chain_with_locks(1, 1)
    script = Script(seed, FAULTS, clear_weight=30 if seed else 10_000)
    with recorded(path, chain, script) as url:
        written = through(url, lambda reader: diary(reader, chain))

    with ReplayNode(read_pack(path), "only") as node:
        told = through(node.rpc_url, lambda reader: diary(reader, None))

    assert told == written
    assert node.unknown == {}
    assert len(set(told)) > 20


def test_the_last_answer_repeats() -> None:
    """Earlier ones come once each; other parameters have answers of their own."""
    exchanges = [
        Exchange("only", "m", params, {"result": result})
        for params, result in (([1], "a"), ([2], "x"), ([1], "b"))
    ]
    with ReplayNode(_pack(exchanges), "only") as node:
        told = [_post(node, "m", [1])["result"] for _ in range(4)]
        other = [_post(node, "m", [2])["result"] for _ in range(2)]

    assert told == ["a", "b", "b", "b"]
    assert other == ["x", "x"]


def test_what_was_never_asked_is_named() -> None:
    """An error object with the method, for the reader an answer it cannot use."""
    with ReplayNode(_pack([]), "only") as node:
        answer = _post(node, "eth_getLogs", [{"fromBlock": "0x0"}])
        with pytest.raises(RpcAnswerError, match="eth_getBlockByNumber"):
            through(node.rpc_url, lambda reader: reader.heads())

    assert "eth_getLogs" in answer["error"]["message"]
    assert '{"fromBlock":"0x0"}' in answer["error"]["message"]
    assert node.unknown == {"eth_getLogs": 1, "eth_getBlockByNumber": 1}


def test_a_batch_is_replayed_request_by_request() -> None:
    """In order, with the ids of the asker; a fault of the line hits them all."""
    pack = _pack(
        [
            Exchange("only", "a", [], {"result": 1}),
            Exchange("only", "b", [], {"error": {"code": -32000, "message": "no"}}),
            Exchange("only", "c", [], {"fault": {"kind": "http", "status": 429}}),
        ]
    )
    batch = [{"jsonrpc": "2.0", "id": f"id {name}", "method": name, "params": []} for name in "ab"]
    with ReplayNode(pack, "only") as node:
        answers = httpx.post(node.rpc_url, json=batch).json()
        broken = httpx.post(node.rpc_url, json=[*batch, batch[0] | {"method": "c"}])

    assert [answer["id"] for answer in answers] == ["id a", "id b"]
    assert (answers[0]["result"], answers[1]["error"]["message"]) == (1, "no")
    assert broken.status_code == 429


def test_a_replay_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    """It prints an address for each provider; a file that is no pack ends it with a reason."""
    path = tmp_path / "told.pack"
    write_pack(path, HEADER, [Exchange("only", "m", [], {"result": "here"})])
    command = [sys.executable, "-m", "chains.devnet.replay"]
    with subprocess.Popen([*command, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["only"]
        request = {"jsonrpc": "2.0", "id": 1, "method": "m", "params": []}
        told = httpx.post(url, json=request).json()["result"]
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_SECONDS_MAX)
    refused = subprocess.run(
        [*command, tmp_path / "missing.pack"], capture_output=True, text=True, check=False
    )

    assert (told, code) == ("here", 0)
    assert refused.returncode == 2
    assert "missing.pack is no readable pack" in refused.stderr


def _pack(exchanges: list[Exchange]) -> Pack:
    return Pack(HEADER, tuple(exchanges))


def _post(node: ReplayNode, method: str, params: list[Any]) -> Any:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return httpx.post(node.rpc_url, json=request).json()
