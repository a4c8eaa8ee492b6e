"""Properties of journals: conservation, replay, rewind, and one record for one entry."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.admission import KnownLedger, PostStatus, admit
from relayer.ledger.balances import Counters, replay
from relayer.ledger.chart import FEES, INSURANCE, in_flight_code, margin_code, vault_code
from relayer.ledger.journal import (
    GENESIS_HASH,
    JournalEntry,
    Line,
    Phase,
    Posting,
    chain_hash,
    entry_id_of,
    record_of,
)
from relayer.ledger.text import entry_of_text, text_of_entry
from relayer.money import UNITS_MAX, AssetId

CODES = (
    vault_code(b"\x01" * 32), margin_code(b"\x0a" * 32), margin_code(b"\x0b" * 32),
    in_flight_code(b"\x01" * 32), FEES, INSURANCE,
)  # fmt: skip
PLACES = tuple(
    (AssetId(asset_id), ChainId(chain_id))
    for asset_id in ("USDC", "WETH")
    for chain_id in ("eip155:1", "hub:devnet")
)


@st.composite
def journals(draw: st.DrawFn) -> list[JournalEntry]:
    """Draw entries with ids of their own; some end or cancel an earlier one."""
    entries: list[JournalEntry] = []
    for number in range(draw(st.integers(1, 12))):
        made = draw(new_entries(number))
        earlier = draw(st.sampled_from([None, *entries]))
        if earlier is not None and earlier.phase is Phase.PENDING:
            phase = draw(st.sampled_from([Phase.SETTLE, Phase.VOID]))
            made = replace(made, phase=phase, postings=earlier.postings, resolves=earlier.entry_id)
        elif earlier is not None and not earlier.phase.is_resolution:
            made = replace(
                made,
                phase=Phase.POSTED,
                postings=mirrored(earlier.postings),
                reversal_of=earlier.entry_id,
            )
        entries.append(made)
    return entries


@st.composite
def new_entries(draw: st.DrawFn, number: int) -> JournalEntry:
    """Draw an entry of two postings in each of one or two assets and chains."""
    postings: list[Posting] = []
    for place in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2, unique=True)):
        debit, credit = draw(st.permutations(CODES))[:2]
        units = draw(st.one_of(st.integers(1, 9), st.integers(1, UNITS_MAX)))
        postings += [Posting(debit, *place, units), Posting(credit, *place, -units)]
    cause = number.to_bytes(4, "big")
    return JournalEntry(
        entry_id_of("drawn", cause), "drawn", cause,
        draw(st.sampled_from([Phase.POSTED, Phase.PENDING])), tuple(postings), None, None, b"",
        UnixSeconds(draw(st.integers(0, 4_000_000_000))),
    )  # fmt: skip


def mirrored(postings: tuple[Posting, ...]) -> tuple[Posting, ...]:
    """Return postings that cancel the given ones."""
    return tuple(replace(posting, units=-posting.units) for posting in postings)


def booked(entries: list[JournalEntry]) -> tuple[KnownLedger, list[JournalEntry]]:
    """Return a ledger after the entries and those of them that were booked."""
    known = KnownLedger(0)
    return known, [entry for entry in entries if admit(entry, known).status is PostStatus.CREATED]


@given(journals())
def test_debits_equal_credits_per_asset_and_chain(entries: list[JournalEntry]) -> None:
    """For posted and for pending units, whatever was refused on the way."""
    known, _ = booked(entries)

    for place in PLACES:
        lines = [found for line, found in known.counters.items() if tuple(line[1:]) == place]
        assert sum(found.debits_posted - found.credits_posted for found in lines) == 0
        assert sum(found.debits_pending - found.credits_pending for found in lines) == 0
        assert all(min(four_of(found)) >= 0 for found in lines)


@given(journals())
def test_a_replay_equals_the_first_run(entries: list[JournalEntry]) -> None:
    """Delivering everything again changes nothing; replaying what was booked gives the same."""
    known, kept = booked(entries)
    before = dict(known.counters)

    statuses = {admit(entry, known).status for entry in kept}

    assert statuses <= {PostStatus.EXISTS}
    assert known.counters == before == replay(kept)


@given(journals(), st.data())
def test_rewinding_and_replaying_equals_never_reorged(
    entries: list[JournalEntry], data: st.DataObject
) -> None:
    """Voiding and reversing the newest soft entries leaves the balances from before them."""
    firm = [entry for entry in entries if entry.resolves is None and entry.reversal_of is None]
    known, kept = booked(firm)
    split = data.draw(st.integers(0, len(kept)))
    before = replay(kept[:split])

    for entry in reversed(kept[split:]):
        assert admit(undone(entry), known).status is PostStatus.CREATED

    lines = before.keys() | known.counters.keys()
    assert {line: balance(known.counters, line) for line in lines} == {
        line: balance(before, line) for line in lines
    }


@given(journals())
def test_different_entries_have_different_records(entries: list[JournalEntry]) -> None:
    """A record says everything about its entry, and the chain depends on all before."""
    assert len({record_of(entry) for entry in entries}) == len(entries)
    hashes = [GENESIS_HASH]
    for entry in entries:
        hashes.append(chain_hash(hashes[-1], record_of(entry)))
    assert len(set(hashes)) == len(entries) + 1


@given(journals())
def test_text_keeps_phase_time_and_postings(entries: list[JournalEntry]) -> None:
    """An entry written as text is read back with the same meaning."""
    for entry in entries:
        read = entry_of_text(
            text_of_entry(entry), resolves=entry.resolves, reversal_of=entry.reversal_of
        )
        assert (read.phase, read.booked_at, read.postings) == (
            entry.phase,
            entry.booked_at,
            entry.postings,
        )


def undone(entry: JournalEntry) -> JournalEntry:
    """Return what takes an entry back: a void if it is pending, else a reversal."""
    entry_id = entry_id_of("undo", entry.entry_id)
    if entry.phase is Phase.PENDING:
        return replace(entry, entry_id=entry_id, phase=Phase.VOID, resolves=entry.entry_id)
    return replace(
        entry, entry_id=entry_id, postings=mirrored(entry.postings), reversal_of=entry.entry_id
    )


def balance(counters: dict[Line, Counters], line: Line) -> tuple[int, int, int]:
    """Return posted, pending debits and pending credits of a line."""
    found = counters.get(line, Counters())
    return found.debits_posted - found.credits_posted, found.debits_pending, found.credits_pending


def four_of(counters: Counters) -> list[int]:
    """Return the four counters."""
    return [
        counters.debits_pending, counters.debits_posted, counters.credits_pending,
        counters.credits_posted,
    ]  # fmt: skip
