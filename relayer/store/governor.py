"""What the governor holds back and released: state moves by compare and set, all of it logged."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from sqlalchemy import Connection, Row, exists, or_, select, update

from chains.events import CollateralLocked
from chains.types import ChainId
from relayer.assets import Path
from relayer.clock import Clock, UnixSeconds
from relayer.errors import StateMovedError
from relayer.governor.buckets import Lane, Shortage
from relayer.governor.windows import Flow
from relayer.money import AssetId
from relayer.outbox.life import FINAL_STATES, MessageState
from relayer.store.brake_tables import GOVERNOR_LOG, GOVERNOR_RELEASE, GOVERNOR_TAKE
from relayer.store.chain_tables import OBSERVED_EVENT
from relayer.store.fleet_tables import OUTBOX_MESSAGE
from relayer.store.observed_rows import Booked, EventState, stored_of
from relayer.store.statements import insert_into, rows_changed, stores_row

GOVERNOR: Final = "governor"
ROWS_PER_QUERY_MAX: Final = 1_000
INFLOWS_MAX: Final = 10_000
ENDED_STATES: Final = FINAL_STATES | {MessageState.DISPUTED}


class ReleaseState(Enum):
    """QUEUED: until there is room. DELAYED: until due_at. RELEASED, DROPPED: the end."""

    QUEUED = "QUEUED"
    DELAYED = "DELAYED"
    RELEASED = "RELEASED"
    DROPPED = "DROPPED"


WAITING: Final = (ReleaseState.QUEUED, ReleaseState.DELAYED)


@dataclass(frozen=True, slots=True)
class GovernorRelease:
    """
    One message under the governor. Units in base units, value in USD x 1e18, times in seconds.

    due_at is when the windows let it leave at the latest, expires_at the last second of its
    message; is_counted: it fills windows once it is RELEASED.
    """

    message_id: bytes
    path: Path
    units: int
    value_wad: int
    state: ReleaseState
    is_counted: bool
    queued_at: UnixSeconds
    due_at: UnixSeconds
    expires_at: UnixSeconds
    decided_at: UnixSeconds | None
    reason: str
    who: str

    @property
    def is_decided(self) -> bool:
        """
        Return whether nothing more is judged: it was released, or a person dropped it.

        The governor itself drops what had ended as far as it knew, and judges it if shown again.
        """
        is_dropped_here = self.state is ReleaseState.DROPPED and self.who == GOVERNOR
        return self.state not in WAITING and not is_dropped_here


@dataclass(frozen=True, slots=True)
class Outflow:
    """What was released and counts, and on which path."""

    path: Path
    flow: Flow


@dataclass(frozen=True, slots=True)
class Inflow:
    """A lock in a final block. [token base units]"""

    token: bytes
    units: int
    at: UnixSeconds


@dataclass(frozen=True, slots=True)
class GovernorEntry:
    """One line of the governor's log."""

    seq: int
    message_id: bytes
    action: str
    reason: str
    who: str
    due_at: UnixSeconds
    at: UnixSeconds


