"""The doctor's check of what a watcher has stored about a chain's nodes."""

from chains.nodes import NodeStatus, Standing
from relayer.cli.check_quorum import DISSENT_AGE_SECONDS_MAX, check_quorum
from relayer.cli.checks import Check, CheckState
from relayer.clock import FixedClock
from relayer.store.conditions import Condition
from tests.relayer.cli.samples import CHAIN_ID, Deployment

LABEL = "own-2"


def examine(deployment: Deployment) -> Check:
    """Return the finding about the sample chain."""
    return check_quorum(deployment.store, deployment.settings.chain(CHAIN_ID))


def record(deployment: Deployment, status: NodeStatus) -> None:
    """Store how a node stands."""
    with deployment.store.unit_of_work() as uow:
        uow.conditions.record_node(CHAIN_ID, status, new_dissents=status.dissents)


def set_condition(deployment: Deployment, condition: Condition, detail: str = "") -> None:
    """Store the condition of the sample chain."""
    with deployment.store.unit_of_work() as uow:
        uow.conditions.set(CHAIN_ID, condition, detail)


def move(deployment: Deployment, seconds: int) -> None:
    """Let time pass."""
    clock = deployment.store.clock
    assert isinstance(clock, FixedClock)
    clock.move(seconds)


def test_a_chain_that_nobody_has_read_yet_is_fine(deployment: Deployment) -> None:
    """And so is one whose nodes agree."""
    assert examine(deployment).state is CheckState.OK
    set_condition(deployment, Condition.OK)
    record(deployment, NodeStatus(LABEL, Standing.HEALTHY, "", 0))

    found = examine(deployment)

    assert (found.state, found.code, found.subject) == (CheckState.OK, "chain.quorum", CHAIN_ID)


def test_r5_a_lost_quorum_is_broken_and_says_for_how_long(deployment: Deployment) -> None:
    """With who failed, and what to do."""
    set_condition(deployment, Condition.QUORUM_LOST, "failed: own-2 (RpcTimeoutError)")
    move(deployment, 120)

    found = examine(deployment)

    assert found.state is CheckState.BROKEN
    assert "quorum lost for 2" in found.detail
    assert "failed: own-2 (RpcTimeoutError)" in found.detail
    assert "rpc_urls" in found.remedy


def test_a_demoted_node_is_a_warning_by_label(deployment: Deployment) -> None:
    """One that is not configured any more is not shown."""
    record(deployment, NodeStatus(LABEL, Standing.DEMOTED, "TIMEOUT", 0))
    record(deployment, NodeStatus("gone", Standing.DEMOTED, "TIMEOUT", 0))

    found = examine(deployment)

    assert found.state is CheckState.WARNING
    assert "own-2 is DEMOTED" in found.detail
    assert "gone" not in found.detail


def test_a_dissent_is_a_warning_for_a_day(deployment: Deployment) -> None:
    """Afterwards it is history, which the status still counts."""
    record(deployment, NodeStatus(LABEL, Standing.HEALTHY, "", 2))
    move(deployment, DISSENT_AGE_SECONDS_MAX)
    assert examine(deployment).state is CheckState.WARNING
    assert "own-2 dissented 2 times" in examine(deployment).detail

    move(deployment, 1)

    assert examine(deployment).state is CheckState.OK
