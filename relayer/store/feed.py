"""Outgoing events: gapless for everybody and gapless per account, so that nothing is missed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, Row, Select, select, update

from chains.events import facts_of, known_position
from chains.types import BlockRef
from relayer.clock import Clock, UnixSeconds
from relayer.errors import InvariantError, StateMovedError
from relayer.store.bulk import PackedWords, driver_cursor, insert_rows, is_among, slices
from relayer.store.chain_tables import OBSERVED_EVENT
from relayer.store.copy_rows import StoredRow
from relayer.store.engine import POSTGRESQL
from relayer.store.fleet_tables import FEED_COUNTER, FEED_EVENT
from relayer.store.statements import excluded_of, insert_into, rows_changed

FEED_PAGE_MAX: Final = 1_000
EVERYBODY: Final = b""
AS_OBSERVED: Final = ""  # content of an event that says what the observed event of its flow says
EVENT_COLUMNS: Final = {
    "seq": "int8",
    "account": "bytea",
    "account_seq": "int8",
    "event_type": "text",
    "content": "text",
    "correlation_id": "bytea",
    "at": "int8",
}
# One statement for all accounts: the driver would send one for each.
KEEP_POSTGRESQL: Final = (
    "INSERT INTO feed_counter (scope, last_seq) SELECT * FROM unnest(%b::bytea[], %b::bigint[])"
    " ON CONFLICT (scope) DO UPDATE SET last_seq = excluded.last_seq"
)


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """
    One event as integrators get it.

    seq counts all events, account_seq those of the account; both from 1 without gaps. content is
    the CloudEvents data as an object of texts, numbers as texts.
    """

    seq: int
    account: bytes | None
    account_seq: int | None
    event_type: str
    content: Mapping[str, Any]
    correlation_id: bytes
    at: UnixSeconds
    published_at: UnixSeconds | None


class FeedItem(NamedTuple):
    """
    What is told: account is None for what concerns everybody; content as in FeedEvent.

    No content says what the observed event says whose id is correlation_id: it never changes, so
    it is not stored twice.
    """

    event_type: str
    content: Mapping[str, Any] | None
    account: bytes | None
    correlation_id: bytes


class FeedTable:
    """
    Outgoing events, inside one transaction.

    Appending locks one counter until the transaction ends: post to the ledger first, append last.
    """

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def append(
        self,
        event_type: str,
        content: Mapping[str, Any],
        *,
        account: bytes | None,
        correlation_id: bytes,
        at: UnixSeconds,
    ) -> FeedEvent:
        """Append an event; account is None for what concerns everybody."""
        item = FeedItem(event_type, content, account, correlation_id)
        ((seq, account_seq),) = self.append_all([item], at)
        return FeedEvent(
            seq=seq,
            account=account,
            account_seq=account_seq,
            event_type=event_type,
            content=dict(content),
            correlation_id=correlation_id,
            at=at,
            published_at=None,
        )

    def append_all(
        self, items: Sequence[FeedItem], at: UnixSeconds
    ) -> list[tuple[int, int | None]]:
        """
        Append events in their order, in few statements whatever their number.

        Returns:
            The seq and the account_seq of each.
        """
        if not items:
            return []
        # Everybody's counter first: who holds it holds all others too.
        first = self._advance(EVERYBODY, len(items)) - len(items) + 1
        last_seqs = self._last_seqs({item.account for item in items if item.account is not None})
        rows: list[StoredRow] = []
        for seq, item in enumerate(items, start=first):
            account, account_seq = item.account, None
            if account is not None:
                account_seq = last_seqs[account] = last_seqs.get(account, 0) + 1
            rows.append(
                (
                    seq,
                    account,
                    account_seq,
                    item.event_type,
                    _content_text(item.content),
                    item.correlation_id,
                    at,
                )
            )
        self._keep(last_seqs)
        insert_rows(self._connection, FEED_EVENT, EVENT_COLUMNS, rows)
        return [(row[0], row[2]) for row in rows]

    def after(
        self, account: bytes | None, seq: int, limit: int = FEED_PAGE_MAX
    ) -> tuple[FeedEvent, ...]:
        """
        Return the events after a sequence.

        Args:
            account: whose events, seq is then account_seq; None for all events by seq.
            seq: last sequence that the reader has, 0 for none.
        """
        statement = _told()
        if account is None:
            statement = statement.where(FEED_EVENT.c.seq > seq).order_by(FEED_EVENT.c.seq)
        else:
            statement = statement.where(
                FEED_EVENT.c.account == account, FEED_EVENT.c.account_seq > seq
            ).order_by(FEED_EVENT.c.account_seq)
        rows = self._connection.execute(statement.limit(min(limit, FEED_PAGE_MAX)))
        return tuple(_event(row) for row in rows)

    def last_seq(self, account: bytes | None = None) -> int:
        """Return the newest sequence of an account, or of everybody; 0 when there is none."""
        scope = EVERYBODY if account is None else account
        last = self._connection.execute(
            select(FEED_COUNTER.c.last_seq).where(FEED_COUNTER.c.scope == scope)
        ).scalar_one_or_none()
        return 0 if last is None else last

    def unpublished(self, limit: int = FEED_PAGE_MAX) -> tuple[FeedEvent, ...]:
        """Return the oldest events that no broker has confirmed."""
        rows = self._connection.execute(
            _told()
            .where(FEED_EVENT.c.published_at.is_(None))
            .order_by(FEED_EVENT.c.seq)
            .limit(min(limit, FEED_PAGE_MAX))
        )
        return tuple(_event(row) for row in rows)

    def mark_published(self, seqs: Collection[int]) -> None:
        """
        Say that the broker confirmed events; twice is as good as once.

        Raises:
            StateMovedError: an event does not exist.
        """
        if not seqs:
            return
        statement = update(FEED_EVENT).where(FEED_EVENT.c.seq.in_(sorted(set(seqs))))
        changed = rows_changed(self._connection, statement.values(published_at=self._clock.now()))
        if changed != len(set(seqs)):
            raise StateMovedError(what="a feed event", expected="stored")

    def _advance(self, scope: bytes, count: int) -> int:
        statement = insert_into(self._connection, FEED_COUNTER)
        seq: int = self._connection.execute(
            statement.values(scope=scope, last_seq=count)
            .on_conflict_do_update(
                index_elements=[FEED_COUNTER.c.scope],
                set_={"last_seq": FEED_COUNTER.c.last_seq + count},
            )
            .returning(FEED_COUNTER.c.last_seq)
        ).scalar_one()
        return seq

    def _last_seqs(self, scopes: Collection[bytes]) -> dict[bytes, int]:
        found: dict[bytes, int] = {}
        for words in slices(scopes):
            rows = self._connection.execute(
                select(FEED_COUNTER.c.scope, FEED_COUNTER.c.last_seq).where(
                    is_among(self._connection, FEED_COUNTER.c.scope, words)
                )
            )
            found |= {bytes(row.scope): row.last_seq for row in rows}
        return found

    def _keep(self, last_seqs: Mapping[bytes, int]) -> None:
        if not last_seqs:
            return
        ordered = sorted(last_seqs.items())
        if self._connection.dialect.name == POSTGRESQL:
            scopes = PackedWords([scope for scope, _ in ordered])
            with driver_cursor(self._connection) as cursor:
                cursor.execute(KEEP_POSTGRESQL, (scopes, [seq for _, seq in ordered]))
            return
        statement = insert_into(self._connection, FEED_COUNTER)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[FEED_COUNTER.c.scope],
                set_={"last_seq": excluded_of(FEED_COUNTER).last_seq},
            ),
            [{"scope": scope, "last_seq": seq} for scope, seq in ordered],
        )


def _told() -> Select[Any]:
    """Return events, each with the observed event that says its content where it has none."""
    seen = OBSERVED_EVENT.c
    is_same = (seen.event_id == FEED_EVENT.c.correlation_id) & (FEED_EVENT.c.content == AS_OBSERVED)
    return select(
        FEED_EVENT,
        seen.event_id,
        seen.chain_id,
        seen.height,
        seen.block_hash,
        seen.tx_hash,
        seen.log_index,
        seen.contract,
        seen.payload,
    ).join_from(FEED_EVENT, OBSERVED_EVENT, is_same, isouter=True)


def _content_text(content: Mapping[str, Any] | None) -> str:
    if content is None:
        return AS_OBSERVED
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()


def _content(row: Row[Any]) -> dict[str, Any]:
    if row.content != AS_OBSERVED:
        content: dict[str, Any] = orjson.loads(row.content)
        return content
    if row.event_id is None:
        raise InvariantError(f"feed event {row.seq} tells of an event that was never observed")
    position = known_position(
        row.chain_id,
        BlockRef(row.height, row.block_hash),
        row.tx_hash,
        row.log_index,
        row.contract,
        row.event_id,
    )
    return dict(sorted(facts_of(position, orjson.loads(row.payload)).items()))


def _event(row: Row[Any]) -> FeedEvent:
    return FeedEvent(
        seq=row.seq,
        account=row.account,
        account_seq=row.account_seq,
        event_type=row.event_type,
        content=_content(row),
        correlation_id=row.correlation_id,
        at=UnixSeconds(row.at),
        published_at=row.published_at,
    )
