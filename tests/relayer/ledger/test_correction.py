"""The entry of a correction."""

import pytest

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.chart import BAD_DEBT, DUST
from relayer.ledger.correction import correction_entry
from relayer.ledger.journal import JournalEntry, Phase
from relayer.money import AssetId


def made(correction_id: bytes = b"\x01" * 32, credit: int = -5) -> JournalEntry:
    """Return the entry of five units from dust to bad debt."""
    return correction_entry(
        correction_id,
        ((BAD_DEBT, 5), (DUST, credit)),
        asset_id=AssetId("WETH"),
        chain_id=ChainId("eip155:1"),
        booked_at=UnixSeconds(7),
    )


def test_the_same_correction_is_the_same_entry() -> None:
    """Its id and cause come from what was signed."""
    assert made() == made()
    assert made().entry_id != made(b"\x02" * 32).entry_id
    assert (made().kind, made().phase, made().cause) == ("correction", Phase.POSTED, b"\x01" * 32)


def test_it_must_balance() -> None:
    """One unit is enough to refuse it."""
    with pytest.raises(ValueError, match="not zero"):
        made(credit=-4)
