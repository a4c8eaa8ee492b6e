"""Prove: keep locks out of the ledger whose tokens did not come in."""

import structlog

from chains.port import EventRead
from chains.types import raw_text
from relayer.steps.tell import tell
from relayer.store.observed_rows import Booked
from relayer.store.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)


def set_unproven_aside(uow: UnitOfWork, read: EventRead, *, is_enforced: bool) -> None:
    """
    Report each lock without a token movement; call once the events of the reading are stored.

    Args:
        is_enforced: also park it, so that it is never credited, and halt its chain: a vault that
            says so is not to be believed in anything else either.
    """
    unproven = read.unproven
    if not unproven:
        return
    for event in read.events:
        reason = unproven.get(event.position.event_id)
        if reason is None:
            continue
        position = event.position
        stored = uow.chains.event(position.event_id)
        if stored is not None and stored.booked is Booked.PARKED:
            continue  # it was told when it was parked
        shown = {
            "chain_id": position.chain_id,
            "event_id": "0x" + position.event_id.hex(),
            "tx_hash": raw_text(position.chain_id, position.tx_hash),
            "reason": reason,
        }
        log.error("movement.missing", **shown)
        tell(
            uow,
            "movement.missing",
            shown,
            account=event.account,
            correlation_id=position.event_id,
        )
        if is_enforced:
            uow.chains.park(position.event_id, reason)
            uow.chains.halt(position.chain_id, f"event {shown['event_id']}: {reason}")
            log.error("chain.halted", chain_id=position.chain_id, reason=reason)
