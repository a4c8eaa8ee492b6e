"""Tests of kept corrections: exactly what was signed, once."""

import pytest
from sqlalchemy.exc import IntegrityError

from chains.correction import Correction, CorrectionPosting, SignedCorrection
from relayer.money import AssetId
from relayer.store.breaks import CustodyDifference
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.store.samples import CHAIN, VAULT, block

POSTINGS = (CorrectionPosting("bad_debt", 2**255 - 1), CorrectionPosting("dust", 1 - 2**255))
DIGEST, ENTRY = b"\x01" * 32, b"\x02" * 32


def stored_break(store: Store) -> int:
    """Store a break and return its number."""
    with store.unit_of_work() as uow:
        difference = CustodyDifference(CHAIN, AssetId("WETH"), VAULT, 1, 2, block(5))
        return uow.breaks.record(difference).break_id


def test_a_correction_is_kept_as_it_was_signed(store: Store) -> None:
    """Document and signatures come back to the bit; by digest and by break."""
    number = stored_break(store)
    made = Correction(CHAIN, "WETH", number, POSTINGS, "why, in any letters: é")
    signed = SignedCorrection(made, (b"\x05" * 65, b"\x06" * 65))
    with store.unit_of_work() as uow:
        uow.corrections.record(DIGEST, ENTRY, signed)

    with store.read() as uow:
        found = uow.corrections.get(DIGEST)
        assert found is not None
        assert uow.corrections.of_break(number) == (found,)
        assert uow.corrections.get(ENTRY) is None
    assert (found.signed, found.entry_id, found.posted_at) == (signed, ENTRY, NOW)
    with pytest.raises(IntegrityError), store.unit_of_work() as uow:
        uow.corrections.record(DIGEST, ENTRY, signed)


def test_a_correction_answers_a_break_that_exists(store: Store) -> None:
    """The database refuses another."""
    signed = SignedCorrection(Correction(CHAIN, "WETH", 9, POSTINGS, "why"), ())

    with pytest.raises(IntegrityError), store.unit_of_work() as uow:
        uow.corrections.record(DIGEST, ENTRY, signed)
