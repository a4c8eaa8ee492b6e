"""Canonical bytes of a message."""

import json
from dataclasses import replace

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from chains.devnet.vectors import VECTORS_PATH
from chains.errors import MessageFormatError
from chains.message import (
    MESSAGE_BYTES,
    Message,
    MessageKind,
    decode_message,
    guardian_set_hash,
)
from tests.chains.strategies import MESSAGES, WORDS

PLAIN = Message(
    kind=MessageKind.RELEASE,
    origin=b"\x01" * 32,
    target=b"\x02" * 32,
    vault=b"\x03" * 32,
    nonce=4,
    account=b"\x05" * 32,
    token=b"\x06" * 32,
    amount_units=7,
    recipient=b"\x08" * 32,
    expiry_seconds=9,
    epoch=10,
    evidence=b"\x0b" * 32,
)


def test_a_message_has_278_bytes_in_the_documented_order() -> None:
    """Each field stands at its fixed offset, big-endian."""
    raw = PLAIN.encode()

    assert MESSAGE_BYTES == len(raw) == 278
    assert raw == (
        bytes((1, 1))
        + b"\x01" * 32
        + b"\x02" * 32
        + b"\x03" * 32
        + (4).to_bytes(8, "big")
        + b"\x05" * 32
        + b"\x06" * 32
        + (7).to_bytes(32, "big")
        + b"\x08" * 32
        + (9).to_bytes(8, "big")
        + (10).to_bytes(4, "big")
        + b"\x0b" * 32
    )


@given(message=MESSAGES)
def test_decoding_what_was_encoded_gives_the_same_message(message: Message) -> None:
    """Encode and decode are inverse over the whole range of every field."""
    assert decode_message(message.encode()) == message


@given(message=MESSAGES, place=st.integers(0, MESSAGE_BYTES - 1), change=st.integers(1, 255))
def test_every_altered_byte_changes_the_id_or_is_refused(
    message: Message, place: int, change: int
) -> None:
    """No byte of a message is without meaning."""
    altered = bytearray(message.encode())
    altered[place] ^= change

    try:
        found = decode_message(bytes(altered))
    except MessageFormatError:
        assert place < 2  # only version and kind have forbidden values
        return

    assert found != message
    assert found.message_id != message.message_id


@given(message=MESSAGES)
def test_the_id_is_the_hash_of_the_bytes(message: Message) -> None:
    """message_id = keccak256(bytes)."""
    assert message.message_id == keccak(message.encode())


@pytest.mark.parametrize("length", [0, 1, MESSAGE_BYTES - 1, MESSAGE_BYTES + 1])
def test_another_length_is_refused(length: int) -> None:
    """A message is exactly 278 bytes."""
    raw = (PLAIN.encode() + b"\0")[:length]

    with pytest.raises(MessageFormatError, match="278 are needed"):
        decode_message(raw)


@given(raw=st.binary(max_size=2 * MESSAGE_BYTES))
def test_random_bytes_raise_nothing_but_a_format_error(raw: bytes) -> None:
    """Whatever arrives, the parser has one answer."""
    try:
        message = decode_message(raw)
    except MessageFormatError:
        return
    assert message.encode() == raw


@pytest.mark.parametrize(("place", "value"), [(0, 0), (0, 2), (1, 0), (1, 7), (1, 255)])
def test_an_unknown_version_or_kind_is_refused(place: int, value: int) -> None:
    """Only version 1 and kinds 1 to 6 exist."""
    raw = bytearray(PLAIN.encode())
    raw[place] = value

    with pytest.raises(MessageFormatError):
        decode_message(bytes(raw))


@pytest.mark.parametrize(
    "change",
    [
        {"origin": b"\x01" * 31},
        {"evidence": b"\x01" * 33},
        {"nonce": 2**64},
        {"nonce": -1},
        {"amount_units": 2**256},
        {"expiry_seconds": 2**64},
        {"epoch": 2**32},
    ],
)
def test_a_value_that_does_not_fit_is_refused(change: dict[str, object]) -> None:
    """A message that exists can be encoded."""
    with pytest.raises(MessageFormatError, match=next(iter(change))):
        replace(PLAIN, **change)  # type: ignore[arg-type]


@given(
    index=st.integers(0, 2**32 - 1),
    threshold=st.integers(0, 255),
    members=st.lists(WORDS, max_size=19),
)
def test_the_set_hash_covers_index_threshold_and_members(
    index: int, threshold: int, members: list[bytes]
) -> None:
    """keccak256(index u32 | threshold u8 | members)."""
    found = guardian_set_hash(index=index, threshold=threshold, members=members)

    assert found == keccak(index.to_bytes(4, "big") + bytes((threshold,)) + b"".join(members))


def test_the_vectors_decode_to_their_fields() -> None:
    """The shared file says the same as this parser."""
    for vector in json.loads(VECTORS_PATH.read_text(encoding="utf-8"))["messages"]:
        message = decode_message(bytes.fromhex(vector["bytes"][2:]))

        assert "0x" + message.message_id.hex() == vector["id"]
        assert int(message.kind) == vector["kind"]
        assert str(message.amount_units) == vector["amount"]
        assert str(message.nonce) == vector["nonce"]
        assert str(message.expiry_seconds) == vector["expiry"]
        assert str(message.epoch) == vector["epoch"]
        for name in ("origin", "target", "vault", "account", "token", "recipient", "evidence"):
            assert "0x" + getattr(message, name).hex() == vector[name]
