"""Govern: hold back by value what leaves a chain, until its windows have room or its time is up."""

from dataclasses import dataclass, replace
from typing import Final

import structlog

from chains.command import Command, RequestUnlock
from chains.message import Message
from relayer.assets import Path
from relayer.clock import UnixSeconds
from relayer.errors import InvariantError
from relayer.governor.buckets import Bucket, judge_by_bucket, stricter
from relayer.governor.rules import Mode
from relayer.governor.windows import (
    QUEUE_SECONDS_MAX,
    Transfer,
    Verdict,
    VerdictKind,
    judge,
)
from relayer.outbox.life import WaitReason
from relayer.outbox.message import HOLDING_KINDS, OutboxMessage
from relayer.steps.brakes import Stop, leaving_of, leaving_of_message, may_wait
from relayer.steps.catalog import Catalog
from relayer.steps.gauge import (
    bucket_of,
    lane_of,
    last_value_wad,
    outflow_value_wad,
    window_at,
)
from relayer.steps.position import prices_of
from relayer.store.governor import GOVERNOR, WAITING, GovernorRelease, ReleaseState
from relayer.store.unit_of_work import UnitOfWork

EXPIRED: Final = "expired"
ACTIONS: Final = {
    ReleaseState.QUEUED: "queue",
    ReleaseState.DELAYED: "delay",
    ReleaseState.RELEASED: "release",
}
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is to leave. [base units] may_wait: False where it is counted and never held back."""

    message_id: bytes
    path: Path
    units: int
    expires_at: UnixSeconds
    may_wait: bool = True


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is stored of a candidate, and what the rules make of it now; bucket is its lane's."""

    before: GovernorRelease | None
    after: GovernorRelease
    stop: Stop | None
    bucket: Bucket | None = None


def govern(uow: UnitOfWork, catalog: Catalog, message: OutboxMessage) -> Stop | None:
    """
    Judge a message by value and store the verdict; return what holds it back.

    The caller holds the ledger's lock, so that no two messages take the same room.

    Raises:
        InvariantError: the message has no command.
    """
    if message.command is None:
        raise InvariantError(f"message 0x{message.message_id.hex()} has no command to check")
    candidate = candidate_of(catalog, message.message, message.command.command)
    assessment = None if candidate is None else assess_outflow(uow, catalog, candidate)
    return None if assessment is None else settle(uow, assessment)


def candidate_of(catalog: Catalog, message: Message, command: Command) -> Candidate | None:
    """Return what a message takes out of a vault, None where it takes nothing."""
    if message.kind not in HOLDING_KINDS:
        return None
    leaving = leaving_of_message(catalog, message, command)
    return Candidate(
        message.message_id,
        catalog.path_of(leaving.asset_id, leaving.chain_id),
        message.amount_units,
        UnixSeconds(message.expiry_seconds),
        may_wait(command),
    )


def assess_outflow(uow: UnitOfWork, catalog: Catalog, candidate: Candidate) -> Assessment | None:
    """Return what the rules make of a candidate now; None where no limit governs it."""
    now = uow.clock.now()
    before = uow.governor.get(candidate.message_id)
    if before is not None and before.is_decided:
        is_free = _is_released(before) or not candidate.may_wait
        return Assessment(before, before, None if is_free else _stop(before, None))
    path = candidate.path
    bucket_limit = catalog.governor.bucket_of(lane_of(catalog, path))
    limits = catalog.governor.limits_of(_transfer(candidate, 0, now))
    if before is None and bucket_limit is None and not limits:
        return None
    bucket = None if bucket_limit is None else bucket_of(uow, bucket_limit)
    prices = prices_of(uow, catalog, now)
    value_wad = outflow_value_wad(uow, catalog, path, candidate.units, prices)
    held = _held(uow, catalog, candidate, before, value_wad)
    if held.state is ReleaseState.DELAYED and candidate.may_wait:
        # Until then and not earlier, whatever the price does: a person may have set the time.
        if now < held.due_at:
            return Assessment(before, held, _stop(held, held.due_at))
        verdict = Verdict(VerdictKind.RELEASE, now, False, f"{held.reason}; its delay is over")
    elif value_wad is None:
        reason = f"{path}: no price and no floor, so nothing is released by value"
        stop = Stop(WaitReason.PRICE_REFUSED, reason, now + 1)
        unpriced = Assessment(before, replace(held, reason=reason), stop, bucket)
        return _loosened(catalog, candidate, unpriced, now)
    else:
        transfer = _transfer(candidate, value_wad, _waits_since(held))
        windows = [window_at(uow, catalog, limit, prices, now) for limit in limits]
        verdict = judge(transfer, windows, now=now)
    if bucket is not None:
        verdict = stricter(verdict, judge_by_bucket(held.value_wad, bucket, now=now))
    return _assessed(catalog, candidate, Assessment(before, held, None, bucket), verdict, now)


def _assessed(
    catalog: Catalog, candidate: Candidate, held: Assessment, verdict: Verdict, now: UnixSeconds
) -> Assessment:
    if verdict.kind is VerdictKind.RELEASE:
        released = _released(held.after, verdict.is_counted, verdict.detail, now)
        return replace(held, after=released)
    after = replace(held.after, reason=verdict.detail)
    stop = _stop(after, verdict.until)
    if verdict.kind is VerdictKind.DELAY:
        after = replace(after, state=ReleaseState.DELAYED, due_at=verdict.until)
    if verdict.kind is VerdictKind.HOLD:
        stop = Stop(WaitReason.GOVERNOR_HELD, verdict.detail)
    return _loosened(catalog, candidate, replace(held, after=after, stop=stop), now)


