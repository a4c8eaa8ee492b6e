"""Tests of the price log."""

from dataclasses import replace

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.money import AssetId
from relayer.store.prices import PricePoint
from relayer.store.unit_of_work import Store
from tests.databases import NOW

ETHER = AssetId("ETH")
FIRST = PricePoint(
    feed_label="chain-feed",
    chain_id=ChainId("eip155:1"),
    asset_id=ETHER,
    answer=2_000 * 10**8,
    scale=8,
    updated_at=UnixSeconds(NOW),
    observed_at=UnixSeconds(NOW + 1),
    height=7,
)
SECOND = replace(
    FIRST, answer=-1, updated_at=UnixSeconds(NOW + 5), observed_at=UnixSeconds(NOW + 6), height=8
)
OTHER = replace(FIRST, feed_label="web-feed", answer=10**60, height=None)


def test_an_answer_is_kept_once_until_it_changes(store: Store) -> None:
    """Asking a feed often costs one row per answer; signs and sizes survive."""
    with store.unit_of_work() as uow:
        recorded = [uow.prices.record(point) for point in (FIRST, FIRST, SECOND, SECOND, OTHER)]

    assert recorded == [True, False, True, False, True]
    with store.read() as uow:
        assert uow.prices.latest("chain-feed") == SECOND
        assert uow.prices.latest("nobody") is None
        assert uow.prices.latest_of_asset(ETHER) == (SECOND, OTHER)
        assert uow.prices.latest_of_asset(AssetId("BTC")) == ()


def test_an_answer_that_a_reorg_took_back_is_the_latest_again(store: Store) -> None:
    """The log says what was seen, in the order it was seen."""
    with store.unit_of_work() as uow:
        for point in (FIRST, SECOND, FIRST):
            assert uow.prices.record(point)

        assert uow.prices.latest("chain-feed") == FIRST


def test_the_past_is_answered_as_it_was_seen(store: Store) -> None:
    """By our time of reading, not by the feed's."""
    with store.unit_of_work() as uow:
        for point in (FIRST, SECOND, OTHER):
            uow.prices.record(point)

    with store.read() as uow:
        assert uow.prices.at(ETHER, UnixSeconds(NOW)) == ()
        assert uow.prices.at(ETHER, UnixSeconds(NOW + 5)) == (FIRST, OTHER)
        assert uow.prices.at(ETHER, UnixSeconds(NOW + 6)) == (SECOND, OTHER)
