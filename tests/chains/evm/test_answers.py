"""Strict readers of what a node answers."""

import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import RpcAnswerError
from chains.evm.answers import (
    bytes_of,
    header_of,
    log_of,
    ordered_logs,
    quantity_of,
)
from chains.line.shapes import AnswerShapeError, shown, usable
from tests.chains.strategies import CHAIN

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
HEADER: dict[str, Any] = {
    "number": "0x9",
    "hash": "0x" + "01" * 32,
    "parentHash": "0x" + "02" * 32,
    "timestamp": "0x6a",
}
LOG: dict[str, Any] = {
    "address": "0x" + "0a" * 20,
    "topics": ["0x" + "0b" * 32],
    "data": "0x",
    "blockNumber": "0x9",
    "blockHash": "0x" + "01" * 32,
    "transactionHash": "0x" + "0c" * 32,
    "logIndex": "0x0",
    "removed": False,
}


def test_a_header_and_a_log_are_read() -> None:
    """The plain case."""
    header, log = header_of(HEADER), log_of(LOG)

    assert (header.block.height, header.timestamp_seconds) == (9, 106)
    assert header.parent_hash == b"\x02" * 32
    assert log.contract == bytes(12) + b"\x0a" * 20
    assert log.block == header.block


@given(name=st.sampled_from(list(HEADER)), value=JSON_VALUES)
def test_a_header_with_any_other_value_is_refused(name: str, value: object) -> None:
    """No field may be of another type, length or form."""
    with pytest.raises(AnswerShapeError, match=name):
        header_of(HEADER | {name: value})


@given(name=st.sampled_from([name for name in LOG if name != "removed"]), value=JSON_VALUES)
def test_a_log_with_any_other_value_is_refused(name: str, value: object) -> None:
    """No field may be of another type, length or form."""
    if (name, value) == ("topics", []):
        return
    with pytest.raises(AnswerShapeError, match=name):
        log_of(LOG | {name: value})


@given(value=JSON_VALUES)
def test_random_answers_raise_nothing_but_a_shape_error(value: object) -> None:
    """Whatever a node says."""
    for read in (header_of, log_of, ordered_logs):
        try:
            read(value)
        except AnswerShapeError:
            continue
        assert value == []


@pytest.mark.parametrize(
    "value", ["0x", "0xg", "10", "0x-1", "0x1 ", " 0x1", "0x1\n", 1, None, True, "0x1" + "0" * 16]
)
def test_a_quantity_is_a_hex_number_of_64_bits(value: object) -> None:
    """Anything else is refused, larger ones too."""
    with pytest.raises(AnswerShapeError, match="height"):
        quantity_of(value, "height")


@pytest.mark.parametrize(
    "value", ["", "0x1", "0xzz", "0x 11", "0x11\n", "11", 17, None, "0x\u0661\u0661"]
)
def test_bytes_are_plain_hexadecimal(value: object) -> None:
    """Anything else is refused."""
    with pytest.raises(AnswerShapeError, match="word"):
        bytes_of(value, "word")


def test_a_removed_log_is_refused() -> None:
    """We asked for a block, so its logs are not removed."""
    with pytest.raises(AnswerShapeError, match="removed"):
        log_of(LOG | {"removed": True})


def test_five_topics_are_refused() -> None:
    """The EVM has at most four."""
    with pytest.raises(AnswerShapeError, match=r"log\.topics"):
        log_of(LOG | {"topics": ["0x" + "0b" * 32] * 5})


def test_logs_are_ordered_by_height_and_index() -> None:
    """Nodes may answer in any order."""
    later = LOG | {"blockNumber": "0xa", "blockHash": "0x" + "03" * 32}
    second = LOG | {"logIndex": "0x1"}

    found = ordered_logs([later, second, LOG])

    assert [(log.block.height, log.log_index) for log in found] == [(9, 0), (9, 1), (10, 0)]


@pytest.mark.parametrize("contradiction", [{}, {"blockHash": "0x" + "03" * 32, "logIndex": "0x1"}])
def test_logs_that_contradict_each_other_are_refused(contradiction: dict[str, Any]) -> None:
    """The same place twice, or two blocks at one height."""
    with pytest.raises(AnswerShapeError, match=r"two (logs|blocks)"):
        ordered_logs([LOG, LOG | contradiction])


def test_a_misshapen_value_becomes_the_error_that_callers_know() -> None:
    """Chain and method are named."""
    with (
        pytest.raises(RpcAnswerError, match="eip155:31337: the answer to eth_x"),
        usable(CHAIN, "eth_x"),
    ):
        quantity_of(None, "height")


def test_a_shown_value_is_short_and_holds_no_address() -> None:
    """A node may echo our own URL with its key."""
    found = shown("see https://node.example/v2/secret-key now\x00" + "x" * 100)

    assert "secret" not in found
    assert "\x00" not in found
    assert len(found) <= 60


@pytest.mark.parametrize("value", ["a" * 1_000_000, "a" * 1_000_000 + "://", "://" * 300_000])
def test_a_long_text_is_shown_without_going_through_it(value: str) -> None:
    """A node must not stop its reader by the length of a word: that took hours for a megabyte."""
    started = time.process_time()

    assert len(shown(value)) <= 60
    assert time.process_time() - started < 1.0


def test_a_deep_value_is_refused_like_any_other() -> None:
    """The JSON reader lets through more levels than Python can write down."""
    deep = orjson.loads(b"[" * 1_000 + b"]" * 1_000)

    with pytest.raises(AnswerShapeError, match=r"block\.number is a list of 1"):
        header_of(HEADER | {"number": deep})
