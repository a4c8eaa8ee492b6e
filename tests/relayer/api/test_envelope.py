"""The envelope: what a message must look like, and that it means one command."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from chains.base58 import base58_of
from chains.command import Command, RequestUnlock
from relayer.api.envelope import MESSAGE_TYPES, AnyMessage, UnlockMessage, UnlockQuestion
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    BOB,
    CHAIN_A,
    CREDIT,
    LINK,
    OPEN,
    OPERATOR,
    SOL,
    SOL_LINK,
    SOL_OPEN,
    SOL_UNLOCK,
    UNLOCK,
    Wallet,
    check_of,
    message_of,
    short,
)

ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyMessage)
SIGNED: list[tuple[Command, tuple[Wallet, ...]]] = [
    (OPEN, (ANN,)),
    (LINK, (ANN, BOB)),
    (UNLOCK, (ANN,)),
    (CREDIT, (ANN, OPERATOR)),
    (SOL_OPEN, (SOL,)),
    (SOL_LINK, (ANN, SOL)),
    (SOL_UNLOCK, (SOL,)),
    (CREDIT, (SOL, OPERATOR)),
]
WORDS = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize(("command", "signers"), SIGNED)
def test_a_message_means_the_command_that_was_signed(
    command: Command, signers: tuple[Wallet, ...]
) -> None:
    """Fields to text and back give the same command and the same signatures."""
    message = ADAPTER.validate_python(message_of(command, *signers))

    signed = message.data.signed_command()

    assert signed.command == command
    assert signed.signers("hub:test") == tuple(key.address for key in signers)


def test_there_are_five_types() -> None:
    """Each is known to the adapter; no other is."""
    sent = {message_of(command, *signers)["type"] for command, signers in SIGNED}

    assert sent | {check_of()["type"]} == set(MESSAGE_TYPES)


@given(
    words=st.tuples(WORDS, WORDS, WORDS, WORDS, WORDS),
    amount=st.integers(0, 2**256 - 1),
    deadline=st.integers(0, 2**64 - 1),
)
def test_every_value_that_a_command_can_hold_can_be_sent(
    words: tuple[bytes, ...], amount: int, deadline: int
) -> None:
    """To the ends of the ranges."""
    account, vault, token, recipient, nonce = words
    command = RequestUnlock(
        account=account,
        chain_id=CHAIN_A,
        vault=vault,
        token=token,
        amount=amount,
        recipient=recipient,
        deadline=deadline,
        nonce=nonce,
    )

    message = ADAPTER.validate_python(message_of(command, ANN))

    assert message.data.signed_command().command == command


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", ""),
        ("id", "x" * 129),
        ("id", 7),
        ("source", "two words"),
        ("time", "yesterday"),
        ("datacontenttype", "text/plain"),
        ("specversion", 1.0),
        ("data", None),
        ("traceparent", "00-1-1-01"),
    ],
)
def test_an_attribute_of_the_wrong_form_is_refused(name: str, value: object) -> None:
    """Strict types, and nothing that is not listed."""
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(message_of(UNLOCK, ANN) | {name: value})


def test_optional_attributes_are_taken() -> None:
    """subject, time and datacontenttype."""
    message = message_of(UNLOCK, ANN) | {
        "subject": "0x" + ACCOUNT.hex(),
        "time": "2026-01-02T03:04:05.678Z",
        "datacontenttype": "application/json",
    }

    assert isinstance(ADAPTER.validate_python(message), UnlockMessage)


def test_a_wrong_checksum_is_refused_and_the_right_one_shown() -> None:
    """A mistyped address is found before anything is signed away to it."""
    message = message_of(UNLOCK, ANN)
    message["data"]["recipient"] = short(ANN.address).swapcase().replace("0X", "0x")

    with pytest.raises(ValidationError, match=short(ANN.address)):
        ADAPTER.validate_python(message)


SOLANA = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"
WORD = b"\x05" * 32


def placed(chain_id: str, **fields: str) -> dict[str, object]:
    """Return an unlock whose vault, token and recipient are one word, some spelled otherwise."""
    command = replace(UNLOCK, chain_id=chain_id, vault=WORD, token=WORD, recipient=WORD)
    message = message_of(command, ANN)
    message["data"] |= fields
    return message


@pytest.mark.parametrize("field", ["vault", "token", "recipient"])
def test_addresses_of_solana_may_be_spelled_in_base58(field: str) -> None:
    """The same command comes of both spellings."""
    spelled = ADAPTER.validate_python(placed(SOLANA, **{field: base58_of(WORD)}))
    plain = ADAPTER.validate_python(placed(SOLANA))

    assert spelled.data.signed_command() == plain.data.signed_command()


@pytest.mark.parametrize("field", ["vault", "token", "recipient"])
def test_base58_on_another_chain_is_refused(field: str) -> None:
    """There it can only be a mistake."""
    with pytest.raises(ValidationError, match=f"{field}: base 58 is for chains of Solana"):
        ADAPTER.validate_python(placed(CHAIN_A, **{field: base58_of(WORD)}))


@pytest.mark.parametrize("text", [base58_of(b"\x05" * 31), base58_of(b"\x05" * 33), "0" * 40, "l"])
def test_what_is_no_address_of_solana_is_refused(text: str) -> None:
    """Another length, or another alphabet."""
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(placed(SOLANA, recipient=text))


def test_a_question_may_name_a_mint_in_base58() -> None:
    """Of a chain of Solana."""
    asked = {"chain_id": SOLANA, "token": base58_of(WORD), "amount": "1"}

    assert UnlockQuestion.model_validate(asked).token == base58_of(WORD)
    with pytest.raises(ValidationError, match="base 58"):
        UnlockQuestion.model_validate(asked | {"chain_id": CHAIN_A})
