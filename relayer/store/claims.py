"""What a live database claims, page by page, for an audit that believes none of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, select, tuple_

from chains.command import SignedCommand, command_of_fields
from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.balances import Counters
from relayer.ledger.journal import JournalEntry, Line
from relayer.store.chain_tables import OBSERVED_EVENT
from relayer.store.commands import StoredCommand
from relayer.store.fleet_tables import SIGNED_COMMAND
from relayer.store.ledger import stored_entry_of
from relayer.store.ledger_rows import counters_of, entries_where, line_of
from relayer.store.ledger_tables import ENTRY, LINE
from relayer.store.observed_rows import EventState, StoredEvent, stored_of


@dataclass(frozen=True, slots=True)
class ClaimedEntry:
    """A row of the journal as it is stored; entry is None where its rows make no valid one."""

    seq: int
    entry_id: bytes
    kind: str
    cause: bytes
    booked_at: UnixSeconds
    entry: JournalEntry | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class ClaimedLine:
    """A line and its counters, with the key that orders lines."""

    line_key: bytes
    line: Line
    counters: Counters


class ClaimTable:
    """The claims, inside one read of the live database (or of the audit's own)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def entries(self, after_seq: int, last_seq: int, limit: int) -> tuple[ClaimedEntry, ...]:
        """Return journal rows of (after_seq, last_seq], by seq, whatever they hold."""
        span = (ENTRY.c.seq > after_seq) & (ENTRY.c.seq <= last_seq)
        found = []
        for row, postings in entries_where(self._connection, span, limit):
            found.append(_claimed(row, postings))
        return tuple(found)

    def entry(self, entry_id: bytes) -> ClaimedEntry | None:
        """Return the journal row of an id, whatever it holds."""
        found = entries_where(self._connection, ENTRY.c.entry_id == entry_id)
        return _claimed(*found[0]) if found else None

    def known_ids(self, entry_ids: Sequence[bytes], last_seq: int) -> frozenset[bytes]:
        """Return which of these ids the journal has up to a seq."""
        rows = self._connection.execute(
            select(ENTRY.c.entry_id).where(ENTRY.c.entry_id.in_(entry_ids), ENTRY.c.seq <= last_seq)
        )
        return frozenset(bytes(row.entry_id) for row in rows)

    def commands(
        self, after: tuple[int, bytes], kinds: Sequence[str], limit: int
    ) -> tuple[StoredCommand, ...]:
        """Return commands of some kinds by (received_at, command_id), after such a place."""
        table = SIGNED_COMMAND.c
        rows = self._connection.execute(
            select(SIGNED_COMMAND)
            .where(table.kind.in_(kinds), tuple_(table.received_at, table.command_id) > after)
            .order_by(table.received_at, table.command_id)
            .limit(limit)
        )
        return tuple(
            StoredCommand(
                row.command_id,
                SignedCommand(
                    command_of_fields(row.kind, json.loads(row.fields)),
                    tuple(bytes.fromhex(text) for text in json.loads(row.signatures)),
                ),
                UnixSeconds(row.received_at),
            )
            for row in rows
        )

    def final_events(
        self, chain_id: ChainId, first_height: int, last_height: int
    ) -> tuple[StoredEvent, ...]:
        """Return events that are stored as final in a range of blocks, in order."""
        table = OBSERVED_EVENT.c
        rows = self._connection.execute(
            select(OBSERVED_EVENT)
            .where(
                and_(
                    table.chain_id == chain_id,
                    table.height >= first_height,
                    table.height <= last_height,
                    table.state == EventState.FINAL.value,
                )
            )
            .order_by(table.height, table.log_index)
        )
        return tuple(stored_of(row) for row in rows)

    def lines(self, after: bytes, limit: int) -> tuple[ClaimedLine, ...]:
        """Return lines by key, after a key."""
        rows = self._connection.execute(
            select(LINE).where(LINE.c.line_key > after).order_by(LINE.c.line_key).limit(limit)
        )
        return tuple(ClaimedLine(row.line_key, line_of(row), counters_of(row)) for row in rows)


def _claimed(row: Row[Any], postings: list[Row[Any]]) -> ClaimedEntry:
    stored = stored_entry_of(row, postings)
    return ClaimedEntry(
        row.seq,
        bytes(row.entry_id),
        row.kind,
        bytes(row.cause),
        UnixSeconds(row.booked_at),
        stored.entry,
        stored.fault,
    )
