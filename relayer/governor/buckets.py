"""Token buckets: how fast value may leave along one lane, whatever the windows have room for."""

from dataclasses import dataclass

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.governor.windows import Verdict, VerdictKind, short_usd_text


@dataclass(frozen=True, slots=True)
class Lane:
    """The chain that messages leave and the chain that they reach."""

    origin: ChainId
    target: ChainId

    def __str__(self) -> str:
        return f"{self.origin} -> {self.target}"


@dataclass(frozen=True, slots=True)
class BucketLimit:
    """How much a lane's bucket holds, and what runs into it each second. [USD x 1e18]"""

    lane: Lane
    capacity_wad: int
    refill_wad: int

    def __post_init__(self) -> None:
        if self.capacity_wad < 0 or self.refill_wad <= 0:
            raise ValueError(f"{self.lane}: capacity must be 0 or more, refill above 0")

    def is_too_small_for(self, value_wad: int) -> bool:
        """Return whether not even the full bucket holds so much."""
        return value_wad > self.capacity_wad


@dataclass(frozen=True, slots=True)
class Shortage:
    """
    What a bucket lacked right after something was taken. [USD x 1e18]

    More than its capacity where something was taken that may not wait. Kept instead of the level,
    so that another capacity changes how much there may be and never what was taken.
    """

    missing_wad: int
    at: UnixSeconds


@dataclass(frozen=True, slots=True)
class Bucket:
    """A limit and the shortage that the newest taking left; None: it was always full."""

    limit: BucketLimit
    shortage: Shortage | None = None

    def missing_wad(self, now: UnixSeconds) -> int:
        """
        Return what the bucket lacks now.

        missing = max(0, missing_then - refill * seconds), so nothing is rounded, however often one
        looks; a clock that goes back refills nothing.
        """
        if self.shortage is None:
            return 0
        refilled_wad = self.limit.refill_wad * max(0, now - self.shortage.at)
        return max(0, self.shortage.missing_wad - refilled_wad)

    def level_wad(self, now: UnixSeconds) -> int:
        """Return what is in the bucket now."""
        return max(0, self.limit.capacity_wad - self.missing_wad(now))

    def holds_at(self, value_wad: int, now: UnixSeconds) -> UnixSeconds | None:
        """Return the first second from now on at which so much is in it, None where it never is."""
        if self.limit.is_too_small_for(value_wad):
            return None
        excess_wad = self.missing_wad(now) + value_wad - self.limit.capacity_wad
        if excess_wad <= 0 or self.shortage is None:
            return now
        seconds = -(-excess_wad // self.limit.refill_wad)
        return UnixSeconds(max(now, self.shortage.at) + seconds)

    def full_at(self, now: UnixSeconds) -> UnixSeconds | None:
        """Return when it is full if nothing is taken, None where it is."""
        return None if self.missing_wad(now) == 0 else self.holds_at(self.limit.capacity_wad, now)

    def shortage_after(self, value_wad: int, now: UnixSeconds) -> Shortage:
        """Return what is missing once a value was taken, whether or not it was there."""
        at = now if self.shortage is None else max(now, self.shortage.at)
        return Shortage(self.missing_wad(now) + value_wad, UnixSeconds(at))


def judge_by_bucket(value_wad: int, bucket: Bucket, *, now: UnixSeconds) -> Verdict:
    """
    Return whether a bucket lets a value leave now.

    No time that passes opens it: what it holds waits until it is there, and what is more than its
    capacity is held until a person releases it.
    """
    name = f"bucket {bucket.limit.lane}"
    capacity_text = short_usd_text(bucket.limit.capacity_wad)
    if bucket.limit.is_too_small_for(value_wad):
        detail = (
            f"{name}: {short_usd_text(value_wad)} is more than the {capacity_text} that it holds "
            "when full; a person must release it"
        )
        return Verdict(VerdictKind.HOLD, now, True, detail)
    until = bucket.holds_at(value_wad, now)
    if until is None or until <= now:
        return Verdict(VerdictKind.RELEASE, now, True, f"within {name}")
    detail = (
        f"{name}: {short_usd_text(bucket.level_wad(now))} of {capacity_text} are in it, "
        f"{short_usd_text(value_wad)} are needed"
    )
    return Verdict(VerdictKind.WAIT, until, True, detail)


def stricter(by_windows: Verdict, by_bucket: Verdict) -> Verdict:
    """Return the bucket's verdict where it lets less leave; what it never lets leave is first."""
    if by_bucket.kind is VerdictKind.HOLD:
        return by_bucket
    is_open = by_windows.kind is VerdictKind.RELEASE
    return by_bucket if is_open and by_bucket.kind is VerdictKind.WAIT else by_windows
