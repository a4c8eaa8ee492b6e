"""Own nodes in an agreement: strangers alone decide nothing, however many of them agree."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.agreement import quorum as engine
from chains.agreement.board import Board, Terms
from chains.agreement.health import BLOCKS_BEHIND_MAX, FAULTS_IN_ROW_MAX
from chains.agreement.quorum import Quorum
from chains.agreement.reader import AgreeingReader, NodeReader
from chains.agreement.votes import values_or_refusals
from chains.errors import (
    BlockGoneError,
    CallRevertedError,
    ChainError,
    QuorumLostError,
    RangeTooLargeError,
    RpcDisagreementError,
)
from chains.nodes import NodeEvent, NodeReport
from tests.chains.agreement.test_quorum import (
    DOWN,
    GONE,
    HANGS,
    REVERT,
    SMALLER,
    TIMEOUT,
    FakePort,
    ask,
)
from tests.chains.agreement.test_reader import FakeReader, header
from tests.chains.strategies import CHAIN

LABELS = ("own-1", "own-2", "rented-1", "rented-2", "rented-3")
TRUE, FORGED = 5, 10**18


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody be waited for long."""
    monkeypatch.setattr(engine, "STRAGGLER_SECONDS_MIN", 0.01)
    monkeypatch.setattr(engine, "RESERVE_SECONDS", 0.02)
    monkeypatch.setattr(engine, "AGREEMENT_SECONDS_MAX", 0.1)


def terms_of(count: int, size: int, own: int = 1, told: list[NodeReport] | None = None) -> Terms:
    """Return terms by which the first nodes are the operator's own; the others are rented."""
    labels = (*LABELS[:own], *LABELS[2 : 2 + count - own])
    kept: list[NodeReport] = [] if told is None else told
    return Terms(size, labels=labels, own=labels[:own], report=kept.append)


def quorum_of(
    *answers: Any, size: int = 2, own: int = 1, told: list[NodeReport] | None = None
) -> Quorum[FakePort]:
    """Return a quorum of nodes with these answers, the first of them own ones."""
    ports = [FakePort(answer) for answer in answers]
    return Quorum(CHAIN, ports, terms_of(len(ports), size, own, told))


def agreed(quorum: Quorum[FakePort], *, is_settled: bool = True) -> Any:
    """Return what the nodes agree on."""
    return asyncio.run(quorum.agreed("x", ask, is_settled=is_settled))


def reader_of(*nodes: FakeReader, told: list[NodeReport] | None = None) -> AgreeingReader:
    """Return the agreement of two of three nodes, the first of them an own one."""
    readers = cast(Sequence[NodeReader], nodes)
    return AgreeingReader(readers, terms_of(len(nodes), 2, told=told))


@pytest.mark.parametrize(("count", "size"), [(2, 2), (3, 2), (4, 3)])
def test_r5_own_node_contradicts_every_stranger_and_nothing_is_decided(
    count: int, size: int
) -> None:
    """As many strangers as must agree say the same, and one more: the own node says otherwise."""
    quorum = quorum_of(TRUE, *[FORGED] * (count - 1), size=size)

    with pytest.raises((QuorumLostError, RpcDisagreementError)) as caught:
        agreed(quorum)

    if count > size:  # the strangers would have been a quorum
        assert isinstance(caught.value, QuorumLostError)
        assert caught.value.tally.own_missing == (("own-1", "dissented"),)
    assert quorum.size == size


def test_r5_own_node_and_its_dissent_are_named_in_the_reason() -> None:
    """The operator reads which node it is, and that it is his."""
    expected = r"2 must agree.*no own node is among those that agree: own-1 \(dissented\)"

    with pytest.raises(QuorumLostError, match=expected):
        agreed(quorum_of(TRUE, FORGED, FORGED))


@pytest.mark.parametrize(
    ("lost", "why"), [(TIMEOUT, "RpcTimeoutError"), (DOWN, "RpcUnavailableError")]
)
def test_r5_own_node_away_loses_the_quorum_and_its_return_heals_it(lost: Any, why: str) -> None:
    """However long it is away, and however many strangers agree; the quorum stays two."""
    quorum = quorum_of(lost, TRUE, TRUE)

    for _ in range(2 * FAULTS_IN_ROW_MAX):  # demoted or not
        with pytest.raises(QuorumLostError) as caught:
            agreed(quorum)
        assert caught.value.tally.own_missing == (("own-1", why),)
        assert caught.value.tally.quorum == 2

    quorum.ports[0].answer = TRUE
    assert agreed(quorum) == TRUE


