"""Journal entries: postings that happen together, and the hash chain over them."""

import hashlib
import struct
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

from chains.types import CAIP2, ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.chart import AccountCode, parse_code
from relayer.money import UNITS_MAX, AssetId

WORD_BYTES: Final = 32
RECORD_VERSION: Final = 1
POSTINGS_MIN: Final = 2
POSTINGS_MAX: Final = 256
KIND_LENGTH_MAX: Final = 64
CAUSE_LENGTH_MAX: Final = 256
NAME_LENGTH_MAX: Final = 64
LINES_MAX: Final = 65_536  # records kept in memory, 200 bytes each
GENESIS_HASH: Final = bytes(WORD_BYTES)
ID_NAMES: Final = ("entry_id", "resolves", "reversal_of")
NO_WORD: Final = bytes(1 + WORD_BYTES)
RULES_MAX: Final = 1_024
LENGTH: Final = struct.Struct(">H").pack
LEG: Final = struct.Struct(">I").pack
HEAD: Final = struct.Struct(f">BB{WORD_BYTES}s").pack
TIME: Final = struct.Struct(">Q").pack


class Phase(Enum):
    """
    What an entry does to the counters.

    POSTED moves at once. PENDING reserves; exactly one later entry with the same postings makes
    it final (SETTLE) or takes it back (VOID).
    """

    POSTED = 1
    PENDING = 2
    SETTLE = 3
    VOID = 4

    @property
    def is_resolution(self) -> bool:
        """Whether the entry ends a pending one."""
        return self in (Phase.SETTLE, Phase.VOID)


class Line(NamedTuple):
    """One account in one asset on one chain: what carries counters."""

    code: AccountCode
    asset_id: AssetId
    chain_id: ChainId


@dataclass(frozen=True, slots=True)
class Posting:
    """Signed units on one line: debit above zero, credit below. [base units]"""

    code: AccountCode
    asset_id: AssetId
    chain_id: ChainId
    units: int
    line: Line = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= abs(self.units) <= UNITS_MAX:
            raise ValueError(f"posting on {self.code}: {self.units} is outside +-(1..2^256-1)")
        object.__setattr__(self, "line", line_named(self.code, self.asset_id, self.chain_id))


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """
    Postings that happen together; sum zero per asset and chain; never edited.

    cause is the event id or command id that the entry books. resolves names the pending entry
    that a SETTLE or VOID ends, reversal_of the entry that this one cancels.
    """

    entry_id: bytes
    kind: str
    cause: bytes
    phase: Phase
    postings: tuple[Posting, ...]
    resolves: bytes | None
    reversal_of: bytes | None
    correlation_id: bytes
    booked_at: UnixSeconds

    def __post_init__(self) -> None:
        _check_ids(self)
        if not 1 <= len(self.kind.encode()) <= KIND_LENGTH_MAX:
            raise ValueError(f"entry kind {self.kind!r}: 1 to {KIND_LENGTH_MAX} bytes are needed")
        if not 1 <= len(self.cause) <= CAUSE_LENGTH_MAX:
            raise ValueError(f"entry cause: 1 to {CAUSE_LENGTH_MAX} bytes are needed")
        if len(self.correlation_id) > CAUSE_LENGTH_MAX:
            raise ValueError(f"entry correlation_id: at most {CAUSE_LENGTH_MAX} bytes")
        if not 0 <= self.booked_at < 2**63:
            raise ValueError(f"entry booked_at {self.booked_at} is no Unix time")
        if (self.resolves is not None) != self.phase.is_resolution:
            raise ValueError(f"entry resolves: named by SETTLE and VOID only, not {self.phase}")
        if self.reversal_of is not None and self.phase is not Phase.POSTED:
            raise ValueError("entry reversal_of: a reversal is POSTED; a pending entry is voided")
        _check_postings(self.postings)

    def resolved(
        self, *, entry_id: bytes, kind: str, phase: Phase, booked_at: UnixSeconds
    ) -> "JournalEntry":
        """Return the entry that makes this pending one final (SETTLE) or takes it back (VOID)."""
        return replace(
            self,
            entry_id=entry_id,
            kind=kind,
            phase=phase,
            resolves=self.entry_id,
            reversal_of=None,
            booked_at=booked_at,
        )

    def reversed(self, *, entry_id: bytes, kind: str, booked_at: UnixSeconds) -> "JournalEntry":
        """Return the entry that cancels what this one posted, linked to it."""
        return replace(
            self,
            entry_id=entry_id,
            kind=kind,
            phase=Phase.POSTED,
            postings=tuple(replace(posting, units=-posting.units) for posting in self.postings),
            resolves=None,
            reversal_of=self.entry_id,
            booked_at=booked_at,
        )


