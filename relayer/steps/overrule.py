"""Overrule: a person releases, drops or extends what the governor holds back."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from relayer.clock import UnixSeconds
from relayer.errors import RefusedError
from relayer.outbox.life import MessageEvent, MessageState, WaitReason
from relayer.steps.catalog import Catalog
from relayer.steps.give_back import drop_hold
from relayer.steps.queues import ATTEST
from relayer.store.governor import GOVERNOR, WAITING, GovernorRelease, ReleaseState
from relayer.store.unit_of_work import Store, UnitOfWork

EXTEND_SECONDS_MAX: Final = 30 * 86_400
REASON_CHARACTERS_MAX: Final = 500


class Action(Enum):
    """RELEASE: it leaves now. DROP: never, its hold comes back. EXTEND: it waits longer."""

    RELEASE = "release"
    DROP = "drop"
    EXTEND = "extend"


@dataclass(frozen=True, slots=True)
class Overruling:
    """Who does what, and why. extend_seconds is added to the time at which it leaves."""

    action: Action
    who: str
    reason: str
    extend_seconds: int = 0

    def __post_init__(self) -> None:
        if not 1 <= len(self.reason) <= REASON_CHARACTERS_MAX:
            raise RefusedError(
                code="reason", detail=f"--reason: 1 to {REASON_CHARACTERS_MAX} characters"
            )
        if self.who == GOVERNOR:
            raise RefusedError(code="who", detail=f"{GOVERNOR!r} is no person; use another user")
        is_extending = self.action is Action.EXTEND
        if is_extending and not 1 <= self.extend_seconds <= EXTEND_SECONDS_MAX:
            raise RefusedError(
                code="time", detail=f"--seconds: 1 to {EXTEND_SECONDS_MAX}, which is 30 days"
            )


def overrule(
    store: Store, catalog: Catalog, message_id: bytes, overruling: Overruling
) -> GovernorRelease:
    """
    Change what the governor decided, and keep who did and why; the decision before stays logged.

    What a person releases fills no window and empties no bucket: others are not held back for it.

    Raises:
        RefusedError: the governor holds no such message back, or it would wait past its expiry.
    """
    with store.unit_of_work() as uow:
        uow.ledger.lock()
        before = uow.governor.get(message_id)
        if before is None or before.state not in WAITING:
            state = "unknown to the governor" if before is None else before.state.value
            raise RefusedError(
                code="not_held_back", detail=f"message 0x{message_id.hex()} is {state}"
            )
        after = _changed(before, overruling, uow.clock.now())
        match overruling.action:
            case Action.RELEASE:
                _ring(uow, message_id)
            case Action.DROP:
                _drop(uow, catalog, message_id, overruling)
            case Action.EXTEND:
                _check_expiry(after)
        uow.governor.change(before, after, overruling.action.value)
    return after


def _changed(before: GovernorRelease, overruling: Overruling, now: UnixSeconds) -> GovernorRelease:
    told = replace(before, reason=overruling.reason, who=overruling.who)
    match overruling.action:
        case Action.RELEASE:
            return replace(
                told, state=ReleaseState.RELEASED, is_counted=False, due_at=now, decided_at=now
            )
        case Action.DROP:
            return replace(told, state=ReleaseState.DROPPED, decided_at=now)
        case Action.EXTEND:
            due_at = UnixSeconds(before.due_at + overruling.extend_seconds)
            return replace(told, state=ReleaseState.DELAYED, due_at=due_at)


def _drop(uow: UnitOfWork, catalog: Catalog, message_id: bytes, overruling: Overruling) -> None:
    """End the message before anybody was shown it; a guardian has none of its own to end."""
    stored = uow.outbox.get(message_id)
    if stored is None:
        return
    if stored.state is not MessageState.PENDING:
        raise RefusedError(
            code="shown_already",
            detail=f"message 0x{message_id.hex()} is {stored.state.value}: guardians know it, so "
            "only its expiry can end it",
        )
    uow.outbox.move(
        message_id,
        MessageEvent.REJECT,
        WaitReason.GOVERNOR_DROPPED,
        f"{overruling.who}: {overruling.reason}",
        uow.clock.now(),
    )
    drop_hold(uow, catalog, stored.message)


def _check_expiry(after: GovernorRelease) -> None:
    if after.due_at >= after.expires_at:
        raise RefusedError(
            code="past_expiry",
            detail=f"it would wait until {after.due_at} and expires at {after.expires_at}; extend "
            "it by less, or drop it",
        )


def _ring(uow: UnitOfWork, message_id: bytes) -> None:
    stored = uow.outbox.get(message_id)
    if stored is not None:
        correlation_id = stored.message.correlation_id
        uow.jobs.ring(ATTEST, message_id.hex(), ATTEST, uow.clock.now(), correlation_id)