def test_r5_own_node_that_hangs_is_given_up_in_time() -> None:
    """A quorum of strangers is kept waiting for it, then it counts as lost."""
    with pytest.raises(QuorumLostError, match=r"no own node .*: own-1 \(too slow\)"):
        agreed(quorum_of(HANGS, TRUE, TRUE))


@pytest.mark.parametrize("lost", [TIMEOUT, DOWN, HANGS], ids=str)
def test_r5_own_node_does_not_lower_the_quorum(lost: Any) -> None:
    """One forger less than must agree, all others cut off: an own node alone decides nothing."""
    for own_answer in (TRUE, FORGED):
        with pytest.raises(QuorumLostError) as caught:
            agreed(quorum_of(own_answer, FORGED, lost, lost, size=3))
        assert caught.value.tally.own_missing == ()  # it is not what is missing


def test_r5_own_node_among_those_that_agree_outvotes_the_rest() -> None:
    """The stranger that contradicts is told of."""
    told: list[NodeReport] = []
    quorum = quorum_of(TRUE, FORGED, TRUE, told=told)

    assert agreed(quorum) == TRUE
    assert [(report.label, report.event) for report in told] == [("rented-1", NodeEvent.DISSENTED)]


@pytest.mark.parametrize("other", [DOWN, FORGED, HANGS], ids=str)
def test_r5_own_node_any_of_several_is_enough(other: Any) -> None:
    """One own node may be away or wrong while another agrees with the strangers."""
    quorum = quorum_of(other, TRUE, TRUE, TRUE, size=3, own=2)

    assert agreed(quorum) == TRUE


def test_r5_own_node_none_of_several_names_all() -> None:
    """Each with what it did."""
    with pytest.raises(QuorumLostError) as caught:
        agreed(quorum_of(TRUE, DOWN, FORGED, FORGED, FORGED, size=3, own=2))

    assert caught.value.tally.own_missing == (
        ("own-1", "dissented"),
        ("own-2", "RpcUnavailableError"),
    )


