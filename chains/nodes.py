"""Nodes behind one chain: how each of them stands, and the one question that a poll asks."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from chains.types import BlockRef, ChainId


class Standing(Enum):
    """
    How a node is used. None of them changes how many nodes must agree.

    HEALTHY: asked first. DEMOTED: asked last, retested now and then. OUT: contradicted the quorum
    too often; asked last for its term.
    """

    HEALTHY = "HEALTHY"
    DEMOTED = "DEMOTED"
    OUT = "OUT"


class NodeEvent(Enum):
    """
    What can be told about a node.

    DISSENTED: it contradicted a quorum about something settled. DIFFERED: about something that may
    still change, as a block near the head.
    """

    DISSENTED = "DISSENTED"
    DIFFERED = "DIFFERED"
    DEMOTED = "DEMOTED"
    PUT_OUT = "PUT_OUT"
    RESTORED = "RESTORED"


@dataclass(frozen=True, slots=True)
class NodeReport:
    """Something that happened to a node, which is named by its label; a URL may hold a key."""

    chain_id: ChainId
    label: str
    event: NodeEvent
    reason: str


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """How a node stands; dissents counts since the process began."""

    label: str
    standing: Standing
    reason: str
    dissents: int


class NodePool(Protocol):
    """The nodes behind a reader."""

    async def newest(self) -> BlockRef:
        """
        Return the newest block of one node: a hint whether there is news, never a fact.

        Raises:
            ChainError: this node failed; ask the quorum.
        """
        ...

    def nodes(self) -> tuple[NodeStatus, ...]:
        """Return how each node stands; empty where there is only one."""
        ...
