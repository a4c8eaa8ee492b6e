"""Debt of one borrower: own part, parts taken over, interest; always what the chain says."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.errors import InvariantError
from relayer.money import RAY, Rounding, mul_div
from relayer.reconcile.debt import (
    AssumedPart,
    DebtState,
    after_borrowing,
    after_repayment,
    owed_units,
    with_interest,
)
from relayer.reconcile.errors import DebtMismatchError

ANN, LIZ, TOM = (letter * 32 for letter in (b"\x0a", b"\x0b", b"\x0c"))
UNITS = st.integers(0, 10**30)
STATES = st.builds(
    lambda own, first, second: DebtState(own, (AssumedPart(LIZ, first), AssumedPart(TOM, second))),
    UNITS,
    UNITS,
    UNITS,
)


def state(own: int, liz: int = 0, tom: int = 0) -> DebtState:
    """Return a debt with two parts that were taken over."""
    return DebtState(own, (AssumedPart(LIZ, liz), AssumedPart(TOM, tom)))


def parts(found: DebtState) -> list[int]:
    """Return the units of each part, the own one first."""
    return [found.own_units, *(part.units for part in found.assumed)]


def test_a_debt_is_rounded_up() -> None:
    """As the credit line does: a fraction of a unit is owed whole."""
    assert owed_units(10, RAY) == 10
    assert owed_units(10, RAY + 1) == 11
    assert owed_units(0, RAY + 1) == 0


def test_a_borrowing_without_interest_is_all_own() -> None:
    """Parts of others do not grow by what the borrower draws."""
    after, interest_units = after_borrowing(
        state(10, 5), account=ANN, units=7, total_after_units=22
    )

    assert (parts(after), interest_units) == ([17, 5, 0], 0)


def test_interest_is_shared_in_proportion() -> None:
    """20 on 30 + 60 + 10; what rounding leaves falls on the own part."""
    assert parts(with_interest(state(30, 60, 10), 20)) == [36, 72, 12]
    assert parts(with_interest(state(1, 1, 1), 2)) == [3, 1, 1]


@pytest.mark.parametrize(("liz", "tom"), [(5, 0), (0, 5)])
def test_interest_never_falls_on_who_owes_nothing(liz: int, tom: int) -> None:
    """Not on the borrower whose debt was taken over, nor on a liquidator who paid his part."""
    after = with_interest(state(0, liz, tom), 1)

    assert parts(after) == [0, liz + (liz > 0), tom + (tom > 0)]


def test_the_first_interest_is_own() -> None:
    """A debt that the ledger did not know."""
    assert parts(with_interest(DebtState(0), 7)) == [7]


def test_a_repayment_goes_to_the_own_part_first() -> None:
    """Then to the parts taken over, in the order of their accounts."""
    after, _ = after_repayment(
        state(10, 5, 5), account=ANN, payer_account=None, units=12, total_after_units=8
    )

    assert parts(after) == [0, 3, 5]


def test_a_liquidator_repays_its_own_part_first() -> None:
    """Only what is left goes to the others."""
    after, _ = after_repayment(
        state(10, 5, 5), account=ANN, payer_account=TOM, units=12, total_after_units=8
    )

    assert parts(after) == [3, 5, 0]


def test_a_repayment_brings_interest_to_light() -> None:
    """What the chain took and left, less what the ledger knew."""
    after, interest_units = after_repayment(
        state(100), account=ANN, payer_account=None, units=50, total_after_units=60
    )

    assert (parts(after), interest_units) == ([60, 0, 0], 10)


def test_less_debt_than_known_is_a_mismatch() -> None:
    """A fact was missed or forged; both numbers are named."""
    with pytest.raises(DebtMismatchError) as borrowed:
        after_borrowing(state(100), account=ANN, units=10, total_after_units=109)
    with pytest.raises(DebtMismatchError) as repaid:
        after_repayment(state(100), account=ANN, payer_account=None, units=10, total_after_units=89)

    assert (borrowed.value.expected_units, borrowed.value.found_units) == (110, 109)
    assert (repaid.value.expected_units, repaid.value.found_units) == (100, 99)


def test_interest_booked_ahead_is_taken_back() -> None:
    """A liquidation accrued up to its own second, the next block is of a second before."""
    ahead = replace(state(60, 45), ahead_units=5)

    after, interest_units = after_repayment(
        ahead, account=ANN, payer_account=None, units=10, total_after_units=92
    )

    assert (sum(parts(after)), interest_units) == (92, -3)
    with pytest.raises(DebtMismatchError):
        after_repayment(ahead, account=ANN, payer_account=None, units=10, total_after_units=89)


def test_a_part_below_zero_is_a_bug() -> None:
    """A liquidator cannot be owed."""
    with pytest.raises(InvariantError):
        state(1, -1)
    with pytest.raises(InvariantError):
        DebtState(1, ahead_units=-1)


def test_more_cannot_be_taken_back_than_is_owed() -> None:
    """The parts would fall below zero."""
    with pytest.raises(InvariantError, match="taken back"):
        with_interest(state(3, 4), -8)


def test_a_debt_whose_borrowing_is_gone_is_whole_again_when_it_comes_back() -> None:
    """60 of 100 were taken over, then a reorg took the borrowing away and brought it again."""
    gone = state(-60, 60)

    after, interest_units = after_borrowing(gone, account=ANN, units=100, total_after_units=100)

    assert (parts(after), interest_units) == ([40, 60, 0], 0)


@given(before=STATES, interest_units=UNITS)
def test_interest_is_shared_whole_and_nobody_loses(before: DebtState, interest_units: int) -> None:
    """The sum grows by exactly the interest, and nobody without debt gets any of it."""
    after = with_interest(before, interest_units)

    assert after.total_units == before.total_units + interest_units
    for old, new in zip(parts(before), parts(after), strict=True):
        assert new >= old
        assert new == old or old > 0 or before.total_units == 0


@given(before=STATES, share_bps=st.integers(0, 10_000))
def test_interest_is_taken_back_whole_and_nobody_falls_below_zero(
    before: DebtState, share_bps: int
) -> None:
    """Up to all of the debt."""
    size_units = mul_div(before.total_units, share_bps, 10_000, Rounding.DOWN)

    after = with_interest(before, -size_units)

    assert after.total_units == before.total_units - size_units
    assert all(0 <= new <= old for old, new in zip(parts(before), parts(after), strict=True))


@dataclass(slots=True)
class Lender:
    """The credit line's own arithmetic for one borrower, after contracts/evm/src/CreditLine.sol."""

    index_ray: int = RAY
    scaled: int = 0
    reported_units: int = field(default=0)

    def accrue(self, growth_ray: int) -> None:
        """Let the index grow, rounded up."""
        self.index_ray += mul_div(self.index_ray, growth_ray, RAY, Rounding.UP)

    @property
    def debt_units(self) -> int:
        """What is owed at the index."""
        return owed_units(self.scaled, self.index_ray)

    def borrow(self, units: int) -> None:
        """Lend more."""
        self.scaled += mul_div(units, RAY, self.index_ray, Rounding.UP)
        self.reported_units = self.debt_units

    def repay(self, units: int) -> int:
        """Take a repayment; return what was taken, 0 where the contract refuses."""
        debt_units = self.debt_units
        burned = self.scaled
        if units < debt_units:
            burned = mul_div(units, RAY, self.index_ray, Rounding.DOWN)
        if not burned:
            return 0
        self.scaled -= burned
        self.reported_units = self.debt_units
        return min(units, debt_units)


