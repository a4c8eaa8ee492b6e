"""Decide: granted with hold, message and job in one transaction, or refused with numbers."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from chains.command import SignedCommand
from relayer.clock import FixedClock
from relayer.errors import InvariantError, NotYetError, StalePriceError
from relayer.money import AssetId
from relayer.outbox.life import MessageState
from relayer.steps.catalog import Catalog
from relayer.steps.decide import decide
from relayer.steps.queues import ATTEST
from relayer.store.breaks import CustodyDifference
from relayer.store.job_records import JobState
from relayer.store.requests import Request, RequestState
from relayer.store.unit_of_work import Store, UnitOfWork
from tests.databases import NOW
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    CHAIN_A,
    CREDIT,
    OPERATOR,
    UNLOCK,
    VAULT_A,
    release_message,
)
from tests.relayer.steps.world import (
    DOLLAR,
    ETHER,
    FENCE,
    SIGNED_CREDIT,
    SIGNED_OPEN,
    SIGNED_UNLOCK,
    ask,
    block_of,
    kinds_booked,
    lock_ether,
    margin,
    open_account,
    owe,
    set_price,
    set_prices,
    settled_world,
    signed,
    stored_message,
)

WAIT_SECONDS = 60
RACES = 2


def request_at(store: Store, command_id: bytes) -> Request:
    """Return a request that must be there."""
    with store.read() as uow:
        found = uow.requests.get(command_id)
    assert found is not None
    return found


def unlock_of(units: int, number: int = 1) -> SignedCommand:
    """Return ann's signed request for ether."""
    return signed(replace(UNLOCK, amount=units, nonce=number.to_bytes(32, "big")), ANN)


def credit_of(units: int, number: int = 1) -> SignedCommand:
    """Return a signed request for a limit of dollars."""
    command = replace(CREDIT, limit=units, expiry=NOW + 3_000, nonce=number.to_bytes(32, "big"))
    return signed(command, ANN, OPERATOR)


def test_a_granted_unlock_is_hold_message_and_job_at_once(store: Store, catalog: Catalog) -> None:
    """All three are there together, and the request names the message."""
    settled_world(store)
    command_id = ask(store, SIGNED_UNLOCK)

    state = decide(store, catalog, command_id, fence=FENCE)

    request = request_at(store, command_id)
    assert (state, request.state) == (RequestState.GRANTED, RequestState.GRANTED)
    assert request.message_id is not None
    stored = stored_message(store, request.message_id)
    assert stored.state is MessageState.PENDING
    assert stored.message.message.evidence == command_id
    assert margin(store) == (9 * ETHER, ETHER)
    assert kinds_booked(store) == ["unlock.held"]
    with store.read() as uow:
        assert uow.ledger.entry(stored.message.hold_entry_id or b"") is not None
        assert uow.jobs.job(ATTEST, stored.message_id.hex()).state is JobState.DUE
        assert uow.feed.after(ACCOUNT, 0)[-1].event_type == "unlock.granted"


def test_a_granted_credit_counts_as_debt_at_once(store: Store, catalog: Catalog) -> None:
    """The limit is committed with the message; nothing is held."""
    settled_world(store)
    command_id = ask(store, SIGNED_CREDIT)

    assert decide(store, catalog, command_id, fence=FENCE) is RequestState.GRANTED

    with store.read() as uow:
        (grant,) = uow.grants.active(ACCOUNT)
    assert grant.limit_units == CREDIT.limit
    assert stored_message(store, grant.message_id).message.hold_entry_id is None
    assert kinds_booked(store) == []


def test_a_fault_in_the_middle_leaves_nothing(store: Store, catalog: Catalog) -> None:
    """Hold, message, job and answer are rolled back together."""
    settled_world(store)
    command_id = ask(store, SIGNED_UNLOCK)
    with store.unit_of_work() as uow:
        uow.outbox.enqueue(release_message(nonce=1))  # takes the lane's next place

    with pytest.raises(IntegrityError):
        decide(store, catalog, command_id, fence=FENCE)

    assert request_at(store, command_id).state is RequestState.PENDING
    assert margin(store) == (10 * ETHER, 0)
    with store.read() as uow:
        assert len(uow.outbox.in_state(MessageState.PENDING)) == 1


def test_deciding_twice_is_deciding_once(quick_store: Store, catalog: Catalog) -> None:
    """A repeated job finds the decision."""
    settled_world(quick_store)
    command_id = ask(quick_store, SIGNED_UNLOCK)
    decide(quick_store, catalog, command_id, fence=FENCE)

    assert decide(quick_store, catalog, command_id, fence=FENCE) is RequestState.GRANTED

    assert margin(quick_store) == (9 * ETHER, ETHER)
    with quick_store.read() as uow:
        assert len(uow.outbox.of_account(ACCOUNT)) == 1


