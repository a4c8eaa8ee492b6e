"""Filters of a program's accounts."""

import base64
from typing import Any

import pytest
from solders.account import Account

from chains.base58 import base58_of
from chains.devnet.exchange import RefusalError
from chains.devnet.solana.codec import SYSTEM_PROGRAM
from chains.devnet.solana.filters import filters_of

ACCOUNT = Account(1, b"\x00\x01\x02\x03", SYSTEM_PROGRAM)


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        ([], True),
        ([{"dataSize": 4}], True),
        ([{"dataSize": 5}], False),
        ([{"memcmp": {"offset": 1, "bytes": base58_of(b"\x01\x02")}}], True),
        ([{"memcmp": {"offset": 2, "bytes": base58_of(b"\x01\x02")}}], False),
        ([{"memcmp": {"offset": 3, "bytes": base58_of(b"\x03\x04")}}], False),
        ([{"memcmp": {"offset": 1, "bytes": base64.b64encode(b"\x01").decode(),
                      "encoding": "base64"}}], True),
        ([{"memcmp": {"offset": 1, "bytes": [1, 2]}}], True),
        ([{"dataSize": 4}, {"memcmp": {"offset": 0, "bytes": [9]}}], False),
    ],
)  # fmt: skip
def test_an_account_passes_all_filters_or_none(given: list[Any], *, is_kept: bool) -> None:
    """Sizes, and bytes in three encodings, at their place and nowhere else."""
    assert filters_of({"filters": given})(ACCOUNT) == is_kept


@pytest.mark.parametrize(
    "memcmp",
    [
        {"offset": 0, "bytes": "0"},
        {"offset": 0, "bytes": "A=", "encoding": "base64"},
        {"offset": 0, "bytes": "AA", "encoding": "hex"},
        {"offset": 0, "bytes": [256]},
        {"offset": 0, "bytes": ["a"]},
        {"offset": 0, "bytes": [0] * 129},
        {"offset": -1, "bytes": "1"},
        {"bytes": "1"},
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(memcmp: dict[str, Any]) -> None:
    """Instead of keeping everything."""
    with pytest.raises(RefusalError) as caught:
        filters_of({"filters": [{"memcmp": memcmp}]})

    assert caught.value.code == -32602
