"""
Ask several nodes the same; an answer counts when a quorum gave exactly the same one.

Losing nodes stops us; it never lowers the quorum. A node that does not stand well is asked last,
and then its answer counts like any other. Where the operator has nodes of his own, one of them
must be among those that agree: strangers alone decide nothing, however many they are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Generic, NoReturn, TypeVar

from chains.agreement.board import Board, Terms
from chains.agreement.faults import FaultClass, fault_of_error
from chains.agreement.votes import Answer, Grouping, Poll, alike, largest, sameness_of, values
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
            QuorumLostError: too few nodes answered, or no own node did, or it contradicts.
            RpcDisagreementError: enough answered, but no quorum says the same.
            RangeTooLargeError: no quorum, and a node asks for a smaller range.
        """
        poll = await self.asked(ask, alike)
        winners = largest(alike(poll.answers))
        if not self.carries(winners):
            self.refuse(method, poll, is_settled=is_settled)
        self._judge(method, poll.answers, winners[0], is_settled=is_settled)
        if winners[0].error is not None:
            raise winners[0].error
        value: T = winners[0].value
        return value

    async def reached(self, method: str, ask: Callable[[N], Awaitable[T]]) -> list[tuple[int, T]]:
        """
        Return the values of at least a quorum of nodes, each with the place of its node.

        Raises:
            QuorumLostError: too few nodes gave a value, or no own node did.
        """
        poll = await self.asked(ask, values)
        for answer in poll.answers:
            if answer.error is not None:
                poll.failures[answer.node] = type(answer.error).__name__
            if isinstance(answer.error, BlockGoneError):
                self.board.failed(answer.node, FaultClass.STALE)
        poll.answers = [answer for answer in poll.answers if answer.error is None]
        if not self.carries(poll.answers):
            raise self.lost(method, poll)
        return [(answer.node, answer.value) for answer in poll.answers]

    def reached_value(self, found: Iterable[tuple[int, int]], *, needs_own: bool = True) -> int:
        """
        Return the highest value that a quorum has reached.

        Args:
            found: values of at least a quorum, each with the place of its node.
            needs_own: whether an own node must have reached it too, where there are any.
        """
        highest = sorted(found, key=lambda one: one[1], reverse=True)
        value = highest[self.size - 1][1]
        own = [reached for node, reached in highest if node in self.board.own]
        return min(value, own[0]) if own and needs_own else value

    def carries(self, group: Sequence[Answer]) -> bool:
        """Return whether these nodes decide: so many as must, an own one where there are any."""
        return len(group) >= self.size and self.board.has_own(answer.node for answer in group)

    async def asked(self, ask: Callable[[N], Awaitable[Any]], grouping: Grouping) -> Poll:
        """
        Return what the nodes answered.

        The healthy ones are asked first, the others when there is no quorum within a second. Once
        a group carries the rest have only a moment left, and when none can carry any more, none:
        one node that hangs must not hold up every read.
        """
        return await _Asking(self, ask, grouping).run()

    async def told(self, ask: Callable[[N], Awaitable[None]]) -> Poll:
        """
        Return what every node answered to what all of them are to hear.

        Once one has taken it the rest have a moment left to hear it too.
        """
        return await _Telling(self, ask, values).run()

    def lost(self, method: str, poll: Poll) -> QuorumLostError:
        """Return the error that says who answered, who failed and who dissented."""
        labels = self.board.labels
        agreeing = largest(alike(poll.answers))
        failed = {
            node: poll.failures.get(node, "unanswered")
            for node in range(len(labels))
            if all(answer.node != node for answer in poll.answers)
        }
        tally = Tally(
            quorum=self.size,
            node_count=len(self.ports),
            answered=tuple(labels[answer.node] for answer in poll.answers),
            failed=tuple((labels[node], why) for node, why in failed.items()),
            dissented=tuple(
                labels[answer.node] for answer in poll.answers if answer not in agreeing
            ),
            own_missing=self._own_missing(agreeing, failed),
        )
        return QuorumLostError(chain_id=self.chain_id, method=method, tally=tally)

    def _own_missing(
        self, agreeing: list[Answer], failed: dict[int, str]
    ) -> tuple[tuple[str, str], ...]:
        """Return the own nodes, each with why, where the lack of them alone loses the quorum."""
        own = self.board.own
        is_refused = len(agreeing) >= self.size and not self.carries(agreeing)
        if not is_refused and not all(node in failed for node in own):
            return ()
        return tuple((self.board.labels[node], failed.get(node, "dissented")) for node in own)

    def refuse(self, method: str, poll: Poll, *, is_settled: bool) -> NoReturn:
        """
        Raise why a poll came to nothing: the error that a quorum names, if one does.

        Args:
            is_settled: whether an own node that contradicts a quorum of strangers has lost us the
                quorum, or may be on another branch for a moment.
        """
        if poll.refused_range is not None:
            raise poll.refused_range
        groups = alike(poll.answers)
        agreeing = largest(groups)
        if self.carries(agreeing) and agreeing[0].error is not None:
            raise agreeing[0].error
        if len(poll.answers) + len(poll.unasked) < self.size:
            raise self.lost(method, poll)
        if not self.board.has_own([answer.node for answer in poll.answers] + poll.unasked):
            raise self.lost(method, poll)
        own = [answer for answer in poll.answers if answer.node in self.board.own]
        # Without the block on one of the sides they are apart by a moment, see _judge.
        is_moment = any(isinstance(one.error, BlockGoneError) for one in (*own, *agreeing))
        if len(agreeing) >= self.size and is_settled and not is_moment:
            raise self.lost(method, poll)
        split = " | ".join(
            ", ".join(self.board.name(answer.node) for answer in group) for group in groups
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
        self, quorum: Quorum[N], ask: Callable[[N], Awaitable[Any]], grouping: Grouping
    ) -> None:
        self._quorum = quorum
        self._ask = ask
        self._grouping = grouping
        self._poll = Poll()
        self._pending: dict[asyncio.Task[Answer], int] = {}
        first, reserve = quorum.board.order()
        is_short = len(first) < quorum.size or not quorum.board.has_own(first)
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
        if not self._has_quorum and self._is_enough():
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

    def _is_enough(self) -> bool:
        """Return whether some that stand for the same thing decide it."""
        return any(self._quorum.carries(group) for group in self._grouping(self._poll.answers))

    def _is_reachable(self) -> bool:
        """Return whether enough can still stand for the same thing, without the reserve."""
        pending = list(self._pending.values())
        groups = [[], *self._grouping(self._poll.answers)]
        nodes = [[*(answer.node for answer in group), *pending] for group in groups]
        return any(
            len(group) >= self._quorum.size and self._quorum.board.has_own(group) for group in nodes
        )

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
        self, quorum: Quorum[N], ask: Callable[[N], Awaitable[Any]], grouping: Grouping
    ) -> None:
        super().__init__(quorum, ask, grouping)
        self._first, self._reserve = self._first + self._reserve, ()

    def _is_enough(self) -> bool:
        return any(answer.error is None for answer in self._poll.answers)

    def _is_reachable(self) -> bool:
        return bool(self._pending) or self._is_enough()
