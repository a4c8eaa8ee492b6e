"""The governor's windows against a model that looks at every second anew."""

import random
from dataclasses import dataclass, field

import pytest

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.governor.windows import (
    QUEUE_SECONDS_MAX,
    WINDOW_SECONDS,
    Flow,
    OutflowLimit,
    Transfer,
    VerdictKind,
    Window,
    flow_value_wad,
    inflow_price_wad,
    judge,
    outflow_price_wad,
)
from relayer.money import WAD, AssetId, Rounding
from relayer.oracle.price import Price

CHAIN = ChainId("eip155:1")
WETH = AssetId("WETH")
USDC = AssetId("USDC")
BRIDGE = "guardian"
SEQUENCES = 10_000
START = 1_800_000_000


def limit(
    usd: int | None, big_usd: int | None = None, asset: AssetId | None = WETH
) -> OutflowLimit:
    """Return a limit in whole dollars; no asset limits the whole chain."""
    return OutflowLimit(
        CHAIN,
        None if asset is None else BRIDGE,
        asset,
        None if usd is None else usd * WAD,
        None if big_usd is None else big_usd * WAD,
    )


def transfer(usd: int, queued_at: int = START, asset: AssetId = WETH) -> Transfer:
    """Return a transfer of whole dollars."""
    return Transfer(CHAIN, BRIDGE, asset, usd * WAD, UnixSeconds(queued_at))


def window(usd: int | None, *outflows: tuple[int, int]) -> Window:
    """Return a window of a limit with (second, dollars) that left."""
    return Window(limit(usd), tuple(Flow(UnixSeconds(at), value * WAD) for at, value in outflows))


def verdict_of(usd: int, windows: list[Window], now: int, queued_at: int | None = None) -> object:
    """Return (kind, until, is_counted)."""
    asked = transfer(usd, now if queued_at is None else queued_at)
    found = judge(asked, windows, now=UnixSeconds(now))
    return found.kind, found.until, found.is_counted


def test_what_fits_leaves_and_counts() -> None:
    """Up to the last dollar."""
    full = [window(100, (START, 60))]

    assert verdict_of(40, full, START) == (VerdictKind.RELEASE, START, True)
    assert verdict_of(41, full, START)[0] is VerdictKind.WAIT  # type: ignore[index]


@pytest.mark.parametrize(
    ("age_seconds", "kind"),
    [(WINDOW_SECONDS - 1, VerdictKind.WAIT), (WINDOW_SECONDS, VerdictKind.RELEASE)],
)
def test_an_outflow_is_free_exactly_24_hours_later(age_seconds: int, kind: VerdictKind) -> None:
    """One second earlier it still counts."""
    windows = [window(100, (START, 100))]

    found = judge(transfer(1, START + age_seconds), windows, now=UnixSeconds(START + age_seconds))

    assert found.kind is kind
    assert found.until == START + WINDOW_SECONDS


def test_a_small_one_over_the_limit_is_queued_whole_until_there_is_room() -> None:
    """Until the second outflow is free: half of it would not do."""
    windows = [window(100, (START, 30), (START + 10, 50), (START + 20, 20))]

    found = verdict_of(70, windows, START + 100)

    assert found == (VerdictKind.WAIT, START + 10 + WINDOW_SECONDS, True)


def test_what_never_fits_leaves_after_its_time_without_being_counted() -> None:
    """So that nothing is stuck for good; people have had a day to look."""
    windows = [window(100)]

    assert verdict_of(101, windows, START) == (
        VerdictKind.WAIT,
        START + QUEUE_SECONDS_MAX,
        True,
    )
    over = START + QUEUE_SECONDS_MAX
    assert verdict_of(101, windows, over, START) == (VerdictKind.RELEASE, over, False)


def test_a_big_transfer_waits_for_its_delay_and_does_not_count() -> None:
    """However empty the window is."""
    windows = [Window(limit(1_000, big_usd=500), ())]

    assert verdict_of(499, windows, START) == (VerdictKind.RELEASE, START, True)
    due = START + WINDOW_SECONDS
    assert verdict_of(500, windows, START) == (VerdictKind.DELAY, due, False)
    assert verdict_of(500, windows, due - 1, START) == (VerdictKind.DELAY, due, False)
    assert verdict_of(500, windows, due, START) == (VerdictKind.RELEASE, due, False)


