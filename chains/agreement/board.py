"""The health of a chain's nodes, kept in one place and told by label."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from chains.agreement.faults import PROVIDER_FAULTS, FaultClass
from chains.agreement.health import (
    BLOCKS_BEHIND_MAX,
    Health,
    after_answer,
    after_dispute,
    after_fault,
    after_head,
    is_first,
)
from chains.nodes import NodeEvent, NodeReport, NodeStatus, Standing
from chains.types import ChainId

EVENTS: Final = {
    Standing.HEALTHY: NodeEvent.RESTORED,
    Standing.DEMOTED: NodeEvent.DEMOTED,
    Standing.OUT: NodeEvent.PUT_OUT,
}


def ignore(report: NodeReport) -> None:
    """Tell nobody."""
    del report


@dataclass(frozen=True, slots=True)
class Terms:
    """
    How the nodes of a chain are used.

    Args:
        quorum: how many must agree.
        labels: their names, in order; empty for node-1, node-2 ...
        own: the names of those that the operator runs himself; where there are any, one of them
            must be among those that agree.
        report: called with what happens to a node.
        now: seconds of a clock that never goes back.
        behind_max: how many blocks a node may be behind before it is asked last.
    """

    quorum: int
    labels: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    report: Callable[[NodeReport], None] = ignore
    now: Callable[[], float] = time.monotonic
    behind_max: int = BLOCKS_BEHIND_MAX


class Board:
    """What is known of each node, by its place."""

    def __init__(self, chain_id: ChainId, count: int, terms: Terms) -> None:
        self.labels = terms.labels or tuple(f"node-{place + 1}" for place in range(count))
        if len(self.labels) != count or len(set(self.labels)) != count:
            raise ValueError(f"{count} nodes need as many labels, each its own")
        if strangers := [label for label in terms.own if label not in self.labels]:
            raise ValueError(f"own nodes are among the labels; {', '.join(strangers)} is not")
        self.own = tuple(self.labels.index(label) for label in terms.own)
        self._chain_id = chain_id
        self._report = terms.report
        self._now = terms.now
        self._behind_max = terms.behind_max
        self._healths = [Health() for _ in range(count)]
        self._dissents = [0] * count
        self._turn = 0

    @property
    def dissents(self) -> tuple[int, ...]:
        """How often each node has contradicted a quorum, in order."""
        return tuple(self._dissents)

    def statuses(self) -> tuple[NodeStatus, ...]:
        """Return how each node stands."""
        return tuple(
            NodeStatus(label, health.standing, health.reason, dissents)
            for label, health, dissents in zip(
                self.labels, self._healths, self._dissents, strict=True
            )
        )

    def has_own(self, nodes: Iterable[int]) -> bool:
        """Return whether an own node is among these; true where there are no own nodes."""
        return not self.own or any(node in self.own for node in nodes)

    def name(self, node: int) -> str:
        """Return the label of a node, and that it is an own one."""
        return f"{self.labels[node]} (own node)" if node in self.own else self.labels[node]

    def order(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the nodes that are asked first, and those in reserve."""
        now = self._now()
        first = tuple(n for n, health in enumerate(self._healths) if is_first(health, now))
        return first, tuple(n for n in range(len(self._healths)) if n not in first)

    def next_to_poll(self) -> int:
        """
        Return the healthy node whose turn it is; of all where none is healthy.

        An own node comes before the others: it costs nothing and hides nothing.
        """
        healthy = [n for n, one in enumerate(self._healths) if one.standing is Standing.HEALTHY]
        own = [node for node in healthy if node in self.own]
        places = own or healthy or list(range(len(self._healths)))
        self._turn += 1
        return places[self._turn % len(places)]

    def answered(self, node: int) -> None:
        """Take note that a node answered, rightly or not."""
        self._set(node, after_answer(self._healths[node], self._now()))

    def failed(self, node: int, fault: FaultClass) -> None:
        """Take note of a failure; only a fault of the provider counts."""
        if fault in PROVIDER_FAULTS:
            self._set(node, after_fault(self._healths[node], fault, self._now()))

    def dissented(self, node: int, method: str, *, is_settled: bool) -> None:
        """
        Take note that a node contradicted a quorum.

        Args:
            is_settled: whether two honest nodes must agree on it; about a block near the head
                they may be on two branches for a moment, and that is only told.
        """
        if not is_settled:
            self._tell(node, NodeEvent.DIFFERED, method)
            return
        self._dissents[node] += 1
        self._tell(node, NodeEvent.DISSENTED, method)
        self._set(node, after_dispute(self._healths[node], self._now()))

    def saw_head(self, node: int, height: int, agreed_height: int) -> None:
        """Take note of a node's head, next to the one that a quorum has reached."""
        now = self._now()
        health = after_head(
            self._healths[node],
            height,
            agreed_height=agreed_height,
            now=now,
            behind_max=self._behind_max,
        )
        self._set(node, health)

    def _set(self, node: int, health: Health) -> None:
        before = self._healths[node]
        self._healths[node] = health
        if health.standing is not before.standing:
            self._tell(node, EVENTS[health.standing], health.reason or before.reason)

    def _tell(self, node: int, event: NodeEvent, reason: str) -> None:
        self._report(NodeReport(self._chain_id, self.labels[node], event, reason))
