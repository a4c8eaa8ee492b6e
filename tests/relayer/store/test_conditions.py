"""Conditions of chains and how their nodes stand, on both databases."""

from chains.nodes import NodeStatus, Standing
from relayer.clock import FixedClock, UnixSeconds
from relayer.store.conditions import Condition, StoredCondition, StoredNode
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.store.samples import CHAIN, OTHER_CHAIN

AT = UnixSeconds(NOW)


def set_condition(store: Store, condition: Condition, detail: str = "") -> bool:
    """Store a condition; return whether it changed."""
    with store.unit_of_work() as uow:
        return uow.conditions.set(CHAIN, condition, detail)


def test_a_change_of_condition_is_one_change(store: Store, clock: FixedClock) -> None:
    """Said again it is none, and time and detail of the first stay."""
    assert not set_condition(store, Condition.OK)
    assert set_condition(store, Condition.QUORUM_LOST, "node-1 failed")
    clock.move(5)
    assert not set_condition(store, Condition.QUORUM_LOST, "node-2 failed")

    with store.read() as uow:
        found = uow.conditions.condition(CHAIN)
        assert uow.conditions.condition(OTHER_CHAIN) is None
    assert found == StoredCondition(CHAIN, Condition.QUORUM_LOST, AT, "node-1 failed")
    assert set_condition(store, Condition.OK)


def test_a_chain_that_begins_without_a_quorum_has_changed(store: Store) -> None:
    """Somebody must be told, although nothing was there before."""
    assert set_condition(store, Condition.QUORUM_LOST)


def test_dissents_add_up_and_a_standing_keeps_its_beginning(
    store: Store, clock: FixedClock
) -> None:
    """A process counts from its own start; the store counts for good."""
    demoted = NodeStatus("own", Standing.DEMOTED, "TIMEOUT", dissents=2)
    with store.unit_of_work() as uow:
        uow.conditions.record_node(CHAIN, demoted, new_dissents=2)
    clock.move(5)
    with store.unit_of_work() as uow:
        uow.conditions.record_node(CHAIN, demoted, new_dissents=0)
    clock.move(5)
    with store.unit_of_work() as uow:
        uow.conditions.record_node(CHAIN, demoted, new_dissents=1)

    with store.read() as uow:
        (found,) = uow.conditions.nodes(CHAIN)
    assert found == StoredNode("own", Standing.DEMOTED, "TIMEOUT", AT, 3, UnixSeconds(NOW + 10))


def test_another_standing_begins_now(store: Store, clock: FixedClock) -> None:
    """And nodes come by label."""
    with store.unit_of_work() as uow:
        for label in ("b", "a"):
            status = NodeStatus(label, Standing.HEALTHY, "", 0)
            uow.conditions.record_node(CHAIN, status, new_dissents=0)
    clock.move(7)
    with store.unit_of_work() as uow:
        status = NodeStatus("a", Standing.OUT, "3 disputes", 3)
        uow.conditions.record_node(CHAIN, status, new_dissents=3)

    with store.read() as uow:
        found = uow.conditions.nodes(CHAIN)
    assert [(node.label, node.since_at, node.dissented_at) for node in found] == [
        ("a", NOW + 7, NOW + 7),
        ("b", NOW, None),
    ]


def test_a_long_detail_is_cut(store: Store) -> None:
    """The column has an end."""
    set_condition(store, Condition.QUORUM_LOST, "x" * 5_000)

    with store.read() as uow:
        found = uow.conditions.condition(CHAIN)
    assert found is not None
    assert len(found.detail) == 2_000
