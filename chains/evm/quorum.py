"""
Ask several nodes the same; an answer counts when a quorum gave exactly the same one.

Losing nodes stops us; it never lowers the quorum. A node that does not stand well is asked last,
and then its answer counts like any other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NoReturn, TypeVar

from chains.errors import (
    AccountNonceUsedError,
    BlockGoneError,
    CallRevertedError,
    ChainError,
    FeeTooLowError,
    GasFundsError,
    QuorumLostError,
    RangeTooLargeError,
    RpcDisagreementError,
    Tally,
    WrongChainError,
)
from chains.evm.board import Board, Terms
from chains.evm.faults import FaultClass, fault_of_error
from chains.port import EventRead
from chains.types import ChainId

N = TypeVar("N")
T = TypeVar("T")
# What is left to the others once a quorum agrees: twice its own time, within these bounds.
STRAGGLER_SECONDS_MIN: Final = 0.5
STRAGGLER_SECONDS_MAX: Final = 2.0
TELLING_SECONDS_MIN: Final = 1.0  # for every node to hear what the first one has taken
RESERVE_SECONDS: Final = 1.0  # without a quorum by then, the nodes in reserve are asked too
AGREEMENT_SECONDS_MAX: Final = 15.0  # a node that is slower did not answer
# What a node may rightly answer although it is an error; two nodes may agree on it.
ANSWERING_ERRORS: Final = (
    AccountNonceUsedError,
    BlockGoneError,
    CallRevertedError,
    FeeTooLowError,
    GasFundsError,
    WrongChainError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One node's answer: a value or an error, and what makes two answers the same."""

    node: int
    sameness: Hashable
    value: Any
    error: ChainError | None


@dataclass(slots=True)
class Poll:
    """
    What came of asking: the answers that count, and the nodes that did not give one.

    unasked: the nodes that were not waited for, because their answer could not matter any more.
    """

    answers: list[Answer] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    unasked: list[int] = field(default_factory=list)
    refused_range: RangeTooLargeError | None = None


Support = Callable[[list[Answer]], int]