def test_r5_own_node_that_is_demoted_is_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be decided without it, so that nobody waits for the reserve."""
    quorum = quorum_of(DOWN, TRUE, TRUE)
    for _ in range(FAULTS_IN_ROW_MAX):
        with pytest.raises(QuorumLostError):
            agreed(quorum)
    assert quorum.board.order() == ((1, 2), (0,))
    monkeypatch.setattr(engine, "RESERVE_SECONDS", 60)
    quorum.ports[0].answer = TRUE

    assert agreed(quorum) == TRUE


@pytest.mark.parametrize(
    ("answers", "is_settled"),
    [((TRUE, 6, 6), False), ((GONE, 6, 6), True), ((TRUE, GONE, GONE), True)],
)
def test_own_node_on_another_branch_is_no_lost_quorum_yet(
    answers: tuple[Any, ...], is_settled: bool
) -> None:
    """Honest nodes may be apart for a moment; when it lasts the watcher calls it lost."""
    with pytest.raises(RpcDisagreementError, match=r"own-1 \(own node\) \| rented-1, rented-2"):
        agreed(quorum_of(*answers), is_settled=is_settled)


def test_own_node_that_wants_a_smaller_range_gets_it() -> None:
    """Its word is needed, so that the range must suit it."""
    with pytest.raises(RangeTooLargeError):
        agreed(quorum_of(SMALLER, TRUE, TRUE))


@pytest.mark.parametrize("refused", [REVERT, GONE], ids=str)
def test_r5_own_node_counts_for_refusals_too(refused: ChainError) -> None:
    """Strangers cannot say in its place that a contract refuses, or that a block is gone."""
    with pytest.raises(type(refused)):
        agreed(quorum_of(refused, refused, TRUE))
    with pytest.raises((QuorumLostError, RpcDisagreementError)):
        agreed(quorum_of(TRUE, refused, refused))
    with pytest.raises(QuorumLostError):
        agreed(quorum_of(DOWN, refused, refused))


def test_r5_own_node_must_have_prepared_what_is_signed() -> None:
    """Values of strangers alone, or refusals of strangers alone, decide nothing."""
    prepared = quorum_of(DOWN, 7, 8)
    refused = quorum_of(DOWN, REVERT, REVERT)
    for quorum in (prepared, refused):
        poll = asyncio.run(quorum.asked(ask, values_or_refusals))

        with pytest.raises(QuorumLostError, match="no own node"):
            quorum.refuse("x", poll, is_settled=False)


def test_what_is_told_needs_no_own_node() -> None:
    """A stranger that takes a transaction is enough."""
    poll = asyncio.run(quorum_of(DOWN, None, DOWN).told(ask))

    assert [answer.node for answer in poll.answers] == [1]


def test_own_node_is_polled_for_news_while_it_is_healthy() -> None:
    """It costs nothing and hides nothing; when it is demoted the others are polled."""
    quorum = quorum_of(DOWN, TRUE, TRUE)

    assert {quorum.board.next_to_poll() for _ in range(6)} == {0}
    for _ in range(FAULTS_IN_ROW_MAX):
        with pytest.raises(QuorumLostError):
            agreed(quorum)
    assert {quorum.board.next_to_poll() for _ in range(6)} == {1, 2}


def test_r5_own_node_behind_the_head_is_waited_for() -> None:
    """We are where it is; the quorum-th highest of the strangers would be two blocks further."""
    told: list[NodeReport] = []
    reader = reader_of(FakeReader(height=18), FakeReader(height=20), FakeReader(height=21))

    heads = asyncio.run(reader.heads())

    assert (heads.latest.block.height, heads.finalized.block.height) == (18, 15)
    assert told == []


def test_r5_own_node_far_behind_the_head_is_demoted_and_named() -> None:
    """It is compared with what the others have reached, not with itself."""
    told: list[NodeReport] = []
    far = 20 - BLOCKS_BEHIND_MAX - 1
    nodes = (FakeReader(height=far), FakeReader(height=20), FakeReader(height=20))
    reader = reader_of(*nodes, told=told)

    for _ in range(3):
        assert asyncio.run(reader.heads()).latest == header(far)

    assert [(report.label, report.event) for report in told] == [("own-1", NodeEvent.DEMOTED)]


def test_own_node_ahead_does_not_pull_us() -> None:
    """A quorum must have reached it."""
    reader = reader_of(FakeReader(height=30), FakeReader(height=20), FakeReader(height=10))

    assert asyncio.run(reader.heads()).latest.block.height == 20


def test_r5_own_node_away_gives_no_heads() -> None:
    """Two strangers have reached a head that nobody of ours has seen."""
    reader = reader_of(FakeReader(TIMEOUT), FakeReader(height=20), FakeReader(height=20))

    with pytest.raises(QuorumLostError, match=r"no own node .*: own-1 \(RpcTimeoutError\)"):
        asyncio.run(reader.heads())


ANSWERS = st.lists(
    st.sampled_from([1, 2, TIMEOUT, DOWN, GONE, REVERT, SMALLER]), min_size=1, max_size=7
)


@settings(max_examples=150, deadline=None)
@given(rounds=st.lists(ANSWERS, min_size=1, max_size=6), data=st.data())
def test_r5_own_node_said_whatever_is_accepted(rounds: list[list[Any]], data: Any) -> None:
    """And so did a quorum; what both said is accepted, unless a quorum was short of time."""
    count = len(rounds[0])
    size = data.draw(st.integers(count // 2 + 1, count))
    own = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    labels = tuple(f"n{place}" for place in range(count))
    terms = Terms(size, labels=labels, own=tuple(labels[place] for place in own))
    quorum = Quorum(CHAIN, [FakePort(None) for _ in range(count)], terms)

    def is_carried(said: list[Any], value: Any) -> bool:
        return said.count(value) >= size and any(said[place] is value for place in own)

    for answers in rounds:
        said = [answers[place % len(answers)] for place in range(count)]
        for port, answer in zip(quorum.ports, said, strict=True):
            port.answer = answer
        try:
            found = agreed(quorum)
        except BlockGoneError:
            found = GONE
        except CallRevertedError:
            found = REVERT
        except (QuorumLostError, RpcDisagreementError, RangeTooLargeError):
            assert not any(is_carried(said, value) for value in (1, 2, GONE, REVERT))
            continue
        assert is_carried(said, found)


def test_own_nodes_are_among_the_labels() -> None:
    """A mistake of the wiring; the settings refuse it before."""
    with pytest.raises(ValueError, match="other is not"):
        Board(CHAIN, 3, Terms(2, own=("node-1", "other")))
