"""Tests of journal entries written as text."""

import pytest

from relayer.ledger.chart import margin_code
from relayer.ledger.journal import Phase
from relayer.ledger.text import code_of_text, entry_of_text, text_of_code, text_of_entry

LINE = "2026-01-02 vault:base +5 USDC@eip155:1 | margin:ann -5 USDC@eip155:1"


@pytest.mark.parametrize(
    "line",
    [
        LINE,
        LINE.replace("02 ", "02T03:04:05Z "),
        LINE.replace("02 ", "02 pending "),
        "2026-01-02 debt:pool:ann +5 USDC@eip155:1 | interest:pool -5 USDC@eip155:1",
        "2026-01-02 assumed:pool:ann:bob +5 USDC@eip155:1 | lent:pool -5 USDC@eip155:1",
        f"2026-01-02 fees +1 USDC@hub:devnet | {margin_code(bytes(range(32)))} -1 USDC@hub:devnet",
    ],
)
def test_a_line_is_read_and_written_back(line: str) -> None:
    """What is read is written again letter by letter."""
    assert text_of_entry(entry_of_text(line)) == line


def test_a_line_says_units_phase_and_time() -> None:
    """Sign, phase word and date have their meaning."""
    entry = entry_of_text(LINE.replace("02 ", "02 pending "))

    assert entry.phase is Phase.PENDING
    assert [posting.units for posting in entry.postings] == [5, -5]
    assert entry.booked_at == 1_767_312_000


def test_the_same_line_has_the_same_id_and_another_line_another() -> None:
    """Ids come from the text."""
    assert entry_of_text(LINE).entry_id == entry_of_text(LINE).entry_id
    assert entry_of_text(LINE).entry_id != entry_of_text(LINE.replace("5", "6")).entry_id


def test_a_short_name_stands_for_letters_and_zeros() -> None:
    """Names are padded on the right; a real word stays hexadecimal."""
    assert code_of_text("margin:ann") == margin_code(b"ann".ljust(32, b"\x00"))
    assert text_of_code(margin_code(b"\x00" * 31 + b"a")).startswith("margin:0x")


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-02",
        "yesterday vault:base +5 USDC@eip155:1 | margin:ann -5 USDC@eip155:1",
        LINE.replace("+5", "5"),
        LINE.replace("USDC@eip155:1 |", "USDC |"),
        LINE.replace("-5", "-6"),
        LINE.replace("margin", "till"),
        LINE.replace("ann", "a" * 32),
    ],
)
def test_a_malformed_line_is_refused(line: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r"posting|isoformat|account code|name"):
        entry_of_text(line)
