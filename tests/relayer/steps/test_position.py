"""Positions: what counts for an account's margin, out of the ledger, at a moment."""

from dataclasses import replace

import pytest

from relayer.clock import UnixSeconds
from relayer.errors import StalePriceError
from relayer.ledger.chart import assumed_code, debt_code
from relayer.ledger.journal import JournalEntry, Phase, Posting, entry_id_of
from relayer.money import RAY
from relayer.reconcile.debt import DebtState
from relayer.risk.margin import DebtLine, Position
from relayer.steps.ending import must_post
from relayer.steps.position import (
    accrued_debt,
    committed_limit_units,
    debt_state,
    position_of,
    prices_of,
)
from relayer.store.credit_lines import CreditLineState
from relayer.store.prices import PricePoint
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, CHAIN_C, LINE_C
from tests.relayer.steps.bookings import (
    CATALOG,
    LIQUIDATOR,
    PAYER,
    USDC,
    WETH,
    Bench,
    borrow,
    grant_message,
    lock,
    repay,
)
from tests.simulated_chain import SimulatedChain

LINE = CATALOG.credit_lines[0]
GROWN_RAY = RAY * 11 // 10


@pytest.fixture
def lender(quick_store: Store) -> Bench:
    """A chain with a credit line."""
    return Bench(quick_store, SimulatedChain(CHAIN_C))


def position(bench: Bench, account: bytes = ACCOUNT, now: int = NOW) -> Position:
    """Return the position of an account."""
    with bench.store.read() as uow:
        return position_of(uow, CATALOG, account, UnixSeconds(now))


def owed(bench: Bench, account: bytes = ACCOUNT, now: int = NOW) -> int:
    """Return what an account owes."""
    return sum(debt.owed_units for debt in position(bench, account, now).debts)


def taken_over(bench: Bench, units: int) -> None:
    """Move a part of the debt to the liquidator, as a liquidation does."""
    cause = b"\x11" * 32
    entry = JournalEntry(
        entry_id=entry_id_of("liquidation.moved", cause),
        kind="liquidation.moved",
        cause=cause,
        phase=Phase.POSTED,
        postings=(
            Posting(debt_code("lender", ACCOUNT), USDC, CHAIN_C, -units),
            Posting(assumed_code("lender", ACCOUNT, LIQUIDATOR), USDC, CHAIN_C, units),
        ),
        resolves=None,
        reversal_of=None,
        correlation_id=cause,
        booked_at=UnixSeconds(NOW),
    )
    with bench.store.unit_of_work() as uow:
        must_post(uow, entry)


def index_at(bench: Bench, index_ray: int, *, rate: int = 0) -> None:
    """Let the credit line say an index, reached at NOW."""
    with bench.store.unit_of_work() as uow:
        uow.credit_lines.record(
            CreditLineState(CHAIN_C, LINE_C, index_ray, UnixSeconds(NOW), rate, 9)
        )


def test_final_and_soft_collateral_are_told_apart(quick_store: Store) -> None:
    """The levels weigh them differently."""
    bench = Bench(quick_store, SimulatedChain(CHAIN_A))
    bench.chain.mine(lock("final", 5))
    bench.chain.finalize()
    bench.chain.mine(lock("soft", 7))
    bench.catch_up()

    (line,) = position(bench).collateral

    assert (line.path.asset_id, line.final_units, line.soft_units) == (WETH, 5, 7)


def test_a_debt_counts_as_soon_as_it_is_seen(lender: Bench) -> None:
    """And no more when its block is gone."""
    lender.chain.mine(borrow("tx", 100, 100))
    lender.catch_up()
    seen = position(lender).debts
    lender.chain.reorg(1, [])
    lender.catch_up()

    assert seen == (DebtLine(USDC, CHAIN_C, "lender", 100, committed_units=0),)
    assert position(lender).debts == ()


def test_a_repayment_counts_when_it_is_final(lender: Bench) -> None:
    """Its block may still go."""
    lender.chain.mine(borrow("tx", 100, 100))
    lender.chain.finalize()
    lender.chain.mine(repay("back", 60, 40))
    lender.catch_up()
    seen = owed(lender)
    lender.chain.finalize()
    lender.catch_up()

    assert (seen, owed(lender)) == (100, 40)


@pytest.mark.parametrize(("paid", "left"), [(60, 50), (3, 107)])
def test_a_seen_repayment_hides_no_interest(lender: Bench, paid: int, left: int) -> None:
    """It brings 10 of interest to light, and is netted with them in one posting."""
    lender.chain.mine(borrow("tx", 100, 100))
    lender.chain.finalize()
    scaled_after = left * RAY // GROWN_RAY
    lender.chain.mine(repay("back", paid, scaled_after, GROWN_RAY))
    lender.catch_up()

    assert owed(lender) in (109, 110)
    lender.chain.finalize()
    lender.catch_up()
    assert owed(lender) in (left - 1, left)


