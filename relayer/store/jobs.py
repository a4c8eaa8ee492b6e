"""Work to claim: one row per (kind, key); a broker message only says that there is some."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, case, func, null, select, tuple_, update
from sqlalchemy.dialects import postgresql

from relayer.clock import Clock, UnixSeconds
from relayer.errors import LeaseLostError, StateMovedError
from relayer.outbox.life import retry_delay_seconds
from relayer.store.fleet_tables import JOB
from relayer.store.job_records import JobRecord, JobState, JobStatistic, age_seconds, record_of
from relayer.store.statements import excluded_of, insert_for, rows_changed, smaller

ATTEMPTS_MAX: Final = 5
CLAIM_LIMIT_MAX: Final = 1_000
LEASE_EXPIRED: Final = "lease_expired"
# Made once: an expression that is made for each claim lies in memory until garbage is collected.
IS_NAMED: Final = tuple_(JOB.c.kind, JOB.c.key).in_(bindparam("places", expanding=True))
IS_OF_KINDS: Final = JOB.c.kind.in_(bindparam("kinds", expanding=True))
NEXT_ATTEMPT: Final = JOB.c.attempts + 1
NEXT_TOKEN: Final = JOB.c.token + 1
ATTEMPTS_AT_CLAIM: Final = JOB.c.attempts + case(
    (JOB.c.state == JobState.CLAIMED.value, 1), else_=0
)


@dataclass(frozen=True, slots=True)
class Ring:
    """A wish that a job runs at or after due_at (Unix second)."""

    kind: str
    key: str
    queue: str
    due_at: UnixSeconds
    correlation_id: bytes


@dataclass(frozen=True, slots=True)
class Job:
    """
    A claimed job. token fences it: it rises with each claim of the row.

    wanted is how often it was rung up to the claim; attempts how often it failed in a row.
    """

    kind: str
    key: str
    queue: str
    token: int
    attempts: int
    wanted: int
    correlation_id: bytes
    lease_ends_at: UnixSeconds


class JobTable:
    """Jobs, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def ring(
        self, kind: str, key: str, queue: str, due_at: UnixSeconds, correlation_id: bytes
    ) -> None:
        """Wish one job; see ring_all."""
        self.ring_all([Ring(kind, key, queue, due_at, correlation_id)])

    def ring_all(self, rings: Iterable[Ring]) -> None:
        """
        Wish jobs; a job that exists already becomes due at the earlier of both times.

        A claimed job becomes due again when it ends. A failing job keeps the time of its ladder,
        however often it is rung, and a quarantined one stays where it is. Rows are taken in one
        order, so two rings cannot block each other for good.
        """
        now = self._clock.now()
        rows = [
            {
                "kind": ring.kind,
                "key": ring.key,
                "queue": ring.queue,
                "state": JobState.DUE.value,
                "ready_at": ring.due_at,
                "waiting_since": now,
                "wanted": 1,
                "attempts": 0,
                "token": 0,
                "correlation_id": ring.correlation_id,
            }
            for ring in sorted(rings, key=lambda ring: (ring.kind, ring.key, ring.due_at))
        ]
        if rows:
            self._connection.execute(_ring_statement(self._connection.dialect.name), rows)

    def claim(
        self,
        queue: str,
        limit: int,
        *,
        lease_seconds: int,
        holder: str,
        kinds: Sequence[str] = (),
    ) -> tuple[Job, ...]:
        """
        Take due jobs, and jobs whose lease ran out, the longest ready first.

        A lease that ran out counts as a failed attempt, so a job that kills its process is
        quarantined like one that fails.

        Args:
            limit: 1 to CLAIM_LIMIT_MAX.
            lease_seconds: time until others may take the jobs.
            holder: who claims, for the operator's eyes.
            kinds: only these; empty for all of the queue.

        Raises:
            ValueError: limit or lease_seconds out of range.
        """
        if not 1 <= limit <= CLAIM_LIMIT_MAX or lease_seconds <= 0:
            raise ValueError(f"limit must be 1..{CLAIM_LIMIT_MAX} and lease_seconds > 0")
        now = self._clock.now()
        ready = select(JOB).where(JOB.c.queue == queue, JOB.c.ready_at <= now)
        if kinds:
            ready = ready.where(IS_OF_KINDS)
        rows = self._connection.execute(
            ready.order_by(JOB.c.ready_at).limit(limit).with_for_update(skip_locked=True),
            {"kinds": kinds} if kinds else {},
        ).all()
        poison = [row for row in rows if _is_claimed(row) and row.attempts + 1 >= ATTEMPTS_MAX]
        chosen = [row for row in rows if row not in poison]
        self._update_all(
            poison,
            state=JobState.QUARANTINED.value,
            attempts=NEXT_ATTEMPT,
            reason=LEASE_EXPIRED,
            ready_at=None,
        )
        ends_at = UnixSeconds(now + lease_seconds)
        self._update_all(
            chosen,
            state=JobState.CLAIMED.value,
            attempts=ATTEMPTS_AT_CLAIM,
            ready_at=ends_at,
            rung_for=None,
            token=NEXT_TOKEN,
            holder=holder,
        )
        return tuple(_claimed(row, ends_at) for row in chosen)

    def complete(self, job: Job) -> bool:
        """End a job; True when it was rung meanwhile and is due again. See complete_all."""
        return bool(self.complete_all([job]))

    def complete_all(self, jobs: Sequence[Job]) -> tuple[Job, ...]:
        """
        End jobs, in the transaction of their effects; return those that are due again.

        Raises:
            LeaseLostError: a lease ran out and another process took the job.
        """
        keys = [(job.kind, job.key) for job in jobs]
        found = self._connection.execute(
            select(JOB).where(IS_NAMED).with_for_update(), {"places": keys}
        )
        rows = {(row.kind, row.key): row for row in found}
        for job in jobs:
            row = rows.get((job.kind, job.key))
            if row is None or not _is_claimed(row) or row.token != job.token:
                raise _lost(job, row)
        ended: dict[str, Any] = {"attempts": 0, "reason": None, "rung_for": None, "holder": None}
        idle: dict[str, Any] = {"state": JobState.IDLE.value, "ready_at": None}
        now = self._clock.now()
        ready_at = func.coalesce(JOB.c.rung_for, now)
        due: dict[str, Any] = {"state": JobState.DUE.value, "ready_at": ready_at}
        again = tuple(job for job in jobs if rows[job.kind, job.key].wanted != job.wanted)
        done = [rows[job.kind, job.key] for job in jobs if job not in again]
        self._update_all(done, **ended, **idle, waiting_since=None)
        waiting = [rows[job.kind, job.key] for job in again]
        self._update_all(waiting, **ended, **due, waiting_since=now)
        return again

    def defer(self, job: Job, due_at: UnixSeconds, reason: str) -> None:
        """
        Put a job back until a time that survives restarts; it is no failure.

        Args:
            due_at: Unix second; an earlier ring during the claim wins.
            reason: machine-readable, see WaitReason.

        Raises:
            LeaseLostError: another process took the job.
        """
        rung_for = func.coalesce(JOB.c.rung_for, due_at)
        self._end(
            job,
            state=JobState.DUE.value,
            ready_at=case((rung_for < due_at, rung_for), else_=due_at),
            attempts=0,
            reason=reason,
        )

    def release(self, job: Job, reason: str) -> None:
        """
        Put a job back that was not started: due at once, its count of failures as it was.

        Raises:
            LeaseLostError: another process took the job.
        """
        self._end(job, state=JobState.DUE.value, ready_at=self._clock.now(), reason=reason)

    def fail(self, job: Job, reason: str) -> JobState:
        """
        Count a failed attempt: later again by the ladder, or quarantined after ATTEMPTS_MAX.

        Raises:
            LeaseLostError: another process took the job.
        """
        attempts = job.attempts + 1
        if attempts >= ATTEMPTS_MAX:
            after, ready_at = JobState.QUARANTINED, None
        else:
            pause_seconds = retry_delay_seconds(attempts, f"{job.kind} {job.key}")
            after, ready_at = JobState.DUE, self._clock.now() + pause_seconds
        self._end(job, state=after.value, ready_at=ready_at, attempts=attempts, reason=reason)
        return after

    def extend(self, job: Job, lease_seconds: int, *, is_effect: bool = False) -> None:
        """
        Give a running job more time.

        Args:
            is_effect: this transaction does a part of the job for good. If the process dies after
                it, that is no failed attempt: deaths say nothing against work that gets on.

        Raises:
            LeaseLostError: another process took the job.
        """
        ends_at = self._clock.now() + lease_seconds
        if is_effect:
            # Its death adds one to what stands here, which makes what it was at the claim.
            self._update_own(job, ready_at=ends_at, attempts=max(0, job.attempts - 1))
        else:
            self._update_own(job, ready_at=ends_at)

    def replay(self, kind: str, key: str) -> None:
        """
        Make a quarantined job due now, with a fresh count of attempts.

        Raises:
            StateMovedError: it is not quarantined.
        """
        statement = update(JOB).where(JOB.c.kind == kind, JOB.c.key == key)
        if not rows_changed(
            self._connection,
            statement.where(JOB.c.state == JobState.QUARANTINED.value).values(
                state=JobState.DUE.value, ready_at=self._clock.now(), attempts=0, reason="replayed"
            ),
        ):
            raise StateMovedError(what=f"job {kind} {key}", expected=JobState.QUARANTINED.value)

    def due_doorbells(self, now: UnixSeconds) -> tuple[tuple[str, str], ...]:
        """Return the (queue, kind) pairs that have work to claim."""
        return tuple(self.due_since(now))

    def due_since(self, now: UnixSeconds) -> dict[tuple[str, str], UnixSeconds]:
        """Return since when the (queue, kind) pairs that have work to claim have it."""
        rows = self._connection.execute(
            select(JOB.c.queue, JOB.c.kind, func.min(JOB.c.ready_at).label("since"))
            .where(JOB.c.ready_at <= now)
            .group_by(JOB.c.queue, JOB.c.kind)
            .order_by(JOB.c.queue, JOB.c.kind)
        )
        return {(row.queue, row.kind): UnixSeconds(row.since) for row in rows}

    def job(self, kind: str, key: str) -> JobRecord:
        """
        Return one job.

        Raises:
            KeyError: it was never rung.
        """
        row = self._connection.execute(
            select(JOB).where(JOB.c.kind == kind, JOB.c.key == key)
        ).one_or_none()
        if row is None:
            raise KeyError(f"no job {kind} {key}")
        return record_of(row)

    def quarantined(self, limit: int = CLAIM_LIMIT_MAX) -> tuple[JobRecord, ...]:
        """Return the jobs that wait for a person, the longest waiting first."""
        rows = self._connection.execute(
            select(JOB)
            .where(JOB.c.state == JobState.QUARANTINED.value)
            .order_by(JOB.c.waiting_since, JOB.c.kind, JOB.c.key)
            .limit(limit)
        )
        return tuple(record_of(row) for row in rows)

    def stats(self, now: UnixSeconds) -> tuple[JobStatistic, ...]:
        """Return counts and ages by kind and state; idle jobs have no age. [seconds]"""
        rows = self._connection.execute(
            select(
                JOB.c.kind,
                JOB.c.state,
                func.count().label("jobs"),
                func.min(JOB.c.ready_at).label("ready_at"),
                func.min(JOB.c.waiting_since).label("waiting_since"),
            )
            .group_by(JOB.c.kind, JOB.c.state)
            .order_by(JOB.c.kind, JOB.c.state)
        )
        return tuple(
            JobStatistic(
                row.kind,
                JobState(row.state),
                row.jobs,
                overdue_seconds=age_seconds(now, row.ready_at),
                oldest_seconds=age_seconds(now, row.waiting_since),
            )
            for row in rows
        )

    def _end(self, job: Job, **values: Any) -> None:
        self._update_own(job, rung_for=None, holder=None, **values)

    def _update_own(self, job: Job, **values: Any) -> None:
        statement = (
            update(JOB)
            .where(JOB.c.kind == job.kind, JOB.c.key == job.key, JOB.c.token == job.token)
            .where(JOB.c.state == JobState.CLAIMED.value)
        )
        if not rows_changed(self._connection, statement.values(**values)):
            raise _lost(job, self.job(job.kind, job.key))

    def _update_all(self, rows: Sequence[Row[Any]], **values: Any) -> None:
        if rows:
            keys = [(row.kind, row.key) for row in rows]
            self._connection.execute(update(JOB).where(IS_NAMED).values(**values), {"places": keys})


