"""Jobs as an operator sees them."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Row

from relayer.clock import UnixSeconds


class JobState(Enum):
    """IDLE: nothing wanted. DUE: waits its time. CLAIMED: leased. QUARANTINED: a person acts."""

    IDLE = "IDLE"
    DUE = "DUE"
    CLAIMED = "CLAIMED"
    QUARANTINED = "QUARANTINED"


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as an operator sees it. Times are Unix seconds."""

    kind: str
    key: str
    queue: str
    state: JobState
    ready_at: UnixSeconds | None
    waiting_since: UnixSeconds | None
    attempts: int
    reason: str | None
    holder: str | None


@dataclass(frozen=True, slots=True)
class JobStatistic:
    """One kind in one state; overdue is past its time, oldest is since it was first wanted."""

    kind: str
    state: JobState
    count: int
    overdue_seconds: int
    oldest_seconds: int


def record_of(row: Row[Any]) -> JobRecord:
    """Rebuild a record from a row."""
    return JobRecord(
        *(row.kind, row.key, row.queue, JobState(row.state)),
        ready_at=row.ready_at,
        waiting_since=row.waiting_since,
        attempts=row.attempts,
        reason=row.reason,
        holder=row.holder,
    )


def age_seconds(now: UnixSeconds, since: int | None) -> int:
    """Return the seconds since a moment; 0 when there is none or it is still to come."""
    return 0 if since is None else max(0, now - since)
