"""The file format of packs."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.devnet.packs import (
    UNPACKED_BYTES_MAX,
    Exchange,
    PackError,
    PackHeader,
    PackWriter,
    question_of,
    read_pack,
    secrets_of,
    write_pack,
)
from tests.chains.devnet.scenes import CHAIN

HEADER = PackHeader(CHAIN, ("first", "second"), "by hand")
KEY = "0123456789abcdef0123456789abcdef"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text("abc xyz{}", max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
EXCHANGES = st.lists(
    st.builds(
        Exchange,
        provider=st.sampled_from(HEADER.providers),
        method=st.sampled_from(["eth_call", "getSlot"]),
        params=st.lists(JSON, max_size=3),
        outcome=st.one_of(
            st.fixed_dictionaries({"result": JSON}),
            st.fixed_dictionaries({"error": st.just({"code": -32000, "message": "no"})}),
            st.fixed_dictionaries({"fault": st.just({"kind": "reset"})}),
        ),
    ),
    max_size=10,
)


@given(EXCHANGES)
@settings(max_examples=50)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, exchanges: list[Exchange]
) -> None:
    """Header and exchanges, in order; and the same exchanges make the same bytes."""
    folder = tmp_path_factory.mktemp("packs")
    for name in ("one", "two"):
        write_pack(folder / name, HEADER, exchanges)

    pack = read_pack(folder / "one")

    assert (pack.header, list(pack.exchanges)) == (HEADER, exchanges)
    assert pack.of("first") == tuple(one for one in exchanges if one.provider == "first")
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes()


def test_the_same_question_has_the_same_bytes() -> None:
    """Whatever the order of an object's keys."""
    first = question_of("eth_getLogs", [{"fromBlock": "0x1", "toBlock": "0x2"}])

    assert first == question_of("eth_getLogs", [{"toBlock": "0x2", "fromBlock": "0x1"}])
    assert first != question_of("eth_getLogs", [{"toBlock": "0x1", "fromBlock": "0x2"}])


@pytest.mark.parametrize(
    "url",
    [
        f"https://rpc.example/v3/{KEY}",
        f"https://user:{KEY}@rpc.example/",
        f"wss://rpc.example/?token={KEY}&x=1",
    ],
)
def test_no_address_and_no_key_enters_a_pack(tmp_path: Path, url: str) -> None:
    """Not in an error text, not in a result, not as a bare key."""
    path = tmp_path / "pack"
    told: list[dict[str, Any]] = [
        {"error": {"code": -32005, "message": f"see {url}", "data": {"at": url}}},
        {"result": f"served by {url} for key {KEY}"},
    ]
    with PackWriter(path, HEADER, secrets=secrets_of(url)) as writer:
        for outcome in told:
            writer.provider("first").note("eth_call", [url, KEY], outcome)

    raw = gzip.decompress(path.read_bytes())

    assert KEY.encode() not in raw
    assert b"rpc.example" not in raw
    assert b"see <url>" in raw
    assert b"for key <secret>" in raw
    assert len(read_pack(path).exchanges) == 2


def test_headers_that_say_too_much_or_too_little_are_refused() -> None:
    """Labels are short words; made has no URL; there is at least one provider."""
    with pytest.raises(PackError, match="label"):
        PackHeader(CHAIN, (f"https://rpc.example/{KEY}",), "by hand")
    with pytest.raises(PackError, match="URL"):
        PackHeader(CHAIN, ("a",), f"from https://rpc.example/{KEY}")
    for providers in ((), ("a", "a")):
        with pytest.raises(PackError, match="providers"):
            PackHeader(CHAIN, providers, "by hand")
    with pytest.raises(PackError, match="'third'"):
        PackWriter(Path("unused"), HEADER).provider("third")


def lines(*fields: object) -> bytes:
    """Return a pack file of these lines."""
    # Without the time, so that each process names the tests alike.
    return gzip.compress(b"\n".join(orjson.dumps(line) for line in fields), mtime=0)


HEAD: dict[str, Any] = {
    "format": "rpc-pack",
    "version": 1,
    "chain_id": CHAIN,
    "providers": ["a"],
    "made": "by hand",
}
LINE = {"provider": "a", "method": "m", "params": [], "result": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"plain text", "no readable pack"),
        (lines(HEAD, LINE)[:-9], "no readable pack"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (gzip.compress(b"{", mtime=0), "line 1: not JSON"),
        (lines([1]), "line 1: an object"),
        (lines({"a": 1}), "no pack"),
        (lines(HEAD | {"version": 2}), "version 2, this reads 1; record it again"),
        (lines(HEAD | {"chain_id": "?"}), "line 1: .*CAIP-2"),
        (lines({"format": "rpc-pack", "version": 1, "chain_id": CHAIN}), "line 1: 'providers'"),
        (lines(HEAD, LINE | {"provider": "b"}), "line 2: provider 'b'"),
        (lines(HEAD, LINE, {"provider": "a", "method": "m", "params": []}), "line 3: .*result"),
        (lines(HEAD, LINE | {"error": {}}), "line 2: .*one of result"),
        (lines(HEAD, LINE | {"params": {}}), "line 2: .*params"),
    ],
)
def test_what_is_no_pack_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """The error names the file, the line and what to do."""
    path = tmp_path / "broken.pack"
    path.write_bytes(content)

    with pytest.raises(PackError, match=message):
        read_pack(path)


def test_a_pack_that_is_not_there_is_named(tmp_path: Path) -> None:
    """So is a provider that it does not have."""
    with pytest.raises(PackError, match=r"missing\.pack"):
        read_pack(tmp_path / "missing.pack")
    write_pack(tmp_path / "here.pack", HEADER, [])
    with pytest.raises(PackError, match="it has first, second"):
        read_pack(tmp_path / "here.pack").of("third")


def packed(path: Path, *lines: bytes) -> Path:
    """Write lines as a pack."""
    path.write_bytes(gzip.compress(b"\n".join(lines), mtime=0))
    return path


FIRST_LINE: dict[str, Any] = {
    "format": "rpc-pack",
    "version": 1,
    "chain_id": CHAIN,
    "providers": ["first"],
    "made": "",
}


@pytest.mark.parametrize("change", [{"providers": "ab"}, {"version": True}])
def test_a_header_of_another_kind_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    """A text is no list of labels, and True no version."""
    with pytest.raises(PackError, match=r"list of labels|of version"):
        read_pack(packed(tmp_path / "p", orjson.dumps(FIRST_LINE | change)))


def test_what_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    """It would fail in the middle of a replay."""
    deep = b"[" * 400 + b"]" * 400
    line = b'{"provider":"first","method":"m","result":1,"params":' + deep + b"}"

    with pytest.raises(PackError, match="line 2: params cannot be asked"):
        read_pack(packed(tmp_path / "p", orjson.dumps(FIRST_LINE), line))


def test_a_pack_that_swells_is_refused(tmp_path: Path) -> None:
    """A small file must not fill the memory."""
    path = tmp_path / "bomb"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(UNPACKED_BYTES_MAX // 2**20 + 1):
            file.write(bytes(2**20))

    with pytest.raises(PackError, match="unpacks to more than"):
        read_pack(path)
