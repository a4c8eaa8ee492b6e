"""Condition: each change of the quorum is stored, logged and told once."""

import asyncio

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from chains.errors import (
    BlockGoneError,
    QuorumLostError,
    RpcAnswerError,
    RpcDisagreementError,
    RpcTimeoutError,
    Tally,
)
from chains.nodes import NodeEvent, NodeReport
from relayer.clock import FixedClock
from relayer.steps.condition import DISAGREEMENT_SECONDS_MAX, ConditionBook, log_node
from relayer.store.conditions import Condition
from relayer.store.unit_of_work import Store
from relayer.telemetry import EVENT_NAMES
from tests.relayer.api.kit import CHAIN_A

TALLY = Tally(2, 3, ("own",), (("rented", "RpcTimeoutError"), ("third", "RpcAuthError")))
LOST = QuorumLostError(chain_id=CHAIN_A, method="heads", tally=TALLY)
SPLIT = RpcDisagreementError(chain_id=CHAIN_A, method="heads", detail="own | rented")


def book_of(store: Store) -> ConditionBook:
    """Return the book of a chain whose nodes are not known."""
    return ConditionBook(store, CHAIN_A, None)


def found(store: Store) -> tuple[Condition | None, list[str]]:
    """Return the stored condition and what was told."""
    with store.read() as uow:
        condition = uow.conditions.condition(CHAIN_A)
        events = [event.event_type for event in uow.feed.after(None, 0)]
    return None if condition is None else condition.condition, events


def test_r5_a_lost_quorum_is_told_once_and_so_is_its_return(store: Store) -> None:
    """However often it is found."""

    async def act() -> None:
        book = book_of(store)
        await book.agreed()
        for _ in range(3):
            await book.failed(LOST)
        for _ in range(3):
            await book.agreed()

    with capture_logs() as logs:
        asyncio.run(act())

    assert found(store) == (Condition.OK, ["chain.quorum_lost", "chain.quorum_regained"])
    assert [(line["log_level"], line["event"]) for line in logs] == [
        ("error", "chain.quorum_lost"),
        ("info", "chain.quorum_regained"),
    ]
    assert "1 of 3 nodes answered, 2 must agree" in logs[0]["reason"]
    assert "failed: rented (RpcTimeoutError), third (RpcAuthError)" in logs[0]["reason"]


def test_a_restart_in_between_tells_nothing_twice(store: Store) -> None:
    """What was told is in the database."""
    asyncio.run(book_of(store).failed(LOST))
    asyncio.run(book_of(store).failed(LOST))
    asyncio.run(book_of(store).agreed())
    asyncio.run(book_of(store).agreed())

    assert found(store) == (Condition.OK, ["chain.quorum_lost", "chain.quorum_regained"])


def test_r5_a_disagreement_counts_when_it_lasts(quick_store: Store, clock: FixedClock) -> None:
    """Honest nodes may be on two branches for a moment; an agreement begins anew."""

    async def act() -> list[Condition | None]:
        book = book_of(quick_store)
        seen = []
        for seconds in (0, DISAGREEMENT_SECONDS_MAX - 1, None, DISAGREEMENT_SECONDS_MAX - 1, 1, 14):
            if seconds is None:
                await book.agreed()
            else:
                clock.move(seconds)
                await book.failed(SPLIT)
            seen.append(found(quick_store)[0])
        return seen

    seen = asyncio.run(act())

    assert seen == [None, None, Condition.OK, Condition.OK, Condition.OK, Condition.QUORUM_LOST]


@pytest.mark.parametrize(
    "error",
    [
        RpcTimeoutError(chain_id=CHAIN_A, method="x"),
        RpcAnswerError(chain_id=CHAIN_A, method="x", reason="no"),
        BlockGoneError(chain_id=CHAIN_A, reference="0x1"),
        ValueError("a bug"),
    ],
)
def test_other_failures_say_nothing_about_the_quorum(quick_store: Store, error: Exception) -> None:
    """They are the watcher's to log."""
    asyncio.run(book_of(quick_store).failed(error))

    assert found(quick_store) == (None, [])


def test_a_database_that_is_away_is_asked_again(
    quick_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is not forgotten: the next failure stores it."""
    book = book_of(quick_store)

    def away(*_: object) -> None:
        raise OperationalError("SELECT secret", {}, OSError("closed"))

    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(ConditionBook, "_record", away)
        asyncio.run(book.failed(LOST))
    asyncio.run(book.failed(LOST))

    assert [line["event"] for line in logs] == ["chain.unread"]
    assert found(quick_store) == (Condition.QUORUM_LOST, ["chain.quorum_lost"])


def test_integrators_are_not_told_of_our_nodes(quick_store: Store) -> None:
    """Only which chain stands still."""
    asyncio.run(book_of(quick_store).failed(LOST))

    with quick_store.read() as uow:
        (event,) = uow.feed.after(None, 0)
    assert event.content == {"chain_id": CHAIN_A}


@pytest.mark.parametrize("event", list(NodeEvent))
def test_what_happens_to_a_node_is_logged_by_label(event: NodeEvent) -> None:
    """Under a known name."""
    with capture_logs() as logs:
        log_node(NodeReport(CHAIN_A, "own", event, "heads"))

    (line,) = logs
    assert line["event"] in EVENT_NAMES
    assert (line["label"], line["reason"], line["chain_id"]) == ("own", "heads", CHAIN_A)
