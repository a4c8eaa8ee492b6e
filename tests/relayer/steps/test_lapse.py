"""Lapse: a grant ends when a later final block proves that nobody can draw on it any more."""

import pytest

from relayer.steps.lapse import lapse_grants
from relayer.store.grants import GrantState
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import CHAIN_A, CHAIN_C
from tests.relayer.steps.bookings import CATALOG, Bench, borrow, grant_message, granted
from tests.simulated_chain import BLOCK_SECONDS, SimulatedChain

EXPIRY_HEIGHT = 5
MESSAGE = grant_message(100, expiry_seconds=NOW)


@pytest.fixture
def lender(store: Store) -> Bench:
    """A chain whose block 5 is of the grant's last second, with the grant in the outbox."""
    bench = Bench(store, SimulatedChain(CHAIN_C))
    bench.chain.start_seconds = NOW - EXPIRY_HEIGHT * BLOCK_SECONDS
    bench.chain.drop(1)
    bench.chain.mine()
    bench.compose(MESSAGE)
    store.clock.move(BLOCK_SECONDS)  # type: ignore[attr-defined]
    return bench


def lapsed(bench: Bench) -> int:
    """Let grants lapse; return how many did."""
    with bench.store.unit_of_work() as uow:
        return lapse_grants(uow, bench.catalog)


def final_at(bench: Bench, height: int) -> None:
    """Bring the chain to a height, final, and book."""
    bench.chain.mine_empty(height - bench.chain.height)
    bench.chain.finalize()
    bench.catch_up()


def test_a_grant_lapses_after_a_later_final_block(lender: Bench) -> None:
    """The block of its last second may still hold a draw; the next one proves the end."""
    final_at(lender, EXPIRY_HEIGHT)
    at_expiry = lapsed(lender)
    final_at(lender, EXPIRY_HEIGHT + 1)
    after_expiry = lapsed(lender)

    assert (at_expiry, after_expiry, lapsed(lender)) == (0, 1, 0)
    assert lender.grant_state(MESSAGE) is GrantState.LAPSED


def test_the_hubs_clock_alone_ends_no_grant(lender: Bench) -> None:
    """A later block that may still go proves nothing."""
    final_at(lender, 3)
    lender.chain.mine_empty(9)
    lender.catch_up()
    lender.store.clock.move(10**6)  # type: ignore[attr-defined]

    assert lapsed(lender) == 0


def test_a_draw_that_is_not_booked_yet_keeps_the_grant(lender: Bench) -> None:
    """Its debt must count before the limit stops to."""
    lender.chain.mine(granted("grant", MESSAGE))
    lender.chain.mine(borrow("draw", 100, 100))
    lender.chain.mine_empty(EXPIRY_HEIGHT)
    lender.chain.finalize()
    lender.follow()
    before = lapsed(lender)
    lender.book()

    assert (before, lapsed(lender)) == (0, 1)


def test_a_parked_draw_keeps_the_grant(lender: Bench) -> None:
    """Nobody knows yet what the account owes."""
    lender.chain.mine(borrow("draw", 100, 50))
    final_at(lender, EXPIRY_HEIGHT + 2)

    assert len(lender.parked()) == 1
    assert lapsed(lender) == 0


def test_a_grant_on_a_chain_that_was_never_read_stays(quick_store: Store) -> None:
    """There is no final block to prove anything."""
    bench = Bench(quick_store, SimulatedChain(CHAIN_A), catalog=CATALOG)
    bench.compose(MESSAGE)
    quick_store.clock.move(10**6)  # type: ignore[attr-defined]

    assert lapsed(bench) == 0


def test_a_halted_chain_proves_no_end(lender: Bench) -> None:
    """Its final blocks are in doubt, and a draw may stand on the branch that wins."""
    final_at(lender, EXPIRY_HEIGHT + 1)
    with lender.store.unit_of_work() as uow:
        uow.chains.halt(CHAIN_C, "a final block was replaced")

    assert lapsed(lender) == 0
