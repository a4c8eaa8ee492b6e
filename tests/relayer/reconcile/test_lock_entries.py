"""Entries of locks, many at once: each is the one that the plain rule makes, or left to it."""

import struct
from dataclasses import dataclass, replace
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from chains.events import CollateralLocked, EventPosition
from chains.types import BlockRef, ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.journal import JournalEntry
from relayer.money import UNITS_MAX, AssetId
from relayer.reconcile.lock_entries import IS_COMPILED, lock_entries, lock_entry
from relayer.reconcile.rules import FINAL, SEEN

HOME: Final = ChainId("eip155:1")
WORDS: Final = st.binary(min_size=32, max_size=32)
TOKENS: Final = {b"\1" * 32: AssetId("WETH"), b"\2" * 32: AssetId("金")}
STRANGER: Final = b"\3" * 32
UNITS: Final = st.sampled_from([0, 1, 2**63, UNITS_MAX, UNITS_MAX + 1]) | st.integers(0, UNITS_MAX)
REVIVALS: Final = st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**32, -1]) | st.integers(0, 2**32 - 1)
TIMES: Final = st.sampled_from([0, 2**63 - 1, 2**63, -1]) | st.integers(0, 2**63 - 1)
POSITION: Final = EventPosition(HOME, BlockRef(5, b"\1" * 32), b"\2" * 32, 3, b"\3" * 32)
LOCK: Final = CollateralLocked(POSITION, 1, b"\4" * 32, b"\1" * 32, b"\5" * 32, 7, 7)


@dataclass(frozen=True)
class Arrived:
    """A lock as the database gives it."""

    event: CollateralLocked
    revivals: int = 0


@st.composite
def arrived_locks(draw: st.DrawFn) -> Arrived:
    """Return a lock with any fields, to the ends of their ranges and beyond."""
    place = EventPosition(HOME, BlockRef(5, draw(WORDS)), draw(WORDS), 3, draw(WORDS))
    lock = replace(
        LOCK,
        position=place,
        account=draw(WORDS),
        token=draw(st.sampled_from([*TOKENS, STRANGER])),
        units=draw(UNITS),
    )
    return Arrived(lock, draw(REVIVALS))


def asset_of(chain_id: ChainId, token: bytes) -> AssetId | None:
    """Return what is registered."""
    assert chain_id == HOME
    return TOKENS.get(token)


def by_rule(arrived: Arrived, stage: str, booked_at: UnixSeconds) -> JournalEntry | None:
    """Return what the plain rule makes; None where it makes nothing or refuses."""
    asset_id = TOKENS.get(arrived.event.token)
    if asset_id is None:
        return None
    try:
        return lock_entry(
            arrived.event, arrived.revivals, asset_id, stage=stage, booked_at=booked_at
        )
    except (ValueError, struct.error):
        return None


@given(locks=st.lists(arrived_locks(), max_size=5), stage=st.sampled_from([SEEN, FINAL]), now=TIMES)
def test_entries_are_those_of_the_plain_rule(locks: list[Arrived], stage: str, now: int) -> None:
    """Every field, and the lines that postings carry; what the rule refuses is left to it."""
    booked_at = UnixSeconds(now)

    made = lock_entries(locks, asset_of, stage=stage, booked_at=booked_at)

    expected = [by_rule(arrived, stage, booked_at) for arrived in locks]
    assert made == expected
    for mine, theirs in zip(made, expected, strict=True):
        if mine is not None and theirs is not None:
            assert [one.line for one in mine.postings] == [one.line for one in theirs.postings]


def test_a_lock_whose_account_is_no_word_is_left_to_the_rule() -> None:
    """The rule says what is wrong with it."""
    odd = Arrived(replace(LOCK, account=b"short"))

    made = lock_entries([odd, Arrived(LOCK)], asset_of, stage=FINAL, booked_at=UnixSeconds(1))

    assert made == [None, by_rule(Arrived(LOCK), FINAL, UnixSeconds(1))]


def test_the_kernel_is_built() -> None:
    """Without it the comparisons above say nothing."""
    assert IS_COMPILED
