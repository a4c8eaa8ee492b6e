"""What a process uses, sampled from /proc, and whether it grew."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

WARM_UP_SHARE: Final = 0.2
SAMPLES_MIN: Final = 9
SECONDS_PER_HOUR: Final = 3_600
KIB_PER_MIB: Final = 1_024


@dataclass(frozen=True, slots=True)
class Sample:
    """
    One look at a process.

    Args:
        seconds: since the run began.
        events: how many were booked by then.
    """

    seconds: float
    events: int
    rss_kib: int
    threads: int
    files: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    What a process may grow by between the first and the last third after its warm-up.

    The warm-up is a fixed share of the run, whatever was measured: pools open their connections,
    SQLite fills the page cache of each, and what is cached by size becomes full. A median of a
    third is not moved by a sample that meets a batch under way, nor by one before a collection of
    garbage.

    Both bounds on memory must hold. Half a mebibyte per thousand events is less than keeping one
    object of an event alive would take. Three percent is the stricter one in a long run: with half
    an hour at twenty events a second it finds a leak of 250 bytes an event. What grows by time and
    not by events, slower than three percent in that time, is not found.

    Args:
        threads_max, files_max: how many more there may be.
    """

    growth_percent_max: float = 3.0
    mib_per_1000_events_max: float = 0.5
    threads_max: int = 1
    files_max: int = 3


def sample_of(pid: int, *, seconds: float, events: int) -> Sample:
    """Look at a process."""
    place = Path(f"/proc/{pid}")
    fields = dict(
        line.split(":", 1) for line in (place / "status").read_text().splitlines() if ":" in line
    )
    return Sample(
        seconds=seconds,
        events=events,
        rss_kib=int(fields["VmRSS"].split()[0]),
        threads=int(fields["Threads"]),
        files=len(list((place / "fd").iterdir())),
    )


@dataclass(frozen=True, slots=True)
class Growth:
    """How a process changed from the first to the last third after its warm-up, by medians."""

    rss_mib: float
    growth_mib: float
    growth_percent: float
    percent_per_hour: float
    mib_per_1000_events: float
    threads: tuple[int, int]
    files: tuple[int, int]

    def faults(self, bounds: Bounds) -> list[str]:
        """Return what is out of bounds."""
        found = []
        if self.growth_percent > bounds.growth_percent_max:
            limit = bounds.growth_percent_max
            found.append(f"RSS grew by {self.growth_percent:.1f} %, {limit} % allowed")
        if self.mib_per_1000_events > bounds.mib_per_1000_events_max:
            limit = bounds.mib_per_1000_events_max
            found.append(f"RSS: {self.mib_per_1000_events:.2f} MiB per 1,000 events, {limit}")
        if self.threads[1] > self.threads[0] + bounds.threads_max:
            found.append(f"threads grew from {self.threads[0]} to {self.threads[1]}")
        if self.files[1] > self.files[0] + bounds.files_max:
            found.append(f"open files grew from {self.files[0]} to {self.files[1]}")
        return found

    def value(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "rss_mib": round(self.rss_mib, 1),
            "growth_mib": round(self.growth_mib, 2),
            "growth_percent": round(self.growth_percent, 2),
            "percent_per_hour": round(self.percent_per_hour, 2),
            "mib_per_1000_events": round(self.mib_per_1000_events, 3),
            "threads": list(self.threads),
            "files": list(self.files),
        }


def growth_of(samples: Sequence[Sample]) -> Growth:
    """
    Compare the last third with the first, after the warm-up.

    Raises:
        ValueError: too few samples to say anything.
    """
    if len(samples) < SAMPLES_MIN:
        raise ValueError(f"{len(samples)} samples; {SAMPLES_MIN} are needed, so run for longer")
    warm = samples[int(len(samples) * WARM_UP_SHARE) :]
    third = len(warm) // 3
    first, last = warm[:third], warm[-third:]
    before, after = (median(one.rss_kib for one in part) / KIB_PER_MIB for part in (first, last))
    seconds = median(one.seconds for one in last) - median(one.seconds for one in first)
    events = median(one.events for one in last) - median(one.events for one in first)
    percent = 100 * (after - before) / before
    return Growth(
        rss_mib=after,
        growth_mib=after - before,
        growth_percent=percent,
        percent_per_hour=percent * SECONDS_PER_HOUR / seconds,
        mib_per_1000_events=1_000 * (after - before) / max(1, events),
        threads=(int(median(s.threads for s in first)), int(median(s.threads for s in last))),
        files=(int(median(s.files for s in first)), int(median(s.files for s in last))),
    )
