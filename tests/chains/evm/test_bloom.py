"""Blooms: what they promise and what they exclude."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.evm.bloom import BLOOMS_KEPT_MAX, BloomMemory, bloom_of, mask_of, may_hold
from chains.line.shapes import AnswerShapeError
from chains.types import EVM_ADDRESS_PAD, BlockRef

ADDRESSES = st.binary(min_size=20, max_size=20).map(lambda raw: EVM_ADDRESS_PAD + raw)
TOPICS = st.binary(min_size=32, max_size=32)
WETH_WORD = EVM_ADDRESS_PAD + bytes.fromhex("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2")


@given(st.lists(st.tuples(ADDRESSES, TOPICS), min_size=1, max_size=8))
def test_a_bloom_never_excludes_what_is_in_it(logs: list[tuple[bytes, bytes]]) -> None:
    """It may promise too much, but never too little."""
    bloom = 0
    for contract, topic in logs:
        bloom |= mask_of(contract, topic)

    assert all(may_hold(bloom, mask_of(contract, topic)) for contract, topic in logs)
    assert not may_hold(0, mask_of(*logs[0]))


def test_a_value_sets_at_most_three_bits() -> None:
    """Address and topic: at most six together."""
    mask = mask_of(WETH_WORD, bytes(32))

    assert 1 <= mask.bit_count() <= 6
    assert mask.bit_length() <= 2048


@pytest.mark.parametrize("bloom", ["0x", "0x00", "0x" + "00" * 255, 5, "00" * 256])
def test_a_bloom_of_another_shape_is_unusable(bloom: object) -> None:
    """It has 256 bytes."""
    with pytest.raises(AnswerShapeError, match=r"block\.logsBloom"):
        bloom_of({"logsBloom": bloom})


def test_a_header_without_a_bloom_says_nothing() -> None:
    """Some chains leave it out."""
    assert bloom_of({"number": "0x1"}) is None
    assert bloom_of({"logsBloom": "0x" + "00" * 255 + "01"}) == 1


def test_the_memory_keeps_the_newest_blooms() -> None:
    """Bounded: the oldest goes first."""
    memory = BloomMemory()
    blocks = [BlockRef(n, n.to_bytes(32, "big")) for n in range(BLOOMS_KEPT_MAX + 1)]

    for block in blocks:
        memory.keep(block, block.height)

    assert not memory.knows(blocks[0])
    assert memory.of(blocks[0]) is None
    assert [memory.of(block) for block in blocks[1:]] == list(range(1, BLOOMS_KEPT_MAX + 1))
