"""Tests of differences between ledger and chain."""

from dataclasses import replace

import pytest

from relayer.errors import StateMovedError
from relayer.money import AssetId
from relayer.store.breaks import CustodyDifference
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.store.samples import CHAIN, OTHER_CHAIN, UINT256_MAX, VAULT, block

FOUND = CustodyDifference(CHAIN, AssetId("USDC"), VAULT, UINT256_MAX, 0, block(5))


def test_a_difference_is_one_break_however_often_it_is_seen(store: Store) -> None:
    """Other units, or another chain, are another break."""
    with store.unit_of_work() as uow:
        first = uow.breaks.record(FOUND)
        again = uow.breaks.record(replace(FOUND, block=block(6)))
        other = uow.breaks.record(replace(FOUND, chain_units=1))
        elsewhere = uow.breaks.record(replace(FOUND, chain_id=OTHER_CHAIN))

    assert (first.difference, first.found_at, first.cleared_at) == (FOUND, NOW, None)
    assert again == first
    with store.read() as uow:
        assert uow.breaks.open_breaks(CHAIN) == (first, other)
        assert uow.breaks.open_breaks() == (first, other, elsewhere)


def test_a_break_is_cleared_once_with_name_and_reason(store: Store) -> None:
    """It stays in the list of all; the same difference later is a new break."""
    with store.unit_of_work() as uow:
        found = uow.breaks.record(FOUND)
        with pytest.raises(ValueError, match="reason"):
            uow.breaks.clear(found.break_id, " ", "ann")
        uow.breaks.clear(found.break_id, "a donation, booked as fee", "ann")
        with pytest.raises(StateMovedError):
            uow.breaks.clear(found.break_id, "again", "ann")
        with pytest.raises(StateMovedError):
            uow.breaks.clear(99, "unknown", "ann")

    with store.unit_of_work() as uow:
        assert uow.breaks.open_breaks() == ()
        (cleared,) = uow.breaks.all_breaks(CHAIN)
        assert uow.breaks.record(FOUND).break_id != found.break_id
    assert (cleared.cleared_at, cleared.cleared_by) == (NOW, "ann")
    assert cleared.reason == "a donation, booked as fee"