def liquidated(before: DebtState, assumer: bytes, share_bps: int, ahead_units: int) -> DebtState:
    """Return the debt after interest ahead of the chain and a share of the own part moved."""
    accrued = with_interest(before, ahead_units)
    moved_units = mul_div(max(0, accrued.own_units), share_bps, 10_000, Rounding.DOWN)
    return DebtState(
        accrued.own_units - moved_units,
        tuple(
            AssumedPart(part.assumer, part.units + moved_units * (part.assumer == assumer))
            for part in accrued.assumed
        ),
    )


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["borrow", "repay", "repay all", "accrue", "liquidate"]),
        st.integers(1, 10**24),
        st.sampled_from([LIZ, TOM]),
    ),
    max_size=30,
)


@given(steps=STEPS)
def test_own_and_assumed_are_what_the_chain_says_at_every_event(
    steps: list[tuple[str, int, bytes]],
) -> None:
    """For random borrowings, repayments, interest and liquidations that run ahead of the chain."""
    lender = Lender()
    known = state(0)
    for name, number, who in steps:
        before = replace(known, ahead_units=max(0, known.total_units - lender.reported_units))
        match name:
            case "accrue":
                lender.accrue(number)
                continue
            case "liquidate":
                possible_units = max(0, lender.debt_units - known.total_units)
                known = liquidated(known, who, number % 10_001, possible_units + number % 3)
                continue
            case "borrow":
                lender.borrow(number)
                known, interest_units = after_borrowing(
                    before, account=ANN, units=number, total_after_units=lender.debt_units
                )
                moved_units = number
            case _:
                asked_units = lender.debt_units if name == "repay all" else number
                moved_units = -lender.repay(asked_units)
                if not moved_units:
                    continue
                known, interest_units = after_repayment(
                    before,
                    account=ANN,
                    payer_account=who,
                    units=-moved_units,
                    total_after_units=lender.debt_units,
                )
        assert known.total_units == lender.debt_units
        assert known.total_units - before.total_units == moved_units + interest_units
        assert min(parts(known)) >= 0
