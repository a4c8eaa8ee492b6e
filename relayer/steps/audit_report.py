"""What an audit found: counts of everything, and the findings that a person must look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeVar

from chains.types import BlockRef, ChainId
from relayer.ledger.balances import Counters
from relayer.ledger.journal import JournalEntry, Line

FINDINGS_MAX: Final = 1_000
Finding = TypeVar("Finding")


class Source(Enum):
    """
    What an entry was derived from again.

    CHAIN: events, or a proof of no execution, of final blocks. SIGNED: a command or a message
    whose signatures were verified again. UNPROVEN: the hub's word alone. DEAD_BRANCH: an event of
    a block that the chain does not have any more, and what its recovery owes. UNFINAL: an event
    above the pinned final block.
    DATABASE: an event of a chain that was not read.
    """

    CHAIN = "chain"
    SIGNED = "signed"
    UNPROVEN = "unproven"
    DEAD_BRANCH = "dead_branch"
    UNFINAL = "unfinal"
    DATABASE = "database"


class Verdict(Enum):
    """MISSING: only derived. EXTRA: only stored. DIFFERENT: both."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class EntryFinding:
    """One entry that is not equal; seq is None where the live journal has no place for it."""

    verdict: Verdict
    seq: int | None
    entry_id: bytes
    kind: str
    field: str
    detail: str


@dataclass(frozen=True, slots=True)
class EventFinding:
    """One observed event that is not equal to what the chain has."""

    verdict: Verdict
    chain_id: ChainId
    height: int
    event_id: bytes
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class BalanceFinding:
    """A line whose counters differ. [base units]"""

    line: Line
    stored: Counters
    derived: Counters


@dataclass(frozen=True, slots=True)
class UnprovenSum:
    """How many entries of one sort are unproven, and how much they move. [base units]"""

    entries: int = 0
    units: int = 0

    def plus(self, units: int) -> "UnprovenSum":
        """Return the sum with one entry more."""
        return UnprovenSum(self.entries + 1, self.units + units)


@dataclass(slots=True)
class AuditReport:
    """
    Counts and findings; findings are cut at FINDINGS_MAX each, counts never.

    Args:
        pinned: the final block that each chain was read up to; None where none is stored.
        last_seq: newest entry of the live journal that was compared.
        sources: how many entries of each source were equal.
        counts: how many findings there are of each kind.
        parked: events of final blocks that the live database keeps for a person.
        unproven: entries equal on the hub's word alone, and the units they move (the sum of their
            debits), by kind, asset and chain. [base units]
    """

    pinned: Mapping[ChainId, BlockRef | None]
    last_seq: int
    events_read: int = 0
    entries_compared: int = 0
    lines_compared: int = 0
    parked: int = 0
    unproven: dict[tuple[str, str, str], UnprovenSum] = field(default_factory=dict)
    sources: dict[Source, int] = field(default_factory=lambda: dict.fromkeys(Source, 0))
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("entries", "events", "balances", "commands"), 0)
    )
    entries: list[EntryFinding] = field(default_factory=list)
    events: list[EventFinding] = field(default_factory=list)
    balances: list[BalanceFinding] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not any(self.counts.values())

    def equal(self, source: Source, entry: JournalEntry) -> None:
        """Count an entry that is equal."""
        self.entries_compared += 1
        self.sources[source] += 1
        if source is not Source.UNPROVEN:
            return
        places = {(posting.asset_id, posting.chain_id) for posting in entry.postings}
        for asset_id, chain_id in places:
            debits = sum(
                max(0, posting.units)
                for posting in entry.postings
                if (posting.asset_id, posting.chain_id) == (asset_id, chain_id)
            )
            key = (entry.kind, asset_id, chain_id)
            self.unproven[key] = self.unproven.get(key, UnprovenSum()).plus(debits)

    def entry(self, finding: EntryFinding) -> None:
        """Count and keep an entry that is not."""
        self.entries_compared += finding.seq is not None
        self._keep("entries", self.entries, finding)

    def event(self, finding: EventFinding) -> None:
        """Count and keep an event that is not equal."""
        self._keep("events", self.events, finding)

    def balance(self, finding: BalanceFinding) -> None:
        """Count and keep a line that differs."""
        self._keep("balances", self.balances, finding)

    def command(self, detail: str) -> None:
        """Count and keep a command whose signatures do not hold."""
        self._keep("commands", self.commands, detail)

    def _keep(self, name: str, kept: list[Finding], finding: Finding) -> None:
        self.counts[name] += 1
        if len(kept) < FINDINGS_MAX:
            kept.append(finding)
