"""Govern: hold back by value what leaves a chain, until its windows have room or its time is up."""

from dataclasses import dataclass, replace

import structlog

from chains.command import Command, RequestUnlock
from chains.message import Message
from relayer.assets import Path
from relayer.clock import UnixSeconds
from relayer.errors import InvariantError
from relayer.governor.rules import Mode
from relayer.governor.windows import (
    QUEUE_SECONDS_MAX,
    WINDOW_SECONDS,
    Flow,
    OutflowLimit,
    Transfer,
    VerdictKind,
    Window,
    flow_value_wad,
    inflow_price_wad,
    judge,
    outflow_price_wad,
)
from relayer.money import WAD, AssetId, Rounding, mul_div
from relayer.oracle.price import PriceBook
from relayer.outbox.life import WaitReason
from relayer.outbox.message import HOLDING_KINDS, OutboxMessage
from relayer.steps.brakes import Stop, leaving_of, leaving_of_message, may_wait
from relayer.steps.catalog import Catalog
from relayer.steps.position import prices_of
from relayer.store.governor import GOVERNOR, WAITING, GovernorRelease, ReleaseState
from relayer.store.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is to leave. [base units] may_wait: False where it is counted and never held back."""

    message_id: bytes
    path: Path
    units: int
    may_wait: bool = True


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is stored of a candidate, and what the rules make of it now."""

    before: GovernorRelease | None
    after: GovernorRelease
    stop: Stop | None


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
        may_wait(command),
    )


def assess_outflow(uow: UnitOfWork, catalog: Catalog, candidate: Candidate) -> Assessment | None:
    """Return what the rules make of a candidate now; None where no limit governs it."""
    now = uow.clock.now()
    before = uow.governor.get(candidate.message_id)
    if before is not None and before.state not in WAITING:
        is_free = _is_released(before) or not candidate.may_wait
        return Assessment(before, before, None if is_free else _stop(before, None))
    queued_at = now if before is None else before.queued_at
    transfer = _transfer(candidate, 0, queued_at)
    limits = catalog.governor.limits_of(transfer)
    if not limits and before is None:
        return None
    prices = prices_of(uow, catalog, now)
    value_wad = _value_wad(uow, catalog, candidate, prices)
    known_wad = value_wad if value_wad is not None else _last_value_wad(uow, catalog, candidate)
    held = before or _fresh(candidate, known_wad, now)
    if before is not None and before.state is ReleaseState.DELAYED and candidate.may_wait:
        # Until then and not earlier, whatever the price does: a person may have set the time.
        if now < before.due_at:
            return Assessment(before, before, _stop(before, before.due_at))
        return _released(before, held, False, f"{before.reason}; its delay is over", now)
    if value_wad is None:
        reason = f"{candidate.path}: no price and no floor, so nothing is released by value"
        after = replace(held, reason=reason)
        stop = Stop(WaitReason.PRICE_REFUSED, reason, now + 1)
        return _loosened(catalog, candidate, Assessment(before, after, stop), now)
    windows = [_window(uow, catalog, limit, prices, now) for limit in limits]
    verdict = judge(_transfer(candidate, value_wad, queued_at), windows, now=now)
    valued = replace(held, value_wad=value_wad)
    if verdict.kind is VerdictKind.RELEASE:
        return _released(before, valued, verdict.is_counted, verdict.detail, now)
    after = replace(valued, state=ReleaseState.QUEUED, reason=verdict.detail)
    if verdict.kind is VerdictKind.DELAY:
        after = replace(after, state=ReleaseState.DELAYED, due_at=verdict.until)
    assessment = Assessment(before, after, _stop(after, verdict.until))
    return _loosened(catalog, candidate, assessment, now)


def settle(uow: UnitOfWork, assessment: Assessment) -> Stop | None:
    """Store an assessment, if it says anything new; return what holds the message back."""
    before, after = assessment.before, assessment.after
    if before is None:
        uow.governor.add(after)
        if assessment.stop is not None:
            _note(after, "held")
    elif before != after:
        action = "release" if _is_released(after) else "delay"
        uow.governor.change(before, after, action)
    if _is_released(after) and before != after:
        log.info(
            "governor.released",
            message_id="0x" + after.message_id.hex(),
            value_wad=str(after.value_wad),
            is_counted=after.is_counted,
            reason=after.reason,
        )
    return assessment.stop


