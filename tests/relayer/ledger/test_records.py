"""Records read back, and the hash chain over columns as the store has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.ledger.journal import (
    GENESIS_HASH,
    JournalEntry,
    Phase,
    chain_hash,
    line_key_of,
    record_of,
)
from relayer.ledger.records import (
    ChainCheck,
    EntryColumns,
    LineNames,
    PostingColumns,
    entry_of_record,
    pieces_of,
)
from relayer.ledger.text import entry_of_text
from relayer.ledger.verify import FAULTS_MAX
from relayer.money import UNITS_MAX

LOCK = entry_of_text("2026-01-02 vault:base +5 USDC@eip155:1 | margin:ann -5 USDC@eip155:1")
HOLD = entry_of_text(
    "2026-01-03 pending margin:ann +4 USDC@eip155:1 | in_flight:base -4 USDC@eip155:1"
)
VOID = entry_of_text(
    "2026-01-04 void margin:ann +4 USDC@eip155:1 | in_flight:base -4 USDC@eip155:1",
    resolves=HOLD.entry_id,
)
BACK = entry_of_text(
    "2026-01-05 vault:base -5 USDC@eip155:1 | margin:ann +5 USDC@eip155:1",
    reversal_of=LOCK.entry_id,
)
JOURNAL = (LOCK, HOLD, VOID, BACK)


def columns_of(
    journal: tuple[JournalEntry, ...],
) -> tuple[list[EntryColumns], list[PostingColumns], LineNames]:
    """Return the columns that an honest store has of a journal."""
    entries: list[EntryColumns] = []
    postings: list[PostingColumns] = []
    previous = GENESIS_HASH
    for seq, entry in enumerate(journal, start=1):
        previous = chain_hash(previous, record_of(entry))
        entries.append(
            (
                seq,
                entry.entry_id,
                entry.kind.encode(),
                entry.cause,
                entry.phase.value,
                entry.resolves,
                entry.reversal_of,
                entry.correlation_id,
                entry.booked_at,
                len(entry.postings),
                previous,
            )
        )
        postings += [
            (
                seq,
                position,
                line_key_of(posting.line),
                entry.phase.value,
                1 if posting.units > 0 else 2,
                abs(posting.units).to_bytes(32, "big"),
            )
            for position, posting in enumerate(entry.postings)
        ]
    lines = {posting.line for entry in journal for posting in entry.postings}
    names = LineNames(
        (line_key_of(line), line.code.encode(), line.asset_id.encode(), line.chain_id.encode())
        for line in lines
    )
    return entries, postings, names


def check(
    entries: list[EntryColumns], postings: list[PostingColumns], names: LineNames
) -> ChainCheck:
    """Return the check of one page."""
    chain = ChainCheck()
    chain.check(entries, postings, names)
    return chain


@pytest.mark.parametrize("entry", JOURNAL)
def test_a_record_is_read_back_as_its_entry(entry: JournalEntry) -> None:
    """Every phase, with and without links."""
    assert entry_of_record(record_of(entry)) == entry


@given(units=st.integers(1, UNITS_MAX), kind=st.text(min_size=1, max_size=15), flow=st.binary())
def test_any_entry_comes_back(units: int, kind: str, flow: bytes) -> None:
    """To the ends of the ranges."""
    entry = JournalEntry(
        entry_id=LOCK.entry_id,
        kind=kind,
        cause=b"\x01",
        phase=Phase.POSTED,
        postings=tuple(
            type(posting)(
                posting.code,
                posting.asset_id,
                posting.chain_id,
                units if posting.units > 0 else -units,
            )
            for posting in LOCK.postings
        ),
        resolves=None,
        reversal_of=None,
        correlation_id=flow[:256],
        booked_at=LOCK.booked_at,
    )

    assert entry_of_record(record_of(entry)) == entry


@given(data=st.data())
def test_no_other_bytes_are_read_as_a_record_of_the_same_entry(data: st.DataObject) -> None:
    """One entry has one record: a changed byte is refused, or it is another entry."""
    record = bytearray(record_of(BACK))
    place = data.draw(st.integers(0, len(record) - 1))
    record[place] ^= data.draw(st.integers(1, 255))

    try:
        found = entry_of_record(bytes(record))
    except ValueError:
        return
    assert found != BACK
    assert record_of(found) == bytes(record)


@pytest.mark.parametrize("end", [b"\x00", b"\x01" * 40])
def test_bytes_behind_a_record_are_refused(end: bytes) -> None:
    """Nothing can hide there."""
    with pytest.raises(ValueError, match="canonical"):
        entry_of_record(record_of(LOCK) + end)


def test_the_columns_make_the_records() -> None:
    """Byte by byte what journal.record_of makes of the entries."""
    entries, postings, names = columns_of(JOURNAL)

    assert list(pieces_of(entries, postings, names)) == [record_of(entry) for entry in JOURNAL]


def test_an_honest_chain_has_no_fault_on_any_page() -> None:
    """Page after page, and the head agrees at the end."""
    entries, postings, names = columns_of(JOURNAL)
    chain = ChainCheck()

    for at in range(len(entries)):
        chain.check(entries[at : at + 1], [row for row in postings if row[0] == at + 1], names)
    chain.end(len(entries), entries[-1][10])

    assert chain.faults == []
    assert (chain.last_seq, chain.last_hash) == (4, entries[-1][10])


ENTRY_CHANGES = {
    1: b"\x00" * 32,
    2: b"other",
    3: b"other",
    4: 2,
    5: b"\x01" * 32,
    6: b"\x01" * 32,
    7: b"other",
    8: 7,
    9: 3,
    10: bytes(32),
}


@pytest.mark.parametrize("column", ENTRY_CHANGES)
@pytest.mark.parametrize("at", range(4))
def test_a_changed_column_of_an_entry_is_found_at_its_seq(column: int, at: int) -> None:
    """Each column of each entry."""
    entries, postings, names = columns_of(JOURNAL)
    row: list[object] = list(entries[at])
    row[column] = ENTRY_CHANGES[column] if row[column] != ENTRY_CHANGES[column] else None
    entries[at] = tuple(row)  # type: ignore[assignment]

    assert check(entries, postings, names).faults[0].seq == at + 1


POSTING_CHANGES: dict[int, object] = {
    0: 9,
    1: 5,
    2: bytes(32),
    3: 9,
    4: 3,
    5: (6).to_bytes(32, "big"),
}


@pytest.mark.parametrize("column", POSTING_CHANGES)
@pytest.mark.parametrize("at", range(4))
def test_a_changed_column_of_a_posting_is_found_at_its_seq(column: int, at: int) -> None:
    """Each column of each entry's second posting."""
    entries, postings, names = columns_of(JOURNAL)
    place = next(i for i, row in enumerate(postings) if row[:2] == (at + 1, 1))
    row: list[object] = list(postings[place])
    row[column] = POSTING_CHANGES[column]
    postings[place] = tuple(row)  # type: ignore[assignment]
    postings.sort(key=lambda found: found[:2])

    assert [fault.seq for fault in check(entries, postings, names).faults] == [at + 1]


