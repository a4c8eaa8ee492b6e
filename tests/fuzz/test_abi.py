# ruff: noqa: PT017
"""Our ABI reading and writing against eth_abi's, and reverts of any bytes."""

from typing import Any, Final

from eth_abi.abi import decode, encode
from hypothesis import example, given
from hypothesis import strategies as st

from chains.evm.abi import (
    ERROR_SIGNATURES,
    ERRORS,
    decode_revert,
    encode_call,
    number_of,
    selector_of,
    words_of,
)
from chains.evm.answers import RawLog
from chains.evm.decode import CREDIT_LINE_EVENTS, VAULT_EVENTS, decode_log
from chains.types import BlockRef, checksum_address
from tests.chains.strategies import ADDRESSES, CHAIN, WORDS
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.garbage import JSON_VALUES, mutated_bytes

FUNCTIONS: Final = (
    "lock(bytes32,address,uint256)",
    "execute(bytes,uint32,bytes[])",
    "held(address)",
    "guardianSet(uint32)",
    "isExecuted(bytes32)",
    "f(address[],uint256[],bool)",
)
BITS: Final = {"uint8": 8, "uint32": 32, "uint64": 64, "uint80": 80, "uint256": 256}
SHAPES: Final = VAULT_EVENTS | CREDIT_LINE_EVENTS


def values_of(kind: str) -> st.SearchStrategy[Any]:
    """Return what a parameter of a Solidity type may hold, as eth_abi takes it."""
    if kind.endswith("[]"):
        return st.lists(values_of(kind[:-2]), max_size=4).map(tuple)
    if kind in BITS:
        return st.integers(0, 2 ** BITS[kind] - 1)
    return {
        "bytes32": WORDS,
        "address": ADDRESSES.map(lambda word: checksum_address(word).lower()),
        "bytes": st.binary(max_size=80),
        "bool": st.booleans(),
        "string": st.text(max_size=40),
    }[kind]


def ours(value: Any) -> Any:
    """Return a value as our encoder takes it: an address as a word."""
    if isinstance(value, str):
        return bytes(12) + bytes.fromhex(value[2:])
    return tuple(map(ours, value)) if isinstance(value, tuple) else value


@fuzzed(100)
@given(content=st.data(), function=st.sampled_from(FUNCTIONS))
def test_a_call_is_encoded_as_eth_abi_does(content: st.DataObject, function: str) -> None:
    """The selector, then eth_abi's bytes; read back they are the same values."""
    kinds = function[function.index("(") + 1 : -1].split(",")
    values = [content.draw(values_of(kind)) for kind in kinds]

    raw = encode_call(function, [ours(value) for value in values])

    assert raw == selector_of(function) + encode(kinds, values)
    assert decode(kinds, raw[4:]) == tuple(values)


@fuzzed(100)
@given(function=st.sampled_from(FUNCTIONS), values=st.lists(JSON_VALUES | WORDS, max_size=4))
def test_what_does_not_fit_is_a_value_error(function: str, values: list[Any]) -> None:
    """Whatever is passed, nothing else leaves the encoder."""
    try:
        encode_call(function, values)
    except ValueError as refused:
        assert str(refused)


@fuzzed(100)
@given(content=st.data(), shape=st.sampled_from(list(SHAPES.values())))
def test_a_log_is_decoded_as_eth_abi_does(content: st.DataObject, shape: Any) -> None:
    """Field by field, for each event that we watch."""
    fields = {
        name: content.draw(values_of("uint64" if name == "lock_id" else kind))
        for name, kind in (*shape.topics, *shape.data)
    }
    topics = [encode([kind], [fields[name]]) for name, kind in shape.topics]
    raw = encode([kind for _, kind in shape.data], [fields[name] for name, _ in shape.data])
    log = RawLog(bytes(32), (shape.topic, *topics), raw, BlockRef(1, bytes(32)), bytes(32), 0)

    event = decode_log(log, chain_id=CHAIN, shapes=SHAPES)

    for name, kind in (*shape.topics, *shape.data):
        expected = ours(fields[name]) if kind == "address" else fields[name]
        assert getattr(event, name) == expected


@fuzzed(150)
@given(word=WORDS, count=st.integers(0, 5), raw=st.binary(max_size=160))
def test_words_and_numbers_are_read_as_eth_abi_does(word: bytes, count: int, raw: bytes) -> None:
    """By their bits; another length is refused."""
    assert number_of(word) == decode(["uint256"], word)[0]
    for kind, bits in BITS.items():
        try:
            assert number_of(word, bits) == decode([kind], word)[0]
        except ValueError:
            assert int.from_bytes(word, "big") >> bits
    try:
        assert b"".join(words_of(raw, count)) == raw
    except ValueError:
        assert len(raw) != 32 * count


@st.composite
def reverts(draw: st.DrawFn) -> bytes:
    """Draw the bytes of one of our errors, changed or not."""
    selector = draw(st.sampled_from(list(ERRORS)))
    types = ERRORS[selector].types
    raw = selector + encode(types, [draw(values_of(kind)) for kind in types])
    return draw(st.just(raw) | mutated_bytes(raw))


@fuzzed(150)
@given(raw=reverts() | st.binary(max_size=200))
@example(raw=selector_of("Error(string)") + b"\xff" * 1_000_000)
@example(raw=selector_of("Error(string)") + (32).to_bytes(32, "big") * 30_000)
@example(raw=b"\x00" * 1_000_000)
def test_any_revert_is_readable(raw: bytes) -> None:
    """Never an error, never long, whatever the contract or the node says."""
    with bounded():
        text = decode_revert(raw)

    assert 0 < len(text) < 1_300
    assert text.isprintable() or raw[:4] in ERRORS


def test_every_error_of_the_list_is_read_back() -> None:
    """None has the selector of another."""
    assert len(ERRORS) == len(ERROR_SIGNATURES)
