"""Texts of bytes, transactions and accounts."""

import base64

import pytest
from solders.account import Account

from chains.devnet.exchange import RefusalError
from chains.devnet.solana.codec import (
    SYSTEM_PROGRAM,
    account_fields,
    packet_of,
    pubkey_of,
    signature_of,
    transaction_of,
)


@pytest.mark.parametrize("text", [None, 5, "", "0", "1" * 31, "1" * 45])
def test_what_is_no_address_is_refused(text: object) -> None:
    """With the cluster's code for wrong parameters."""
    with pytest.raises(RefusalError) as caught:
        pubkey_of(text)

    assert caught.value.code == -32602
    with pytest.raises(RefusalError):
        signature_of(text)


def test_a_packet_of_1232_bytes_passes_and_one_more_is_refused() -> None:
    """The limit of a packet, in the cluster's words."""
    assert len(packet_of(base64.b64encode(bytes(1_232)).decode(), "base64")) == 1_232
    with pytest.raises(RefusalError, match=r"too large: 1233 bytes \(max: 1232 bytes\)"):
        packet_of(base64.b64encode(bytes(1_233)).decode(), "base64")
    with pytest.raises(RefusalError, match="max: encoded/raw 1644/1232"):
        packet_of("A" * 1_648, "base64")


@pytest.mark.parametrize(
    ("text", "encoding", "reason"),
    [
        ("****", "base64", "invalid base64 encoding"),
        ("0OIl", "base58", "invalid base58 encoding"),
        ("AAAA", "hex", "unsupported encoding"),
        ("", "base64", "failed to deserialize"),
        (base64.b64encode(b"\xff" * 100).decode(), "base64", "failed to deserialize"),
    ],
)
def test_what_is_no_transaction_is_refused(text: str, encoding: str, reason: str) -> None:
    """Each kind of nonsense by its name."""
    with pytest.raises(RefusalError, match=reason):
        transaction_of(text, encoding)


def test_an_account_is_shown_in_the_encoding_that_was_asked_for() -> None:
    """Without one it is the old form, which is short."""
    account = Account(7, b"\x01\x02\x03", SYSTEM_PROGRAM)

    shown = [
        account_fields(account, config)["data"]
        for config in (
            {"encoding": "base64"},
            {"encoding": "base58"},
            {},
            {"encoding": "base64", "dataSlice": {"offset": 1, "length": 9}},
        )
    ]

    assert shown == [["AQID", "base64"], ["Ldp", "base58"], "Ldp", ["AgM=", "base64"]]


def test_an_encoding_that_does_not_do_is_refused() -> None:
    """Base 58 is for small accounts, and no account is parsed here."""
    account = Account(7, bytes(129), SYSTEM_PROGRAM)

    with pytest.raises(RefusalError, match="less than 128 bytes") as caught:
        account_fields(account, {})
    with pytest.raises(RefusalError, match="jsonParsed is not served by this devnet"):
        account_fields(account, {"encoding": "jsonParsed"})
    assert caught.value.code == -32600
