"""Ending after exits: a hold that comes back after its owner left makes nothing out of nothing."""

from chains.types import ChainId
from relayer.ledger.chart import BAD_DEBT
from relayer.outbox.message import OutboxMessage
from relayer.steps.ending import settle_hold
from relayer.steps.give_back import drop_hold, return_hold
from relayer.store.unit_of_work import Store
from tests.relayer.steps.bookings import Bench, leave, lock, release, unlock_message
from tests.simulated_chain import SimulatedChain

CHAIN = ChainId("eip155:31337")


def left_with_a_hold(
    store: Store, *, units: int = 10, held: int = 4
) -> tuple[Bench, OutboxMessage]:
    """Return a bench where the owner locked, asked for a part back, and exited with everything."""
    chain = SimulatedChain(CHAIN)
    bench = Bench(store, chain)
    chain.mine(lock("lock", units))
    chain.finalize()
    bench.catch_up()
    message = bench.compose(unlock_message(held))
    chain.mine(leave("exit", units))
    chain.finalize()
    bench.catch_up()
    return bench, message


def test_an_exit_beyond_the_margin_is_bad_debt_while_the_hold_stands(quick_store: Store) -> None:
    """The message may have been meant to run first; until it ended, nobody knows."""
    bench, _ = left_with_a_hold(quick_store)

    assert bench.available() == 0
    assert bench.units(BAD_DEBT) == 4


def test_what_comes_back_to_an_owner_who_left_covers_the_exit(quick_store: Store) -> None:
    """The vault holds nothing for the account, so the account owns nothing."""
    bench, message = left_with_a_hold(quick_store)

    with quick_store.unit_of_work() as uow:
        drop_hold(uow, bench.catalog, message)

    assert (bench.available(), bench.units(BAD_DEBT), bench.custody()) == (0, 0, 0)
    assert bench.kinds()[-2:] == ["unlock.dropped", "deficit.cured"]
    assert bench.is_sound()


def test_a_hold_in_flight_covers_the_exit_too(quick_store: Store) -> None:
    """It comes back on proof, through another entry."""
    bench, message = left_with_a_hold(quick_store)
    with quick_store.unit_of_work() as uow:
        settle_hold(uow, message)

    with quick_store.unit_of_work() as uow:
        return_hold(uow, bench.catalog, message)

    assert (bench.available(), bench.units(BAD_DEBT)) == (0, 0)


def test_an_account_that_did_not_leave_keeps_what_comes_back(quick_store: Store) -> None:
    """Nothing is covered where nothing was taken."""
    chain = SimulatedChain(CHAIN)
    bench = Bench(quick_store, chain)
    chain.mine(lock("lock", 10))
    chain.finalize()
    bench.catch_up()
    message = bench.compose(unlock_message(4))

    with quick_store.unit_of_work() as uow:
        drop_hold(uow, bench.catalog, message)

    assert (bench.available(), bench.kinds()[-1]) == (10, "unlock.dropped")


def test_a_lock_after_an_exit_pays_for_it_while_the_hold_stands(quick_store: Store) -> None:
    """The vault can execute the message again, and pays it with the new lock."""
    bench, message = left_with_a_hold(quick_store)
    with quick_store.unit_of_work() as uow:
        settle_hold(uow, message)

    bench.chain.mine(lock("later", 7))
    bench.chain.finalize()
    bench.catch_up()
    locked = (bench.available(), bench.units(BAD_DEBT), bench.custody())
    bench.chain.mine(release("release", message.message))
    bench.chain.finalize()
    bench.catch_up()

    assert locked == (3, 0, 7)
    assert (bench.available(), bench.units(BAD_DEBT), bench.custody()) == (3, 0, 3)
