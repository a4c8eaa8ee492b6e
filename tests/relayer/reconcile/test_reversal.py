"""Reversals of final entries: exact, linked, and with a deficit where units are gone."""

from dataclasses import replace

from chains.events import CollateralExited, CollateralLocked, EventPosition
from chains.types import BlockRef, ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.admission import KnownLedger, PostStatus, admit
from relayer.ledger.chart import BAD_DEBT, Side, margin_code, vault_code
from relayer.ledger.journal import JournalEntry
from relayer.money import AssetId
from relayer.reconcile.reversal import (
    Shortfall,
    cure_entry,
    deficit_entry,
    final_entry_ids,
    reversal_of_final,
    shortfall_of,
)
from relayer.reconcile.rules import FINAL, EventContext, Flow, announce, postings_of

CHAIN, WETH = ChainId("eip155:1"), AssetId("WETH")
ANN, VAULT = b"\x0a" * 32, b"\x0f" * 32
PLACE = EventPosition(CHAIN, BlockRef(5, b"\x05" * 32), b"\x06" * 32, 0, VAULT)
LOCK = CollateralLocked(PLACE, 1, ANN, b"\x0d" * 32, ANN, 7, 7)
NOW = UnixSeconds(9)


def booked(revivals: int = 0) -> JournalEntry:
    """Return the final entry of the lock."""
    postings = postings_of(LOCK, EventContext(WETH))
    flow = Flow(PLACE.event_id, NOW)
    return announce(LOCK, postings, stage=FINAL, revivals=revivals, flow=flow)


def test_a_reversal_is_exact_and_linked() -> None:
    """The ledger admits it once, and ends where it began."""
    known = KnownLedger(0)
    reversal = reversal_of_final(booked(), booked_at=NOW)

    results = [admit(entry, known).status for entry in (booked(), reversal)]
    again = admit(replace(reversal, entry_id=b"\x01" * 32), known).status

    assert results == [PostStatus.CREATED] * 2
    assert again is PostStatus.ALREADY_REVERSED
    assert reversal.reversal_of == booked().entry_id
    assert reversal.kind == "lock.reversed"
    assert all(c.posted(s) == 0 for c in known.counters.values() for s in Side)


def test_each_revival_has_a_reversal_of_its_own() -> None:
    """An event that came back and goes again is another pair of entries."""
    reversals = {reversal_of_final(booked(n), booked_at=NOW).entry_id for n in range(3)}

    assert len(reversals) == 3


def test_the_ids_of_final_entries_are_those_that_were_booked() -> None:
    """An exit has two, the rest first."""
    leaving = CollateralExited(PLACE, ANN, LOCK.token, ANN, ANN, 7, 0)

    assert final_entry_ids(LOCK, 1) == (booked(1).entry_id,)
    assert len(final_entry_ids(leaving, 0)) == 2


def test_a_shortfall_is_what_the_margin_lacks() -> None:
    """Only a margin account can fall short; one that is below zero already lacks all of it."""
    reversal = reversal_of_final(booked(), booked_at=NOW)
    by_code = {posting.code: posting for posting in reversal.postings}
    margin, vault = by_code[margin_code(ANN)], by_code[vault_code(VAULT)]

    found = [shortfall_of(margin, available) for available in (7, 6, 0, -3)]

    assert [None if one is None else one.units for one in found] == [None, 1, 7, 7]
    assert shortfall_of(vault, 0) is None


def test_a_deficit_lets_the_reversal_through_and_a_cure_ends_it() -> None:
    """Margin at zero, the rest bad debt; paid back it is zero again."""
    reversal = reversal_of_final(booked(), booked_at=NOW)
    shortfall = Shortfall(ANN, WETH, CHAIN, 7)

    deficit = deficit_entry(reversal, shortfall)
    cure = cure_entry(shortfall, cause=b"first", booked_at=NOW)

    assert {posting.code: posting.units for posting in deficit.postings} == {
        BAD_DEBT: 7,
        margin_code(ANN): -7,
    }
    assert {posting.code: posting.units for posting in cure.postings} == {
        BAD_DEBT: -7,
        margin_code(ANN): 7,
    }
    assert deficit.cause == reversal.entry_id
    assert (deficit.kind, cure.kind) == ("deficit.booked", "deficit.cured")
    assert cure.entry_id != cure_entry(shortfall, cause=b"second", booked_at=NOW).entry_id
