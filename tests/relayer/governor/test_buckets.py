"""Token buckets against a model that fills one second at a time."""

import random
from dataclasses import dataclass

import pytest

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.governor.buckets import (
    Bucket,
    BucketLimit,
    Lane,
    Shortage,
    judge_by_bucket,
    stricter,
)
from relayer.governor.windows import Verdict, VerdictKind
from relayer.money import WAD

LANE = Lane(ChainId("hub:test"), ChainId("eip155:1"))
START = 1_800_000_000
SEQUENCES = 10_000


def bucket(capacity: int, refill: int, missing: int | None = None, at: int = START) -> Bucket:
    """Return a bucket in the smallest unit, short of something since a second."""
    shortage = None if missing is None else Shortage(missing, UnixSeconds(at))
    return Bucket(BucketLimit(LANE, capacity, refill), shortage)


def verdict_of(value: int, found: Bucket, now: int) -> tuple[VerdictKind, int]:
    """Return what the bucket says, and until when."""
    verdict = judge_by_bucket(value, found, now=UnixSeconds(now))
    return verdict.kind, verdict.until


def test_a_bucket_begins_full() -> None:
    """All of its capacity may leave at once, and not one unit more."""
    fresh = bucket(100, 1)

    assert fresh.level_wad(UnixSeconds(START)) == 100
    assert fresh.full_at(UnixSeconds(START)) is None
    assert verdict_of(100, fresh, START) == (VerdictKind.RELEASE, START)
    assert verdict_of(101, fresh, START) == (VerdictKind.HOLD, START)


def test_what_is_not_there_yet_waits_to_the_second() -> None:
    """61 of 100 missing, 3 a second: 70 are in it after 11 seconds, 69 after 10."""
    short = bucket(100, 3, 61)

    assert verdict_of(70, short, START) == (VerdictKind.WAIT, START + 11)
    assert verdict_of(70, short, START + 10) == (VerdictKind.WAIT, START + 11)
    assert verdict_of(70, short, START + 11) == (VerdictKind.RELEASE, START + 11)
    assert verdict_of(69, short, START + 10) == (VerdictKind.RELEASE, START + 10)
    assert short.full_at(UnixSeconds(START)) == START + 21


def test_no_time_opens_it_for_what_it_never_holds() -> None:
    """A person must, a year later too, and the words say so."""
    year_later = UnixSeconds(START + 365 * 86_400)

    verdict = judge_by_bucket(101 * WAD, bucket(100 * WAD, 1), now=year_later)

    assert verdict.kind is VerdictKind.HOLD
    assert "hub:test -> eip155:1: 101.00 USD is more than the 100.00 USD" in verdict.detail
    assert "a person must release it" in verdict.detail


def test_a_clock_that_goes_back_refills_nothing() -> None:
    """Nor does it let the next second refill twice."""
    short = bucket(100, 1, 50)

    after = short.shortage_after(10, UnixSeconds(START - 40))

    assert short.missing_wad(UnixSeconds(START - 40)) == 50
    assert after == Shortage(60, UnixSeconds(START))
    assert verdict_of(60, short, START - 40) == (VerdictKind.WAIT, START + 10)


def test_another_capacity_changes_how_much_there_may_be_and_not_what_was_taken() -> None:
    """A bucket that is made larger is not full at once."""
    assert bucket(100, 1, 100).level_wad(UnixSeconds(START)) == 0
    assert bucket(150, 1, 100).level_wad(UnixSeconds(START)) == 50
    assert bucket(50, 1, 100).level_wad(UnixSeconds(START)) == 0


def test_looking_often_rounds_nothing_away() -> None:
    """A third of a cent a second, taken bit by bit for a day, is as one look at its end."""
    refill = WAD // 300
    found = bucket(10**9 * WAD, refill, 10**8 * WAD)
    once = found.missing_wad(UnixSeconds(START + 86_400))

    for second in range(1, 86_401, 7):
        now = UnixSeconds(START + second)
        found = Bucket(found.limit, found.shortage_after(0, now))

    assert found.missing_wad(UnixSeconds(START + 86_400)) == once == 10**8 * WAD - 86_400 * refill


@pytest.mark.parametrize(("capacity", "refill"), [(-1, 1), (1, 0), (1, -1)])
def test_a_bucket_that_makes_no_sense_is_refused(capacity: int, refill: int) -> None:
    """One that never refills is a limit for good."""
    with pytest.raises(ValueError, match="capacity must be"):
        BucketLimit(LANE, capacity, refill)


@pytest.mark.parametrize(
    ("by_windows", "by_bucket", "kind"),
    [
        ("RELEASE", "RELEASE", "RELEASE"),
        ("RELEASE", "WAIT", "WAIT"),
        ("WAIT", "RELEASE", "WAIT"),
        ("DELAY", "WAIT", "DELAY"),
        ("DELAY", "HOLD", "HOLD"),
        ("RELEASE", "HOLD", "HOLD"),
    ],
)
def test_the_stricter_verdict_counts(by_windows: str, by_bucket: str, kind: str) -> None:
    """What only a person can end is said at once, whatever else it would wait for."""
    windows, lane = (
        Verdict(VerdictKind(name), UnixSeconds(START), True, name)
        for name in (by_windows, by_bucket)
    )

    assert stricter(windows, lane).kind.value == kind


@dataclass
class TickingModel:
    """A bucket in words: each second some runs in until it is full. Nothing is reused."""

    capacity: int
    refill: int
    level: int  # at the second of the newest taking; below 0 by what left without waiting
    second: int = 0

    def level_at(self, now: int) -> int:
        """Let one second after the other pass since the newest taking."""
        level = self.level
        for _ in range(self.second, now):
            if level == self.capacity:
                break
            level = min(self.capacity, level + self.refill)
        return level

    def take(self, value: int, now: int) -> None:
        """Take, whether or not it is there."""
        self.level, self.second = self.level_at(now) - value, max(self.second, now)

    def first_second(self, value: int, now: int) -> int:
        """Return the first second at which so much is in it, by looking at each."""
        while self.level_at(now) < value:
            now += 1
        return now


def play(dice: random.Random) -> None:
    """Run one random sequence in both, and compare what each says at every step."""
    capacity, refill = dice.randrange(200), dice.randrange(1, 12)
    model = TickingModel(capacity, refill, capacity)
    found = bucket(capacity, refill)
    now = START
    for _ in range(dice.randrange(3, 9)):
        now += dice.choice((-3, 0, 0, 1, 2, dice.randrange(60)))
        value = dice.randrange(capacity + 20)
        must_leave = dice.random() < 0.15
        kind, until = verdict_of(value, found, now)
        assert found.level_wad(UnixSeconds(now)) == max(0, model.level_at(now))
        if value > capacity:
            assert kind is VerdictKind.HOLD
        elif value <= model.level_at(now):
            assert (kind, until) == (VerdictKind.RELEASE, now)
        else:
            assert (kind, until) == (VerdictKind.WAIT, model.first_second(value, now))
        if must_leave or kind is VerdictKind.RELEASE:
            model.take(value, now)
            found = Bucket(found.limit, found.shortage_after(value, UnixSeconds(now)))


def test_r15_ten_thousand_random_bucket_sequences_agree_with_the_model() -> None:
    """Level, verdict and time, at every step, also where something left that may not wait."""
    dice = random.Random(1_015)

    for _ in range(SEQUENCES):
        play(dice)
