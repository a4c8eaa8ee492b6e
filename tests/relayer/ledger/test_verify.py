"""Tests of the verifier against journals that were changed."""

import dataclasses

import pytest

from relayer.ledger.balances import Counters, replay
from relayer.ledger.journal import GENESIS_HASH, JournalEntry, Phase, chain_hash, record_of
from relayer.ledger.text import entry_of_text
from relayer.ledger.verify import JournalImage, StoredEntry, verify

LOCK = entry_of_text("2026-01-02 vault:base +5 USDC@eip155:1 | margin:ann -5 USDC@eip155:1")
HOLD = entry_of_text(
    "2026-01-03 pending margin:ann +4 USDC@eip155:1 | in_flight:base -4 USDC@eip155:1"
)
VOID = dataclasses.replace(HOLD, entry_id=b"v" * 32, phase=Phase.VOID, resolves=HOLD.entry_id)
JOURNAL = (LOCK, HOLD, VOID)


def image_of(entries: tuple[JournalEntry, ...]) -> JournalImage:
    """Return what an honest store holds after the entries."""
    stored = []
    previous = GENESIS_HASH
    for seq, entry in enumerate(entries, start=1):
        previous = chain_hash(previous, record_of(entry))
        stored.append(StoredEntry(seq, entry, previous))
    return JournalImage(stored, replay(entries), len(entries), previous)


def with_entry(image: JournalImage, index: int, **changes: object) -> JournalImage:
    """Return the image with one stored entry changed."""
    stored = list(image.entries)
    stored[index] = dataclasses.replace(stored[index], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(image, entries=stored)


def test_an_honest_journal_is_sound() -> None:
    """Nothing is reported, also not for an empty one."""
    report = verify(image_of(JOURNAL))

    assert report.is_sound
    assert (report.entries_count, report.first_bad_seq) == (3, None)
    assert verify(image_of(())).is_sound


@pytest.mark.parametrize("index", range(3))
def test_a_changed_entry_is_named_by_its_seq_only(index: int) -> None:
    """The fault lies where the change is, not at all places after it."""
    image = image_of(JOURNAL)
    entry = dataclasses.replace(JOURNAL[index], kind="forged")

    report = verify(with_entry(image, index, entry=entry))

    assert [fault.seq for fault in report.faults] == [index + 1]


def test_changed_units_show_as_a_fault_and_as_differing_counters() -> None:
    """The counters no longer follow from the journal."""
    forged = entry_of_text("2026-01-02 vault:base +6 USDC@eip155:1 | margin:ann -6 USDC@eip155:1")
    entry = dataclasses.replace(LOCK, postings=forged.postings)

    report = verify(with_entry(image_of(JOURNAL), 0, entry=entry))

    assert report.first_bad_seq == 1
    assert len(report.differences) == 2


def test_changed_counters_are_reported_line_by_line() -> None:
    """The journal is right, the counters are not."""
    image = image_of(JOURNAL)
    line = LOCK.postings[1].line
    forged = dict(image.counters) | {line: Counters(credits_posted=6)}

    report = verify(dataclasses.replace(image, counters=forged))

    assert report.faults == ()
    assert [difference.line for difference in report.differences] == [line]
    assert report.differences[0].derived.credits_posted == 5


def test_a_missing_entry_is_found() -> None:
    """Seqs have no gaps."""
    image = image_of(JOURNAL)
    stored = list(image.entries)

    report = verify(dataclasses.replace(image, entries=[stored[0], stored[2]]))

    assert report.first_bad_seq == 3
    assert report.faults[0].reason == "seq 2 is missing"


def test_cut_off_entries_differ_from_the_head() -> None:
    """The head still names the newest entry."""
    image = image_of(JOURNAL)

    report = verify(dataclasses.replace(image, entries=list(image.entries)[:2]))

    assert report.first_bad_seq == 3


def test_a_second_end_of_one_pending_entry_is_found() -> None:
    """Even with right hashes a journal that resolves twice is wrong."""
    again = dataclasses.replace(VOID, entry_id=b"w" * 32)

    report = verify(image_of((*JOURNAL, again)))

    assert report.first_bad_seq == 4
    assert "pending_already_voided" in report.faults[0].reason


def test_an_overdraft_with_right_hashes_is_found() -> None:
    """The limits are part of what is verified."""
    report = verify(image_of((HOLD,)))

    assert report.first_bad_seq == 1
    assert "exceeds_available" in report.faults[0].reason


def test_rows_that_make_no_entry_are_named_with_the_reason() -> None:
    """What could not be read is a fault, not a crash."""
    report = verify(with_entry(image_of(JOURNAL), 1, entry=None, fault="units are zero"))

    assert report.faults[0].seq == 2
    assert report.faults[0].reason == "units are zero"
