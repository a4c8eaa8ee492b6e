"""Switches: the newest order about each subject, the log of all, and who acknowledged them."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Row, func, select

from chains.types import ChainId
from relayer.clock import Clock, UnixSeconds
from relayer.governor.switches import Direction, Subject, Switch
from relayer.money import AssetId
from relayer.store.brake_tables import SWITCH, SWITCH_ACK, SWITCH_LOG
from relayer.store.statements import insert_into, stores_row

PAUSE = "pause"
RESUME = "resume"


class Source(Enum):
    """OWN: ordered on this machine. OPERATOR: by a signed order that came from outside."""

    OWN = "OWN"
    OPERATOR = "OPERATOR"


@dataclass(frozen=True, slots=True)
class SwitchChange:
    """
    An order about a switch, as it is stored.

    Args:
        sequence: a change about the same subject must have a higher one than the last.
        issued_at: when it was ordered, by the clock of whoever ordered it.
        signature: None where it was ordered on this machine without one.
    """

    source: Source
    switch: Switch
    who: str
    sequence: int
    issued_at: UnixSeconds
    signature: bytes | None = None


@dataclass(frozen=True, slots=True)
class SwitchEntry:
    """One line of the log of switches."""

    seq: int
    source: Source
    subject_key: str
    action: str
    reason: str
    who: str
    sequence: int
    signature: bytes | None
    at: UnixSeconds


class SwitchTable:
    """Switches, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def store(self, change: SwitchChange) -> bool:
        """Store an order and log it; False where a newer one, or this very one, was stored."""
        now = self._clock.now()
        subject = change.switch.subject
        values: dict[str, Any] = {
            "source": change.source.value,
            "subject": subject.key,
            "chain_id": subject.chain_id,
            "direction": None if subject.direction is None else subject.direction.value,
            "asset_id": subject.asset_id,
        }
        newest: dict[str, Any] = {
            "is_off": int(change.switch.is_off),
            "reason": change.switch.reason,
            "who": change.who,
            "sequence": change.sequence,
            "issued_at": change.issued_at,
            "signature": change.signature,
            "changed_at": now,
        }
        statement = insert_into(self._connection, SWITCH).values(values | newest)
        if not stores_row(
            self._connection,
            statement.on_conflict_do_update(
                index_elements=[SWITCH.c.source, SWITCH.c.subject],
                set_=newest,
                where=SWITCH.c.sequence < change.sequence,
            ),
        ):
            return False
        self._connection.execute(
            SWITCH_LOG.insert().values(
                source=change.source.value,
                subject=subject.key,
                action=PAUSE if change.switch.is_off else RESUME,
                reason=change.switch.reason,
                who=change.who,
                sequence=change.sequence,
                signature=change.signature,
                at=now,
            )
        )
        return True

    def next_sequence(self) -> int:
        """Return a number above all of own orders: the second, or one more than the last."""
        newest = self._connection.scalar(
            select(func.max(SWITCH.c.sequence)).where(SWITCH.c.source == Source.OWN.value)
        )
        now = self._clock.now()
        return now if newest is None else max(now, newest + 1)

    def get(self, source: Source, subject: Subject) -> SwitchChange | None:
        """Return the newest order about a subject, None where there never was one."""
        row = self._connection.execute(
            select(SWITCH).where(SWITCH.c.source == source.value, SWITCH.c.subject == subject.key)
        ).one_or_none()
        return None if row is None else _change(row)

    def all(self, source: Source | None = None) -> tuple[SwitchChange, ...]:
        """Return the newest order about every subject, by source and subject."""
        statement = select(SWITCH).order_by(SWITCH.c.source, SWITCH.c.subject)
        if source is not None:
            statement = statement.where(SWITCH.c.source == source.value)
        return tuple(_change(row) for row in self._connection.execute(statement))

    def off(self) -> tuple[Switch, ...]:
        """Return what is switched off, whoever ordered it."""
        statement = select(SWITCH).where(SWITCH.c.is_off == 1)
        ordered = statement.order_by(SWITCH.c.source, SWITCH.c.subject)
        return tuple(_change(row).switch for row in self._connection.execute(ordered))

    def entries(self, limit: int = 100) -> tuple[SwitchEntry, ...]:
        """Return the newest lines of the log, newest first."""
        rows = self._connection.execute(
            select(SWITCH_LOG).order_by(SWITCH_LOG.c.seq.desc()).limit(limit)
        )
        return tuple(
            SwitchEntry(
                seq=row.seq,
                source=Source(row.source),
                subject_key=row.subject,
                action=row.action,
                reason=row.reason,
                who=row.who,
                sequence=row.sequence,
                signature=None if row.signature is None else bytes(row.signature),
                at=UnixSeconds(row.at),
            )
            for row in rows
        )

    def acknowledge(self, sequence: int, guardian: bytes) -> bool:
        """Keep that a guardian obeys an order; False when it was known."""
        statement = insert_into(self._connection, SWITCH_ACK).values(
            sequence=sequence, guardian=guardian, at=self._clock.now()
        )
        return stores_row(self._connection, statement.on_conflict_do_nothing())

    def acknowledged(self, sequence: int) -> frozenset[bytes]:
        """Return the guardians that obey an order."""
        table = SWITCH_ACK.c
        rows = self._connection.scalars(select(table.guardian).where(table.sequence == sequence))
        return frozenset(rows)


def _change(row: Row[Any]) -> SwitchChange:
    return SwitchChange(
        source=Source(row.source),
        switch=Switch(
            Subject(
                None if row.chain_id is None else ChainId(row.chain_id),
                None if row.direction is None else Direction(row.direction),
                None if row.asset_id is None else AssetId(row.asset_id),
            ),
            is_off=bool(row.is_off),
            reason=row.reason,
        ),
        who=row.who,
        sequence=row.sequence,
        issued_at=UnixSeconds(row.issued_at),
        signature=None if row.signature is None else bytes(row.signature),
    )
