"""Tests of how a job's age is told."""

from relayer.clock import UnixSeconds
from relayer.store.job_records import age_seconds


def test_an_age_is_never_negative() -> None:
    """What is still to come, or never was, has no age."""
    assert age_seconds(UnixSeconds(10), 4) == 6
    assert age_seconds(UnixSeconds(10), 14) == 0
    assert age_seconds(UnixSeconds(10), None) == 0
