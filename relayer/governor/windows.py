"""Outflow windows: how much value may leave in any 24 hours, and when the rest may."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from typing import Final

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.money import AssetId, Rounding, mul_div
from relayer.oracle.price import Price

WINDOW_SECONDS: Final = 86_400
QUEUE_SECONDS_MAX: Final = 86_400


@dataclass(frozen=True, slots=True)
class Flow:
    """Value that moved at a second; it fills windows until 86400 s later, not at that second."""

    at: UnixSeconds
    value_wad: int

    @property
    def free_at(self) -> int:
        """Return the first second at which this no longer counts."""
        return self.at + WINDOW_SECONDS


@dataclass(frozen=True, slots=True)
class OutflowLimit:
    """
    How much may leave a chain in any 24 hours.

    Args:
        bridge, asset_id: None for both limits all that leaves the chain.
        window_value_wad: None limits nothing. [USD x 1e18]
        big_value_wad: from this value on a transfer waits for delay_seconds and does not count;
            None knows no big transfers. [USD x 1e18]
        is_flow_cancelled: what is locked on the chain frees as much of the window.
    """

    chain_id: ChainId
    bridge: str | None
    asset_id: AssetId | None
    window_value_wad: int | None
    big_value_wad: int | None = None
    delay_seconds: int = WINDOW_SECONDS
    is_flow_cancelled: bool = False

    def __post_init__(self) -> None:
        if (self.bridge is None) != (self.asset_id is None):
            raise ValueError(f"{self}: bridge and asset_id go together")
        values = (self.window_value_wad, self.big_value_wad, self.delay_seconds)
        if any(value is not None and value < 0 for value in values):
            raise ValueError(f"{self}: values and times must be 0 or more")

    def governs(self, transfer: "Transfer") -> bool:
        """Return whether a transfer counts against this limit."""
        return self.chain_id == transfer.chain_id and (self.bridge, self.asset_id) in (
            (None, None),
            (transfer.bridge, transfer.asset_id),
        )

    def __str__(self) -> str:
        if self.asset_id is None:
            return f"all of {self.chain_id}"
        return f"{self.asset_id} on {self.chain_id} by {self.bridge}"


@dataclass(frozen=True, slots=True)
class Transfer:
    """Value that is to leave; queued_at is when the governor saw it first. [USD x 1e18]"""

    chain_id: ChainId
    bridge: str
    asset_id: AssetId
    value_wad: int
    queued_at: UnixSeconds


@dataclass(frozen=True, slots=True)
class Window:
    """A limit, what left under it, and what came in where that is set off."""

    limit: OutflowLimit
    outflows: tuple[Flow, ...]
    inflows: tuple[Flow, ...] = ()

    def used_wad(self, now: UnixSeconds) -> int:
        """Return what fills the window now: outflows less inflows, never below 0."""
        return max(0, _sum_wad(self.outflows, now) - _sum_wad(self.inflows, now))

    def headroom_wad(self, now: UnixSeconds) -> int | None:
        """Return what may still leave now, None where nothing is limited."""
        if self.limit.window_value_wad is None:
            return None
        return max(0, self.limit.window_value_wad - self.used_wad(now))

    def next_free_at(self, now: UnixSeconds) -> UnixSeconds | None:
        """Return when the oldest outflow stops counting, None where nothing counts."""
        times = [flow.free_at for flow in self.outflows if flow.free_at > now]
        return UnixSeconds(min(times)) if times else None


def _sum_wad(flows: Iterable[Flow], now: UnixSeconds) -> int:
    return sum(flow.value_wad for flow in flows if flow.free_at > now)


class VerdictKind(Enum):
    """
    What is to happen.

    RELEASE: it may leave now. WAIT: until there is room. DELAY: big, so until a fixed time. HOLD:
    there will never be room, so until a person releases it.
    """

    RELEASE = "RELEASE"
    WAIT = "WAIT"
    DELAY = "DELAY"
    HOLD = "HOLD"


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What the governor says of a transfer.

    Args:
        until: now for RELEASE and HOLD; else the second from which it may leave if nothing else
            does.
        is_counted: a released transfer fills windows, unless it is big or had its time.
        detail: the limit that decided, with its numbers.
    """

    kind: VerdictKind
    until: UnixSeconds
    is_counted: bool
    detail: str