def test_the_total_of_the_chain_binds_too() -> None:
    """Another asset has filled it."""
    total = Window(limit(100, asset=None), (Flow(UnixSeconds(START), 90 * WAD),))

    found = judge(transfer(20), [window(50), total], now=UnixSeconds(START))

    assert found.kind is VerdictKind.WAIT
    assert "all of eip155:1: 90.00 USD of 100.00 USD" in found.detail


def test_windows_of_others_do_not_bind() -> None:
    """Another asset, another bridge, another chain."""
    others = [
        Window(OutflowLimit(CHAIN, BRIDGE, USDC, 0), ()),
        Window(OutflowLimit(CHAIN, "other", WETH, 0), ()),
        Window(OutflowLimit(ChainId("eip155:2"), None, None, 0), ()),
    ]

    assert verdict_of(20, others, START) == (VerdictKind.RELEASE, START, True)


def test_what_comes_in_frees_room_but_never_more_than_the_limit() -> None:
    """A large lock does not make a larger window."""
    flow = (Flow(UnixSeconds(START), 1_000 * WAD),)
    spent = (Flow(UnixSeconds(START), 100 * WAD),)

    assert Window(limit(100), spent, flow).headroom_wad(UnixSeconds(START)) == 100 * WAD
    assert Window(limit(100), spent).headroom_wad(UnixSeconds(START)) == 0


def test_the_window_tells_when_its_oldest_outflow_is_free() -> None:
    """None once nothing counts."""
    used = window(100, (START + 5, 1), (START, 1))

    assert used.next_free_at(UnixSeconds(START)) == START + WINDOW_SECONDS
    assert used.next_free_at(UnixSeconds(START + 5 + WINDOW_SECONDS)) is None


def price(plain: int, low: int | None = None) -> Price:
    """Return a price in whole dollars."""
    return Price(WETH, plain * WAD, (plain if low is None else low) * WAD, plain * WAD, 0)


def test_outflow_counts_at_the_floor_or_the_live_price_if_higher() -> None:
    """A price that was pushed down does not let more out."""
    assert outflow_price_wad(price(3_000), floor_wad=2_000 * WAD, last_known_wad=None) == (
        3_000 * WAD
    )
    assert outflow_price_wad(price(1), floor_wad=2_000 * WAD, last_known_wad=None) == 2_000 * WAD
    assert outflow_price_wad(price(1), floor_wad=None, last_known_wad=None) == WAD


def test_without_a_live_price_the_floor_or_the_last_one_stands_in() -> None:
    """And without a floor there is no price, so nothing is released by value."""
    assert outflow_price_wad(None, floor_wad=2 * WAD, last_known_wad=None) == 2 * WAD
    assert outflow_price_wad(None, floor_wad=2 * WAD, last_known_wad=3 * WAD) == 3 * WAD
    assert outflow_price_wad(None, floor_wad=None, last_known_wad=3 * WAD) is None


def test_inflow_counts_at_the_lower_price() -> None:
    """What is set off must not be overvalued."""
    assert inflow_price_wad(price(3_000, 2_900), floor_wad=None) == 2_900 * WAD
    assert inflow_price_wad(price(3_000, 2_900), floor_wad=2_000 * WAD) == 2_000 * WAD
    assert inflow_price_wad(None, floor_wad=2_000 * WAD) == 0


def test_values_are_rounded_as_named() -> None:
    """Outflow up, inflow down."""
    values = {"price_wad": 1, "whole_units": 10}

    assert flow_value_wad(1, **values, rounding=Rounding.UP) == 1
    assert flow_value_wad(1, **values, rounding=Rounding.DOWN) == 0


@pytest.mark.parametrize(
    "values", [(CHAIN, None, WETH, 1), (CHAIN, BRIDGE, None, 1), (CHAIN, BRIDGE, WETH, -1)]
)
def test_a_limit_that_makes_no_sense_is_refused(values: tuple[object, ...]) -> None:
    """Bridge and asset go together, and values are 0 or more."""
    with pytest.raises(ValueError, match=r"must be|go together"):
        OutflowLimit(*values)  # type: ignore[arg-type]


