"""One price with bounds and age from the quotes of many sources, or the reasons against it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from relayer.clock import UnixSeconds
from relayer.errors import StalePriceError
from relayer.money import BPS, WAD, AssetId, Rounding, mul_div

TIMEOUT_NUMERATOR: Final = 3  # a quote is stale after 3/2 of its heartbeat, per feed
TIMEOUT_DENOMINATOR: Final = 2
FUTURE_SECONDS_MAX: Final = 60  # how far a chain's clock may run ahead of ours
QUOTE_SCALE_MAX: Final = 36
SOURCES_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Quote:
    """What one source says, unjudged: answer / 10^scale USD per whole token."""

    source: str
    answer: int
    scale: int
    updated_at_seconds: int


@dataclass(frozen=True, slots=True)
class FeedRule:
    """
    What the quotes of an asset must satisfy.

    confidence_bps widens the bounds on both sides (k times the confidence of the sources).
    answer_min and answer_max are the limits of the feed contracts, in the sources' own scale: an
    answer at or beyond a limit is a feed that is stuck there.
    """

    asset_id: AssetId
    heartbeat_seconds: int
    sources_min: int
    deviation_bps_max: int
    confidence_bps: int
    answer_min: int | None = None
    answer_max: int | None = None

    def __post_init__(self) -> None:
        limits = (
            ("heartbeat_seconds", self.heartbeat_seconds >= 1, "at least 1"),
            ("sources_min", 1 <= self.sources_min <= SOURCES_MAX, f"1 to {SOURCES_MAX}"),
            ("deviation_bps_max", 0 <= self.deviation_bps_max <= BPS, f"0 to {BPS}"),
            ("confidence_bps", 0 <= self.confidence_bps <= BPS, f"0 to {BPS}"),
        )
        for name, is_right, remedy in limits:
            if not is_right:
                raise ValueError(f"{self.asset_id}: {name} must be {remedy}")

    @property
    def age_seconds_max(self) -> int:
        """Return the age beyond which a quote is stale: 1.5 heartbeats, rounded down."""
        return self.heartbeat_seconds * TIMEOUT_NUMERATOR // TIMEOUT_DENOMINATOR


@dataclass(frozen=True, slots=True)
class Price:
    """USD per whole token, x 1e18: plain, and the bounds used where caution is due."""

    asset_id: AssetId
    price_wad: int
    low_wad: int
    high_wad: int
    age_seconds: int

    def __post_init__(self) -> None:
        if not 0 <= self.low_wad <= self.price_wad <= self.high_wad or self.price_wad == 0:
            raise ValueError(
                f"{self.asset_id}: 0 <= low {self.low_wad} <= price {self.price_wad} "
                f"<= high {self.high_wad} and price > 0 must hold"
            )
        if self.age_seconds < 0:
            raise ValueError(f"{self.asset_id}: age_seconds {self.age_seconds} is negative")


@dataclass(frozen=True, slots=True)
class PriceRefusal:
    """Why an asset has no usable price."""

    asset_id: AssetId
    detail: str


def fault_of(rule: FeedRule, quote: Quote, now: UnixSeconds) -> str | None:
    """Return why a quote is dropped, or None when it counts."""
    age_seconds = now - quote.updated_at_seconds
    if age_seconds > rule.age_seconds_max:
        return f"stale, {age_seconds} s old, limit {rule.age_seconds_max} s"
    if age_seconds < -FUTURE_SECONDS_MAX:
        return f"dated {-age_seconds} s in the future"
    return _fault_of_answer(rule, quote)


def _fault_of_answer(rule: FeedRule, quote: Quote) -> str | None:
    if quote.answer == 0:
        return "zero answer"
    if quote.answer < 0:
        return f"negative answer {quote.answer}"
    if not 0 <= quote.scale <= QUOTE_SCALE_MAX:
        return f"scale {quote.scale} outside 0..{QUOTE_SCALE_MAX}"
    if rule.answer_min is not None and quote.answer <= rule.answer_min:
        return f"answer {quote.answer} at the feed's minimum {rule.answer_min}"
    if rule.answer_max is not None and quote.answer >= rule.answer_max:
        return f"answer {quote.answer} at the feed's maximum {rule.answer_max}"
    if mul_div(quote.answer, WAD, 10**quote.scale, Rounding.DOWN) == 0:
        return "answer below 1e-18 USD"
    return None


def price_of(rule: FeedRule, quotes: Iterable[Quote], now: UnixSeconds) -> Price:
    """
    Return the median of the valid quotes with its bounds.

    low = min * (1 - confidence), high = max * (1 + confidence); the median of an even count is
    the mean of the middle two, rounded down.

    Args:
        quotes: any order; of one source only the newest counts.

    Returns:
        Bounds rounded outward; age of the oldest quote that counted.

    Raises:
        StalePriceError: too few valid quotes, or they lie too far apart; each reason is named.

    Source: RISK.md 2.12
    """
    valid, faults = _sorted_out(rule, quotes, now)
    if len(valid) < rule.sources_min:
        reasons = "; ".join(faults) if faults else "no source answered"
        raise StalePriceError(
            asset_id=rule.asset_id,
            detail=f"{len(valid)} of {rule.sources_min} sources needed are valid: {reasons}",
        )
    floors = sorted(mul_div(q.answer, WAD, 10**q.scale, Rounding.DOWN) for q in valid)
    highest_wad = max(mul_div(q.answer, WAD, 10**q.scale, Rounding.UP) for q in valid)
    price_wad = (floors[(len(floors) - 1) // 2] + floors[len(floors) // 2]) // 2
    if (highest_wad - floors[0]) * BPS > rule.deviation_bps_max * price_wad:
        spread = ", ".join(f"{q.source} {q.answer}e-{q.scale}" for q in valid)
        raise StalePriceError(
            asset_id=rule.asset_id,
            detail=f"sources differ by more than {rule.deviation_bps_max} bps: {spread}",
        )
    return Price(
        asset_id=rule.asset_id,
        price_wad=price_wad,
        low_wad=mul_div(floors[0], BPS - rule.confidence_bps, BPS, Rounding.DOWN),
        high_wad=mul_div(highest_wad, BPS + rule.confidence_bps, BPS, Rounding.UP),
        age_seconds=max(0, *(now - q.updated_at_seconds for q in valid)),
    )


def _sorted_out(
    rule: FeedRule, quotes: Iterable[Quote], now: UnixSeconds
) -> tuple[tuple[Quote, ...], tuple[str, ...]]:
    """Return the quotes that count, ordered by source, and the reason against each other one."""
    newest: dict[str, Quote] = {}
    for quote in quotes:
        known = newest.get(quote.source)
        if known is None or _freshness(quote) > _freshness(known):
            newest[quote.source] = quote
    valid: list[Quote] = []
    faults: list[str] = []
    for source in sorted(newest):
        fault = fault_of(rule, newest[source], now)
        if fault is None:
            valid.append(newest[source])
        else:
            faults.append(f"{source}: {fault}")
    return tuple(valid), tuple(faults)


def _freshness(quote: Quote) -> tuple[int, int, int]:
    return quote.updated_at_seconds, quote.answer, quote.scale


@dataclass(frozen=True, slots=True)
class PriceBook:
    """The price of each asset at one moment, or why there is none."""

    entries: Mapping[AssetId, Price | PriceRefusal]

    def price(self, asset_id: AssetId) -> Price:
        """
        Return the usable price of an asset.

        Raises:
            StalePriceError: refused, with the stored reason, or never quoted.
        """
        price = self.find(asset_id)
        if price is None:
            raise self.refusal(asset_id)
        return price

    def refusal(self, asset_id: AssetId) -> StalePriceError:
        """Return the error that says why an asset has no price."""
        entry = self.entries.get(asset_id)
        detail = "no price is known; configure its feeds"
        if isinstance(entry, PriceRefusal):
            detail = entry.detail
        return StalePriceError(asset_id=asset_id, detail=detail)

    def find(self, asset_id: AssetId) -> Price | None:
        """Return the usable price of an asset, None where it was refused or never quoted."""
        entry = self.entries.get(asset_id)
        return entry if isinstance(entry, Price) else None

    def refusals(self) -> tuple[PriceRefusal, ...]:
        """Return why assets have no price, ordered by asset."""
        found = (entry for entry in self.entries.values() if isinstance(entry, PriceRefusal))
        return tuple(sorted(found, key=lambda refusal: refusal.asset_id))


def price_book(
    rules: Iterable[FeedRule], quotes: Mapping[AssetId, Iterable[Quote]], now: UnixSeconds
) -> PriceBook:
    """Return the book of every ruled asset; a refusal is kept with its reason, never raised."""
    entries: dict[AssetId, Price | PriceRefusal] = {}
    for rule in rules:
        try:
            entries[rule.asset_id] = price_of(rule, quotes.get(rule.asset_id, ()), now)
        except StalePriceError as exc:
            entries[rule.asset_id] = PriceRefusal(asset_id=rule.asset_id, detail=exc.detail)
    return PriceBook(entries)
