"""Samples: what counts as growth."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak.samples import Bounds, Sample, growth_of, sample_of

FLAT = [Sample(5.0 * n, 100 * n, 200_000, 12, 40) for n in range(60)]


def test_a_flat_process_has_no_fault() -> None:
    """Nothing grows."""
    growth = growth_of(FLAT)

    assert growth.faults(Bounds()) == []
    assert growth.percent_per_hour == 0


def test_what_grows_in_the_warm_up_does_not_count() -> None:
    """Caches fill at first."""
    early = [replace(one, rss_kib=100_000 + 1_000 * n) for n, one in enumerate(FLAT[:12])]

    assert growth_of([*early, *FLAT[12:]]).faults(Bounds()) == []


def test_one_high_sample_does_not_count() -> None:
    """It met a batch under way."""
    samples = list(FLAT)
    samples[-2] = replace(samples[-2], rss_kib=900_000, files=90, threads=50)

    assert growth_of(samples).faults(Bounds()) == []


@pytest.mark.parametrize(
    ("field", "step", "word"),
    [("rss_kib", 300, "RSS"), ("threads", 1, "threads"), ("files", 1, "open files")],
)
def test_r22_steady_growth_is_a_fault(field: str, step: int, word: str) -> None:
    """Of memory, of threads, or of open files."""
    samples = [
        replace(one, **{field: getattr(one, field) + step * n}) for n, one in enumerate(FLAT)
    ]

    (fault, *_) = growth_of(samples).faults(Bounds())

    assert word in fault


def test_r22_a_leak_for_each_event_is_a_fault_also_in_a_large_process() -> None:
    """By share of its size it would hide."""
    samples = [replace(one, rss_kib=20_000_000 + 500 * n) for n, one in enumerate(FLAT)]

    (fault,) = growth_of(samples).faults(Bounds())

    assert "per 1,000 events" in fault


def test_too_few_samples_say_nothing() -> None:
    """A run that was too short is no proof."""
    with pytest.raises(ValueError, match="run for longer"):
        growth_of(FLAT[:8])


def test_a_sample_is_what_the_system_says() -> None:
    """Our own process: its threads and its files."""
    before = sample_of(os.getpid(), seconds=0, events=0)
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()

    with Path(os.devnull).open() as _held:
        after = sample_of(os.getpid(), seconds=1, events=0)

    done.set()
    thread.join()
    assert (after.threads - before.threads, after.files - before.files) == (1, 1)
    assert after.rss_kib > 10_000