def test_a_side_that_is_none_is_no_credit() -> None:
    """A credit whose side was changed to 3 is found; it is not taken for a credit."""
    entries, postings, names = columns_of((LOCK,))
    postings[1] = (*postings[1][:4], 3, postings[1][5])

    assert "neither debit nor credit" in check(entries, postings, names).faults[0].reason


def test_a_missing_entry_and_a_cut_end_are_found() -> None:
    """A gap by its seq, a cut end by the head."""
    entries, postings, names = columns_of(JOURNAL)

    gap = check([entries[0], *entries[2:]], postings, names)
    cut = check(entries[:3], postings, names)
    cut.end(4, entries[3][10])

    assert (gap.faults[0].seq, gap.faults[0].reason) == (2, "seq 2 is missing")
    assert [fault.seq for fault in cut.faults] == [4]


def test_a_line_under_a_wrong_key_names_nothing() -> None:
    """Whoever renames a line in the database breaks all of its postings."""
    entries, postings, names = columns_of((LOCK,))
    renamed = LineNames((key, b"fees", b"USDC", b"eip155:1") for key in names.tails)

    faults = check(entries, postings, renamed).faults

    assert [fault.seq for fault in faults] == [1]
    assert "names are not those of its key" in faults[0].reason


def test_faults_are_bounded() -> None:
    """A ruined journal does not fill the memory with reasons."""
    entries, postings, names = columns_of((LOCK,) * (FAULTS_MAX + 20))
    ruined: list[EntryColumns] = [(*row[:10], bytes(32)) for row in entries]

    assert len(check(ruined, postings, names).faults) == FAULTS_MAX


def test_columns_beyond_their_width_are_a_fault_and_no_crash() -> None:
    """What no record can hold is named."""
    entries, postings, names = columns_of((LOCK,))
    row = (*entries[0][:8], -1, *entries[0][9:])

    (fault,) = check([row], postings, names).faults

    assert fault.reason.startswith("columns make no record")
