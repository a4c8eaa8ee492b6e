"""Requests: asked once, decided once, with the numbers behind the decision."""

import pytest

from relayer.clock import FixedClock
from relayer.errors import StateMovedError
from relayer.store.requests import DETAIL_CHARACTERS_MAX, RequestState
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.store.samples import ANN, BOB, FLOW

COMMAND, OTHER, MESSAGE = b"\x31" * 32, b"\x32" * 32, b"\x33" * 32
NUMBERS = {"limit": str(2**256 - 1)}


def opened(store: Store, command_id: bytes = COMMAND, account: bytes = ANN) -> bool:
    """Ask."""
    with store.unit_of_work() as uow:
        return uow.requests.open(
            command_id=command_id, kind="RequestUnlock", account=account, correlation_id=FLOW
        )


def test_a_request_is_pending_until_it_is_decided(store: Store) -> None:
    """Asking again changes nothing."""
    assert opened(store)
    assert not opened(store, account=BOB)

    with store.read() as uow:
        request = uow.requests.get(COMMAND)
        assert uow.requests.get(OTHER) is None
    assert request is not None
    assert (request.state, request.account) == (RequestState.PENDING, ANN)
    assert (request.created_at, request.decided_at, request.message_id) == (NOW, None, None)


def test_a_granted_request_names_its_message(store: Store, clock: FixedClock) -> None:
    """Numbers stay exact, whatever their size."""
    opened(store)
    clock.move(7)

    with store.unit_of_work() as uow:
        uow.requests.grant(COMMAND, message_id=MESSAGE, numbers=NUMBERS)
        request = uow.requests.get(COMMAND)

    assert request is not None
    assert (request.state, request.code) == (RequestState.GRANTED, "granted")
    assert (request.message_id, request.numbers) == (MESSAGE, NUMBERS)
    assert request.decided_at == NOW + 7


def test_a_refused_request_says_why(store: Store) -> None:
    """A detail that is too long is cut, not an error."""
    opened(store)

    with store.unit_of_work() as uow:
        uow.requests.refuse(COMMAND, code="insufficient_margin", detail="x" * 9_999, numbers={})
        request = uow.requests.get(COMMAND)

    assert request is not None
    assert (request.state, request.code) == (RequestState.REFUSED, "insufficient_margin")
    assert len(request.detail) == DETAIL_CHARACTERS_MAX


def test_a_request_is_decided_once(store: Store) -> None:
    """The second decision finds it decided; so does one about nothing."""
    opened(store)
    with store.unit_of_work() as uow:
        uow.requests.refuse(COMMAND, code="late", detail="late", numbers={})

    for command_id in (COMMAND, OTHER):
        with pytest.raises(StateMovedError), store.unit_of_work() as uow:
            uow.requests.grant(command_id, message_id=MESSAGE, numbers={})

    with store.read() as uow:
        request = uow.requests.get(COMMAND)
    assert request is not None
    assert request.state is RequestState.REFUSED


def test_an_accounts_requests_come_newest_first(store: Store, clock: FixedClock) -> None:
    """At most so many, and of no other account."""
    opened(store)
    clock.move(1)
    opened(store, OTHER)
    opened(store, MESSAGE, BOB)

    with store.read() as uow:
        both = uow.requests.of_account(ANN)
        (newest,) = uow.requests.of_account(ANN, limit=1)

    assert [request.command_id for request in both] == [OTHER, COMMAND]
    assert newest.command_id == OTHER
