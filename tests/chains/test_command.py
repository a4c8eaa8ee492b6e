"""Commands as EIP-712 digests and as text."""

import json
from dataclasses import fields
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from chains.command import (
    COMMAND_TYPES,
    Command,
    OpenAccount,
    SignedCommand,
    account_id,
    command_fields,
    command_of_fields,
)
from chains.devnet.actors import guardian_keys
from chains.devnet.vectors import VECTORS_PATH
from chains.errors import AttestationError, MessageFormatError
from chains.types import ChainId, chain_key
from tests.chains.strategies import UINT64, UINT256, WORDS

HUB = ChainId("hub:tests")
STRATEGY_OF = {
    "bytes32": WORDS,
    "uint64": UINT64,
    "uint256": UINT256,
    "string": st.text(max_size=40),
}


@st.composite
def commands(draw: st.DrawFn) -> Command:
    """Draw a command of any type."""
    command_type = draw(st.sampled_from(list(COMMAND_TYPES.values())))
    values: dict[str, Any] = {}
    for kind, name in command_type.members():
        field = "".join("_" + one.lower() if one.isupper() else one for one in name)
        values[field] = draw(STRATEGY_OF[kind])
    return command_type(**values)


@given(command=commands())
def test_the_digest_is_that_of_eip_712(command: Command) -> None:
    """A wallet's own implementation comes to the same digest."""
    name = type(command).__name__
    members = command.members()
    values = [getattr(command, field.name) for field in fields(command)]
    typed = encode_typed_data(
        full_message={
            "primaryType": name,
            "domain": {"name": "CollateralRelayer", "version": "1", "salt": chain_key(HUB)},
            "types": {
                "EIP712Domain": [
                    {"name": "name", "type": "string"},
                    {"name": "version", "type": "string"},
                    {"name": "salt", "type": "bytes32"},
                ],
                name: [{"name": member, "type": kind} for kind, member in members],
            },
            "message": {member: value for (_, member), value in zip(members, values, strict=True)},
        }
    )

    expected = Account.from_key(b"\x01" * 32).sign_message(typed).message_hash

    assert command.digest(HUB) == bytes(expected)


@given(command=commands())
def test_text_fields_lead_back_to_the_same_command(command: Command) -> None:
    """What is stored as text is read back unchanged."""
    found = command_of_fields(type(command).__name__, command_fields(command))

    assert found == command


@given(command=commands())
def test_another_hub_gives_another_digest(command: Command) -> None:
    """A command signed for one deployment is nothing to another."""
    assert command.digest(HUB) != command.digest(ChainId("hub:other"))


def test_fields_stand_in_signing_order() -> None:
    """The type string names every field of the class, in the order of the class."""
    for command_type in COMMAND_TYPES.values():
        names = [
            "".join("_" + one.lower() if one.isupper() else one for one in name)
            for _, name in command_type.members()
        ]

        assert names == [field.name for field in fields(command_type)]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("Unknown", {}),
        ("OpenAccount", {"opener": "0x" + "00" * 32}),
        ("OpenAccount", {"opener": "0x" + "00" * 31, "salt": "0x" + "00" * 32}),
        ("OpenAccount", {"opener": "not hex", "salt": "0x" + "00" * 32}),
        ("OpenAccount", {"opener": "0x" + "00" * 32, "salt": "0x" + "00" * 32, "more": "1"}),
    ],
)
def test_text_that_is_no_command_is_refused(kind: str, payload: dict[str, str]) -> None:
    """Unknown kinds, missing or unknown fields, and misshapen values."""
    with pytest.raises(MessageFormatError):
        command_of_fields(kind, payload)


@pytest.mark.parametrize("text", ["-1", "1.5", "", "0x1", "\u0661", str(2**256)])
def test_a_number_that_is_no_decimal_integer_in_range_is_refused(text: str) -> None:
    """Amounts are plain decimal digits."""
    vector = json.loads(VECTORS_PATH.read_text(encoding="utf-8"))["commands"]
    payload = next(one["fields"] for one in vector if one["name"] == "request_unlock")

    with pytest.raises(MessageFormatError):
        command_of_fields("RequestUnlock", payload | {"amount": text})


def test_signers_are_recovered_in_order() -> None:
    """A signed command names who signed it."""
    first, second = guardian_keys(2, seed="owners")
    command = OpenAccount(opener=first.address, salt=bytes(32))
    digest = command.digest(HUB)

    signed = SignedCommand(command, (second.sign(digest), first.sign(digest)))

    assert signed.signers(HUB) == (second.address, first.address)


def test_a_malformed_signature_is_refused() -> None:
    """65 bytes or nothing."""
    command = OpenAccount(opener=bytes(32), salt=bytes(32))

    with pytest.raises(AttestationError):
        SignedCommand(command, (b"\x01" * 64,)).signers(HUB)


@given(opener=WORDS, salt=WORDS)
def test_the_account_of_an_opening_is_derived_from_opener_and_salt(
    opener: bytes, salt: bytes
) -> None:
    """keccak256(abi.encode(keccak256("relayer.account.v1"), opener, salt))."""
    expected = keccak(keccak(b"relayer.account.v1") + opener + salt)

    assert OpenAccount(opener=opener, salt=salt).account == expected
    assert account_id(opener=opener, salt=salt) == expected


def test_the_vectors_hold() -> None:
    """The shared file says the same as this code."""
    for vector in json.loads(VECTORS_PATH.read_text(encoding="utf-8"))["commands"]:
        kind = vector["type"].partition("(")[0]
        command = command_of_fields(kind, vector["fields"])

        assert "0x" + command.digest(ChainId("hub:devnet")).hex() == vector["digest"]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("account", "ab" * 32),
        ("account", "0x" + " ".join(["ab"] * 32)),
        ("account", "0x" + "a" * 63),
        ("amount", "007"),
        ("chain_id", "\ud800"),
    ],
)
def test_a_field_in_another_spelling_is_refused(field: str, text: str) -> None:
    """Half a character had no digest, which was a fault; the others were second spellings."""
    vector = json.loads(VECTORS_PATH.read_text(encoding="utf-8"))["commands"]
    payload = next(one["fields"] for one in vector if one["name"] == "request_unlock")

    with pytest.raises(MessageFormatError, match=field):
        command_of_fields("RequestUnlock", payload | {field: text})
