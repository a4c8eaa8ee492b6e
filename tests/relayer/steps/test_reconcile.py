"""Reconcile: seen is soft, final is margin, gone is taken back; what fits no rule is parked."""

from dataclasses import replace

import pytest

from chains.events import EventPosition, ObservedEvent
from relayer.errors import LeaseLostError
from relayer.ledger.chart import Side, in_flight_code
from relayer.outbox.life import MessageState
from relayer.steps.fence import open_fence
from relayer.steps.give_back import drop_hold
from relayer.steps.queues import ASSESS
from relayer.steps.reconcile import reconcile
from relayer.store.grants import GrantState
from relayer.store.unit_of_work import Store, UnitOfWork
from tests.relayer.api.kit import CHAIN_A, CHAIN_C, VAULT_A, contract
from tests.relayer.steps.bookings import (
    WETH,
    Bench,
    borrow,
    grant_message,
    granted,
    lock,
    release,
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


@pytest.fixture
def lender(quick_store: Store) -> Bench:
    """A chain with a credit line."""
    return Bench(quick_store, SimulatedChain(CHAIN_C))


def with_margin(bench: Bench, units: int) -> Bench:
    """Lock final collateral."""
    bench.chain.mine(lock(f"margin {bench.chain.height}", units))
    bench.chain.finalize()
    bench.catch_up()
    return bench


def state_of(bench: Bench, message_id: bytes) -> MessageState:
    """Return where a message is."""
    with bench.store.read() as uow:
        stored = uow.outbox.get(message_id)
    assert stored is not None
    return stored.state


def in_flight(bench: Bench) -> int:
    """Return what is under way out of the vault."""
    with bench.store.read() as uow:
        counters = uow.ledger.counters(in_flight_code(VAULT_A), WETH, CHAIN_A)
    return counters.posted(Side.CREDIT)


def reasons(bench: Bench) -> list[str]:
    """Return why events are parked."""
    return [stored.parked_reason or "" for stored in bench.parked()]


def test_a_lock_is_soft_when_seen_and_margin_when_final(bench: Bench) -> None:
    """The vault's side of the ledger follows the same two steps."""
    bench.chain.mine(lock("one", 5))
    bench.catch_up()
    seen = (bench.soft(), bench.available(), bench.custody())
    bench.chain.finalize()
    bench.catch_up()

    assert seen == (5, 0, 0)
    assert (bench.soft(), bench.available(), bench.custody()) == (0, 5, 5)
    assert bench.told() == ["collateral.lock.seen", "collateral.lock.confirmed"]
    assert bench.kinds() == ["lock.seen", "lock.final"]


def test_a_final_lock_that_was_never_seen_is_booked_at_once(bench: Bench) -> None:
    """A watcher that was away books one entry, to the same balances."""
    bench.chain.mine(lock("one", 5))
    bench.chain.finalize()

    bench.catch_up()

    assert (bench.available(), bench.custody(), bench.kinds()) == (5, 5, ["lock.final"])


def test_booking_twice_is_booking_once(bench: Bench) -> None:
    """A second run finds nothing to do."""
    bench.chain.mine(lock("one", 5))
    bench.catch_up()

    again = bench.book()

    assert (again.booked, again.parked) == (0, 0)


def test_a_fence_that_fails_books_nothing(bench: Bench) -> None:
    """Another process has the job."""
    bench.chain.mine(lock("one", 5))
    bench.follow()

    def lost(uow: UnitOfWork) -> None:
        raise LeaseLostError(name="job", holder="another")

    with pytest.raises(LeaseLostError):
        reconcile(bench.store, bench.catalog, CHAIN_A, fence=lost)

    assert bench.kinds() == []


def test_what_is_booked_rings_for_assessment(quick_bench: Bench) -> None:
    """A balance moved; a run that books nothing rings for nothing."""

    def is_rung() -> bool:
        with quick_bench.store.read() as uow:
            return any(ASSESS in pair for pair in uow.jobs.due_doorbells(uow.clock.now()))

    quick_bench.catch_up()
    was_rung = is_rung()
    quick_bench.chain.mine(lock("one", 5))
    quick_bench.catch_up()

    assert (was_rung, is_rung()) == (False, True)


def test_a_batch_that_is_full_says_that_there_is_more(quick_bench: Bench) -> None:
    """21 events are two batches of at most 20."""
    quick_bench.chain.mine(*(lock(f"lock {number}", 1) for number in range(21)))
    quick_bench.follow()

    first, second = (
        reconcile(quick_bench.store, quick_bench.catalog, CHAIN_A, fence=open_fence, events_max=20)
        for _ in range(2)
    )

    assert (first.booked, first.has_more) == (20, True)
    assert (second.booked, second.has_more) == (1, False)


def test_an_unknown_token_is_parked_and_the_others_go_on(bench: Bench) -> None:
    """The break names the token; clients are told."""
    stranger = contract("a token that nobody registered")
    bench.chain.mine(lock("odd", 5, token=stranger), lock("good", 7))

    found = bench.catch_up()

    assert (found.booked, found.parked) == (1, 1)
    assert "0x" + stranger.hex() in reasons(bench)[0]
    assert bench.soft() == 7
    assert bench.told() == ["break.found", "collateral.lock.seen"]


def test_a_credit_line_that_is_not_configured_is_parked(lender: Bench) -> None:
    """A look-alike cannot make debt."""
    lender.chain.mine(borrow("odd", 5, 5, line=contract("look-alike")))

    lender.catch_up()

    assert "unknown_credit_line" in reasons(lender)[0]
    assert lender.balances() == {}


def test_numbers_that_no_line_can_hold_are_parked(lender: Bench) -> None:
    """A debt beyond 2^256 stops neither the worker nor the chain."""
    lender.chain.mine(borrow("odd", 1, 2**256 - 1, 2**256 - 1), borrow("good", 5, 5))

    found = lender.catch_up()

    assert (found.booked, found.parked) == (1, 1)
    assert reasons(lender)[0].startswith("unbookable")


def test_the_effect_of_an_unknown_message_is_parked(bench: Bench) -> None:
    """A forged or a not yet known message: a person or a later message decides."""
    with_margin(bench, 100)
    bench.chain.mine(release("odd", unlock_message(60)), lock("good", 5))

    found = bench.catch_up()

    assert (found.booked, found.parked) == (1, 1)
    assert reasons(bench)[0].startswith("message_unknown: 0x")
    assert bench.custody() == 100
    assert "break.found" in bench.told()


@pytest.mark.parametrize("is_final", [False, True])
def test_a_parked_effect_is_booked_once_the_message_is_known(bench: Bench, is_final: bool) -> None:
    """The hold goes in flight and out of the vault, as if the message had been there before."""
    with_margin(bench, 100)
    message = unlock_message(60)
    bench.chain.mine(release("early", message))
    bench.catch_up()
    if is_final:
        bench.chain.finalize()
        bench.catch_up()

    bench.compose(message)
    with bench.store.unit_of_work() as uow:
        uow.chains.unpark(bench.parked()[0].event_id)
    bench.book()
    bench.chain.finalize()
    bench.catch_up()

    assert (bench.available(), bench.custody(), in_flight(bench)) == (40, 40, 0)
    assert state_of(bench, message.message_id) is MessageState.CONFIRMED


def test_a_parked_event_of_a_dead_branch_is_forgotten(bench: Bench) -> None:
    """Nothing of it was booked, so nothing is taken back."""
    bench.chain.mine(release("odd", unlock_message(60)))
    bench.catch_up()

    bench.chain.reorg(1, [], [])
    bench.catch_up()

    assert (bench.parked(), bench.kinds()) == ((), [])


def test_a_release_goes_from_hold_to_flight_to_the_end(bench: Bench) -> None:
    """Delivered in a block, confirmed when it is final; back under way when the block is gone."""
    with_margin(bench, 100)
    message = unlock_message(60)
    bench.compose(message)
    held = (bench.available(), bench.custody())

    bench.chain.mine(release("out", message))
    bench.catch_up()
    delivered = state_of(bench, message.message_id)
    bench.chain.reorg(1, [])
    bench.catch_up()
    gone = (state_of(bench, message.message_id), bench.available(), in_flight(bench))
    bench.chain.mine(release("out", message))
    bench.catch_up()
    bench.chain.finalize()
    bench.catch_up()

    assert (held, delivered) == ((40, 100), MessageState.DELIVERED)
    assert gone == (MessageState.SUBMITTED, 40, 60)
    assert state_of(bench, message.message_id) is MessageState.CONFIRMED
    assert (bench.available(), bench.custody(), in_flight(bench)) == (40, 40, 0)
    assert bench.is_sound()


def test_an_effect_that_is_final_at_once_ends_the_message(bench: Bench) -> None:
    """The watcher was away between delivery and finality."""
    with_margin(bench, 100)
    message = unlock_message(60)
    bench.compose(message)
    bench.chain.mine(release("out", message))
    bench.chain.finalize()

    bench.catch_up()

    assert state_of(bench, message.message_id) is MessageState.CONFIRMED
    assert bench.custody() == 40


@pytest.mark.parametrize(
    "change",
    [
        {"amount_units": 61},
        {"recipient": contract("thief")},
        {"account": contract("another account")},
        {"token": contract("another token")},
    ],
)
def test_an_effect_that_differs_from_its_message_is_parked(
    quick_bench: Bench, change: dict[str, object]
) -> None:
    """A vault that says something else than was signed is a break."""
    with_margin(quick_bench, 100)
    message = unlock_message(60)
    quick_bench.compose(message)
    build = release("odd", replace(message, **change)).build  # type: ignore[arg-type]
    assert build is not None

    def under_the_real_id(position: EventPosition, lock_id: int) -> ObservedEvent:
        event = build(position, lock_id)
        return replace(event, message_id=message.message_id)  # type: ignore[arg-type]

    quick_bench.chain.mine(replace(release("odd", message), build=under_the_real_id))
    quick_bench.catch_up()

    assert reasons(quick_bench)[0].startswith("effect_differs")
    assert (quick_bench.available(), quick_bench.custody()) == (40, 100)


def test_a_second_effect_of_one_message_is_parked(bench: Bench) -> None:
    """It would be paid out of what another message holds."""
    with_margin(bench, 200)
    first, second = unlock_message(60), unlock_message(60, nonce=2)
    bench.compose(first)
    bench.compose(second)
    bench.chain.mine(release("out", first))
    bench.chain.mine(release("again", first), release("other", second))

    found = bench.catch_up()

    assert (found.booked, found.parked) == (2, 1)
    assert reasons(bench)[0].startswith("effect_twice")
    bench.chain.finalize()
    bench.catch_up()
    assert bench.custody() == 80


def test_a_second_effect_of_a_confirmed_message_is_parked(quick_bench: Bench) -> None:
    """The message has ended; its life has no arrow left."""
    with_margin(quick_bench, 200)
    message = unlock_message(60)
    quick_bench.compose(message)
    quick_bench.chain.mine(release("out", message))
    quick_bench.chain.finalize()
    quick_bench.catch_up()

    quick_bench.chain.mine(release("again", message), lock("good", 5))
    found = quick_bench.catch_up()

    assert (found.booked, found.parked) == (1, 1)


def test_the_effect_of_a_failed_message_is_parked(bench: Bench) -> None:
    """Its hold was given back: the units may be in another message by now."""
    with_margin(bench, 100)
    failed, other = unlock_message(60), unlock_message(40, nonce=2)
    composed = bench.compose(failed)
    bench.compose(other)
    with bench.store.unit_of_work() as uow:
        drop_hold(uow, bench.catalog, composed)
        bench.fail(uow, failed.message_id)
    bench.chain.mine(release("odd", failed), release("out", other))

    found = bench.catch_up()

    assert (found.booked, found.parked) == (1, 1)
    assert reasons(bench)[0].startswith("effect_unexpected")
    assert state_of(bench, other.message_id) is MessageState.DELIVERED


def test_a_grant_is_granted_when_final_and_replaces_the_older(lender: Bench) -> None:
    """Until then both count, whatever order they reach the chain in."""
    first, second = grant_message(100), grant_message(50, nonce=2)
    lender.compose(first)
    lender.compose(second)

    lender.chain.mine(granted("first", first))
    lender.chain.mine(granted("second", second))
    lender.catch_up()
    seen = [lender.grant_state(message) for message in (first, second)]
    lender.chain.finalize()
    lender.catch_up()

    assert seen == [GrantState.SIGNED, GrantState.SIGNED]
    assert lender.grant_state(first) is GrantState.REPLACED
    assert lender.grant_state(second) is GrantState.GRANTED
    assert state_of(lender, second.message_id) is MessageState.CONFIRMED


def test_a_grant_with_another_limit_is_parked(lender: Bench) -> None:
    """A credit line that lends more than was signed is a break."""
    message = grant_message(100)
    lender.compose(message)
    lender.chain.mine(granted("odd", message, limit_units=1_000))

    lender.catch_up()

    assert reasons(lender)[0].startswith("effect_differs")
