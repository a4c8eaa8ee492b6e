"""Deficits: what comes back to an account pays what it owes before anything else."""

import pytest

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.chart import BAD_DEBT, margin_code, vault_code
from relayer.ledger.journal import JournalEntry, Phase, Posting, entry_id_of
from relayer.steps.deficits import cure_deficits, lend_shortfall
from relayer.steps.give_back import drop_hold
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, VAULT_A
from tests.relayer.steps.bookings import WETH, Bench, lock, unlock_message
from tests.simulated_chain import SimulatedChain

CAUSE = b"\x01" * 32
OTHER = b"\x02" * 32


def owing(store: Store, units: int, *, held: int) -> Bench:
    """Return a bench whose account holds all it has for a message, and owes some units."""
    bench = Bench(store, SimulatedChain(CHAIN_A))
    bench.chain.mine(lock("one", held))
    bench.chain.finalize()
    bench.catch_up()
    bench.compose(unlock_message(held))
    taking = moved(units)
    with store.unit_of_work() as uow:
        uow.ledger.lock()
        lent = lend_shortfall(uow, taking)
        assert lent is not None
        assert uow.ledger.post(lent).is_booked
        assert uow.ledger.post(taking).is_booked
    return bench


def moved(units: int) -> JournalEntry:
    """Return an entry that takes units of the account out of the vault."""
    return JournalEntry(
        entry_id=entry_id_of("test.reversed", CAUSE),
        kind="test.reversed",
        cause=CAUSE,
        phase=Phase.POSTED,
        postings=(
            Posting(margin_code(ACCOUNT), WETH, CHAIN_A, units),
            Posting(vault_code(VAULT_A), WETH, CHAIN_A, -units),
        ),
        resolves=None,
        reversal_of=None,
        correlation_id=CAUSE,
        booked_at=UnixSeconds(NOW),
    )


def owed(bench: Bench, chain_id: ChainId = CHAIN_A) -> int:
    """Return what the account still owes."""
    with bench.store.read() as uow:
        return sum(deficit.units for deficit in uow.deficits.open(chain_id, ACCOUNT))


def test_a_hold_that_is_dropped_pays_what_is_owed(store: Store) -> None:
    """Otherwise the account could use again what was never there."""
    bench = owing(store, 5, held=8)
    before = (owed(bench), bench.units(BAD_DEBT), bench.available())

    with store.unit_of_work() as uow:
        uow.ledger.lock()
        found = uow.outbox.get(unlock_message(8).message_id)
        assert found is not None
        drop_hold(uow, bench.catalog, found.message)

    assert before == (5, 5, 0)
    assert (owed(bench), bench.units(BAD_DEBT), bench.available()) == (0, 0, 3)
    assert bench.is_sound()


def test_locks_pay_bit_by_bit_and_no_more_than_is_owed(store: Store) -> None:
    """Each part is an entry of its own; with nothing to take nothing is booked."""
    bench = owing(store, 5, held=8)
    with store.unit_of_work() as uow:
        uow.ledger.lock()
        assert cure_deficits(uow, CHAIN_A) == 0

    left = []
    for number, units in enumerate((2, 2, 9)):
        bench.chain.mine(lock(f"more {number}", units))
        bench.catch_up()
        soft = owed(bench)
        bench.chain.finalize()
        bench.catch_up()
        left.append((soft, owed(bench), bench.available()))

    assert left == [(5, 3, 0), (3, 1, 0), (1, 0, 8)]
    assert bench.kinds().count("deficit.cured") == 3
    assert (bench.units(BAD_DEBT), bench.is_sound()) == (0, True)


@pytest.mark.parametrize(("units", "lent"), [(8, None), (9, 1), (10, None)])
def test_only_what_the_margin_lacks_is_lent(
    quick_store: Store, units: int, lent: int | None
) -> None:
    """Nothing where it has enough, and nothing for what the vault cannot give either."""
    bench = Bench(quick_store, SimulatedChain(CHAIN_A))
    bench.chain.mine(lock("mine", 8), lock("other", 1, account=OTHER))
    bench.chain.finalize()
    bench.catch_up()

    with quick_store.unit_of_work() as uow:
        found = lend_shortfall(uow, moved(units))

    assert (None if found is None else found.postings[0].units) == lent
    assert owed(bench) == (lent or 0)


def test_nothing_is_lent_twice(quick_store: Store) -> None:
    """An entry that is booked already took what it takes."""
    bench = owing(quick_store, 5, held=8)

    with quick_store.unit_of_work() as uow:
        assert lend_shortfall(uow, moved(5)) is None

    assert owed(bench) == 5
