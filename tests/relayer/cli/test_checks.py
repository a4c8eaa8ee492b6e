"""Probes are isolated: whatever one raises becomes its finding."""

import asyncio

import pytest

from relayer.cli import checks
from relayer.cli.checks import (
    REMEDIES,
    BrokenError,
    CheckState,
    WarningError,
    attempt,
    attempt_async,
    skipped,
)


def raising(error: Exception) -> str:
    """Raise what was given."""
    raise error


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (WarningError("look"), CheckState.WARNING),
        (BrokenError("act"), CheckState.BROKEN),
        (ZeroDivisionError("oops"), CheckState.BROKEN),
    ],
)
def test_an_error_becomes_a_finding(error: Exception, state: CheckState) -> None:
    """With the remedy of its code."""
    found = attempt("config", "settings", lambda: raising(error))

    assert found.state is state
    assert found.remedy == REMEDIES["config"]


def test_what_works_is_ok_and_needs_no_remedy() -> None:
    """The probe's words are the detail."""
    found = attempt("config", "settings", lambda: "fine")

    assert (found.state, found.detail, found.remedy) == (CheckState.OK, "fine", "")


def test_a_finding_shows_no_credentials() -> None:
    """A URL in an error keeps only its host."""
    found = attempt(
        "chain.node", "eip155:1", lambda: raising(OSError("https://n.example/v3/s3cr3t"))
    )

    assert "s3cr3t" not in found.detail


def test_a_probe_that_hangs_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """No check keeps the doctor waiting."""
    monkeypatch.setattr(checks, "CHECK_SECONDS_MAX", 0.01)

    async def hang() -> str:
        await asyncio.Event().wait()
        return "never"

    found = asyncio.run(attempt_async("chain.node", "eip155:1", hang))

    assert found.state is CheckState.BROKEN
    assert "no answer within" in found.detail


def test_a_skipped_check_says_why() -> None:
    """It is neither right nor wrong."""
    assert skipped("chain.finality", "eip155:1", "no node").state is CheckState.SKIPPED


def test_codes_are_distinct_words() -> None:
    """A code is a stable name; each has a remedy."""
    assert all(code == code.lower() and remedy for code, remedy in REMEDIES.items())
