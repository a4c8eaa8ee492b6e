"""Price feeds on a real chain."""

import asyncio

from chains.devnet.kit import WETH_ANSWER, Devnet
from chains.oracles.chainlink import ChainlinkSource
from chains.port import Quote
from chains.types import BlockRef


def quote(devnet: Devnet, block: BlockRef | None = None) -> Quote:
    """Return what chain A's WETH feed says."""

    async def ask() -> Quote:
        reader = devnet.chain_a.reader()
        try:
            return await ChainlinkSource(reader).quote(devnet.chain_a.feeds["WETH"], block)
        finally:
            await reader.close()

    return asyncio.run(ask())


def test_a_price_is_read_at_its_block(devnet: Devnet) -> None:
    """The old price is still there at the old block."""
    before = devnet.chain_a.chain.head()
    feed = devnet.chain_a.feeds["WETH"]
    devnet.chain_a.chain.update_feed(feed, 1_500 * 10**8)

    old, new = quote(devnet, before), quote(devnet)

    assert (old.answer, old.scale, old.round_id) == (WETH_ANSWER, 8, 1)
    assert (new.answer, new.round_id) == (1_500 * 10**8, 2)
    assert new.updated_at_seconds == devnet.chain_a.chain.timestamp_seconds()


def test_a_negative_and_an_old_price_are_passed_on(devnet: Devnet) -> None:
    """Judging is the oracle's work."""
    feed = devnet.chain_a.feeds["WETH"]
    devnet.chain_a.chain.update_feed(feed, -5, updated_at_seconds=7)

    found = quote(devnet)

    assert (found.answer, found.updated_at_seconds) == (-5, 7)
