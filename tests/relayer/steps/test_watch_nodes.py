"""Watch over several nodes: forgers get nothing credited, and a quiet chain costs little."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from chains.agreement.quorum import AGREEMENT_SECONDS_MAX
from relayer.clock import FixedClock
from relayer.steps.glance import QUORUM_SECONDS_MAX
from relayer.store.conditions import Condition, StoredCondition
from relayer.store.observed_rows import EventFilter
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.steps.bookings import lock
from tests.relayer.steps.node_pools import NodeOfChain, agreement_of, cut_off, nodes_of_chain
from tests.relayer.steps.rounds import POLL_SECONDS, Rounds

LOST_SECONDS_MAX = 30


def rounds_of(
    store: Store, nodes: tuple[NodeOfChain, ...], quorum: int, count: int, **more: Any
) -> Rounds:
    """Return rounds of a watcher over these nodes."""
    reader = agreement_of(nodes, quorum)
    return Rounds(store, nodes[0], count, reader=reader, pool=reader, **more)


def condition_of(store: Store) -> StoredCondition | None:
    """Return the chain's stored condition."""
    with store.read() as uow:
        return uow.conditions.condition(CHAIN_A)


def told(store: Store) -> list[str]:
    """Return what integrators were told about the quorum."""
    with store.read() as uow:
        events = uow.feed.after(None, 0)
    return [event.event_type for event in events if event.event_type.startswith("chain.quorum")]


def event_count(store: Store) -> int:
    """Return how many events are stored."""
    with store.read() as uow:
        return len(uow.chains.events(EventFilter()))


@pytest.mark.parametrize(("count", "quorum"), [(3, 2), (4, 3), (5, 4), (9, 6)])
def test_r5_forgers_below_the_quorum_credit_nothing_when_the_others_are_cut_off(
    quick_store: Store, clock: FixedClock, count: int, quorum: int
) -> None:
    """The chain reports the loss within 30 seconds, and goes on when the others are back."""
    nodes = nodes_of_chain(count)
    forgers, honest = nodes[: quorum - 1], nodes[quorum - 1 :]
    lost_at: list[int] = []

    def act(number: int) -> None:
        clock.move(int(POLL_SECONDS))
        condition = condition_of(quick_store)
        if condition is not None and condition.condition is Condition.QUORUM_LOST and not lost_at:
            lost_at.append(clock.now())
        if number == 2:
            for node in honest:
                node.fault = cut_off
            for node in forgers:
                node.mine(lock("forged", 10**18))
                node.finalize()
        if number == 30:
            for node in honest:
                node.fault = None
                node.mine(lock("true", 5))
            for node in forgers:
                node.blocks[:] = honest[0].blocks
                node.final_height = 0

    rounds = rounds_of(quick_store, nodes, quorum, 90, act=act)
    with capture_logs() as logs:
        rounds.run()

    # Found by the poll; a node that hangs instead adds at most the time of one agreement.
    worst_seconds = lost_at[0] - NOW - 2 + AGREEMENT_SECONDS_MAX
    assert worst_seconds <= LOST_SECONDS_MAX
    assert told(quick_store) == ["chain.quorum_lost", "chain.quorum_regained"]
    assert [line["event"] for line in logs if line["event"].startswith("chain.quorum")] == [
        "chain.quorum_lost",
        "chain.quorum_regained",
    ]
    with quick_store.read() as uow:
        stored = [event.event for event in uow.chains.events(EventFilter())]
    assert [getattr(event, "units", None) for event in stored] == [5]


def test_r5_the_bounds_of_polling_and_agreeing_keep_30_seconds() -> None:
    """A forger that hides behind "nothing new", then nodes that hang until they are given up."""
    assert QUORUM_SECONDS_MAX + POLL_SECONDS + AGREEMENT_SECONDS_MAX <= LOST_SECONDS_MAX