def test_a_refusal_names_the_numbers(quick_store: Store, catalog: Catalog) -> None:
    """Weighted sides afterwards and the most that may leave."""
    settled_world(quick_store, owed_usd=20_000)
    command_id = ask(quick_store, unlock_of(2 * ETHER))

    assert decide(quick_store, catalog, command_id, fence=FENCE) is RequestState.REFUSED

    request = request_at(quick_store, command_id)
    assert request.code == "insufficient_margin"
    assert "at most 1093315537759982204 units" in request.detail
    assert "20020.000000 USD" in request.detail
    assert margin(quick_store) == (10 * ETHER, 0)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (unlock_of(11 * ETHER), "insufficient_collateral"),
        (signed(replace(UNLOCK, vault=bytes(31) + b"\x09"), ANN), "unknown_vault"),
        (signed(replace(UNLOCK, token=bytes(31) + b"\x09"), ANN), "unknown_token"),
        (signed(replace(UNLOCK, chain_id="eip155:9"), ANN), "unknown_vault"),
        (signed(replace(UNLOCK, deadline=NOW - 1), ANN), "deadline_passed"),
        (credit_of(23_000 * DOLLAR), "insufficient_margin"),
        (signed(replace(CREDIT, expiry=NOW), ANN, OPERATOR), "expiry_out_of_range"),
        (signed(replace(CREDIT, expiry=NOW + 3_601), ANN, OPERATOR), "expiry_out_of_range"),
        (signed(replace(CREDIT, token=VAULT_A), ANN, OPERATOR), "token_mismatch"),
        (signed(replace(CREDIT, credit_line=VAULT_A), ANN, OPERATOR), "unknown_credit_line"),
    ],
)
def test_what_cannot_be_given_is_refused(
    quick_store: Store, catalog: Catalog, command: SignedCommand, code: str
) -> None:
    """Each with its own code, and without a trace in the ledger."""
    settled_world(quick_store)
    command_id = ask(quick_store, command)

    assert decide(quick_store, catalog, command_id, fence=FENCE) is RequestState.REFUSED

    assert request_at(quick_store, command_id).code == code
    assert kinds_booked(quick_store) == []


def halt(uow: UnitOfWork) -> None:
    """Halt a chain."""
    uow.chains.halt(CHAIN_A, "two nodes disagree")


def found_break(uow: UnitOfWork) -> None:
    """Record that a vault and the ledger differ."""
    uow.breaks.record(CustodyDifference(CHAIN_A, AssetId("WETH"), VAULT_A, 5, 4, block_of(1)))


@pytest.mark.parametrize(
    ("trouble", "code"), [(halt, "chain_halted"), (found_break, "custody_break")]
)
def test_trouble_on_a_chain_stops_unlocks(
    quick_store: Store, catalog: Catalog, trouble: Callable[[UnitOfWork], None], code: str
) -> None:
    """The reason names the chain."""
    settled_world(quick_store)
    with quick_store.unit_of_work() as uow:
        trouble(uow)
    command_id = ask(quick_store, SIGNED_UNLOCK)

    assert decide(quick_store, catalog, command_id, fence=FENCE) is RequestState.REFUSED

    request = request_at(quick_store, command_id)
    assert request.code == code
    assert CHAIN_A in request.detail


