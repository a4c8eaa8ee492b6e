"""Holds and their ends: balanced, linked, and the same for hub and guardian."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.message import MessageKind
from relayer.clock import UnixSeconds
from relayer.errors import InvariantError
from relayer.ledger.chart import INSURANCE, assumed_code, debt_code, margin_code
from relayer.ledger.journal import Phase
from relayer.money import AssetId
from relayer.outbox.holds import (
    Booking,
    DebtMove,
    dropped_entry,
    held_kind,
    hold_entry,
    liquidation_entry,
    returned_entry,
    reversal_entry,
    sent_entry,
)
from relayer.reconcile.debt import AssumedPart, DebtState, with_interest
from tests.databases import NOW
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, CHAIN_C, HUB
from tests.relayer.steps.mutations import LIQUIDATION
from tests.relayer.steps.world import LIQ_ACCOUNT, SIGNED_UNLOCK, message_of

BOOKING = Booking(AssetId("WETH"), CHAIN_A, bytes(32), UnixSeconds(NOW))
LATER = UnixSeconds(NOW + 9)
MESSAGE = message_of(SIGNED_UNLOCK)
HOLD = hold_entry(MESSAGE, owner=ACCOUNT, booking=BOOKING)


def test_a_hold_is_pending_and_names_its_message() -> None:
    """Margin is reserved for what will be in flight."""
    assert (HOLD.phase, HOLD.cause, HOLD.kind) == (
        Phase.PENDING,
        MESSAGE.message_id,
        "unlock.held",
    )
    assert [posting.units for posting in HOLD.postings] == [
        MESSAGE.amount_units,
        -MESSAGE.amount_units,
    ]


def test_the_same_message_has_the_same_hold_whenever_it_is_booked() -> None:
    """So that a repeated decision is one."""
    again = hold_entry(MESSAGE, owner=ACCOUNT, booking=replace(BOOKING, booked_at=LATER))

    assert again.entry_id == HOLD.entry_id


def test_each_end_is_linked_and_has_an_id_of_its_own() -> None:
    """Sent settles, dropped voids, returned reverses what was sent."""
    sent = sent_entry(HOLD, booked_at=LATER)
    dropped = dropped_entry(HOLD, booked_at=LATER)
    returned = returned_entry(HOLD, booked_at=LATER)

    assert (sent.phase, sent.resolves) == (Phase.SETTLE, HOLD.entry_id)
    assert (dropped.phase, dropped.resolves) == (Phase.VOID, HOLD.entry_id)
    assert (returned.phase, returned.reversal_of) == (Phase.POSTED, sent.entry_id)
    assert len({entry.entry_id for entry in (HOLD, sent, dropped, returned)}) == 4
    assert {p.line: -p.units for p in returned.postings} == {p.line: p.units for p in sent.postings}


def test_only_releases_and_seizures_hold() -> None:
    """A grant moves no collateral."""
    assert held_kind(replace(MESSAGE, kind=MessageKind.SEIZE)) == "seize"
    with pytest.raises(InvariantError, match="CREDIT_GRANT"):
        held_kind(replace(MESSAGE, kind=MessageKind.CREDIT_GRANT))


@given(
    own=st.integers(1, 10**30),
    part=st.integers(0, 10**30),
    interest=st.integers(0, 10**28),
    repaid_bps=st.integers(0, 10_000),
)
def test_a_liquidation_moves_debt_and_collateral_and_creates_none(
    own: int, part: int, interest: int, repaid_bps: int
) -> None:
    """Both sides balance, the debts add up to what the chain says, a reversal undoes all."""
    before = DebtState(own, (AssumedPart(LIQ_ACCOUNT, part),) if part else ())
    accrued = with_interest(before, interest)
    repaid = accrued.own_units * repaid_bps // 10_000
    command = replace(LIQUIDATION, repaid=repaid)

    entry = liquidation_entry(
        command,
        command_id=command.digest(HUB),
        debt=DebtMove("lender", AssetId("USDC"), CHAIN_C, before, accrued),
        booking=BOOKING,
    )

    moved = {posting.code: posting.units for posting in entry.postings}
    own_after = own + moved.get(debt_code("lender", ACCOUNT), 0)
    part_after = part + moved.get(assumed_code("lender", ACCOUNT, LIQ_ACCOUNT), 0)
    assert own_after == accrued.own_units - repaid
    assert own_after + part_after == before.total_units + interest
    assert moved[margin_code(ACCOUNT)] == command.seized + command.insured
    assert (moved[margin_code(LIQ_ACCOUNT)], moved[INSURANCE]) == (
        -command.seized,
        -command.insured,
    )
    undone = reversal_entry(entry, stage="dropped", booked_at=LATER)
    assert undone.reversal_of == entry.entry_id
    assert sum(posting.units for posting in (*entry.postings, *undone.postings)) == 0
