"""One rule per event: postings sum to zero, entries are named by event, stage and revival."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.events import EventPosition, ObservedEvent
from chains.types import BlockRef
from relayer.clock import UnixSeconds
from relayer.ledger.chart import (
    assumed_code,
    debt_code,
    in_flight_code,
    interest_code,
    lent_code,
    margin_code,
    vault_code,
)
from relayer.ledger.journal import JournalEntry, Phase, Posting
from relayer.money import RAY
from relayer.reconcile.debt import AssumedPart, DebtState
from relayer.reconcile.errors import DebtMismatchError
from relayer.reconcile.rules import (
    FINAL,
    REST,
    SEEN,
    EventContext,
    Flow,
    announce,
    kind_of,
    postings_of,
    resolve,
    rest_of_exit,
    seen_entry_id,
    seen_postings_of,
)
from tests.databases import NOW
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, VAULT_A
from tests.relayer.steps.bookings import (
    LIQUIDATOR,
    USDC,
    WETH,
    borrow,
    grant_message,
    granted,
    leave,
    lock,
    release,
    repay,
    unlock_message,
)
from tests.simulated_chain import Tx

FLOW = b"\xf1" * 32
EVENTS = {
    "lock": lock("tx", 5),
    "release": release("tx", unlock_message(5)),
    "exit": leave("tx", 5),
    "grant": granted("tx", grant_message(5)),
    "borrow": borrow("tx", 5, 5),
    "repay": repay("tx", 5, 0),
}


def event_of(transaction: Tx) -> ObservedEvent:
    """Return the event of a transaction at some place."""
    place = EventPosition(CHAIN_A, BlockRef(7, b"\x07" * 32), b"\x01" * 32, 3, transaction.contract)
    assert transaction.build is not None
    return transaction.build(place, 1)


def moves(postings: tuple[Posting, ...]) -> dict[str, int]:
    """Return the units by account code."""
    return {posting.code: posting.units for posting in postings}


def lender_context(debt: DebtState, payer_account: bytes | None = None) -> EventContext:
    """Return the context of a credit line's event."""
    return EventContext(USDC, protocol="lender", debt=debt, payer_account=payer_account)


def entry_of(
    event: ObservedEvent, postings: tuple[Posting, ...], stage: str, revivals: int = 0
) -> JournalEntry:
    """Return the first entry of an event."""
    return announce(
        event,
        postings,
        stage=stage,
        revivals=revivals,
        flow=Flow(FLOW, UnixSeconds(NOW)),
    )


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_an_entry_is_named_after_its_event(kind: str) -> None:
    """The first word of its kind."""
    assert kind_of(event_of(EVENTS[kind])) == kind


def test_a_lock_moves_from_the_vault_to_the_margin() -> None:
    """What the vault holds is owed to the owner."""
    found = moves(postings_of(event_of(lock("tx", 5)), EventContext(WETH)))

    assert found == {vault_code(VAULT_A): 5, margin_code(ACCOUNT): -5}


def test_a_release_moves_out_of_flight() -> None:
    """The margin was debited when the message was composed."""
    found = moves(postings_of(event_of(EVENTS["release"]), EventContext(WETH)))

    assert found == {in_flight_code(VAULT_A): 5, vault_code(VAULT_A): -5}


def test_a_grant_and_a_lock_of_nothing_move_nothing() -> None:
    """No entry is made of them."""
    assert postings_of(event_of(EVENTS["grant"]), EventContext(USDC)) == ()
    assert postings_of(event_of(lock("tx", 0)), EventContext(WETH)) == ()


@pytest.mark.parametrize("available", [9, 5, 3, 0])
def test_an_exit_takes_all_of_it_from_the_margin_whatever_it_has(available: int) -> None:
    """What is short is lent by an entry of its own; the exit books what it says."""
    context = EventContext(WETH, margin_available_units=available)

    found = moves(postings_of(event_of(leave("tx", 5)), context))

    assert found == {margin_code(ACCOUNT): 5, vault_code(VAULT_A): -5}


@pytest.mark.parametrize(
    ("margin", "vault", "reserved"), [(9, 9, 5), (3, 9, 3), (9, 2, 2), (0, 9, 0), (9, -1, 0)]
)
def test_a_seen_exit_reserves_what_is_there_for_sure(
    margin: int, vault: int, reserved: int
) -> None:
    """The rest is booked when it is final; together they are the exit."""
    event = event_of(leave("tx", 5))
    context = EventContext(WETH, margin_available_units=margin, vault_available_units=vault)

    postings = seen_postings_of(event, context)
    pending = entry_of(event, postings, SEEN) if postings else None
    rest = rest_of_exit(event, pending)  # type: ignore[arg-type]

    assert moves(postings).get(margin_code(ACCOUNT), 0) == reserved
    assert rest.units == 5 - reserved


