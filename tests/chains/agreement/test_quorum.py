"""The engine of agreement: who is asked, who is waited for, and what makes a quorum."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.agreement import quorum as engine
from chains.agreement.board import Terms
from chains.agreement.health import FAULTS_IN_ROW_MAX
from chains.agreement.quorum import Quorum
from chains.errors import (
    BlockGoneError,
    CallRevertedError,
    ChainError,
    QuorumLostError,
    RangeTooLargeError,
    RpcAnswerError,
    RpcAuthError,
    RpcDisagreementError,
    RpcRateLimitError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from chains.nodes import NodeEvent, NodeReport, Standing
from tests.chains.strategies import CHAIN

HANGS = "hangs"
TIMEOUT = RpcTimeoutError(chain_id=CHAIN, method="x")
DOWN = RpcUnavailableError(chain_id=CHAIN, method="x", reason="no")
BUSY = RpcRateLimitError(chain_id=CHAIN, method="x", reason="no")
KEY = RpcAuthError(chain_id=CHAIN, method="x", reason="no")
LIE = RpcAnswerError(chain_id=CHAIN, method="x", reason="no")
OURS = RpcRequestError(chain_id=CHAIN, method="x", reason="no")
GONE = BlockGoneError(chain_id=CHAIN, reference="0x9")
REVERT = CallRevertedError(chain_id=CHAIN, reason="no")
SMALLER = RangeTooLargeError(chain_id=CHAIN, first_height=1, last_height=2)
FAULTS = (TIMEOUT, DOWN, BUSY, KEY, LIE, OURS, GONE, REVERT, SMALLER, HANGS, 6)


class FakePort:
    """A node whose answer is fixed: a value, an error, or silence; asked counts the questions."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0

    async def ask(self) -> Any:
        """Give the answer."""
        self.asked += 1
        if self.answer is HANGS:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody be waited for long."""
    monkeypatch.setattr(engine, "STRAGGLER_SECONDS_MIN", 0.01)
    monkeypatch.setattr(engine, "RESERVE_SECONDS", 0.02)
    monkeypatch.setattr(engine, "AGREEMENT_SECONDS_MAX", 0.1)


def quorum_of(
    *answers: Any, size: int = 2, told: list[NodeReport] | None = None
) -> Quorum[FakePort]:
    """Return a quorum of nodes with these answers."""
    ports = [FakePort(answer) for answer in answers]
    kept: list[NodeReport] = [] if told is None else told
    return Quorum(CHAIN, ports, Terms(size, report=kept.append))


def ask(port: FakePort) -> Awaitable[Any]:
    """Ask a node."""
    return port.ask()


def agreed(quorum: Quorum[FakePort], *, is_settled: bool = True) -> Any:
    """Return what the nodes agree on."""
    return asyncio.run(quorum.agreed("x", ask, is_settled=is_settled))


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_r5_whatever_one_node_does_two_of_three_go_on(place: int, fault: Any) -> None:
    """Each kind of failure, refusal, lie and silence."""
    answers: list[Any] = [5, 5, 5]
    answers[place] = fault
    quorum = quorum_of(*answers)

    assert [agreed(quorum) for _ in range(2 * FAULTS_IN_ROW_MAX)] == [5] * 2 * FAULTS_IN_ROW_MAX


@pytest.mark.parametrize("lost", [TIMEOUT, DOWN, BUSY, KEY, LIE, OURS, HANGS], ids=str)
def test_r5_forgers_alone_are_no_quorum(lost: Any) -> None:
    """Three of five say the same and four must; the honest ones are cut off."""
    quorum = quorum_of(6, 6, lost, 6, lost, size=4)

    for _ in range(2 * FAULTS_IN_ROW_MAX):  # demoted or not
        with pytest.raises(QuorumLostError) as caught:
            agreed(quorum)

        tally = caught.value.tally
        assert (tally.quorum, tally.node_count) == (4, 5)
        assert tally.answered == ("node-1", "node-2", "node-4")
        assert [label for label, _ in tally.failed] == ["node-3", "node-5"]


def test_a_lost_quorum_names_who_dissents() -> None:
    """Among the few that answered."""
    with pytest.raises(QuorumLostError, match="dissented: node-3") as caught:
        agreed(quorum_of(5, 5, 6, DOWN, DOWN, size=4))

    assert caught.value.tally.dissented == ("node-3",)


def test_nodes_that_contradict_each_other_are_no_lost_quorum() -> None:
    """They are there, but two branches or two stories."""
    with pytest.raises(RpcDisagreementError, match=r"node-1 \| node-2 \| node-3"):
        agreed(quorum_of(5, 6, 7))


ANSWERS = st.lists(
    st.sampled_from([1, 2, 3, TIMEOUT, DOWN, LIE, OURS, GONE, REVERT, SMALLER]),
    min_size=1,
    max_size=9,
)


@settings(max_examples=150, deadline=None)
@given(rounds=st.lists(ANSWERS, min_size=1, max_size=8), data=st.data())
def test_r5_what_is_accepted_was_said_by_a_quorum(rounds: list[list[Any]], data: Any) -> None:
    """Whatever the nodes say, and however badly they stand from what they said before."""
    count = len(rounds[0])
    size = data.draw(st.integers(count // 2 + 1, count))
    quorum = quorum_of(*rounds[0], size=size)

    for answers in rounds:
        said = [answers[place % len(answers)] for place in range(count)]
        for port, answer in zip(quorum.ports, said, strict=True):
            port.answer = answer
        try:
            found = agreed(quorum)
        except BlockGoneError:
            assert said.count(GONE) >= size
        except CallRevertedError:
            assert said.count(REVERT) >= size
        except (QuorumLostError, RpcDisagreementError, RangeTooLargeError):
            assert all(said.count(value) < size for value in (1, 2, 3))
        else:
            assert said.count(found) >= size


def test_a_demoted_node_is_not_asked_while_the_others_agree() -> None:
    """It costs nobody time."""
    quorum = quorum_of(5, 5, DOWN)
    for _ in range(FAULTS_IN_ROW_MAX):
        agreed(quorum)
    asked = quorum.ports[2].asked

    assert agreed(quorum) == 5
    assert quorum.ports[2].asked == asked == FAULTS_IN_ROW_MAX


def test_a_demoted_node_still_counts_when_it_is_needed() -> None:
    """Availability comes back; the threshold has not fallen."""
    quorum = quorum_of(5, 5, DOWN)
    for _ in range(FAULTS_IN_ROW_MAX):
        agreed(quorum)
    quorum.ports[2].answer = 5

    for missing in (DOWN, HANGS):
        quorum.ports[0].answer = missing
        assert agreed(quorum) == 5
    quorum.ports[2].answer = 6
    with pytest.raises((QuorumLostError, RpcDisagreementError)):
        agreed(quorum)


def test_a_hanging_node_is_demoted_and_slows_no_more() -> None:
    """After five reads it is not waited for at all."""
    told: list[NodeReport] = []
    quorum = quorum_of(5, HANGS, 5, told=told)

    for _ in range(FAULTS_IN_ROW_MAX + 10):
        assert agreed(quorum) == 5

    assert quorum.ports[1].asked == FAULTS_IN_ROW_MAX
    assert [(report.label, report.event) for report in told] == [("node-2", NodeEvent.DEMOTED)]


def test_nobody_is_waited_for_who_cannot_change_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three have failed: what the third says decides nothing."""
    monkeypatch.setattr(engine, "AGREEMENT_SECONDS_MAX", 60)
    started = time.monotonic()

    with pytest.raises(QuorumLostError) as caught:
        agreed(quorum_of(DOWN, HANGS, DOWN))

    assert time.monotonic() - started < 30
    assert ("node-2", "unanswered") in caught.value.tally.failed


