"""Reconcile: exits, reserved when seen, whole when final, bad debt beyond the margin."""

import pytest

from relayer.ledger.chart import BAD_DEBT, margin_code
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import ACCOUNT, CHAIN_A
from tests.relayer.steps.bookings import (
    Bench,
    leave,
    lock,
    unlock_message,
)
from tests.simulated_chain import SimulatedChain


@pytest.fixture
def bench(store: Store) -> Bench:
    """A chain with a vault."""
    return Bench(store, SimulatedChain(CHAIN_A))


@pytest.fixture
def quick_bench(quick_store: Store) -> Bench:
    """The same on one kind of database."""
    return Bench(quick_store, SimulatedChain(CHAIN_A))


def with_margin(bench: Bench, units: int) -> Bench:
    """Lock final collateral."""
    bench.chain.mine(lock(f"margin {bench.chain.height}", units))
    bench.chain.finalize()
    bench.catch_up()
    return bench


def reasons(bench: Bench) -> list[str]:
    """Return why events are parked."""
    return [stored.parked_reason or "" for stored in bench.parked()]


def test_an_exit_takes_margin_and_custody(bench: Bench) -> None:
    """Reserved when it is seen, gone when it is final."""
    with_margin(bench, 100)
    bench.chain.mine(leave("exit", 30))
    bench.catch_up()
    seen = (bench.available(), bench.custody())
    bench.chain.finalize()
    bench.catch_up()

    assert seen == (70, 100)
    assert (bench.available(), bench.custody(), bench.parked()) == (70, 70, ())


def test_an_exit_of_collateral_that_is_not_final_yet_waits_for_it(bench: Bench) -> None:
    """It is no break: lock and exit become final in their order, and nothing is bad debt."""
    with_margin(bench, 100)
    bench.chain.mine(lock("more", 20))
    bench.chain.mine(leave("exit", 120))
    bench.catch_up()
    seen = (bench.available(), bench.soft(), bench.parked())
    bench.chain.finalize()
    bench.catch_up()

    assert seen == (0, 20, ())
    assert (bench.available(), bench.soft(), bench.custody()) == (0, 0, 0)
    assert bench.units(BAD_DEBT) == 0
    assert bench.kinds()[-3:] == ["lock.final", "exit.final", "exit.rest"]


def test_an_exit_of_collateral_that_goes_with_it_is_taken_back(bench: Bench) -> None:
    """Both blocks are replaced."""
    with_margin(bench, 100)
    bench.chain.mine(lock("more", 20))
    bench.chain.mine(leave("exit", 120))
    bench.catch_up()

    bench.chain.reorg(2, [], [], [])
    bench.catch_up()

    assert (bench.available(), bench.soft(), bench.custody()) == (100, 0, 100)


def test_an_exit_of_more_than_margin_is_bad_debt(bench: Bench) -> None:
    """What a message holds is gone with the exit; the hub's own account shows it."""
    with_margin(bench, 100)
    bench.compose(unlock_message(60))
    bench.chain.mine(leave("exit", 100))
    bench.chain.finalize()

    bench.catch_up()

    assert (bench.available(), bench.custody(), bench.units(BAD_DEBT)) == (0, 0, 60)
    assert bench.units(margin_code(ACCOUNT)) == 0
    assert bench.parked() == ()


def test_an_exit_of_more_than_the_vault_is_parked(quick_bench: Bench) -> None:
    """A vault cannot give what it never took."""
    with_margin(quick_bench, 100)
    quick_bench.chain.mine(leave("exit", 101))
    quick_bench.chain.finalize()

    quick_bench.catch_up()

    assert reasons(quick_bench)[0].startswith("exceeds_available: vault:")
    assert quick_bench.custody() == 100
