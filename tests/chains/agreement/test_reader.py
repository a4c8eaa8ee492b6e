"""Several nodes as one reader."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.agreement.board import Terms
from chains.agreement.reader import AgreeingReader, NodeReader
from chains.errors import (
    BlockGoneError,
    MalformedLogError,
    QuorumLostError,
    RangeTooLargeError,
    RpcAnswerError,
    RpcDisagreementError,
    RpcTimeoutError,
    WrongChainError,
)
from chains.finality import Heads
from chains.port import EventRead
from chains.types import BlockHeader, BlockRef, ChainId
from tests.chains.strategies import CHAIN

BLOCK = BlockRef(9, b"\x01" * 32)
TIMEOUT = RpcTimeoutError(chain_id=CHAIN, method="eth_x")
GONE = BlockGoneError(chain_id=CHAIN, reference="0x9")
LIE = RpcAnswerError(chain_id=CHAIN, method="eth_x", reason="no")


def header(height: int, branch: int = 0) -> BlockHeader:
    """Return the header at a height of a branch."""
    return BlockHeader(BlockRef(height, bytes((branch,)) * 32), bytes(32), height)


class FakeReader:
    """A node whose every answer is fixed: a value, or an error that it raises."""

    def __init__(self, answer: Any = None, *, height: int = 9, branch: int = 0) -> None:
        self.chain_id: ChainId = CHAIN
        self.suggested_span = 50
        self.answer = answer
        self.height = height
        self.branch = branch

    def given(self) -> Any:
        """Return or raise the fixed answer."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def scaled_debt(self, *question: object) -> Any:
        """Return the fixed answer."""
        return self.given()

    async def events_in_range(self, *question: object) -> Any:
        """Return the fixed answer."""
        return self.given()

    async def identity(self) -> Any:
        """Return the fixed answer."""
        return self.given()

    async def heads(self) -> Heads:
        """Return the newest header, final three blocks before."""
        self.given()
        return Heads(
            latest=header(self.height, self.branch),
            finalized=header(max(self.height - 3, 0), self.branch),
        )

    async def header_at(self, height: int) -> BlockHeader:
        """Return the header if the node has it."""
        if height > self.height:
            raise GONE
        return header(height, self.branch)


def agreeing(nodes: Sequence[FakeReader], quorum: int = 2) -> AgreeingReader:
    """Return the agreement of nodes."""
    return AgreeingReader(cast(Sequence[NodeReader], nodes), Terms(quorum))


def debt(*answers: Any, quorum: int = 2) -> int:
    """Return what nodes with these answers agree on."""
    reader = agreeing([FakeReader(answer) for answer in answers], quorum)
    return asyncio.run(reader.scaled_debt(bytes(32), bytes(32), BLOCK))


@pytest.mark.parametrize(
    "answers", [(5, 5, 5), (5, 6, 5), (5, 5, TIMEOUT), (LIE, 5, 5), (GONE, 5, 5)]
)
def test_a_quorum_decides(answers: tuple[Any, ...]) -> None:
    """One node may lie, lag or be silent."""
    assert debt(*answers) == 5


@pytest.mark.parametrize("answers", [(5, 6, 7), (5, 6, TIMEOUT), (5, GONE, LIE)])
def test_without_a_quorum_nothing_is_decided(answers: tuple[Any, ...]) -> None:
    """The split is named by node, never by URL."""
    with pytest.raises(RpcDisagreementError, match=r"node-1 \| node-2"):
        debt(*answers)


@pytest.mark.parametrize("answers", [(5, TIMEOUT, TIMEOUT), (TIMEOUT, LIE, LIE)])
def test_losing_nodes_stops_us(answers: tuple[Any, ...]) -> None:
    """The quorum is never lowered to whoever is left."""
    with pytest.raises(QuorumLostError, match="of 3 nodes answered, 2 must agree"):
        debt(*answers)


def test_nodes_can_agree_that_a_block_is_gone() -> None:
    """This is an answer."""
    with pytest.raises(BlockGoneError):
        debt(GONE, GONE, 5)


WRONG_CHAIN = WrongChainError(chain_id=CHAIN, field="chain id", expected="1", found="2")
TOO_LARGE = RangeTooLargeError(chain_id=CHAIN, first_height=1, last_height=2)


@pytest.mark.parametrize("answers", [(WRONG_CHAIN, 5, 5), (5, TOO_LARGE, 5), (5, 5, TOO_LARGE)])
def test_r5_no_refusal_of_one_node_stops_two_of_three(answers: tuple[Any, ...]) -> None:
    """Neither one that serves another chain, nor one that always wants a smaller range."""
    assert debt(*answers) == 5


