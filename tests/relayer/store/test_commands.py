"""Tests of idempotency keys and signed commands."""

import pytest

from relayer.clock import FixedClock, UnixSeconds
from relayer.errors import StateMovedError
from relayer.store.commands import (
    REQUEST_SECONDS_MAX,
    Begun,
    InProgress,
    Mismatch,
    New,
    Replay,
    StoredCommand,
)
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.store.samples import unlock_command

FIRST, SECOND = b"\x01" * 32, b"\x02" * 32


def begin(store: Store, fingerprint: bytes = FIRST, sender: str = "ann") -> Begun:
    """Begin a request with one key."""
    with store.unit_of_work() as uow:
        return uow.commands.begin("key-1", sender, fingerprint)


def test_a_key_answers_once_and_then_replays(store: Store) -> None:
    """The same answer, to the byte, for the same sender only."""
    assert begin(store) == New()
    assert begin(store) == InProgress(UnixSeconds(NOW))
    with store.unit_of_work() as uow:
        uow.commands.finish("key-1", "ann", status=201, body=b"{}")

    assert begin(store) == Replay(201, b"{}")
    assert begin(store, SECOND) == Mismatch()
    assert begin(store, SECOND, sender="bob") == New()


def test_another_request_under_a_running_key_is_refused(store: Store, clock: FixedClock) -> None:
    """Also when the first one seems to have crashed."""
    begin(store)
    assert begin(store, SECOND) == Mismatch()
    clock.move(REQUEST_SECONDS_MAX)
    assert begin(store, SECOND) == Mismatch()


def test_a_crashed_request_can_be_sent_again(store: Store, clock: FixedClock) -> None:
    """After the time that a request may take, by one sender at a time."""
    begin(store)
    clock.move(REQUEST_SECONDS_MAX - 1)
    assert begin(store) == InProgress(UnixSeconds(NOW))
    clock.move(1)

    assert begin(store) == New()
    assert begin(store) == InProgress(clock.now())


def test_an_answer_is_given_once(store: Store) -> None:
    """Not before the beginning, and not twice."""
    with store.unit_of_work() as uow:
        with pytest.raises(StateMovedError, match="key-1"):
            uow.commands.finish("key-1", "ann", status=200, body=b"")
        uow.commands.begin("key-1", "ann", FIRST)
        uow.commands.finish("key-1", "ann", status=200, body=b"")
        with pytest.raises(StateMovedError, match="key-1"):
            uow.commands.finish("key-1", "ann", status=200, body=b"")


def test_a_command_comes_back_as_it_was_signed(store: Store) -> None:
    """With its signatures in order; the second time changes nothing."""
    signed = unlock_command()
    with store.unit_of_work() as uow:
        assert uow.commands.store(FIRST, signed)
        assert not uow.commands.store(FIRST, signed)

    with store.read() as uow:
        assert uow.commands.command(FIRST) == StoredCommand(FIRST, signed, UnixSeconds(NOW))
        assert uow.commands.command(SECOND) is None