def test_a_node_that_lags_is_no_dissenter() -> None:
    """It has not the block yet; one that is ahead has it already."""
    told: list[NodeReport] = []
    behind = quorum_of(5, GONE, 5, told=told)
    ahead = quorum_of(GONE, 5, GONE, told=told)

    agreed(behind)
    with pytest.raises(BlockGoneError):
        agreed(ahead)

    assert behind.board.dissents == ahead.board.dissents == (0, 0, 0)
    assert told == []


def test_a_difference_about_what_may_change_is_no_dispute() -> None:
    """It is told, and counts for nothing."""
    told: list[NodeReport] = []
    quorum = quorum_of(5, 6, 5, told=told)

    for _ in range(5):
        agreed(quorum, is_settled=False)

    assert {report.event for report in told} == {NodeEvent.DIFFERED}
    assert quorum.board.statuses()[1].standing is Standing.HEALTHY


def test_a_liar_is_out_after_three_disputes() -> None:
    """Its lies are then asked for last."""
    told: list[NodeReport] = []
    quorum = quorum_of(5, 6, 5, told=told)

    for _ in range(5):
        assert agreed(quorum) == 5

    assert quorum.board.statuses()[1].standing is Standing.OUT
    assert quorum.ports[1].asked == 3
    assert [report.event for report in told] == [NodeEvent.DISSENTED] * 3 + [NodeEvent.PUT_OUT]


def test_values_of_a_quorum_can_differ_where_their_order_counts() -> None:
    """Heights for example; errors give none."""
    quorum = quorum_of(7, 9, DOWN)
    lost = quorum_of(7, GONE, REVERT)

    assert asyncio.run(quorum.reached("x", ask)) == [(0, 7), (1, 9)]
    with pytest.raises(QuorumLostError, match="node-2 \\(BlockGoneError\\)"):
        asyncio.run(lost.reached("x", ask))


@pytest.mark.parametrize("answers", [(None, DOWN, DOWN), (REVERT, HANGS, None), (DOWN, DOWN, None)])
def test_everybody_hears_what_is_told(answers: tuple[Any, ...]) -> None:
    """Those that are demoted too; one that takes it is enough."""
    quorum = quorum_of(*answers)
    for _ in range(FAULTS_IN_ROW_MAX + 1):
        poll = asyncio.run(quorum.told(ask))

        assert any(answer.error is None for answer in poll.answers)
    assert [port.asked for port in quorum.ports] == [FAULTS_IN_ROW_MAX + 1] * 3


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((REVERT, REVERT, DOWN), CallRevertedError),
        ((REVERT, DOWN, DOWN), QuorumLostError),
        ((REVERT, GONE, DOWN), RpcDisagreementError),
    ],
)
def test_a_refusal_counts_when_a_quorum_says_it(
    answers: tuple[Any, ...], expected: type[ChainError]
) -> None:
    """One node alone cannot refuse for all."""
    quorum = quorum_of(*answers)

    async def run() -> None:
        quorum.refuse("x", await quorum.told(ask), is_settled=True)

    with pytest.raises(expected):
        asyncio.run(run())


def test_an_error_that_is_no_chain_error_is_a_bug_and_leaves() -> None:
    """It is not taken for a node's failure."""
    with pytest.raises(ZeroDivisionError):
        agreed(quorum_of(5, ZeroDivisionError(), 5))
