"""Rows of new entries: the kernel's are those of the plain reference, bit for bit."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.types import chain_id_of
from relayer.clock import UnixSeconds
from relayer.ledger.chart import FEES, INSURANCE, margin_code, vault_code
from relayer.ledger.journal import GENESIS_HASH, JournalEntry, Phase, Posting, line_key_of
from relayer.money import UNITS_MAX, AssetId
from relayer.store.journal_rows import IS_COMPILED, journal_rows, journal_rows_reference

WORDS: Final = st.binary(min_size=32, max_size=32)
UNITS: Final = st.sampled_from([1, 2**63, 2**64, UNITS_MAX]) | st.integers(1, UNITS_MAX)
CHAIN: Final = chain_id_of("eip155:1")
ASSETS: Final = st.sampled_from(["USDC", "金", "A" * 64])
TIMES: Final = st.sampled_from([0, 2**63 - 1]) | st.integers(0, 2**63 - 1)


@st.composite
def journal_entries(draw: st.DrawFn) -> JournalEntry:
    """Return an entry of any phase, to the ends of every field."""
    phase = draw(st.sampled_from(Phase))
    asset_id = AssetId(draw(ASSETS))
    codes = (vault_code(draw(WORDS)), margin_code(draw(WORDS)), FEES, INSURANCE)
    units = draw(UNITS)
    pairs = [(codes[0], units), (codes[1], -units)]
    if draw(st.booleans()):
        pairs += [(codes[2], -1), (codes[3], 1)]
    return JournalEntry(
        entry_id=b"\0" * 31 + b"\1" if draw(st.booleans()) else draw(WORDS),
        kind=draw(st.sampled_from(["k", "lock.seen", "k" * 64, "ß" * 32])),
        cause=draw(st.binary(min_size=1, max_size=256)),
        phase=phase,
        postings=tuple(Posting(code, asset_id, CHAIN, signed) for code, signed in pairs),
        resolves=b"\2" * 32 if phase.is_resolution else None,
        reversal_of=b"\3" * 32 if phase is Phase.POSTED and draw(st.booleans()) else None,
        correlation_id=draw(st.binary(max_size=256)),
        booked_at=UnixSeconds(draw(TIMES)),
    )


@given(entries=st.lists(journal_entries(), max_size=4), previous=WORDS)
def test_the_kernel_equals_the_reference_bit_for_bit(
    entries: list[JournalEntry], previous: bytes
) -> None:
    """Rows, their order, the hash of each entry and the counts by line."""
    created = list(enumerate(entries, start=2**62))
    keys = {posting.line: line_key_of(posting.line) for e in entries for posting in e.postings}

    assert journal_rows(created, previous, keys) == journal_rows_reference(created, previous, keys)


def test_an_entry_of_as_many_postings_as_there_may_be() -> None:
    """Its record is longer than what is set aside for one at first."""
    codes = [margin_code(number.to_bytes(32, "big")) for number in range(256)]
    signs = [UNITS_MAX if number % 2 else -UNITS_MAX for number in range(256)]
    postings = tuple(
        Posting(code, AssetId("A" * 64), CHAIN, units)
        for code, units in zip(codes, signs, strict=True)
    )
    entry = JournalEntry(
        b"\1" * 32, "k", b"c", Phase.POSTED, postings, None, None, b"", UnixSeconds(0)
    )
    keys = {posting.line: line_key_of(posting.line) for posting in postings}

    made = journal_rows([(1, entry), (2, entry)], GENESIS_HASH, keys)

    assert made == journal_rows_reference([(1, entry), (2, entry)], GENESIS_HASH, keys)


def test_the_kernel_is_built() -> None:
    """Without it the comparisons above say nothing."""
    assert IS_COMPILED


@pytest.mark.parametrize("make", [journal_rows, journal_rows_reference])
def test_a_line_without_a_key_is_an_error(make: object) -> None:
    """No posting is stored under a key that was not derived."""
    postings = tuple(
        Posting(code, AssetId("A"), CHAIN, n) for code, n in ((FEES, 1), (INSURANCE, -1))
    )
    entry = JournalEntry(
        b"\1" * 32, "k", b"c", Phase.POSTED, postings, None, None, b"", UnixSeconds(0)
    )

    with pytest.raises(KeyError):
        make([(1, entry)], GENESIS_HASH, {})  # type: ignore[operator]