class Quorum(Generic[N]):
    """
    Several nodes of one chain, each behind the same port.

    Args:
        ports: one for each node.
    """

    def __init__(self, chain_id: ChainId, ports: Sequence[N], terms: Terms) -> None:
        if not len(ports) // 2 < terms.quorum <= len(ports):
            raise ValueError(
                f"quorum {terms.quorum} of {len(ports)} nodes: more than half are needed, "
                "at most all"
            )
        self.chain_id = chain_id
        self.ports = tuple(ports)
        self.size = terms.quorum
        self.board = Board(chain_id, len(ports), terms)

    async def agreed(
        self, method: str, ask: Callable[[N], Awaitable[T]], *, is_settled: bool = True
    ) -> T:
        """
        Return what a quorum answers, or raise the error that a quorum answers.

        Args:
            is_settled: whether two honest nodes must agree on it, see Board.dissented.

        Raises:
            QuorumLostError: too few nodes answered.
            RpcDisagreementError: enough answered, but no quorum says the same.
            RangeTooLargeError: no quorum, and a node asks for a smaller range.
        """
        poll = await self.asked(ask, largest_group)
        groups = grouped(poll.answers)
        winners = max(groups.values(), key=len, default=[])
        if len(winners) < self.size:
            self.refuse(method, poll)
        self._judge(method, poll.answers, winners[0], is_settled=is_settled)
        if winners[0].error is not None:
            raise winners[0].error
        value: T = winners[0].value
        return value

    async def reached(self, method: str, ask: Callable[[N], Awaitable[T]]) -> list[tuple[int, T]]:
        """
        Return the values of at least a quorum of nodes, each with the place of its node.

        The quorum-th highest of them is what a quorum has reached.

        Raises:
            QuorumLostError: too few nodes gave a value.
        """
        poll = await self.asked(ask, _value_count)
        for answer in poll.answers:
            if answer.error is not None:
                poll.failures[answer.node] = type(answer.error).__name__
            if isinstance(answer.error, BlockGoneError):
                self.board.failed(answer.node, FaultClass.STALE)
        poll.answers = [answer for answer in poll.answers if answer.error is None]
        if len(poll.answers) < self.size:
            raise self.lost(method, poll)
        return [(answer.node, answer.value) for answer in poll.answers]

    async def asked(self, ask: Callable[[N], Awaitable[Any]], support: Support) -> Poll:
        """
        Return what the nodes answered.

        The healthy ones are asked first, the others when there is no quorum within a second. Once
        the support reaches the quorum the rest have only a moment left, and when it cannot reach
        it any more, none: one node that hangs must not hold up every read.
        """
        return await _Asking(self, ask, support).run()

    async def told(self, ask: Callable[[N], Awaitable[None]]) -> Poll:
        """
        Return what every node answered to what all of them are to hear.

        Once one has taken it the rest have a moment left to hear it too.
        """
        return await _Telling(self, ask, _value_count).run()

    def lost(self, method: str, poll: Poll) -> QuorumLostError:
        """Return the error that says who answered, who failed and who dissented."""
        labels = self.board.labels
        groups = grouped(poll.answers)
        largest = max(groups.values(), key=len, default=[])
        tally = Tally(
            quorum=self.size,
            node_count=len(self.ports),
            answered=tuple(labels[answer.node] for answer in poll.answers),
            failed=tuple(
                (label, poll.failures.get(node, "unanswered"))
                for node, label in enumerate(labels)
                if all(answer.node != node for answer in poll.answers)
            ),
            dissented=tuple(
                labels[answer.node] for answer in poll.answers if answer not in largest
            ),
        )
        return QuorumLostError(chain_id=self.chain_id, method=method, tally=tally)

    def refuse(self, method: str, poll: Poll) -> NoReturn:
        """Raise why a poll came to nothing: the error that a quorum names, if one does."""
        if poll.refused_range is not None:
            raise poll.refused_range
        groups = grouped(poll.answers)
        largest = max(groups.values(), key=len, default=[])
        if len(largest) >= self.size and largest[0].error is not None:
            raise largest[0].error
        if len(poll.answers) + len(poll.unasked) < self.size:
            raise self.lost(method, poll)
        split = " | ".join(
            ", ".join(self.board.labels[answer.node] for answer in group)
            for group in groups.values()
        )
        raise RpcDisagreementError(chain_id=self.chain_id, method=method, detail=split)

    def _judge(
        self, method: str, answers: list[Answer], winner: Answer, *, is_settled: bool
    ) -> None:
        """
        Tell those that agree, lag and contradict apart.

        A node without a block that the quorum has is behind; one that has a block which the
        quorum has not yet is ahead, or on another branch.
        """
        for answer in answers:
            is_same = answer.sameness == winner.sameness
            if isinstance(answer.error, BlockGoneError) and not is_same:
                self.board.failed(answer.node, FaultClass.STALE)
            elif isinstance(answer.error, BlockGoneError):
                self.board.answered(answer.node)
            elif not is_same and not isinstance(winner.error, BlockGoneError):
                self.board.dissented(answer.node, method, is_settled=is_settled)