@dataclass
class Model:
    """What the rules say in words, with one list of what left; nothing is reused of the core."""

    limits: list[OutflowLimit]
    left: list[tuple[int, AssetId, int]] = field(default_factory=list)  # counted ones
    came: list[tuple[int, int]] = field(default_factory=list)

    def used(self, each: OutflowLimit, now: int) -> int:
        """Return what left in the 86400 seconds that end with this one."""
        seconds = range(now - 86_399, now + 1)
        spent = sum(
            value
            for at, asset, value in self.left
            if at in seconds and each.asset_id in (None, asset)
        )
        came = sum(value for at, value in self.came if at in seconds)
        return max(0, spent - (came if each.is_flow_cancelled else 0))

    def fits(self, asset: AssetId, value: int, now: int) -> bool:
        """Return whether every limit of the asset has room."""
        return all(
            each.window_value_wad is None or self.used(each, now) + value <= each.window_value_wad
            for each in self.limits
            if each.asset_id in (None, asset)
        )

    def may_leave(self, asset: AssetId, value: int, queued_at: int, now: int) -> tuple[bool, bool]:
        """Return whether it may leave, and whether it counts."""
        delays = [
            each.delay_seconds
            for each in self.limits
            if each.asset_id in (None, asset)
            and each.big_value_wad is not None
            and value >= each.big_value_wad
        ]
        if delays:
            return now - queued_at >= max(delays), False
        if self.fits(asset, value, now):
            return True, True
        return now - queued_at >= 86_400, False

    def first_second(self, asset: AssetId, value: int, queued_at: int, now: int) -> int:
        """Return when it may leave if nothing else does: only ends of flows change anything."""
        ends = {at + 86_400 for at, *_ in self.left} | {at + 86_400 for at, _ in self.came}
        ends |= {queued_at + 86_400} | {queued_at + each.delay_seconds for each in self.limits}
        return min(
            second
            for second in ends
            if second > now and self.may_leave(asset, value, queued_at, second)[0]
        )


def random_limits(dice: random.Random) -> list[OutflowLimit]:
    """Return a total and limits of two assets, each with or without its parts."""

    def one(asset: AssetId | None) -> OutflowLimit:
        return OutflowLimit(
            CHAIN,
            None if asset is None else BRIDGE,
            asset,
            dice.choice((None, 0, dice.randrange(1, 400))),
            dice.choice((None, dice.randrange(1, 500))),
            dice.choice((0, 1, 3_600, 86_400, 90_000)),
            dice.random() < 0.3,
        )

    return [one(asset) for asset in (None, WETH, USDC) if dice.random() < 0.8]


def windows_of(model: Model) -> list[Window]:
    """Return the same history as the core reads it."""
    return [
        Window(
            each,
            tuple(
                Flow(UnixSeconds(at), value)
                for at, asset, value in model.left
                if each.asset_id in (None, asset)
            ),
            tuple(Flow(UnixSeconds(at), value) for at, value in model.came)
            if each.is_flow_cancelled
            else (),
        )
        for each in model.limits
    ]


def play(dice: random.Random) -> None:
    """Run one random sequence of requests, locks and time in both, and compare every verdict."""
    model = Model(random_limits(dice))
    queue: list[tuple[AssetId, int, int]] = []
    now = START
    for _ in range(dice.randrange(3, 9)):
        now += dice.choice((0, 1, 60, 43_200, 86_399, 86_400, dice.randrange(100_000)))
        if dice.random() < 0.25:
            model.came.append((now, dice.randrange(300)))
        queue.append((dice.choice((WETH, USDC)), dice.randrange(300), now))
        waiting = []
        for asset, value, queued_at in queue:
            asked = Transfer(CHAIN, BRIDGE, asset, value, UnixSeconds(queued_at))
            found = judge(asked, windows_of(model), now=UnixSeconds(now))
            may_leave, is_counted = model.may_leave(asset, value, queued_at, now)
            assert (found.kind is VerdictKind.RELEASE) == may_leave
            if not may_leave:
                assert found.until == model.first_second(asset, value, queued_at, now)
                waiting.append((asset, value, queued_at))
                continue
            assert found.is_counted == is_counted
            if is_counted:
                model.left.append((now, asset, value))
        queue = waiting


def test_r15_ten_thousand_random_sequences_agree_with_the_model() -> None:
    """Verdict, time and what counts, for every message at every step."""
    dice = random.Random(15)

    for _ in range(SEQUENCES):
        play(dice)