def judge(transfer: Transfer, windows: Sequence[Window], *, now: UnixSeconds) -> Verdict:
    """
    Return whether a transfer may leave now, and else until when it waits.

    A big transfer waits for its delay, counted from queued_at, and does not fill windows. A small
    one that does not fit every window that governs it is queued whole: until it fits, at most 24
    hours, after which it leaves without being counted. It needs no room that others queue for.

    Args:
        windows: those that do not govern the transfer are left out by this function.
    """
    governing = [window for window in windows if window.limit.governs(transfer)]
    delay = _delay_of(transfer, [window.limit for window in governing])
    if delay is not None:
        until, limit = delay
        detail = f"{limit}: {short_usd_text(transfer.value_wad)} is a big transfer"
        if now >= until:
            return Verdict(VerdictKind.RELEASE, now, False, f"{detail}; its delay is over")
        return Verdict(VerdictKind.DELAY, until, False, detail)
    full = _too_full(transfer, governing, now)
    if full is None:
        return Verdict(VerdictKind.RELEASE, now, True, "within every window")
    latest = transfer.queued_at + QUEUE_SECONDS_MAX
    detail = (
        f"{full.limit}: {short_usd_text(full.used_wad(now))} of "
        f"{short_usd_text(full.limit.window_value_wad or 0)} left in 24 hours, "
        f"{short_usd_text(transfer.value_wad)} more would be too much"
    )
    if now >= latest:
        return Verdict(VerdictKind.RELEASE, now, False, f"{detail}; it waited its time")
    fits_at = _fits_at(transfer, governing, now)
    until_seconds = latest if fits_at is None else min(latest, fits_at)
    return Verdict(VerdictKind.WAIT, UnixSeconds(until_seconds), True, detail)


def _delay_of(
    transfer: Transfer, limits: Iterable[OutflowLimit]
) -> tuple[UnixSeconds, OutflowLimit] | None:
    delays = [
        (UnixSeconds(transfer.queued_at + limit.delay_seconds), limit)
        for limit in limits
        if limit.big_value_wad is not None and transfer.value_wad >= limit.big_value_wad
    ]
    return max(delays, key=lambda delay: delay[0], default=None)


def _too_full(transfer: Transfer, windows: Iterable[Window], now: UnixSeconds) -> Window | None:
    for window in windows:
        headroom_wad = window.headroom_wad(now)
        if headroom_wad is not None and transfer.value_wad > headroom_wad:
            return window
    return None


def _fits_at(transfer: Transfer, windows: Sequence[Window], now: UnixSeconds) -> int | None:
    """Return the first second at which every window has room, None where it never has."""
    net_wad = []
    ends: list[tuple[int, int, int]] = []  # (second, window, what it takes off)
    for place, window in enumerate(windows):
        net_wad.append(_sum_wad(window.outflows, now) - _sum_wad(window.inflows, now))
        ends += [(f.free_at, place, f.value_wad) for f in window.outflows if f.free_at > now]
        ends += [(f.free_at, place, -f.value_wad) for f in window.inflows if f.free_at > now]
    room_wad = [
        None
        if window.limit.window_value_wad is None
        else window.limit.window_value_wad - transfer.value_wad
        for window in windows
    ]
    for second, group in groupby(sorted(ends), key=_second_of):
        for _, place, value_wad in group:
            net_wad[place] -= value_wad
        if all(
            room is None or max(0, net) <= room for net, room in zip(net_wad, room_wad, strict=True)
        ):
            return second
    return None


def _second_of(end: tuple[int, int, int]) -> int:
    return end[0]


def outflow_price_wad(
    price: Price | None, *, floor_wad: int | None, last_known_wad: int | None
) -> int | None:
    """
    Return the price at which outflow is counted: the configured floor or the live one, if higher.

    Without a live price the floor stands in, or what was last known if that is higher, so that a
    feed that stops can only make outflow count for more. Without a floor there is no price then.

    Args:
        price: the live one, None where it was refused.

    Returns:
        USD per whole token, x 1e18; None where nothing may be released by value.
    """
    if price is not None:
        return max(price.price_wad, floor_wad or 0)
    if floor_wad is None:
        return None
    return max(floor_wad, last_known_wad or 0)


def inflow_price_wad(price: Price | None, *, floor_wad: int | None) -> int:
    """
    Return the price at which inflow is set off: the lower of floor and low price, 0 without one.

    Returns:
        USD per whole token, x 1e18.
    """
    if price is None:
        return 0
    return price.low_wad if floor_wad is None else min(floor_wad, price.low_wad)


def flow_value_wad(units: int, *, price_wad: int, whole_units: int, rounding: Rounding) -> int:
    """Return what units are worth. [USD x 1e18]"""
    return mul_div(units, price_wad, whole_units, rounding)


def short_usd_text(value_wad: int) -> str:
    """Return dollars with two digits, the rest cut off."""
    whole, rest = divmod(value_wad, 10**18)
    return f"{whole}.{f'{rest:018d}'[:2]} USD"
