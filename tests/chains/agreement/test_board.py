"""The board: who is asked first, who is told of, and that turns go round."""

import pytest

from chains.agreement.board import Board, Terms, ignore
from chains.agreement.faults import PROVIDER_FAULTS, FaultClass
from chains.agreement.health import DISPUTES_MAX, FAULTS_IN_ROW_MAX, RETEST_SECONDS
from chains.nodes import NodeEvent, NodeReport, Standing
from tests.chains.strategies import CHAIN


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


def board_of(count: int, told: list[NodeReport], clock: Clock) -> Board:
    """Return the board of so many nodes."""
    return Board(CHAIN, count, Terms(count // 2 + 1, report=told.append, now=clock))


@pytest.mark.parametrize("fault", sorted(set(FaultClass) - PROVIDER_FAULTS, key=str))
def test_r6_a_flood_of_our_own_mistakes_demotes_nobody(fault: FaultClass) -> None:
    """A used nonce is no fault of the provider; all nodes would be out at once."""
    told: list[NodeReport] = []
    board = board_of(3, told, Clock())

    for _ in range(100):
        for node in range(3):
            board.failed(node, fault)

    assert told == []
    assert board.order() == ((0, 1, 2), ())


@pytest.mark.parametrize("fault", sorted(PROVIDER_FAULTS, key=str))
def test_r6_each_fault_of_a_provider_counts(fault: FaultClass) -> None:
    """The node is told of by its label, once, with the class of its last fault."""
    told: list[NodeReport] = []
    clock = Clock()
    board = board_of(3, told, clock)

    for _ in range(FAULTS_IN_ROW_MAX * 2):
        board.failed(1, fault)

    assert told == [NodeReport(CHAIN, "node-2", NodeEvent.DEMOTED, fault.value)]
    assert board.order() == ((0, 2), (1,))
    clock.seconds = RETEST_SECONDS
    assert board.order() == ((0, 1, 2), ())
    board.answered(1)
    assert [report.event for report in told] == [NodeEvent.DEMOTED, NodeEvent.RESTORED]


def test_a_dissenter_is_counted_told_of_and_put_out() -> None:
    """With three contradictions about what is settled."""
    told: list[NodeReport] = []
    board = board_of(3, told, Clock())

    for _ in range(DISPUTES_MAX):
        board.dissented(2, "header_of", is_settled=True)

    assert board.dissents == (0, 0, DISPUTES_MAX)
    assert [report.event for report in told] == [NodeEvent.DISSENTED] * 3 + [NodeEvent.PUT_OUT]
    assert board.statuses()[2].standing is Standing.OUT
    assert board.statuses()[2].dissents == DISPUTES_MAX


def test_another_branch_near_the_head_is_only_told() -> None:
    """Honest nodes may be on two for a moment."""
    told: list[NodeReport] = []
    board = board_of(3, told, Clock())

    for _ in range(10):
        board.dissented(2, "header_at", is_settled=False)

    assert {report.event for report in told} == {NodeEvent.DIFFERED}
    assert board.dissents == (0, 0, 0)
    assert board.order() == ((0, 1, 2), ())


def test_one_node_after_the_other_is_polled_but_none_that_is_demoted() -> None:
    """Where none is healthy, all of them."""
    board = board_of(3, [], Clock())
    assert {board.next_to_poll() for _ in range(3)} == {0, 1, 2}

    for node in (0, 1, 2):
        for _ in range(FAULTS_IN_ROW_MAX):
            board.failed(node, FaultClass.TIMEOUT)
        left = {0, 1, 2} - set(range(node + 1)) or {0, 1, 2}
        assert {board.next_to_poll() for _ in range(6)} == left


def test_a_lagging_node_is_demoted_next_to_what_a_quorum_has_reached() -> None:
    """Not next to a height that one node invents."""
    board = board_of(3, [], Clock())

    board.saw_head(0, 10**9, 100)
    board.saw_head(1, 100, 100)
    board.saw_head(2, 90, 100)

    assert [status.standing for status in board.statuses()] == [
        Standing.HEALTHY,
        Standing.HEALTHY,
        Standing.DEMOTED,
    ]


@pytest.mark.parametrize("labels", [("a", "b"), ("a", "a", "b"), ("a", "b", "c", "d")])
def test_each_node_has_a_label_of_its_own(labels: tuple[str, ...]) -> None:
    """A mistake of the wiring."""
    with pytest.raises(ValueError, match="label"):
        Board(CHAIN, 3, Terms(2, labels=labels))


def test_without_anybody_to_tell_nothing_happens() -> None:
    """The default."""
    ignore(NodeReport(CHAIN, "node-1", NodeEvent.DEMOTED, "TIMEOUT"))


def test_how_far_a_node_may_be_behind_is_a_term() -> None:
    """Ten slots are four seconds; ten blocks are minutes."""
    patient = Board(CHAIN, 1, Terms(quorum=1, behind_max=50))
    for height, standing in ((50, Standing.HEALTHY), (49, Standing.DEMOTED)):
        patient.saw_head(0, height, 100)
        assert patient.statuses()[0].standing is standing
