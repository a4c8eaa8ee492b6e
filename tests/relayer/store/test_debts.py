"""Tests of debt positions."""

from dataclasses import replace

from relayer.money import RAY
from relayer.store.debts import DebtPosition, DebtView
from relayer.store.unit_of_work import Store
from tests.relayer.store.samples import ANN, BOB, CHAIN, UINT256_MAX, VAULT

FIRST = DebtPosition(CHAIN, VAULT, ANN, UINT256_MAX, RAY, 5, 3)
LATER = replace(FIRST, scaled=9, index_ray=RAY + 1, seen_height=6, log_index=0)


def test_debt_is_rounded_up() -> None:
    """What an account owes is never rounded away."""
    assert replace(FIRST, scaled=1).debt_units(RAY) == 1
    assert replace(FIRST, scaled=1).debt_units(RAY + 1) == 2
    assert replace(FIRST, scaled=0).debt_units(RAY) == 0


def test_only_a_later_event_changes_a_position(store: Store) -> None:
    """Replays and late deliveries change nothing; views do not mix."""
    with store.unit_of_work() as uow:
        upsert = uow.debts.upsert
        assert upsert(DebtView.SOFT, FIRST)
        assert not upsert(DebtView.SOFT, replace(FIRST, scaled=1))
        assert upsert(DebtView.SOFT, LATER)
        assert not upsert(DebtView.SOFT, FIRST)
        assert upsert(DebtView.FINAL, FIRST)
        assert upsert(DebtView.SOFT, replace(FIRST, account=BOB))

    with store.read() as uow:
        assert uow.debts.of_account(DebtView.SOFT, ANN) == (LATER,)
        assert uow.debts.of_account(DebtView.FINAL, ANN) == (FIRST,)
        assert uow.debts.all(DebtView.SOFT) == (LATER, replace(FIRST, account=BOB))
        assert uow.debts.all(DebtView.FINAL) == (FIRST,)


def test_a_rewind_puts_a_position_back(store: Store) -> None:
    """To its last event that is left, or to none."""
    with store.unit_of_work() as uow:
        uow.debts.upsert(DebtView.SOFT, LATER)
        uow.debts.replace(DebtView.SOFT, FIRST)
        assert uow.debts.all(DebtView.SOFT) == (FIRST,)

        uow.debts.drop(DebtView.SOFT, CHAIN, VAULT, ANN)
        assert uow.debts.all(DebtView.SOFT) == ()
