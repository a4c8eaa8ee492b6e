"""Price feeds in the shape of Chainlink's AggregatorV3Interface."""

from typing import Final

from chains.errors import RpcAnswerError
from chains.port import ContractCall, ContractReader, Quote
from chains.types import WORD_BYTES, BlockRef

LATEST_ROUND: Final = "latestRoundData()"
DECIMALS: Final = "decimals()"
ROUND_WORDS: Final = 5
ROUND_ID_BITS: Final = 80
UPDATED_AT_BITS: Final = 64
SCALE_MAX: Final = 36


class ChainlinkSource:
    """
    chains.port.PriceSource over eth_call.

    An answer is passed on as it is, zero, negative or old: judging it is not done here.
    """

    def __init__(self, reader: ContractReader) -> None:
        self._reader = reader
        self._scale_of: dict[bytes, int] = {}

    async def quote(self, feed: bytes, block: BlockRef | None) -> Quote:
        """
        Return the latest round of a feed, at a block or at the newest one.

        Raises:
            RpcAnswerError: not five words, or a round id, time or scale out of range.
        """
        scale = await self._scale(feed, block)
        raw = await self._view(feed, LATEST_ROUND, block)
        if len(raw) != ROUND_WORDS * WORD_BYTES:
            raise self._unusable(feed, f"{len(raw)} bytes, {ROUND_WORDS * WORD_BYTES} are needed")
        words = [raw[at : at + WORD_BYTES] for at in range(0, len(raw), WORD_BYTES)]
        round_id = int.from_bytes(words[0], "big")
        updated_at = int.from_bytes(words[3], "big")
        if round_id >> ROUND_ID_BITS:
            raise self._unusable(feed, f"round id {round_id} does not fit uint80")
        if updated_at >> UPDATED_AT_BITS:
            raise self._unusable(feed, f"updated at {updated_at} is not a time")
        return Quote(
            feed=feed,
            answer=int.from_bytes(words[1], "big", signed=True),
            scale=scale,
            updated_at_seconds=updated_at,
            round_id=round_id,
        )

    async def _scale(self, feed: bytes, block: BlockRef | None) -> int:
        """Return the feed's digits behind the point; they never change, so they are kept."""
        if feed not in self._scale_of:
            raw = await self._view(feed, DECIMALS, block)
            scale = int.from_bytes(raw, "big")
            if len(raw) != WORD_BYTES or scale > SCALE_MAX:
                raise self._unusable(feed, f"decimals {raw.hex()[:80]} are outside 0..{SCALE_MAX}")
            self._scale_of[feed] = scale
        return self._scale_of[feed]

    async def _view(self, feed: bytes, function: str, block: BlockRef | None) -> bytes:
        return await self._reader.view(
            ContractCall(self._reader.chain_id, feed, function, ()), block
        )

    def _unusable(self, feed: bytes, reason: str) -> RpcAnswerError:
        return RpcAnswerError(
            chain_id=self._reader.chain_id,
            method=LATEST_ROUND,
            reason=f"feed 0x{feed.hex()}: {reason}",
        )