def settle(uow: UnitOfWork, assessment: Assessment) -> Stop | None:
    """Store an assessment, if it says anything new; return what holds the message back."""
    before, after = assessment.before, assessment.after
    if before is None:
        uow.governor.add(after)
        if assessment.stop is not None:
            _note(after, "held")
    elif before != after:
        uow.governor.change(before, after, ACTIONS[after.state])
    if _is_released(after) and before != after:
        _take(uow, assessment)
        log.info(
            "governor.released",
            message_id="0x" + after.message_id.hex(),
            value_wad=str(after.value_wad),
            is_counted=after.is_counted,
            reason=after.reason,
        )
    return assessment.stop


def _take(uow: UnitOfWork, assessment: Assessment) -> None:
    """Take what leaves out of its bucket, in the transaction that lets it leave."""
    bucket, after = assessment.bucket, assessment.after
    if bucket is not None and after.decided_at is not None:
        shortage = bucket.shortage_after(after.value_wad, after.decided_at)
        uow.governor.take(after.message_id, bucket.limit.lane, after.value_wad, shortage)


def abandon(uow: UnitOfWork, message_id: bytes, reason: str = EXPIRED) -> bool:
    """Drop what the governor holds back of a message that ended; False where it holds nothing."""
    before = uow.governor.get(message_id)
    if before is None or before.state not in WAITING:
        return False
    now = uow.clock.now()
    after = replace(before, state=ReleaseState.DROPPED, decided_at=now, reason=reason, who=GOVERNOR)
    if before.state is ReleaseState.DELAYED:  # its due_at was that of its delay, which begins anew
        after = replace(after, due_at=UnixSeconds(now + QUEUE_SECONDS_MAX))
    uow.governor.change(before, after, "drop")
    return True


def queue_times(
    uow: UnitOfWork, catalog: Catalog, command: Command
) -> tuple[UnixSeconds, UnixSeconds]:
    """Return from when, and at the latest when, an unlock would leave; now for all else."""
    now = uow.clock.now()
    if not isinstance(command, RequestUnlock):
        return now, now
    leaving = leaving_of(catalog, command)
    path = catalog.path_of(leaving.asset_id, leaving.chain_id)
    assessment = assess_outflow(uow, catalog, Candidate(bytes(32), path, command.amount, now))
    if assessment is None or assessment.stop is None:
        return now, now
    until = UnixSeconds(now if assessment.stop.until is None else assessment.stop.until)
    return until, max(until, assessment.after.due_at)


def _held(
    uow: UnitOfWork,
    catalog: Catalog,
    candidate: Candidate,
    before: GovernorRelease | None,
    value_wad: int | None,
) -> GovernorRelease:
    """Return what is stored of a candidate as it is judged now."""
    now = uow.clock.now()
    if before is None:
        if value_wad is None:
            value_wad = last_value_wad(uow, catalog, candidate.path, candidate.units)
        return GovernorRelease(
            message_id=candidate.message_id,
            path=candidate.path,
            units=candidate.units,
            value_wad=value_wad,
            state=ReleaseState.QUEUED,
            is_counted=True,
            queued_at=now,
            due_at=UnixSeconds(now + QUEUE_SECONDS_MAX),
            expires_at=candidate.expires_at,
            decided_at=None,
            reason="",
            who=GOVERNOR,
        )
    held = replace(before, expires_at=candidate.expires_at)
    if value_wad is not None:
        held = replace(held, value_wad=value_wad)
    if before.state is ReleaseState.DROPPED:
        # It had ended as far as the governor knew, and is shown again. Nobody saw it wait since.
        dropped_seconds = 0 if before.decided_at is None else max(0, now - before.decided_at)
        due_at = UnixSeconds(before.due_at + dropped_seconds)
        held = replace(held, state=ReleaseState.QUEUED, decided_at=None, due_at=due_at)
    return held


def _waits_since(held: GovernorRelease) -> UnixSeconds:
    """Return from when its time counts; what it waited while it was dropped does not."""
    if held.state is not ReleaseState.QUEUED:
        return held.queued_at
    return UnixSeconds(held.due_at - QUEUE_SECONDS_MAX)


def _transfer(candidate: Candidate, value_wad: int, queued_at: UnixSeconds) -> Transfer:
    path = candidate.path
    return Transfer(path.chain_id, path.bridge, path.asset_id, value_wad, queued_at)


def _loosened(
    catalog: Catalog, candidate: Candidate, assessment: Assessment, now: UnixSeconds
) -> Assessment:
    """Let pass, counted and noted, what may not wait or what is only watched."""
    mode = catalog.governor.mode
    if candidate.may_wait and mode is Mode.ENFORCE:
        return assessment
    word = f"not held back ({'log only' if candidate.may_wait else 'it may not wait'})"
    after = assessment.after
    _note(after, word)
    released = _released(after, True, f"{word}: {after.reason}", now)
    return replace(assessment, after=released, stop=None)


def _released(
    held: GovernorRelease, is_counted: bool, reason: str, now: UnixSeconds
) -> GovernorRelease:
    return replace(
        held,
        state=ReleaseState.RELEASED,
        is_counted=is_counted,
        decided_at=now,
        reason=reason,
        who=GOVERNOR,
    )


def _note(release: GovernorRelease, what: str) -> None:
    log.warning(
        "governor.exceeded",
        message_id="0x" + release.message_id.hex(),
        path=str(release.path),
        value_wad=str(release.value_wad),
        reason=f"{what}: {release.reason}",
    )


def _stop(release: GovernorRelease, until: int | None) -> Stop:
    return Stop(WaitReason.GOVERNOR_QUEUED, release.reason, until)


def _is_released(release: GovernorRelease) -> bool:
    return release.state is ReleaseState.RELEASED
