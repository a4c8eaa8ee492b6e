"""What a stored observed event is, and its row."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from chains.event_fields import frozen_of
from chains.events import (
    EVENT_TYPES,
    FIELDS,
    EventPosition,
    ObservedEvent,
    event_of_payload,
    known_position,
    payload_json_of,
)
from chains.types import BlockRef, ChainId
from relayer.clock import UnixSeconds
from relayer.errors import RelayerError
from relayer.store.copy_rows import StoredRow

try:
    from chains._event_kernel import event_of_json
    from relayer.store._stored_kernel import stored_into
except ImportError:  # no compiler when the package was built: same events, slower
    stored_into = None  # type: ignore[assignment]

IS_COMPILED: Final = stored_into is not None
EVENTS_PER_QUERY_MAX: Final = 1_000
BLOCKS_MAX: Final = 1_024
# What row_of gives, each with its type on PostgreSQL.
EVENT_COLUMNS: Final = {
    "event_id": "bytea",
    "chain_id": "text",
    "height": "int8",
    "block_hash": "bytea",
    "tx_hash": "bytea",
    "log_index": "int8",
    "contract": "bytea",
    "kind": "text",
    "account": "bytea",
    "message_id": "bytea",
    "lock_id": "int8",
    "payload": "text",
    "state": "text",
    "booked": "text",
    "revivals": "int4",
    "seen_at": "int8",
    "final_at": "int8",
}


class EventState(Enum):
    """SEEN: in a block that may go. FINAL: in a final block. ORPHANED: its block is gone."""

    SEEN = "SEEN"
    FINAL = "FINAL"
    ORPHANED = "ORPHANED"


class Booked(Enum):
    """What the journal says: nothing, soft, final, taken back; PARKED waits for a person."""

    NONE = "NONE"
    SOFT = "SOFT"
    FINAL = "FINAL"
    VOID = "VOID"
    PARKED = "PARKED"


class LockConflictError(RelayerError):
    """Two living events claim one lock of a vault; the later one is not stored."""

    def __init__(self, *, chain_id: str, lock_id: int, event_id: bytes) -> None:
        super().__init__(
            f"{chain_id}: lock {lock_id} is already stored as event 0x{event_id.hex()}; "
            f"compare both blocks with another node before resuming the chain"
        )
        self.chain_id = chain_id
        self.lock_id = lock_id
        self.event_id = event_id


STATES: Final = {state.value: state for state in EventState}
BOOKED: Final = {booked.value: booked for booked in Booked}


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """
    An event and what became of it. Times are Unix seconds.

    revivals counts how often it is booked again after the journal had taken it back, because its
    block came back or because something was learned that stands before it; an entry's id must
    contain it, or the second booking would be taken for the first.
    """

    event: ObservedEvent
    state: EventState
    booked: Booked
    revivals: int
    parked_reason: str | None
    seen_at: UnixSeconds
    final_at: UnixSeconds | None

    @property
    def event_id(self) -> bytes:
        """The id derived from chain, block hash, transaction and log index."""
        return self.event.position.event_id


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What to list; None means any. Newest `limit` of a chain come last."""

    chain_id: ChainId | None = None
    account: bytes | None = None
    kinds: tuple[str, ...] = ()
    message_id: bytes | None = None
    states: tuple[EventState, ...] = ()
    limit: int = EVENTS_PER_QUERY_MAX


@dataclass(frozen=True, slots=True)
class MalformedLog:
    """A log of a watched contract that could not be read; it is kept and shown."""

    chain_id: ChainId
    block: BlockRef
    tx_hash: bytes
    log_index: int
    contract: bytes
    reason: str


STORED_NAMES: Final = tuple(part.name for part in fields(StoredEvent))
KINDS: Final = {
    kind: (EVENT_TYPES[kind], plan.json_names, plan.json_limits, plan.json_heads)
    for kind, plan in FIELDS.items()
}
PLAN: Final = (StoredEvent, EventPosition, STATES, BOOKED, KINDS)


def row_of(event: ObservedEvent, state: EventState, now: UnixSeconds) -> StoredRow:
    """Return the row of an event that is seen for the first time, in order of EVENT_COLUMNS."""
    position = event.position
    block = position.block
    return (
        position.event_id,
        position.chain_id,
        block.height,
        block.block_hash,
        position.tx_hash,
        position.log_index,
        position.contract,
        type(event).__name__,
        event.account,
        getattr(event, "message_id", None),
        getattr(event, "lock_id", None),
        payload_json_of(event),
        state.value,
        Booked.NONE.value,
        0,
        now,
        now if state is EventState.FINAL else None,
    )


def stored_of(row: Sequence[Any]) -> StoredEvent:
    """
    Rebuild an event and its state from a row, in the order of the table's columns.

    Its id is the row's key: a trigger holds it, and what it was derived from, as they were.
    """
    (
        event_id,
        chain_id,
        height,
        block_hash,
        tx_hash,
        log_index,
        contract,
        kind,
        _account,
        _message_id,
        _lock_id,
        payload,
        state,
        booked,
        _parked_from,
        parked_reason,
        revivals,
        seen_at,
        final_at,
    ) = row
    position = known_position(
        chain_id, _block(height, block_hash), tx_hash, log_index, contract, event_id
    )
    event = event_of_payload(kind, position, payload)
    values = (event, STATES[state], BOOKED[booked], revivals, parked_reason, seen_at, final_at)
    stored: StoredEvent = frozen_of(StoredEvent, STORED_NAMES, values)
    return stored


def stored_all(rows: Sequence[Sequence[Any]]) -> tuple[StoredEvent, ...]:
    """Rebuild the events of some rows; see stored_of."""
    if not IS_COMPILED:
        return tuple(map(stored_of, rows))
    made: list[StoredEvent] = []
    plain = [tuple(row) for row in rows]
    stored_into(plain, PLAN, event_of_json, event_of_payload, _block, made)
    return tuple(made)


@lru_cache(maxsize=BLOCKS_MAX)
def _block(height: int, block_hash: bytes) -> BlockRef:
    """Return a block; neighbouring events are of one."""
    return BlockRef(height, block_hash)