def test_r5_a_forger_that_hides_the_news_is_found_in_time(
    quick_store: Store, clock: FixedClock
) -> None:
    """It is the only one that answers, and says that nothing has changed."""
    nodes = nodes_of_chain(3)
    lost_at: list[int] = []

    def act(number: int) -> None:
        clock.move(int(POLL_SECONDS))
        if number == 1:
            nodes[1].fault = nodes[2].fault = cut_off
            # Only the forger is polled: the others count as demoted.
            reader.newest = nodes[0].newest  # type: ignore[method-assign]
        condition = condition_of(quick_store)
        if condition is not None and condition.condition is Condition.QUORUM_LOST and not lost_at:
            lost_at.append(clock.now())

    reader = agreement_of(nodes, 2)
    Rounds(quick_store, nodes[0], 20, reader=reader, pool=reader, act=act).run()

    assert lost_at
    assert lost_at[0] - NOW - 1 + AGREEMENT_SECONDS_MAX <= LOST_SECONDS_MAX


@pytest.mark.parametrize("place", [0, 1, 2])
def test_r5_no_fault_of_one_node_stops_two_of_three(
    quick_store: Store, clock: FixedClock, place: int
) -> None:
    """Forging, then silent; what the others say is stored, and nothing else."""
    nodes = nodes_of_chain(3)
    bad, good = nodes[place], [node for node in nodes if node is not nodes[place]]

    def act(number: int) -> None:
        clock.move(int(POLL_SECONDS))
        for node in good:
            node.mine(lock(f"true-{number}", 5))
        bad.mine(lock(f"forged-{number}", 10**18))
        if number == 5:
            bad.fault = cut_off

    rounds_of(quick_store, nodes, 2, 10, act=act).run()

    assert event_count(quick_store) == 9
    assert told(quick_store) == []
    with quick_store.read() as uow:
        stored = [event.event for event in uow.chains.events(EventFilter())]
    assert {getattr(event, "units", None) for event in stored} == {5}


def test_r5_a_quiet_chain_costs_one_request_a_poll(quick_store: Store, clock: FixedClock) -> None:
    """The quorum is asked when something moved, and every ten seconds whatever is said."""
    nodes = nodes_of_chain(3)
    polls = 41

    def act(number: int) -> None:
        clock.move(int(POLL_SECONDS))
        if number == 1:
            for node in nodes:
                node.asked.clear()

    rounds_of(quick_store, nodes, 2, polls, act=act).run()

    glances = sum(node.newest_count for node in nodes)
    quorum_rounds = len([1 for method, _, _ in nodes[0].asked if method == "heads"])
    quorum_rounds -= nodes[0].newest_count
    assert quorum_rounds == (polls - 1) // QUORUM_SECONDS_MAX
    assert glances == polls - 1 - quorum_rounds
    assert max(node.newest_count for node in nodes) - min(node.newest_count for node in nodes) <= 1


def test_news_of_one_node_are_read_from_the_quorum(quick_store: Store, clock: FixedClock) -> None:
    """Within the poll after the block, whichever node is asked."""
    nodes = nodes_of_chain(3)

    def act(number: int) -> None:
        clock.move(int(POLL_SECONDS))
        if number < 9:
            for node in nodes:
                node.mine(lock(f"{number}", 5))

    rounds_of(quick_store, nodes, 2, 9, act=act).run()

    assert event_count(quick_store) == 8


def test_dissenters_are_kept_by_label(quick_store: Store, clock: FixedClock) -> None:
    """Counted over restarts, with their standing; they are logged by label too."""
    nodes = nodes_of_chain(3)

    def act(number: int) -> None:
        clock.move(int(POLL_SECONDS))
        for node in nodes[:2]:
            node.mine(lock(f"{number}", 5))
            node.finalize()
        nodes[2].mine(lock("forged", 10**18))
        nodes[2].finalize()

    rounds_of(quick_store, nodes, 2, 4, act=act).run()
    with capture_logs() as logs:
        rounds_of(quick_store, nodes, 2, 4, act=act).run()

    with quick_store.read() as uow:
        stored = {node.label: node for node in uow.conditions.nodes(CHAIN_A)}
    assert stored["node-3"].dissents > 3
    assert stored["node-3"].dissented_at is not None
    assert stored["node-1"].dissents == stored["node-2"].dissents == 0
    dissents = [line for line in logs if line["event"] == "rpc.dissented"]
    assert {line["label"] for line in dissents} == {"node-3"}
