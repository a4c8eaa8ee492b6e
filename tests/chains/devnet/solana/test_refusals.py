"""Errors in the cluster's words."""

from typing import Any

import pytest

from chains.devnet.solana.refusals import error_text

ERRORS = [
    ("BlockhashNotFound", "Blockhash not found"),
    ("SomethingNew", "SomethingNew"),
    (
        {"InstructionError": [2, {"Custom": 6000}]},
        "Error processing Instruction 2: custom program error: 0x1770",
    ),
    (
        {"InstructionError": [0, "InsufficientFunds"]},
        "Error processing Instruction 0: insufficient funds",
    ),
    (
        {"InstructionError": [1, {"BorshIoError": "Unknown"}]},
        "Error processing Instruction 1: borsh io error",
    ),
    (
        {"InsufficientFundsForRent": {"account_index": 3}},
        "Transaction results in an account (3) with insufficient funds for rent",
    ),
    ({"DuplicateInstruction": 4}, "DuplicateInstruction"),
]


@pytest.mark.parametrize(("err", "text"), ERRORS)
def test_an_error_is_said_in_words(err: Any, text: str) -> None:
    """Every shape that a transaction's error has."""
    assert error_text(err) == text