def abandon(uow: UnitOfWork, message_id: bytes) -> bool:
    """Drop what the governor holds back of a message that expired; False where it holds nothing."""
    before = uow.governor.get(message_id)
    if before is None or before.state not in WAITING:
        return False
    now = uow.clock.now()
    after = replace(
        before, state=ReleaseState.DROPPED, decided_at=now, reason="expired", who=GOVERNOR
    )
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
    assessment = assess_outflow(uow, catalog, Candidate(bytes(32), path, command.amount))
    if assessment is None or assessment.stop is None:
        return now, now
    until = assessment.stop.until
    return UnixSeconds(now if until is None else until), assessment.after.due_at


def _fresh(candidate: Candidate, value_wad: int, now: UnixSeconds) -> GovernorRelease:
    return GovernorRelease(
        message_id=candidate.message_id,
        path=candidate.path,
        units=candidate.units,
        value_wad=value_wad,
        state=ReleaseState.QUEUED,
        is_counted=True,
        queued_at=now,
        due_at=UnixSeconds(now + QUEUE_SECONDS_MAX),
        decided_at=None,
        reason="",
        who=GOVERNOR,
    )


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
    return _released(assessment.before, after, True, f"{word}: {after.reason}", now)


def _released(
    before: GovernorRelease | None,
    held: GovernorRelease,
    is_counted: bool,
    reason: str,
    now: UnixSeconds,
) -> Assessment:
    after = replace(
        held,
        state=ReleaseState.RELEASED,
        is_counted=is_counted,
        decided_at=now,
        reason=reason,
        who=GOVERNOR,
    )
    return Assessment(before, after, None)


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


def _value_wad(
    uow: UnitOfWork, catalog: Catalog, candidate: Candidate, prices: PriceBook
) -> int | None:
    """Return what counts of a candidate, rounded up; None where no price may be used."""
    asset_id = candidate.path.asset_id
    price_wad = outflow_price_wad(
        prices.find(asset_id),
        floor_wad=catalog.governor.floors_wad.get(candidate.path),
        last_known_wad=_last_price_wad(uow, asset_id),
    )
    if price_wad is None:
        return None
    whole_units = catalog.assets.asset(asset_id).whole_units
    return flow_value_wad(
        candidate.units, price_wad=price_wad, whole_units=whole_units, rounding=Rounding.UP
    )


def _last_value_wad(uow: UnitOfWork, catalog: Catalog, candidate: Candidate) -> int:
    price_wad = _last_price_wad(uow, candidate.path.asset_id) or 0
    whole_units = catalog.assets.asset(candidate.path.asset_id).whole_units
    return flow_value_wad(
        candidate.units, price_wad=price_wad, whole_units=whole_units, rounding=Rounding.UP
    )


def _last_price_wad(uow: UnitOfWork, asset_id: AssetId) -> int | None:
    """Return the highest of the newest answers of an asset's feeds, however old. [x 1e18]"""
    answers = [
        mul_div(point.answer, WAD, int(10**point.scale), Rounding.UP)
        for point in uow.prices.latest_of_asset(asset_id)
        if point.answer > 0
    ]
    return max(answers, default=None)


def window_of(uow: UnitOfWork, catalog: Catalog, limit: OutflowLimit) -> Window:
    """Return a limit with what was released and what came in under it in the last 24 hours."""
    now = uow.clock.now()
    return _window(uow, catalog, limit, prices_of(uow, catalog, now), now)


def _window(
    uow: UnitOfWork, catalog: Catalog, limit: OutflowLimit, prices: PriceBook, now: UnixSeconds
) -> Window:
    since = now - WINDOW_SECONDS
    outflows = tuple(
        outflow.flow
        for outflow in uow.governor.outflows(limit.chain_id, since)
        if limit.asset_id is None
        or (outflow.path.asset_id, outflow.path.bridge) == (limit.asset_id, limit.bridge)
    )
    inflows = _inflows(uow, catalog, limit, prices, since) if limit.is_flow_cancelled else ()
    return Window(limit, outflows, inflows)


def _inflows(
    uow: UnitOfWork, catalog: Catalog, limit: OutflowLimit, prices: PriceBook, since: int
) -> tuple[Flow, ...]:
    """Return the final locks on a chain, valued at the lower price, rounded down."""
    flows = []
    for inflow in uow.governor.inflows(limit.chain_id, since):
        asset = catalog.asset_of(limit.chain_id, inflow.token)
        if limit.asset_id not in (None, asset.asset_id):
            continue
        path = catalog.path_of(asset.asset_id, limit.chain_id)
        price_wad = inflow_price_wad(
            prices.find(asset.asset_id), floor_wad=catalog.governor.floors_wad.get(path)
        )
        value_wad = flow_value_wad(
            inflow.units,
            price_wad=price_wad,
            whole_units=asset.whole_units,
            rounding=Rounding.DOWN,
        )
        flows.append(Flow(inflow.at, value_wad))
    return tuple(flows)
