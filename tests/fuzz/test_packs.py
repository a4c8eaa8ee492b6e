# ruff: noqa: PT017
"""Recorded packs: read whole, or refused by name and line."""

import gzip
import json
from pathlib import Path
from typing import Any, Final

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from chains.devnet.packs import Exchange, PackError, PackHeader, read_pack, write_pack
from chains.types import ChainId
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.garbage import JSON_VALUES, RAW_JSON, mutated, mutated_bytes

HEADER: Final[dict[str, Any]] = {
    "format": "rpc-pack",
    "version": 1,
    "chain_id": "eip155:1",
    "providers": ["node-a", "node-b"],
    "made": "by hand",
}
LINE: Final[dict[str, Any]] = {
    "provider": "node-a",
    "method": "eth_chainId",
    "params": [],
    "result": "0x1",
}
BOMB_BYTES: Final = 300 * 1024 * 1024
CHUNK: Final = bytes(1024 * 1024)


def packed(*values: Any) -> bytes:
    """Return lines as a pack."""
    return gzip.compress(b"\n".join(json.dumps(value).encode() for value in values))


@fuzzed(100)
@given(
    raw=st.one_of(
        st.tuples(mutated(HEADER), st.just(LINE)).map(lambda lines: packed(*lines)),
        st.tuples(st.just(HEADER), mutated(LINE) | JSON_VALUES).map(lambda lines: packed(*lines)),
        mutated_bytes(packed(HEADER, LINE)),
        RAW_JSON.map(gzip.compress),
        RAW_JSON.map(lambda line: gzip.compress(json.dumps(HEADER).encode() + b"\n" + line)),
        st.binary(max_size=80),
    )
)
@example(raw=packed(HEADER | {"providers": "ab"}))
@example(raw=packed(HEADER | {"version": True}))
@example(raw=packed(HEADER, LINE | {"params": orjson.loads(b"[" * 400 + b"]" * 400)}))
def test_any_file_is_a_pack_or_refused(tmp_path: Path, raw: bytes) -> None:
    """What is read can be written again and is the same; every question can be asked."""
    path = tmp_path / "x.pack"
    path.write_bytes(raw)
    with bounded():
        try:
            pack = read_pack(path)
        except PackError as refused:
            assert len(str(refused)) < 1_000
            return
    assert all(exchange.question for exchange in pack.exchanges)
    write_pack(path, pack.header, pack.exchanges)
    again = read_pack(path)
    assert again.header == pack.header
    assert len(again.exchanges) == len(pack.exchanges)


def test_a_pack_that_swells_is_refused(tmp_path: Path) -> None:
    """A small file must not fill the memory."""
    path = tmp_path / "bomb.pack"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(BOMB_BYTES // len(CHUNK)):
            file.write(CHUNK)

    with bounded(cpu_seconds_max=10.0):
        try:
            read_pack(path)
        except PackError as refused:
            assert "bytes" in str(refused)
        else:
            raise AssertionError("it was read")


@fuzzed(60)
@given(method=st.text(max_size=9), params=st.lists(JSON_VALUES.filter(bool), max_size=3))
def test_an_exchange_is_read_back_as_it_was(tmp_path: Path, method: str, params: list[Any]) -> None:
    """Unless it holds what looks like an address, or a number beyond 64 bits."""
    try:
        params = orjson.loads(orjson.dumps(params))
    except orjson.JSONEncodeError:
        return
    exchange = Exchange("node-a", method, params, {"result": "0x1"})
    if b"://" in orjson.dumps([method, params]):
        return

    write_pack(tmp_path / "x", PackHeader(ChainId("eip155:1"), ("node-a",), ""), [exchange])

    assert read_pack(tmp_path / "x").exchanges == (exchange,)