def test_a_smaller_range_is_tried_where_there_is_no_quorum() -> None:
    """It may suit enough of them."""
    with pytest.raises(RangeTooLargeError):
        debt(5, TOO_LARGE, TIMEOUT)


def test_nodes_of_another_chain_stop_us_when_they_are_a_quorum() -> None:
    """Then the settings are wrong."""
    with pytest.raises(WrongChainError):
        debt(WRONG_CHAIN, WRONG_CHAIN, 5)


@given(
    answers=st.lists(st.sampled_from([1, 2, 3, TIMEOUT, GONE]), min_size=1, max_size=7),
    data=st.data(),
)
def test_what_is_returned_was_said_by_a_quorum(answers: list[Any], data: st.DataObject) -> None:
    """Whatever the nodes say."""
    quorum = data.draw(st.integers(len(answers) // 2 + 1, len(answers)))
    try:
        found = debt(*answers, quorum=quorum)
    except BlockGoneError:
        assert answers.count(GONE) >= quorum
    except (RpcDisagreementError, QuorumLostError):
        assert all(answers.count(answer) < quorum for answer in (1, 2, 3, GONE))
    else:
        assert answers.count(found) >= quorum


def test_a_dissenter_is_counted() -> None:
    """An operator sees which node to look at."""
    reader = agreeing([FakeReader(5), FakeReader(6), FakeReader(5)])

    asyncio.run(reader.scaled_debt(bytes(32), bytes(32), BLOCK))

    assert reader.dissents == (0, 1, 0)


def test_the_heads_are_those_that_a_quorum_has_reached() -> None:
    """One fast node does not pull us ahead, one slow node does not hold us."""
    reader = agreeing([FakeReader(height=20), FakeReader(height=10), FakeReader(height=11)])

    heads = asyncio.run(reader.heads())

    assert (heads.latest.block.height, heads.finalized.block.height) == (11, 8)


def test_heads_on_different_branches_are_no_heads() -> None:
    """The header at the agreed height must be the same."""
    reader = agreeing([FakeReader(branch=branch) for branch in range(3)])

    with pytest.raises(RpcDisagreementError, match="header_at"):
        asyncio.run(reader.heads())


def test_a_hanging_node_does_not_hold_a_quorum_up() -> None:
    """It has a moment, not its whole timeout."""

    class HangingReader(FakeReader):
        async def scaled_debt(self, *question: object) -> Any:
            await asyncio.Event().wait()

    reader = agreeing([FakeReader(5), HangingReader(), FakeReader(5)])
    started = time.monotonic()

    assert asyncio.run(reader.scaled_debt(bytes(32), bytes(32), BLOCK)) == 5
    assert time.monotonic() - started < 5


def test_heads_of_too_few_nodes_are_no_heads() -> None:
    """Two of three are silent."""
    reader = agreeing([FakeReader(), FakeReader(TIMEOUT), FakeReader(TIMEOUT)])

    with pytest.raises(QuorumLostError):
        asyncio.run(reader.heads())


def test_a_node_that_hides_a_log_is_outvoted() -> None:
    """Silent log loss shows as a dissent; reports of malformed logs are compared by content."""

    def broken() -> MalformedLogError:
        return MalformedLogError(
            block=BlockRef(1, b"\x02" * 32),
            contract=b"\x03" * 32,
            tx_hash=b"\x01" * 32,
            log_index=1,
            reason="shape",
        )

    whole = [FakeReader(EventRead((), (broken(),))) for _ in range(2)]
    reader = agreeing([FakeReader(EventRead((), ())), *whole])

    read = asyncio.run(reader.events_in_range(1, 2))

    assert len(read.malformed) == 1
    assert reader.dissents == (1, 0, 0)


@pytest.mark.parametrize(("nodes", "quorum"), [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (3, 4)])
def test_a_quorum_is_more_than_half_and_at_most_all(nodes: int, quorum: int) -> None:
    """Otherwise two groups could both win, or none."""
    with pytest.raises(ValueError, match="quorum"):
        agreeing([FakeReader() for _ in range(nodes)], quorum)


def test_nodes_of_two_chains_are_refused() -> None:
    """A mistake of the wiring."""
    other = FakeReader()
    other.chain_id = ChainId("eip155:1")

    with pytest.raises(ValueError, match="one chain"):
        agreeing([FakeReader(), other])
