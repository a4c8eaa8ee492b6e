"""Conditions: whether enough nodes of a chain agree, and how each node stands."""

from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Connection, select, update

from chains.nodes import NodeStatus, Standing
from chains.types import ChainId
from relayer.clock import Clock, UnixSeconds
from relayer.store.chain_tables import CHAIN_CONDITION, CHAIN_NODE
from relayer.store.statements import insert_into, rows_changed, stores_row

DETAIL_LENGTH_MAX = 2_000


class Condition(Enum):
    """OK: a quorum of nodes agrees. QUORUM_LOST: none does, so nothing is read or decided."""

    OK = "ok"
    QUORUM_LOST = "quorum_lost"


@dataclass(frozen=True, slots=True)
class StoredCondition:
    """A chain's condition, since when (Unix second), and who failed, by label."""

    chain_id: ChainId
    condition: Condition
    since_at: UnixSeconds
    detail: str


@dataclass(frozen=True, slots=True)
class StoredNode:
    """How a node stands since when (Unix second); dissents were counted over all restarts."""

    label: str
    standing: Standing
    reason: str
    since_at: UnixSeconds
    dissents: int
    dissented_at: UnixSeconds | None


class ConditionTable:
    """Conditions of chains and nodes, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def set(self, chain_id: ChainId, condition: Condition, detail: str) -> bool:
        """
        Store a chain's condition; False when it was in it already, and then the first detail stays.

        A chain that begins as OK has not changed.
        """
        values = {
            "condition": condition.value,
            "since_at": self._clock.now(),
            "detail": detail[:DETAIL_LENGTH_MAX],
        }
        first = insert_into(self._connection, CHAIN_CONDITION).values(chain_id=chain_id, **values)
        if stores_row(self._connection, first.on_conflict_do_nothing()):
            return condition is not Condition.OK
        return bool(
            rows_changed(
                self._connection,
                update(CHAIN_CONDITION)
                .where(CHAIN_CONDITION.c.chain_id == chain_id)
                .where(CHAIN_CONDITION.c.condition != condition.value)
                .values(**values),
            )
        )

    def condition(self, chain_id: ChainId) -> StoredCondition | None:
        """Return a chain's condition, None before its watcher has stored one."""
        row = self._connection.execute(
            select(CHAIN_CONDITION).where(CHAIN_CONDITION.c.chain_id == chain_id)
        ).one_or_none()
        if row is None:
            return None
        return StoredCondition(
            chain_id, Condition(row.condition), UnixSeconds(row.since_at), row.detail
        )

    def record_node(self, chain_id: ChainId, status: NodeStatus, *, new_dissents: int) -> None:
        """
        Store how a node stands.

        Args:
            new_dissents: how often it contradicted the quorum since it was recorded last.
        """
        now = self._clock.now()
        known = {node.label: node for node in self.nodes(chain_id)}.get(status.label)
        is_same = known is not None and known.standing is status.standing
        values = {
            "standing": status.standing.value,
            "reason": status.reason[:DETAIL_LENGTH_MAX],
            "since_at": known.since_at if known is not None and is_same else now,
            "dissents": new_dissents + (0 if known is None else known.dissents),
            "dissented_at": now if new_dissents else (known and known.dissented_at),
        }
        self._connection.execute(
            insert_into(self._connection, CHAIN_NODE)
            .values(chain_id=chain_id, label=status.label, **values)
            .on_conflict_do_update(
                index_elements=[CHAIN_NODE.c.chain_id, CHAIN_NODE.c.label], set_=values
            )
        )

    def nodes(self, chain_id: ChainId) -> tuple[StoredNode, ...]:
        """Return how the nodes of a chain stand, by label."""
        rows = self._connection.execute(
            select(CHAIN_NODE).where(CHAIN_NODE.c.chain_id == chain_id).order_by(CHAIN_NODE.c.label)
        )
        return tuple(
            StoredNode(
                label=row.label,
                standing=Standing(row.standing),
                reason=row.reason,
                since_at=UnixSeconds(row.since_at),
                dissents=row.dissents,
                dissented_at=None if row.dissented_at is None else UnixSeconds(row.dissented_at),
            )
            for row in rows
        )