class _Asking(Generic[N]):
    """One question on its way to the nodes."""

    grace_seconds_min = STRAGGLER_SECONDS_MIN

    def __init__(
        self, quorum: Quorum[N], ask: Callable[[N], Awaitable[Any]], support: Support
    ) -> None:
        self._quorum = quorum
        self._ask = ask
        self._support = support
        self._needed = quorum.size
        self._poll = Poll()
        self._pending: dict[asyncio.Task[Answer], int] = {}
        first, reserve = quorum.board.order()
        is_short = len(first) < quorum.size
        self._first = first + reserve if is_short else first
        self._reserve = () if is_short else reserve
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock()
        self._ends_at = self._started + AGREEMENT_SECONDS_MAX
        self._has_quorum = False
        self._is_hopeless = False

    async def run(self) -> Poll:
        """Ask until there is a quorum, or there can be none, or the time is over."""
        self._start(self._first)
        try:
            while self._goes_on():
                until = self._ends_at
                if self._reserve and not self._has_quorum:
                    until = min(until, self._started + RESERVE_SECONDS)
                await self._wait(max(until - self._clock(), 0.0))
            self._give_up()
        finally:
            for task in self._pending:
                task.cancel()
            await asyncio.gather(*self._pending, return_exceptions=True)
        self._poll.answers.sort(key=lambda answer: answer.node)
        return self._poll

    def _goes_on(self) -> bool:
        """Return whether to wait for more answers; bring in the reserve where it is needed."""
        now = self._clock()
        if not self._has_quorum and self._support(self._poll.answers) >= self._needed:
            self._has_quorum = True
            grace = max(2 * (now - self._started), self.grace_seconds_min)
            self._ends_at = min(self._ends_at, now + min(grace, STRAGGLER_SECONDS_MAX))
        is_reserve_due = now >= self._started + RESERVE_SECONDS or not self._is_reachable()
        if self._reserve and not self._has_quorum and is_reserve_due:
            self._start(self._reserve)
            self._reserve = ()
        if not self._has_quorum and not self._is_hopeless and not self._is_reachable():
            # Nothing can come of it any more; who is about to answer is still heard and named.
            self._is_hopeless = True
            self._ends_at = min(self._ends_at, now + STRAGGLER_SECONDS_MIN)
        return bool(self._pending) and now < self._ends_at

    def _start(self, nodes: tuple[int, ...]) -> None:
        for node in nodes:
            task = asyncio.create_task(self._one(node))
            self._pending[task] = node

    async def _one(self, node: int) -> Answer:
        try:
            value = await self._ask(self._quorum.ports[node])
        except ChainError as exc:
            return Answer(node, type(exc).__name__, None, exc)
        return Answer(node, sameness_of(value), value, None)

    async def _wait(self, seconds: float) -> None:
        done, _ = await asyncio.wait(
            self._pending, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            del self._pending[task]
        for task in done:
            self._take(task.result())

    def _take(self, answer: Answer) -> None:
        if answer.error is None or isinstance(answer.error, ANSWERING_ERRORS):
            self._poll.answers.append(answer)
            if not isinstance(answer.error, BlockGoneError):  # judged by what the others have
                self._quorum.board.answered(answer.node)
            return
        if isinstance(answer.error, RangeTooLargeError):
            self._poll.refused_range = answer.error
        self._poll.failures[answer.node] = type(answer.error).__name__
        self._quorum.board.failed(answer.node, fault_of_error(answer.error))

    def _is_reachable(self) -> bool:
        """Return whether enough can still say the same, without the reserve."""
        possible = self._support(self._poll.answers) + len(self._pending)
        return possible >= self._needed

    def _give_up(self) -> None:
        """Take note of the nodes that are left: too slow, unless nothing could come of it."""
        for node in self._pending.values():
            if not self._is_hopeless:
                self._poll.failures[node] = "too slow"
                self._quorum.board.failed(node, FaultClass.TIMEOUT)
            else:
                self._poll.unasked.append(node)


class _Telling(_Asking[N]):
    """Something that every node is to hear, those in reserve too; one that takes it is enough."""

    grace_seconds_min = TELLING_SECONDS_MIN

    def __init__(
        self, quorum: Quorum[N], ask: Callable[[N], Awaitable[Any]], support: Support
    ) -> None:
        super().__init__(quorum, ask, support)
        self._first, self._reserve = self._first + self._reserve, ()
        self._needed = 1


def grouped(answers: list[Answer]) -> dict[Hashable, list[Answer]]:
    """Return the answers by what they say."""
    groups: dict[Hashable, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(answer.sameness, []).append(answer)
    return groups


def largest_group(answers: list[Answer]) -> int:
    """Return how many say the same, at most."""
    return max((len(group) for group in grouped(answers).values()), default=0)


def _value_count(answers: list[Answer]) -> int:
    return sum(answer.error is None for answer in answers)


def sameness_of(value: Any) -> Hashable:
    """Return what two equal answers share; errors inside an answer compare by what they say."""
    if isinstance(value, EventRead):
        malformed = tuple(
            (one.block, one.contract, one.tx_hash, one.log_index, one.reason)
            for one in value.malformed
        )
        return (value.events, malformed)
    return (value,)
