"""Selectors, topics, encodings and refusals."""

import json

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from chains.devnet.deploy import ARTIFACTS_PATH
from chains.evm.abi import (
    ERRORS,
    decode_revert,
    encode_call,
    number_of,
    selector_of,
    topic_of,
    words_of,
)
from tests.chains.strategies import ADDRESSES, UINT32, UINT256, WORDS


def test_a_selector_and_a_topic_are_those_everybody_knows() -> None:
    """Known values of ERC-20."""
    assert selector_of("transfer(address,uint256)").hex() == "a9059cbb"
    assert topic_of("Transfer(address,address,uint256)") == bytes.fromhex(
        "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    )


@given(account=WORDS, token=ADDRESSES, units=UINT256)
def test_a_call_is_its_selector_and_its_words(account: bytes, token: bytes, units: int) -> None:
    """Static arguments are one word each; an address is given as its word."""
    found = encode_call("lock(bytes32,address,uint256)", (account, token, units))

    assert found == (
        keccak(b"lock(bytes32,address,uint256)")[:4] + account + token + units.to_bytes(32, "big")
    )


@given(raw=st.binary(max_size=300), index=UINT32, signatures=st.lists(st.binary(max_size=66)))
def test_dynamic_arguments_are_encoded_as_solidity_does(
    raw: bytes, index: int, signatures: list[bytes]
) -> None:
    """Offsets, lengths and padding."""
    found = encode_call("execute(bytes,uint32,bytes[])", (raw, index, tuple(signatures)))

    assert found[4:] == encode(["bytes", "uint32", "bytes[]"], [raw, index, signatures])


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (b"\x01" * 32, b"\x01" * 32, 1),  # dirty padding
        (b"\x01" * 33, bytes(32), 1),
        (b"\x01" * 32, bytes(32), -1),
        (b"\x01" * 32, bytes(32), 2**256),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: tuple[int | bytes, ...]) -> None:
    """Before anything is signed."""
    with pytest.raises(ValueError):  # noqa: PT011  (each has its own text)
        encode_call("lock(bytes32,address,uint256)", arguments)


def test_every_error_of_our_contracts_can_be_decoded() -> None:
    """The table knows each custom error of each artifact, with its values in order."""
    for path in ARTIFACTS_PATH.glob("*.json"):
        for entry in json.loads(path.read_text(encoding="utf-8"))["abi"]:
            if entry["type"] != "error":
                continue
            types = [one["type"] for one in entry["inputs"]]
            shape = ERRORS[selector_of(f"{entry['name']}({','.join(types)})")]

            assert shape.name == entry["name"]
            assert list(shape.names) == [one["name"] for one in entry["inputs"]]


def test_a_refusal_names_its_values() -> None:
    """An operator reads the error's name and numbers."""
    raw = selector_of("CollateralVaultOutflowLimited(address,uint256,uint256,uint256)") + encode(
        ["address", "uint256", "uint256", "uint256"], ["0x" + "11" * 20, 5, 4, 60]
    )

    assert decode_revert(raw) == (
        "CollateralVaultOutflowLimited(token=0x1111111111111111111111111111111111111111, "
        "amount=5, available=4, waitSeconds=60)"
    )


def test_a_plain_text_refusal_is_shown() -> None:
    """require(false, "text")."""
    assert decode_revert(selector_of("Error(string)") + encode(["string"], ["no"])) == "Error('no')"


@given(raw=st.binary(max_size=400), selector=st.sampled_from(list(ERRORS)))
def test_decoding_a_refusal_never_fails(raw: bytes, selector: bytes) -> None:
    """A contract may answer anything."""
    assert decode_revert(raw)
    assert len(decode_revert(selector + raw)) < 2_000


@given(words=st.lists(WORDS, max_size=5))
def test_an_answer_splits_into_its_words(words: list[bytes]) -> None:
    """Exactly the announced number."""
    assert words_of(b"".join(words), len(words)) == tuple(words)
    with pytest.raises(ValueError, match="are needed"):
        words_of(b"".join(words) + b"\0", len(words))


def test_a_number_with_too_many_bits_is_refused() -> None:
    """A uint64 has 64 bits."""
    assert number_of((2**64 - 1).to_bytes(32, "big"), 64) == 2**64 - 1
    with pytest.raises(ValueError, match="uint64"):
        number_of((2**64).to_bytes(32, "big"), 64)