def test_a_stale_price_waits_until_the_deadline(
    store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """The request stays pending, is granted once there is a price, and refused after its time."""
    open_account(store)
    lock_ether(store, 10 * ETHER)
    owe(store, 1_000 * DOLLAR)
    first, second = ask(store, unlock_of(ETHER, 1)), ask(store, unlock_of(ETHER, 2))
    with pytest.raises(StalePriceError):
        decide(store, catalog, first, fence=FENCE)
    assert request_at(store, first).state is RequestState.PENDING

    set_prices(store)
    assert decide(store, catalog, first, fence=FENCE) is RequestState.GRANTED

    clock.move(UNLOCK.deadline - NOW + 1)
    assert decide(store, catalog, second, fence=FENCE) is RequestState.REFUSED
    assert request_at(store, second).code == "deadline_passed"


def test_an_asset_that_is_no_debt_does_not_wait_for_ever(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """It waits as for a price, and its deadline ends it."""
    settled_world(quick_store)
    unlisted = replace(catalog, parameters=replace(catalog.parameters, debt_weights_bps={}))
    command_id = ask(quick_store, SIGNED_CREDIT)
    with pytest.raises(NotYetError):
        decide(quick_store, unlisted, command_id, fence=FENCE)

    clock.move(CREDIT.deadline - NOW + 1)

    assert decide(quick_store, unlisted, command_id, fence=FENCE) is RequestState.REFUSED


def test_what_is_no_request_stops_the_worker(quick_store: Store, catalog: Catalog) -> None:
    """An unknown command stops it; one that is never decided has no deadline and is refused."""
    with pytest.raises(InvariantError):
        decide(quick_store, catalog, bytes(32), fence=FENCE)

    command_id = ask(quick_store, SIGNED_OPEN)
    assert decide(quick_store, catalog, command_id, fence=FENCE) is RequestState.REFUSED


def test_the_second_of_two_that_exceed_together_is_refused(
    quick_store: Store, catalog: Catalog
) -> None:
    """6 of 10 ether can leave once."""
    settled_world(quick_store)
    first, second = (
        ask(quick_store, unlock_of(6 * ETHER, 1)),
        ask(quick_store, unlock_of(6 * ETHER, 2)),
    )

    states = [
        decide(quick_store, catalog, command_id, fence=FENCE) for command_id in (first, second)
    ]

    assert states == [RequestState.GRANTED, RequestState.REFUSED]
    assert "4000000000000000000 final units are free" in request_at(quick_store, second).detail


def together(store: Store, catalog: Catalog, command_ids: tuple[bytes, ...]) -> list[RequestState]:
    """Decide from as many threads at the same moment; each is past its fence before any reads."""
    barrier = threading.Barrier(len(command_ids))
    states: list[RequestState] = []
    faults: list[BaseException] = []
    is_postgresql = store.engine.dialect.name == "postgresql"

    def _fence(uow: UnitOfWork) -> None:
        uow.requests.get(bytes(32))  # the transaction has begun
        if is_postgresql:  # SQLite lets only one in at all
            barrier.wait(WAIT_SECONDS)

    def _decide(command_id: bytes) -> None:
        try:
            states.append(decide(store, catalog, command_id, fence=_fence))
        except BaseException as exc:
            faults.append(exc)
            raise

    threads = [threading.Thread(target=_decide, args=(word,)) for word in command_ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert faults == []
    return sorted(states, key=lambda state: state.value)


@pytest.mark.parametrize("race", range(RACES))
def test_two_unlocks_at_the_same_moment_do_not_exceed_margin(
    store: Store, catalog: Catalog, race: int
) -> None:
    """Each alone leaves the account healthy, both would not; the ledger alone would allow both."""
    settled_world(store, owed_usd=10_000)
    commands = (ask(store, unlock_of(4 * ETHER, 1)), ask(store, unlock_of(4 * ETHER, 2)))

    states = together(store, catalog, commands)

    assert states == [RequestState.GRANTED, RequestState.REFUSED]
    assert margin(store) == (6 * ETHER, 4 * ETHER)


@pytest.mark.parametrize("race", range(RACES))
def test_a_grant_and_an_unlock_at_the_same_moment_see_each_other(
    store: Store, catalog: Catalog, race: int
) -> None:
    """Each alone is fine; the grant posts nothing, so only the lock can order them."""
    settled_world(store)
    commands = (ask(store, credit_of(20_000 * DOLLAR)), ask(store, unlock_of(5 * ETHER)))

    states = together(store, catalog, commands)

    assert states == [RequestState.GRANTED, RequestState.REFUSED]


@pytest.mark.parametrize("race", range(RACES))
def test_two_grants_on_one_line_at_the_same_moment_are_counted_once_each(
    store: Store, catalog: Catalog, race: int
) -> None:
    """The limit is a cap: both are granted, and the account counts the higher."""
    settled_world(store)
    commands = (ask(store, credit_of(20_000 * DOLLAR, 1)), ask(store, credit_of(9_000 * DOLLAR, 2)))

    assert together(store, catalog, commands) == [RequestState.GRANTED] * 2

    with store.read() as uow:
        nonces = [grant.nonce for grant in uow.grants.active(ACCOUNT)]
    assert sorted(nonces) == [1, 2]


def test_the_price_that_decides_is_the_low_one(quick_store: Store, catalog: Catalog) -> None:
    """A fall between two requests refuses the second."""
    settled_world(quick_store, owed_usd=10_000)
    first, second = ask(quick_store, unlock_of(ETHER, 1)), ask(quick_store, unlock_of(ETHER, 2))
    assert decide(quick_store, catalog, first, fence=FENCE) is RequestState.GRANTED

    set_price(quick_store, 1_500)

    assert decide(quick_store, catalog, second, fence=FENCE) is RequestState.REFUSED
