"""Filters of eth_getLogs, as nodes read them."""

from typing import Any

import pytest

from chains.devnet.exchange import RefusalError
from chains.devnet.log_filter import log_filter_of

A, B = "0x" + "aa" * 20, "0x" + "bb" * 20
ONE, TWO = "0x" + "01" * 32, "0x" + "02" * 32


@pytest.mark.parametrize(
    ("fields", "address", "topics", "expected"),
    [
        ({}, A, (), True),
        ({"address": A.upper().replace("X", "x")}, A, (ONE,), True),
        ({"address": [B]}, A, (ONE,), False),
        ({"topics": [ONE]}, A, (ONE, TWO), True),
        ({"topics": [ONE]}, A, (TWO,), False),
        ({"topics": [[ONE, TWO]]}, A, (TWO,), True),
        ({"topics": [None, TWO]}, A, (ONE, TWO), True),
        ({"topics": [None, TWO]}, A, (ONE,), False),
        ({"topics": [[], []]}, A, (ONE,), False),
    ],
)
def test_a_filter_says_which_logs_are_asked_for(
    fields: dict[str, Any], address: str, topics: tuple[str, ...], expected: bool
) -> None:
    """By emitter and by topics at their places."""
    assert log_filter_of([fields]).has(address, topics) is expected


@pytest.mark.parametrize(
    "params", [[], ["0x1"], [{"blockHash": ONE, "fromBlock": "0x1"}], [{"address": 5}]]
)
def test_a_filter_that_makes_no_sense_is_refused(params: list[Any]) -> None:
    """With the code for wrong parameters."""
    with pytest.raises(RefusalError) as caught:
        log_filter_of(params)

    assert caught.value.code == -32602
