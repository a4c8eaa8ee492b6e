"""One price out of many quotes, or the reasons against it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.clock import UnixSeconds
from relayer.errors import StalePriceError
from relayer.money import WAD, AssetId
from relayer.oracle.price import FeedRule, Price, PriceBook, Quote, price_book, price_of

ETH = AssetId("ETH")
NOW = UnixSeconds(10_000)
RULE = FeedRule(ETH, 100, sources_min=2, deviation_bps_max=200, confidence_bps=10)


def quote(source: str, answer: int, *, age_seconds: int = 0) -> Quote:
    """Return a quote of two digits behind the point."""
    return Quote(source, answer, 2, NOW - age_seconds)


def test_three_sources_give_their_median_and_bounds_beyond_the_extremes() -> None:
    """The bounds start from the lowest and highest source and add the confidence."""
    quotes = [quote("a", 300_000), quote("b", 301_000, age_seconds=7), quote("c", 299_000)]

    price = price_of(RULE, quotes, NOW)

    assert price == Price(
        asset_id=ETH,
        price_wad=3_000 * WAD,
        low_wad=2_990 * WAD * 999 // 1_000,
        high_wad=3_010 * WAD * 1_001 // 1_000,
        age_seconds=7,
    )


def test_two_sources_give_their_mean_rounded_down() -> None:
    """The median of an even count is the mean of the middle two, down."""
    quotes = [Quote("a", WAD, 18, NOW), Quote("b", WAD + 1, 18, NOW)]

    assert price_of(RULE, quotes, NOW).price_wad == WAD


def test_of_one_source_only_the_newest_quote_counts() -> None:
    """A source cannot vote twice."""
    quotes = [quote("a", 300_000, age_seconds=50), quote("a", 301_000)]

    with pytest.raises(StalePriceError, match="1 of 2 sources"):
        price_of(RULE, quotes, NOW)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (quote("b", 300_000, age_seconds=151), "b: stale, 151 s old, limit 150 s"),
        (quote("b", 300_000, age_seconds=-61), "b: dated 61 s in the future"),
        (quote("b", 0), "b: zero answer"),
        (quote("b", -5), "b: negative answer -5"),
        (quote("b", 10_000), "b: answer 10000 at the feed's minimum 10000"),
        (quote("b", 9_000_000), "b: answer 9000000 at the feed's maximum 9000000"),
        (Quote("b", 300_000, 37, NOW), "b: scale 37 outside"),
        (Quote("b", 20_000, 36, NOW), "b: answer below 1e-18 USD"),
    ],
)
def test_a_bad_quote_is_dropped_with_its_reason(bad: Quote, reason: str) -> None:
    """With too few others the refusal repeats the reason of each source."""
    rule = replace(RULE, answer_min=10_000, answer_max=9_000_000)

    with pytest.raises(StalePriceError) as caught:
        price_of(rule, [quote("a", 300_000), bad], NOW)

    assert caught.value.asset_id == ETH
    assert reason in caught.value.detail


def test_a_quote_at_its_age_limit_still_counts() -> None:
    """One and a half heartbeats is the last good age, 60 seconds ahead the last good date."""
    quotes = [quote("a", 300_000, age_seconds=150), quote("b", 300_000, age_seconds=-60)]

    assert price_of(RULE, quotes, NOW).age_seconds == 150


def test_no_quotes_at_all_say_so() -> None:
    """An asset that nobody quotes has a reason too."""
    with pytest.raises(StalePriceError, match="no source answered"):
        price_of(RULE, [], NOW)


def test_sources_too_far_apart_are_refused() -> None:
    """A deviation at the limit passes, one step more does not."""
    price_of(RULE, [quote("a", 10_000), quote("b", 10_100), quote("c", 10_200)], NOW)

    with pytest.raises(StalePriceError, match="differ by more than 200 bps: a 10000e-2"):
        price_of(RULE, [quote("a", 10_000), quote("b", 10_100), quote("c", 10_203)], NOW)


def test_the_book_keeps_prices_and_refusals_with_their_reasons() -> None:
    """A refused asset is asked for and answers with the stored reason."""
    btc = AssetId("BTC")
    rules = [RULE, replace(RULE, asset_id=btc)]
    book = price_book(rules, {ETH: [quote("a", 300_000), quote("b", 300_000)]}, NOW)

    assert book.price(ETH).price_wad == 3_000 * WAD
    assert book.find(btc) is None
    assert [refusal.asset_id for refusal in book.refusals()] == [btc]
    with pytest.raises(StalePriceError, match="BTC: 0 of 2 sources needed"):
        book.price(btc)


def test_an_asset_outside_the_book_has_no_price() -> None:
    """Nothing configured is named as such."""
    with pytest.raises(StalePriceError, match="configure its feeds"):
        PriceBook({}).price(ETH)


@pytest.mark.parametrize(
    "change",
    [
        {"heartbeat_seconds": 0},
        {"sources_min": 0},
        {"deviation_bps_max": -1},
        {"confidence_bps": 10_001},
    ],
)
def test_a_rule_outside_its_limits_is_refused(change: dict[str, int]) -> None:
    """The field is named."""
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(RULE, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "price", "high", "age"), [(2, 1, 3, 0), (1, 3, 2, 0), (0, 0, 0, 0), (1, 1, 1, -1)]
)
def test_a_price_with_crossed_bounds_is_refused(low: int, price: int, high: int, age: int) -> None:
    """Low <= price <= high, price above zero, age not negative."""
    with pytest.raises(ValueError, match="ETH"):
        Price(ETH, price_wad=price, low_wad=low, high_wad=high, age_seconds=age)


@given(
    answers=st.lists(st.integers(1, 2**80), min_size=1, max_size=7),
    scale=st.integers(0, 18),
    confidence_bps=st.integers(0, 10_000),
)
def test_low_price_and_high_are_always_in_order(
    answers: list[int], scale: int, confidence_bps: int
) -> None:
    """I-16: P- <= P <= P+, and more confidence never narrows the bounds."""
    rule = replace(RULE, sources_min=1, deviation_bps_max=10_000, confidence_bps=confidence_bps)
    quotes = [Quote(f"s{index}", answer, scale, NOW) for index, answer in enumerate(answers)]
    try:
        price = price_of(rule, quotes, NOW)
        plain = price_of(replace(rule, confidence_bps=0), quotes, NOW)
    except StalePriceError:
        return

    assert price.low_wad <= plain.low_wad <= price.price_wad <= plain.high_wad <= price.high_wad