def test_interest_counts_up_to_the_moment(lender: Bench) -> None:
    """By the index and rate that the credit line last showed."""
    lender.chain.mine(borrow("tx", 100, 100))
    lender.catch_up()
    index_at(lender, GROWN_RAY, rate=RAY // 1_000)

    assert owed(lender) == 110
    assert owed(lender, now=NOW + 100) == 121
    with lender.store.read() as uow:
        assert accrued_debt(uow, LINE, LIQUIDATOR, UnixSeconds(NOW)) == DebtState(0)


def test_a_debt_that_was_taken_over_is_the_liquidators(lender: Bench) -> None:
    """With its share of the interest; the borrower owes the rest."""
    lender.chain.mine(borrow("tx", 100, 100))
    lender.chain.finalize()
    lender.catch_up()
    taken_over(lender, 60)
    index_at(lender, GROWN_RAY)

    assert (owed(lender), owed(lender, LIQUIDATOR)) == (44, 66)


def test_a_liquidators_seen_repayment_counts_when_it_is_final(lender: Bench) -> None:
    """It pays its own part; the borrower's is untouched."""
    lender.chain.mine(borrow("tx", 100, 100))
    lender.chain.finalize()
    lender.catch_up()
    taken_over(lender, 60)
    with lender.store.unit_of_work() as uow:
        uow.accounts.open(
            LIQUIDATOR, opener=PAYER, salt=bytes(32), command_id=b"\x21" * 32, at=UnixSeconds(NOW)
        )
    lender.chain.mine(repay("back", 50, 50, payer=PAYER))
    lender.catch_up()
    seen = (owed(lender), owed(lender, LIQUIDATOR))
    lender.chain.finalize()
    lender.catch_up()

    assert seen == (40, 60)
    assert (owed(lender), owed(lender, LIQUIDATOR)) == (40, 10)


def test_a_taken_over_debt_survives_a_reorg_of_its_borrowing(lender: Bench) -> None:
    """While the borrowing is in no block the borrower owes nothing; it comes back whole."""
    lender.chain.mine(borrow("tx", 100, 100))
    lender.catch_up()
    taken_over(lender, 60)
    lender.chain.reorg(1, [], [])
    lender.catch_up()
    gone = (owed(lender), owed(lender, LIQUIDATOR))
    lender.chain.mine(borrow("tx", 100, 100))
    lender.catch_up()

    assert gone == (0, 60)
    assert (owed(lender), owed(lender, LIQUIDATOR)) == (40, 60)
    assert lender.parked() == ()


def test_the_ledger_may_be_ahead_by_the_interest_it_booked(lender: Bench) -> None:
    """The next event of the chain takes it back; less than it said before is still a break."""
    lender.chain.mine(borrow("tx", 100, 100))
    lender.chain.finalize()
    lender.catch_up()
    with lender.store.read() as uow:
        assert debt_state(uow, LINE, ACCOUNT) == DebtState(100)

    lender.chain.mine(repay("less", 10, 80))
    lender.catch_up()

    (parked,) = lender.parked()
    assert "leaves a debt of 90" in str(parked.parked_reason)


def test_a_grant_commits_its_limit_until_it_lapses(lender: Bench) -> None:
    """The highest of the grants that may still be drawn on."""
    lender.compose(grant_message(500))
    lender.compose(grant_message(200, nonce=2))

    with lender.store.read() as uow:
        assert committed_limit_units(uow, LINE, ACCOUNT) == 500
        assert committed_limit_units(uow, replace(LINE, contract=PAYER), ACCOUNT) == 0
    (debt,) = position(lender).debts
    assert (debt.owed_units, debt.committed_units) == (0, 500)


def test_prices_are_those_of_the_newest_answers(quick_store: Store) -> None:
    """An asset without an answer has a reason instead of a price."""
    with quick_store.unit_of_work() as uow:
        for usd in (1_900, 2_000):
            now = UnixSeconds(NOW)
            uow.prices.record(PricePoint("weth-usd", CHAIN_A, WETH, usd * 10**8, 8, now, now, usd))
        book = prices_of(uow, CATALOG, UnixSeconds(NOW))

    assert book.price(WETH).price_wad == 2_000 * 10**18
    with pytest.raises(StalePriceError):
        book.price(USDC)
