"""Chainlink-shaped feeds, read raw."""

import asyncio

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import RpcAnswerError
from chains.oracles.chainlink import ChainlinkSource
from chains.port import ContractCall, Quote
from chains.types import BlockRef, ChainId
from tests.chains.strategies import CHAIN

FEED = bytes(12) + b"\x0f" * 20
ROUND_TYPES = ["uint80", "int256", "uint256", "uint256", "uint80"]


class FakeFeed:
    """A feed with fixed answers."""

    chain_id: ChainId = CHAIN

    def __init__(self, round_bytes: bytes, decimals: bytes = (8).to_bytes(32, "big")) -> None:
        self.answers = {"latestRoundData()": round_bytes, "decimals()": decimals}
        self.asked: list[tuple[str, BlockRef | None]] = []

    async def view(self, call: ContractCall, block: BlockRef | None) -> bytes:
        """Return the fixed answer."""
        self.asked.append((call.function, block))
        return self.answers[call.function]


@given(
    round_id=st.integers(0, 2**80 - 1),
    answer=st.integers(-(2**255), 2**255 - 1),
    updated_at=st.integers(0, 2**64 - 1),
)
def test_a_round_is_passed_on_as_it_is(round_id: int, answer: int, updated_at: int) -> None:
    """Zero, negative and old answers too: judging is not done here."""
    raw = encode(ROUND_TYPES, [round_id, answer, 0, updated_at, round_id])

    found = asyncio.run(ChainlinkSource(FakeFeed(raw)).quote(FEED, None))

    assert found == Quote(FEED, answer, 8, updated_at, round_id)


def test_the_scale_is_asked_once() -> None:
    """It never changes; the round is asked each time, at the given block."""
    feed = FakeFeed(encode(ROUND_TYPES, [1, 2, 3, 4, 1]))
    source = ChainlinkSource(feed)
    block = BlockRef(9, b"\x01" * 32)

    async def ask() -> None:
        await source.quote(FEED, block)
        await source.quote(FEED, block)

    asyncio.run(ask())

    assert feed.asked == [
        ("decimals()", block),
        ("latestRoundData()", block),
        ("latestRoundData()", block),
    ]


@pytest.mark.parametrize(
    "feed",
    [
        FakeFeed(b""),
        FakeFeed(bytes(159)),
        FakeFeed(bytes(192)),
        FakeFeed(b"\x01" + bytes(159)),  # round id above uint80
        FakeFeed(bytes(96) + b"\x01" + bytes(63)),  # time above 64 bits
        FakeFeed(bytes(160), decimals=b""),
        FakeFeed(bytes(160), decimals=(37).to_bytes(32, "big")),
        FakeFeed(bytes(160), decimals=bytes(64)),
    ],
)
def test_an_answer_of_another_form_is_unusable(feed: FakeFeed) -> None:
    """A wrong length or range is not a price."""
    with pytest.raises(RpcAnswerError):
        asyncio.run(ChainlinkSource(feed).quote(FEED, None))