@lru_cache(maxsize=LINES_MAX)
def line_named(code: AccountCode, asset_id: AssetId, chain_id: ChainId) -> Line:
    """
    Return the line of a posting.

    Raises:
        ValueError: it names none.
    """
    parse_code(code)
    if not 1 <= len(asset_id) <= NAME_LENGTH_MAX:
        raise ValueError(f"posting asset_id {asset_id!r}: 1 to {NAME_LENGTH_MAX} letters")
    if CAIP2.fullmatch(chain_id) is None:
        raise ValueError(f"posting chain_id {chain_id!r}: write it like eip155:1")
    return Line(code, asset_id, chain_id)


def _check_ids(entry: JournalEntry) -> None:
    ids = (entry.entry_id, entry.resolves, entry.reversal_of)
    for name, word in zip(ID_NAMES, ids, strict=True):
        if word is not None and len(word) != WORD_BYTES:
            raise ValueError(f"entry {name}: 32 bytes are needed, not {len(word)}")
    if entry.entry_id in ids[1:]:
        raise ValueError("entry resolves and reversal_of: an entry cannot name itself")


def _check_postings(postings: tuple[Posting, ...]) -> None:
    if not POSTINGS_MIN <= len(postings) <= POSTINGS_MAX:
        raise ValueError(
            f"entry postings: {POSTINGS_MIN} to {POSTINGS_MAX} are needed, not {len(postings)}"
        )
    if len({posting.line for posting in postings}) != len(postings):
        raise ValueError("entry postings: one line appears twice; add its units up first")
    sums: dict[tuple[AssetId, ChainId], int] = {}
    for posting in postings:
        key = (posting.asset_id, posting.chain_id)
        sums[key] = sums.get(key, 0) + posting.units
    for (asset_id, chain_id), total in sums.items():
        if total != 0:
            raise ValueError(f"entry postings: {asset_id} on {chain_id} sum to {total}, not zero")


def entry_id_of(rule: str, cause: bytes, leg: int = 0) -> bytes:
    """
    Return the id of what one rule books for one cause: doing it twice makes the same id.

    Args:
        leg: which of several entries of the same rule and cause, 0 to 2^32 - 1.
    """
    return hashlib.sha256(rule_prefix(rule) + hashlib.sha256(cause).digest() + LEG(leg)).digest()


@lru_cache(maxsize=RULES_MAX)
def rule_prefix(rule: str) -> bytes:
    """Return what comes first of what is hashed to an entry's id."""
    return b"relayer.entry.v1" + hashlib.sha256(rule.encode()).digest()


def record_of(entry: JournalEntry) -> bytes:
    """
    Return the bytes of an entry that the hash chain covers.

    version u8 | phase u8 | entry id b32 | resolves u8+b32 | reversal_of u8+b32 | booked_at u64 |
    kind, cause, correlation id: u16 length + bytes | count u16 | per posting: side u8 (1 debit,
    2 credit), units u256, code, asset, chain: u16 length + UTF-8. Big-endian.
    """
    parts = [
        HEAD(RECORD_VERSION, entry.phase.value, entry.entry_id),
        _optional(entry.resolves),
        _optional(entry.reversal_of),
        TIME(entry.booked_at),
        _sized(entry.kind.encode()),
        _sized(entry.cause),
        _sized(entry.correlation_id),
        LENGTH(len(entry.postings)),
    ]
    for posting in entry.postings:
        parts += (
            b"\x01" if posting.units > 0 else b"\x02",
            abs(posting.units).to_bytes(WORD_BYTES, "big"),
            line_record(posting.line),
        )
    return b"".join(parts)


def chain_hash(previous: bytes, record: bytes) -> bytes:
    """Return the hash of an entry: SHA-256 over the hash before it and its record."""
    return hashlib.sha256(previous + record).digest()


def line_key_of(line: Line) -> bytes:
    """Return the 32 bytes that name a line: SHA-256 over its three parts, each with its length."""
    return hashlib.sha256(line_record(line)).digest()


@lru_cache(maxsize=LINES_MAX)
def line_record(line: Line) -> bytes:
    """Return what a posting on a line says of it in a record."""
    return (
        _sized(line.code.encode()) + _sized(line.asset_id.encode()) + _sized(line.chain_id.encode())
    )


def _sized(raw: bytes) -> bytes:
    return LENGTH(len(raw)) + raw


def _optional(word: bytes | None) -> bytes:
    return NO_WORD if word is None else b"\x01" + word
