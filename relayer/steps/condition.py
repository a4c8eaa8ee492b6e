"""Condition: keep, durably and for everybody, whether enough nodes of a chain agree."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog

from chains.errors import QuorumLostError, RpcDisagreementError
from chains.nodes import NodeEvent, NodePool, NodeReport, NodeStatus
from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.steps.tell import tell
from relayer.store.conditions import Condition
from relayer.store.engine import DATABASE_ERRORS
from relayer.store.unit_of_work import Store, UnitOfWork

DISAGREEMENT_SECONDS_MAX: Final = 15  # honest nodes may be on two branches for a moment
NO_CORRELATION: Final = bytes(32)
log = structlog.get_logger(__name__)


def log_node(report: NodeReport) -> None:
    """Log what happened to a node, by its label; its URL may hold a key."""
    keys = {"chain_id": report.chain_id, "label": report.label, "reason": report.reason}
    match report.event:
        case NodeEvent.DISSENTED:
            log.warning("rpc.dissented", **keys)
        case NodeEvent.DIFFERED:
            log.info("rpc.differed", **keys)
        case NodeEvent.DEMOTED:
            log.warning("rpc.demoted", **keys)
        case NodeEvent.PUT_OUT:
            log.error("rpc.put_out", **keys)
        case NodeEvent.RESTORED:
            log.info("rpc.restored", **keys)


@dataclass(slots=True)
class ConditionBook:
    """
    Stores each change of a chain's condition once, and how its nodes stand.

    Args:
        pool: the nodes behind the chain's reader; None where they are not known.
    """

    store: Store
    chain_id: ChainId
    pool: NodePool | None
    _disagreed_at: UnixSeconds | None = None
    _recorded: dict[str, NodeStatus] = field(default_factory=dict)

    async def agreed(self) -> None:
        """Take note that a quorum agreed just now."""
        self._disagreed_at = None
        await asyncio.to_thread(self._record, Condition.OK, "")

    async def failed(self, error: Exception) -> None:
        """
        Take note of a failure: lost nodes at once, a disagreement when it lasts.

        Other failures say nothing about the quorum. A database that is away is asked again with
        the next failure.
        """
        match error:
            case QuorumLostError():
                is_lost = True
            case RpcDisagreementError():
                now = self.store.clock.now()
                self._disagreed_at = now if self._disagreed_at is None else self._disagreed_at
                is_lost = now - self._disagreed_at >= DISAGREEMENT_SECONDS_MAX
            case _:
                return
        try:
            await asyncio.to_thread(
                self._record, Condition.QUORUM_LOST if is_lost else None, str(error)
            )
        except DATABASE_ERRORS as exc:
            log.warning("chain.unread", chain_id=self.chain_id, reason=type(exc).__name__)

    def _record(self, condition: Condition | None, detail: str) -> None:
        statuses = () if self.pool is None else self.pool.nodes()
        moved = [status for status in statuses if self._recorded.get(status.label) != status]
        with self.store.read() as uow:
            known = uow.conditions.condition(self.chain_id)
        is_same = condition is None or (known is not None and known.condition is condition)
        if is_same and not moved:
            return
        with self.store.unit_of_work() as uow:
            for status in moved:
                before = self._recorded.get(status.label)
                counted = 0 if before is None else before.dissents
                uow.conditions.record_node(
                    self.chain_id, status, new_dissents=status.dissents - counted
                )
            is_change = condition is not None and uow.conditions.set(
                self.chain_id, condition, detail
            )
            if is_change:
                self._tell(uow, condition is Condition.OK)
        self._recorded |= {status.label: status for status in moved}
        if is_change and condition is Condition.OK:
            log.info("chain.quorum_regained", chain_id=self.chain_id)
        elif is_change:
            log.error("chain.quorum_lost", chain_id=self.chain_id, reason=detail)

    def _tell(self, uow: UnitOfWork, is_ok: bool) -> None:
        """Tell integrators that the chain stands still, or goes on; the nodes are our affair."""
        tell(
            uow,
            "chain.quorum_regained" if is_ok else "chain.quorum_lost",
            {"chain_id": self.chain_id},
            account=None,
            correlation_id=NO_CORRELATION,
        )
