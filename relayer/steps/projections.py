"""What follows from a booked event beside the journal: messages, grants, debts, the feed."""

from typing import Final

from chains.events import (
    Borrowed,
    CollateralExited,
    CollateralLocked,
    CollateralReleased,
    CollateralSeized,
    CreditGranted,
    ObservedEvent,
    Repaid,
    facts_of,
    payload_of,
)
from relayer.outbox.life import MessageEvent, MessageState, WaitReason
from relayer.steps.tell import tell, tell_all
from relayer.store.debt_events import DEBT_KINDS
from relayer.store.debts import DebtPosition, DebtView
from relayer.store.feed import FeedItem
from relayer.store.grants import GrantState
from relayer.store.observed_rows import Booked, StoredEvent
from relayer.store.unit_of_work import UnitOfWork

STAGES: Final = {Booked.SOFT: "seen", Booked.FINAL: "confirmed", Booked.VOID: "reverted"}
TOPICS: Final[dict[type[ObservedEvent], str]] = {
    CollateralLocked: "collateral.lock",
    CollateralReleased: "collateral.release",
    CollateralSeized: "collateral.seize",
    CollateralExited: "collateral.exit",
    CreditGranted: "credit.grant",
    Borrowed: "debt.borrowed",
    Repaid: "debt.repaid",
}


def follow(
    uow: UnitOfWork, stored: StoredEvent, booked: Booked, *, told: Booked | None = None
) -> None:
    """
    Bring everything that is derived from an event level with what was booked.

    Args:
        told: what integrators were told of last, where it is booked again; they are not told twice.
    """
    event = stored.event
    correlation_id = stored.event_id
    if isinstance(event, CollateralReleased | CollateralSeized | CreditGranted):
        correlation_id = _follow_message(uow, event, booked)
    if isinstance(event, CreditGranted):
        _follow_grant(uow, event, booked)
    if isinstance(event, Borrowed | Repaid):
        follow_debt(uow, event, booked)
    if booked is not told:
        tell_all(uow, [told_of(stored, booked, correlation_id)])


def told_of(stored: StoredEvent, booked: Booked, correlation_id: bytes) -> FeedItem:
    """Return what integrators are told of a booked event."""
    event = stored.event
    content = None  # what the stored event says
    if correlation_id != stored.event_id:
        content = facts_of(event.position, payload_of(event))
    return FeedItem(topic_of(event, booked), content, event.account, correlation_id)


def topic_of(event: ObservedEvent, booked: Booked) -> str:
    """Return the type under which integrators are told of a booked event."""
    return f"{TOPICS[type(event)]}.{STAGES[booked]}"


def _follow_message(
    uow: UnitOfWork, event: CollateralReleased | CollateralSeized | CreditGranted, booked: Booked
) -> bytes:
    stored = uow.outbox.get(event.message_id)
    if stored is None:
        return event.message_id
    place = f"{event.position.chain_id} {event.position.block.height}"
    for step, reason in _moves(stored.state, booked):
        uow.outbox.move(event.message_id, step, reason, place, uow.clock.now())
    current = uow.outbox.get(event.message_id)
    if current is not None:
        tell(
            uow,
            "message.state",
            {"message_id": "0x" + event.message_id.hex(), "state": current.state.value},
            account=event.account,
            correlation_id=stored.message.correlation_id,
        )
    return stored.message.correlation_id


def _moves(state: MessageState, booked: Booked) -> tuple[tuple[MessageEvent, WaitReason], ...]:
    """Return the arrows that bring a message level with its effect."""
    deliver = (MessageEvent.DELIVER, WaitReason.FINALITY_AWAITED)
    confirm = (MessageEvent.CONFIRM, WaitReason.EFFECT_FINAL)
    is_delivered = state is MessageState.DELIVERED
    lead = (
        ((MessageEvent.DISPATCH, WaitReason.SIGNATURES_MISSING),)
        if state is MessageState.PENDING
        else ()
    )
    match booked:
        case Booked.SOFT:
            return () if is_delivered else (*lead, deliver)
        case Booked.FINAL:
            return (confirm,) if is_delivered else (*lead, deliver, confirm)
        case Booked.VOID:
            return ((MessageEvent.REORG, WaitReason.BLOCK_REORGED),) if is_delivered else ()
        case _:
            return ()


def _follow_grant(uow: UnitOfWork, event: CreditGranted, booked: Booked) -> None:
    grant = uow.grants.get(event.message_id)
    if grant is None:
        return
    if booked is Booked.FINAL and grant.state is GrantState.SIGNED:
        uow.grants.set_state(event.message_id, GrantState.SIGNED, GrantState.GRANTED)
        for older in uow.grants.active(event.account):
            if (older.chain_id, older.credit_line) == (grant.chain_id, grant.credit_line) and (
                older.nonce < grant.nonce
            ):
                uow.grants.set_state(older.message_id, older.state, GrantState.REPLACED)


def follow_debt(uow: UnitOfWork, event: Borrowed | Repaid, booked: Booked) -> None:
    """Keep the newest booked event of a borrower as its debt position."""
    if booked in (Booked.SOFT, Booked.FINAL):
        uow.debts.upsert(DebtView.SOFT, _debt_position(event))
        return
    position = event.position
    newest = uow.chains.newest_event(
        position.chain_id, contract=position.contract, account=event.account, kinds=DEBT_KINDS
    )
    if newest is None or not isinstance(newest.event, Borrowed | Repaid):
        uow.debts.drop(DebtView.SOFT, position.chain_id, position.contract, event.account)
    else:
        uow.debts.replace(DebtView.SOFT, _debt_position(newest.event))


def _debt_position(event: Borrowed | Repaid) -> DebtPosition:
    return DebtPosition(
        chain_id=event.position.chain_id,
        credit_line=event.position.contract,
        account=event.account,
        scaled=event.scaled_after,
        index_ray=event.index_ray,
        seen_height=event.position.block.height,
        log_index=event.position.log_index,
    )
