"""Projections: debts, messages, grants and the feed follow what was booked, both ways."""

import pytest

from relayer.money import RAY
from relayer.store.debts import DebtPosition, DebtView
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, CHAIN_C, LINE_C
from tests.relayer.steps.bookings import (
    Bench,
    borrow,
    grant_message,
    granted,
    leave,
    lock,
    release,
    repay,
    unlock_message,
)
from tests.simulated_chain import SimulatedChain


@pytest.fixture
def lender(store: Store) -> Bench:
    """A chain with a credit line."""
    return Bench(store, SimulatedChain(CHAIN_C))


def debt_of(bench: Bench) -> DebtPosition | None:
    """Return what the account's debt is said to be."""
    with bench.store.read() as uow:
        found = uow.debts.of_account(DebtView.SOFT, ACCOUNT)
    return found[0] if found else None


def test_a_debt_is_what_the_last_event_says(lender: Bench) -> None:
    """With the place of that event."""
    lender.chain.mine(borrow("first", 100, 100), borrow("second", 50, 140, RAY * 11 // 10))

    lender.catch_up()

    assert debt_of(lender) == DebtPosition(CHAIN_C, LINE_C, ACCOUNT, 140, RAY * 11 // 10, 1, 1)


def test_a_debt_goes_back_with_the_branch(lender: Bench) -> None:
    """To the event before, and to nothing with the first one."""
    lender.chain.mine(borrow("first", 100, 100))
    lender.chain.mine(borrow("second", 50, 150), repay("back", 20, 130))
    lender.catch_up()

    lender.chain.reorg(1, [])
    lender.catch_up()
    one = debt_of(lender)
    lender.chain.reorg(2, [], [])
    lender.catch_up()

    assert one == DebtPosition(CHAIN_C, LINE_C, ACCOUNT, 100, RAY, 1, 0)
    assert debt_of(lender) is None


def test_the_same_debts_on_another_branch_are_the_same_debt(lender: Bench) -> None:
    """A draw and its repayment move to lower blocks."""
    lender.chain.mine_empty(2)
    lender.chain.mine(borrow("first", 100, 100))
    lender.chain.mine(repay("back", 20, 80))
    lender.catch_up()
    before = lender.balances()

    lender.chain.reorg(4, [borrow("first", 100, 100), repay("back", 20, 80)], [], [], [])
    lender.catch_up()

    assert lender.balances() == before
    assert debt_of(lender) == DebtPosition(CHAIN_C, LINE_C, ACCOUNT, 80, RAY, 1, 1)


def test_finality_does_not_bring_an_older_debt_back(lender: Bench) -> None:
    """The older event becomes final while a newer one is known."""
    lender.chain.mine(borrow("first", 100, 100))
    lender.chain.mine(borrow("second", 50, 150))
    lender.catch_up()
    lender.chain.finalize(1)
    lender.catch_up()

    found = debt_of(lender)

    assert found is not None
    assert found.scaled == 150


def test_each_event_of_a_vault_is_told_at_each_stage(quick_store: Store) -> None:
    """A message's own feed entry follows its effect; each names block, transaction and amount."""
    bench = Bench(quick_store, SimulatedChain(CHAIN_A))
    message = unlock_message(60)
    bench.chain.mine(lock("lock", 100))
    bench.chain.finalize()
    bench.catch_up()
    bench.compose(message)
    bench.chain.mine(release("out", message), leave("exit", 10))
    bench.catch_up()
    bench.chain.reorg(1, [])
    bench.catch_up()

    with quick_store.read() as uow:
        told = uow.feed.after(ACCOUNT, 0)
    assert [event.event_type for event in told] == [
        "collateral.lock.confirmed",
        "message.state",
        "collateral.release.seen",
        "collateral.exit.seen",
        "collateral.exit.reverted",
        "message.state",
        "collateral.release.reverted",
    ]
    assert told[0].content["units"] == "100"
    assert told[0].content["height"] == "1"
    assert told[1].correlation_id == told[2].correlation_id == message.message_id
    assert [told[at].content["state"] for at in (1, 5)] == ["DELIVERED", "SUBMITTED"]


def test_each_event_of_a_credit_line_is_told(quick_store: Store) -> None:
    """Grants, draws and repayments."""
    bench = Bench(quick_store, SimulatedChain(CHAIN_C))
    message = grant_message(100)
    bench.compose(message)
    bench.chain.mine(granted("grant", message), borrow("draw", 50, 50), repay("back", 50, 0))

    bench.catch_up()

    assert bench.told() == [
        "message.state",
        "credit.grant.seen",
        "debt.borrowed.seen",
        "debt.repaid.seen",
    ]
