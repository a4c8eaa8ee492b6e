"""Corrections: one digest for one document, whatever wallet signs it; strict parsing."""

from dataclasses import replace
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak

from chains.correction import (
    Correction,
    CorrectionPosting,
    correction_fields,
    correction_of_fields,
    signed_correction_of,
)
from chains.errors import MessageFormatError
from chains.types import ChainId, chain_key

HUB = ChainId("hub:test")
MADE = Correction(
    "eip155:1",
    "WETH",
    3,
    (CorrectionPosting("bad_debt", 2**255 - 1), CorrectionPosting("dust", -(2**255 - 1))),
    "why",
)


def typed(made: Correction) -> dict[str, Any]:
    """Return the document as wallets take it."""
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "salt", "type": "bytes32"},
            ],
            "CorrectionPosting": [
                {"name": "code", "type": "string"},
                {"name": "units", "type": "int256"},
            ],
            "Correction": [
                {"name": "chainId", "type": "string"},
                {"name": "assetId", "type": "string"},
                {"name": "breakId", "type": "uint256"},
                {"name": "postings", "type": "CorrectionPosting[]"},
                {"name": "reason", "type": "string"},
            ],
        },
        "primaryType": "Correction",
        "domain": {"name": "CollateralRelayer", "version": "1", "salt": chain_key(HUB)},
        "message": {
            "chainId": made.chain_id,
            "assetId": made.asset_id,
            "breakId": made.break_id,
            "postings": [{"code": p.code, "units": p.units} for p in made.postings],
            "reason": made.reason,
        },
    }


def test_the_digest_is_that_of_any_wallet() -> None:
    """An independent implementation of EIP-712 comes to the same bytes."""
    found = encode_typed_data(full_message=typed(MADE))

    assert MADE.digest(HUB) == keccak(b"\x19" + found.version + found.header + found.body)


@pytest.mark.parametrize(
    "changes",
    [
        {"chain_id": "eip155:2"},
        {"asset_id": "USDC"},
        {"break_id": 4},
        {"reason": "other"},
        {"postings": MADE.postings[::-1]},
        {"postings": MADE.postings[:1]},
    ],
)
def test_every_field_is_signed(changes: dict[str, Any]) -> None:
    """One changed field is another correction; so is another hub."""
    assert replace(MADE, **changes).digest(HUB) != MADE.digest(HUB)
    assert MADE.digest(ChainId("hub:other")) != MADE.digest(HUB)


def test_fields_round_trip() -> None:
    """Integers stay exact."""
    assert correction_of_fields(correction_fields(MADE)) == MADE


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"break_id": "0"}, "break_id"),
        ({"break_id": 3}, "break_id"),
        ({"break_id": "1e3"}, "break_id"),
        ({"reason": "  "}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"chain_id": 1}, "chain_id"),
        ({"postings": []}, "postings"),
        ({"postings": "none"}, "postings"),
        ({"postings": [{"code": "dust"}]}, "postings"),
        ({"postings": [{"code": "dust", "units": "0"}]}, "postings.units"),
        ({"postings": [{"code": "dust", "units": str(2**255)}]}, "postings.units"),
        ({"postings": [{"code": "dust", "units": "--1"}]}, "postings.units"),
        ({"extra": "1"}, "extra"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], field: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(MessageFormatError, match=field):
        correction_of_fields({**correction_fields(MADE), **changes})


def test_a_missing_field_is_named() -> None:
    """Each is needed."""
    for name in correction_fields(MADE):
        fields = {key: value for key, value in correction_fields(MADE).items() if key != name}
        with pytest.raises(MessageFormatError, match=name):
            correction_of_fields(fields)


@pytest.mark.parametrize("signatures", [None, "0x00", [1], ["zz"], ["0x00"]])
def test_signatures_are_lists_of_65_bytes(signatures: object) -> None:
    """Anything else is no signed correction."""
    with pytest.raises(MessageFormatError, match="signatures"):
        signed_correction_of({**correction_fields(MADE), "signatures": signatures})
