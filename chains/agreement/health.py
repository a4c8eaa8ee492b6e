"""
How far a node can be counted on: a pure state machine, told what happened and when.

Health decides who is asked first. It never decides how many must agree.
"""

from dataclasses import dataclass, replace
from typing import Final

from chains.agreement.faults import FaultClass
from chains.nodes import Standing

FAULTS_IN_ROW_MAX: Final = 5
FAULT_WINDOW_SECONDS: Final = 300.0  # an older fault does not belong to a row
BLOCKS_BEHIND_MAX: Final = 5
STALLED_SECONDS: Final = 120.0
RETEST_SECONDS: Final = 30.0
DISPUTES_MAX: Final = 3
DISPUTE_WINDOW_SECONDS: Final = 600.0
OUT_SECONDS: Final = 1_800.0


@dataclass(frozen=True, slots=True)
class Health:
    """
    One node's health. Times are seconds of a clock that never goes back.

    Args:
        faults_at: the faults in a row, oldest first.
        disputes_at: when it contradicted a quorum about something settled.
        retest_at: when a node that is not healthy is asked among the first again.
        height: its newest head, and since when it has had it.
        is_behind: its head demoted it, and only its head can bring it back.
    """

    standing: Standing = Standing.HEALTHY
    reason: str = ""
    faults_at: tuple[float, ...] = ()
    disputes_at: tuple[float, ...] = ()
    retest_at: float = 0.0
    height: int = -1
    height_since: float = 0.0
    is_behind: bool = False


def is_first(health: Health, now: float) -> bool:
    """Return whether a node is asked among the first: it is healthy, or due for a retest."""
    return health.standing is Standing.HEALTHY or now >= health.retest_at


def after_answer(health: Health, now: float) -> Health:
    """
    Return the health after an answer: the row of faults ends.

    A demoted node is taken back by an answer to its retest, unless its head is what demoted it;
    one that is out serves its term.
    """
    if health.standing is Standing.HEALTHY:
        return health if not health.faults_at else replace(health, faults_at=())
    if now < health.retest_at or health.is_behind:
        return health
    return _restored(health)


def after_fault(health: Health, fault: FaultClass, now: float) -> Health:
    """
    Return the health after a fault of the provider; five in a row demote.

    A demoted node that fails its retest waits for the next.
    """
    if health.standing is Standing.OUT and now < health.retest_at:
        return health
    if health.standing is not Standing.HEALTHY:
        return _demoted(health, fault.value, now) if now >= health.retest_at else health
    recent = tuple(at for at in health.faults_at if now - at <= FAULT_WINDOW_SECONDS)
    row = (*recent, now)[-FAULTS_IN_ROW_MAX:]
    if len(row) < FAULTS_IN_ROW_MAX:
        return replace(health, faults_at=row)
    return _demoted(replace(health, faults_at=row), fault.value, now)


def after_dispute(health: Health, now: float) -> Health:
    """Return the health after a contradiction of the quorum; three in ten minutes put it out."""
    recent = tuple(at for at in health.disputes_at if now - at <= DISPUTE_WINDOW_SECONDS)
    disputes = (*recent, now)[-DISPUTES_MAX:]
    after = replace(health, disputes_at=disputes)
    if len(disputes) < DISPUTES_MAX or health.standing is Standing.OUT:
        return after
    reason = f"{DISPUTES_MAX} disputes in {int(DISPUTE_WINDOW_SECONDS)} s"
    return replace(after, standing=Standing.OUT, reason=reason, retest_at=now + OUT_SECONDS)


def after_head(
    health: Health,
    height: int,
    *,
    agreed_height: int,
    now: float,
    behind_max: int = BLOCKS_BEHIND_MAX,
) -> Health:
    """
    Return the health after a node named its head, next to the head that a quorum has reached.

    It is compared with the agreed head and not with the highest: one node that invents a height
    would else demote all the others. A chain that makes no blocks stalls nobody.

    Args:
        behind_max: how many blocks it may be behind; slots are shorter than blocks.
    """
    if height != health.height:
        health = replace(health, height=height, height_since=now)
    if health.standing is Standing.OUT and now < health.retest_at:
        return health
    behind = agreed_height - height
    stalled_seconds = int(now - health.height_since)
    if behind > behind_max:
        return replace(_demoted(health, f"{behind} blocks behind", now), is_behind=True)
    if behind > 0 and stalled_seconds >= STALLED_SECONDS:
        return replace(_demoted(health, f"stalled for {stalled_seconds} s", now), is_behind=True)
    if health.is_behind and now >= health.retest_at:
        return _restored(health)
    return health


def _restored(health: Health) -> Health:
    return replace(
        health,
        standing=Standing.HEALTHY,
        reason="",
        faults_at=(),
        disputes_at=(),
        retest_at=0.0,
        is_behind=False,
    )


def _demoted(health: Health, reason: str, now: float) -> Health:
    if health.standing is Standing.DEMOTED and now < health.retest_at:
        return health
    return replace(health, standing=Standing.DEMOTED, reason=reason, retest_at=now + RETEST_SECONDS)