def test_other_events_reserve_all_when_they_are_seen() -> None:
    """Only an exit depends on what else is final."""
    event = event_of(lock("tx", 5))

    assert seen_postings_of(event, EventContext(WETH)) == postings_of(event, EventContext(WETH))


def test_a_borrowing_books_debt_and_interest() -> None:
    """What was lent and what it earned so far are two accounts."""
    event = event_of(borrow("tx", 50, 160))

    found = moves(postings_of(event, lender_context(DebtState(100))))

    assert found == {
        debt_code("lender", ACCOUNT): 60,
        lent_code("lender"): -50,
        interest_code("lender"): -10,
    }


def test_a_repayment_by_a_liquidator_is_of_its_part() -> None:
    """The own debt stays."""
    event = event_of(repay("tx", 30, 100))
    debt = DebtState(100, (AssumedPart(LIQUIDATOR, 30),))

    found = moves(postings_of(event, lender_context(debt, LIQUIDATOR)))

    assert found == {assumed_code("lender", ACCOUNT, LIQUIDATOR): -30, lent_code("lender"): 30}


def test_a_credit_line_that_reports_too_little_is_a_mismatch() -> None:
    """The step parks the event."""
    with pytest.raises(DebtMismatchError):
        postings_of(event_of(borrow("tx", 50, 100)), lender_context(DebtState(100)))


def test_a_debt_without_its_state_cannot_be_booked() -> None:
    """A mistake of the caller."""
    with pytest.raises(ValueError, match="needs the debt"):
        postings_of(event_of(EVENTS["borrow"]), EventContext(USDC))


def test_each_stage_and_each_revival_has_an_id_of_its_own() -> None:
    """Or the second booking would be taken for the first."""
    event = event_of(lock("tx", 5))
    postings = postings_of(event, EventContext(WETH))
    entries = [
        entry_of(event, postings, stage, revivals)
        for stage in (SEEN, FINAL, REST)
        for revivals in (0, 1)
    ]
    pending = entries[0]
    entries.append(resolve(pending, phase=Phase.VOID, revivals=0, booked_at=UnixSeconds(NOW)))

    assert len({entry.entry_id for entry in entries}) == len(entries)
    assert pending.entry_id == seen_entry_id(event, 0)
    assert [entry.phase for entry in entries[:4:2]] == [Phase.PENDING, Phase.POSTED]


@pytest.mark.parametrize(
    ("phase", "kind"), [(Phase.SETTLE, "lock.final"), (Phase.VOID, "lock.reverted")]
)
def test_what_ends_a_pending_entry_repeats_it(phase: Phase, kind: str) -> None:
    """Same postings, linked, under the kind of its stage."""
    event = event_of(lock("tx", 5))
    pending = entry_of(event, postings_of(event, EventContext(WETH)), SEEN)

    end = resolve(pending, phase=phase, revivals=0, booked_at=UnixSeconds(NOW + 1))

    assert (end.kind, end.phase, end.resolves) == (kind, phase, pending.entry_id)
    assert end.postings == pending.postings
    assert (end.cause, end.correlation_id) == (pending.cause, FLOW)


@given(
    own=st.integers(0, 10**30),
    assumed=st.integers(0, 10**30),
    interest=st.integers(0, 10**24),
    units=st.integers(1, 10**24),
    act=st.tuples(st.booleans(), st.booleans()),
)
def test_postings_sum_to_zero_and_end_at_the_chain(
    own: int, assumed: int, interest: int, units: int, act: tuple[bool, bool]
) -> None:
    """For any debt, any interest and any payer."""
    is_borrowing, is_liquidator = act
    debt = DebtState(own, (AssumedPart(LIQUIDATOR, assumed),))
    owed = debt.total_units + interest
    paid = min(units, owed)
    after = owed + units if is_borrowing else owed - paid
    transaction = borrow("tx", units, after, RAY) if is_borrowing else repay("tx", paid, after, RAY)

    postings = postings_of(
        event_of(transaction), lender_context(debt, LIQUIDATOR if is_liquidator else None)
    )

    found = moves(postings)
    debt_moved = sum(
        found.get(code, 0)
        for code in (debt_code("lender", ACCOUNT), assumed_code("lender", ACCOUNT, LIQUIDATOR))
    )
    assert sum(found.values()) == 0
    assert debt.total_units + debt_moved == after