class GovernorTable:
    """The governor's rows, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def get(self, message_id: bytes) -> GovernorRelease | None:
        """Return what is known of a message; None where the governor never saw it."""
        row = self._connection.execute(
            select(GOVERNOR_RELEASE).where(GOVERNOR_RELEASE.c.message_id == message_id)
        ).one_or_none()
        return None if row is None else _release(row)

    def add(self, release: GovernorRelease) -> bool:
        """Store what was judged for the first time, and log it; False when it was there."""
        values: dict[str, Any] = {
            "message_id": release.message_id,
            "chain_id": release.path.chain_id,
            "bridge": release.path.bridge,
            "asset_id": release.path.asset_id,
            "units": release.units,
            "queued_at": release.queued_at,
        }
        statement = insert_into(self._connection, GOVERNOR_RELEASE).values(
            values | _changing(release)
        )
        if not stores_row(self._connection, statement.on_conflict_do_nothing()):
            return False
        action = {ReleaseState.QUEUED: "queue", ReleaseState.DELAYED: "delay"}
        self._log(release, action.get(release.state, "release"))
        return True

    def change(self, before: GovernorRelease, after: GovernorRelease, action: str) -> None:
        """
        Move a message that is not decided on and log it; a new value or time alone is not logged.

        Args:
            action: queue, delay, release, drop or extend.

        Raises:
            StateMovedError: it was decided meanwhile.
        """
        table = GOVERNOR_RELEASE.c
        statement = (
            update(GOVERNOR_RELEASE)
            .where(table.message_id == before.message_id)
            .where(table.state == before.state.value, table.due_at == before.due_at)
            .values(**_changing(after))
        )
        if before.is_decided or not rows_changed(self._connection, statement):
            raise StateMovedError(
                what=f"governed message 0x{before.message_id.hex()}", expected=before.state.value
            )
        if before.state is not after.state or before.due_at != after.due_at:
            self._log(after, action)

    def outflows(self, chain_id: ChainId, since: int) -> tuple[Outflow, ...]:
        """Return what was released from a chain after a second and counts, oldest first."""
        table = GOVERNOR_RELEASE.c
        rows = self._connection.execute(
            select(GOVERNOR_RELEASE)
            .where(table.chain_id == chain_id, table.state == ReleaseState.RELEASED.value)
            .where(table.is_counted == 1, table.decided_at > since)
            .order_by(table.decided_at, table.message_id)
        )
        return tuple(
            Outflow(_path(row), Flow(UnixSeconds(row.decided_at), row.value_wad)) for row in rows
        )

    def shortage(self, lane: Lane) -> Shortage | None:
        """Return what the newest taking left a lane's bucket short of; None before the first."""
        table = GOVERNOR_TAKE.c
        row = self._connection.execute(
            select(GOVERNOR_TAKE)
            .where(table.origin == lane.origin, table.target == lane.target)
            .order_by(table.seq.desc())
            .limit(1)
        ).one_or_none()
        return None if row is None else Shortage(row.missing_wad, UnixSeconds(row.at))

    def take(self, message_id: bytes, lane: Lane, value_wad: int, shortage: Shortage) -> None:
        """Store what a message took out of its lane's bucket, and what that left it short of."""
        self._connection.execute(
            GOVERNOR_TAKE.insert().values(
                message_id=message_id,
                origin=lane.origin,
                target=lane.target,
                value_wad=value_wad,
                missing_wad=shortage.missing_wad,
                at=shortage.at,
            )
        )

    def inflows(self, chain_id: ChainId, since: int) -> tuple[Inflow, ...]:
        """Return the booked locks that became final after a second; of too many the newest."""
        table = OBSERVED_EVENT.c
        rows = self._connection.execute(
            select(OBSERVED_EVENT)
            .where(table.chain_id == chain_id, table.kind == CollateralLocked.__name__)
            .where(table.state == EventState.FINAL.value, table.final_at > since)
            .where(table.booked == Booked.FINAL.value)
            .order_by(table.final_at.desc(), table.event_id)
            .limit(INFLOWS_MAX)
        )
        events = [(stored_of(row).event, row.final_at) for row in rows]
        return tuple(
            Inflow(event.token, event.units, UnixSeconds(final_at))
            for event, final_at in events
            if isinstance(event, CollateralLocked)
        )

    def waiting(self, limit: int = ROWS_PER_QUERY_MAX) -> tuple[GovernorRelease, ...]:
        """Return what is held back, by when it leaves at the latest."""
        table = GOVERNOR_RELEASE.c
        rows = self._connection.execute(
            select(GOVERNOR_RELEASE)
            .where(table.state.in_([state.value for state in WAITING]))
            .order_by(table.due_at, table.message_id)
            .limit(limit)
        )
        return tuple(_release(row) for row in rows)

    def ended(self, now: UnixSeconds) -> tuple[GovernorRelease, ...]:
        """
        Return what is held back of messages that may have ended, by when they expire.

        Their own state is final, or in doubt after their expiry; or they are not stored here, and
        a final block has their effect, or they expired.
        """
        table, effect, message = GOVERNOR_RELEASE.c, OBSERVED_EVENT.c, OUTBOX_MESSAGE.c
        is_known = exists().where(message.message_id == table.message_id)
        has_ended = is_known.where(message.state.in_([state.value for state in ENDED_STATES]))
        is_executed = exists().where(
            effect.message_id == table.message_id, effect.state == EventState.FINAL.value
        )
        rows = self._connection.execute(
            select(GOVERNOR_RELEASE)
            .where(table.state.in_([state.value for state in WAITING]))
            .where(or_(has_ended, ~is_known & or_(is_executed, table.expires_at < now)))
            .order_by(table.expires_at, table.message_id)
            .limit(ROWS_PER_QUERY_MAX)
        )
        return tuple(_release(row) for row in rows)

    def entries(
        self, message_id: bytes | None = None, limit: int = 100
    ) -> tuple[GovernorEntry, ...]:
        """Return the newest lines of the log, newest first."""
        statement = select(GOVERNOR_LOG).order_by(GOVERNOR_LOG.c.seq.desc()).limit(limit)
        if message_id is not None:
            statement = statement.where(GOVERNOR_LOG.c.message_id == message_id)
        return tuple(
            GovernorEntry(
                seq=row.seq,
                message_id=row.message_id,
                action=row.action,
                reason=row.reason,
                who=row.who,
                due_at=UnixSeconds(row.due_at),
                at=UnixSeconds(row.at),
            )
            for row in self._connection.execute(statement)
        )

    def _log(self, release: GovernorRelease, action: str) -> None:
        self._connection.execute(
            GOVERNOR_LOG.insert().values(
                message_id=release.message_id,
                action=action,
                reason=release.reason,
                who=release.who,
                due_at=release.due_at,
                at=self._clock.now(),
            )
        )


def _changing(release: GovernorRelease) -> dict[str, Any]:
    return {
        "value_wad": release.value_wad,
        "state": release.state.value,
        "is_counted": int(release.is_counted),
        "due_at": release.due_at,
        "expires_at": release.expires_at,
        "decided_at": release.decided_at,
        "reason": release.reason,
        "who": release.who,
    }


def _path(row: Row[Any]) -> Path:
    return Path(AssetId(row.asset_id), ChainId(row.chain_id), row.bridge)


def _release(row: Row[Any]) -> GovernorRelease:
    return GovernorRelease(
        message_id=row.message_id,
        path=_path(row),
        units=row.units,
        value_wad=row.value_wad,
        state=ReleaseState(row.state),
        is_counted=bool(row.is_counted),
        queued_at=UnixSeconds(row.queued_at),
        due_at=UnixSeconds(row.due_at),
        expires_at=UnixSeconds(row.expires_at),
        decided_at=None if row.decided_at is None else UnixSeconds(row.decided_at),
        reason=row.reason,
        who=row.who,
    )