def _lost(job: Job, row: Any) -> LeaseLostError:
    holder = "nobody" if row is None or row.holder is None else row.holder
    return LeaseLostError(name=f"job {job.kind} {job.key}", holder=holder)


@cache
def _ring_statement(dialect: str) -> postgresql.Insert:
    """Return the wish that a job runs; made once for each kind of database."""
    given = excluded_of(JOB)
    asked = given.ready_at
    return insert_for(dialect, JOB).on_conflict_do_update(
        index_elements=[JOB.c.kind, JOB.c.key],
        set_={
            "queue": given.queue,
            "correlation_id": given.correlation_id,
            "wanted": JOB.c.wanted + 1,
            "waiting_since": func.coalesce(JOB.c.waiting_since, given.waiting_since),
            "state": case(
                (JOB.c.state == JobState.IDLE.value, JobState.DUE.value),
                else_=JOB.c.state,
            ),
            "ready_at": case(
                (JOB.c.state == JobState.IDLE.value, asked),
                (
                    and_(JOB.c.state == JobState.DUE.value, JOB.c.attempts == 0),
                    smaller(JOB.c.ready_at, asked),
                ),
                else_=JOB.c.ready_at,
            ),
            "rung_for": case(
                (
                    JOB.c.state == JobState.CLAIMED.value,
                    smaller(func.coalesce(JOB.c.rung_for, asked), asked),
                ),
                else_=null(),
            ),
        },
    )


def _is_claimed(row: Row[Any]) -> bool:
    return bool(row.state == JobState.CLAIMED.value)


def _claimed(row: Row[Any], ends_at: UnixSeconds) -> Job:
    return Job(
        *(row.kind, row.key, row.queue),
        token=row.token + 1,
        attempts=row.attempts + (1 if _is_claimed(row) else 0),
        wanted=row.wanted,
        correlation_id=row.correlation_id,
        lease_ends_at=ends_at,
    )
