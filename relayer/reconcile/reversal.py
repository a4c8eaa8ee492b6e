"""Entries that take back what was final, and the deficit where an account lacks what goes."""

from dataclasses import dataclass

from chains.events import CollateralExited, ObservedEvent
from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.chart import BAD_DEBT, AccountKind, margin_code, parse_code
from relayer.ledger.journal import JournalEntry, Phase, Posting, entry_id_of
from relayer.money import AssetId
from relayer.reconcile.rules import FINAL, REST, kind_of

REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Units of one margin line that an entry takes and that are not there. [base units]"""

    account: bytes
    asset_id: AssetId
    chain_id: ChainId
    units: int


def final_entry_ids(event: ObservedEvent, revivals: int) -> tuple[bytes, ...]:
    """Return the ids that the final entries of an event have, the last booked first."""
    stages = (REST, FINAL) if isinstance(event, CollateralExited) else (FINAL,)
    event_id = event.position.event_id
    return tuple(entry_id_of(f"{kind_of(event)}.{stage}", event_id, revivals) for stage in stages)


def reversal_of_final(entry: JournalEntry, *, booked_at: UnixSeconds) -> JournalEntry:
    """Return the entry that cancels a final one of a gone block, linked to it."""
    return entry.reversed(
        entry_id=entry_id_of("final.reversed", entry.entry_id),
        kind=f"{entry.kind.partition('.')[0]}.{REVERSED}",
        booked_at=booked_at,
    )


def shortfall_of(posting: Posting, available_units: int) -> Shortfall | None:
    """
    Return what a posting takes from a margin account beyond what it has; None when it fits.

    Args:
        available_units: what the line has available before the posting.
    """
    chart = parse_code(posting.code)
    short_units = posting.units - max(0, available_units)
    if chart.kind is not AccountKind.MARGIN or chart.word is None or short_units <= 0:
        return None
    return Shortfall(chart.word, posting.asset_id, posting.chain_id, short_units)


def deficit_entry(taking: JournalEntry, shortfall: Shortfall) -> JournalEntry:
    """
    Return the entry that lets another through: the hub bears what the account does not have.

    bad_debt + shortfall = margin + shortfall; what is let through then leaves the margin at zero.

    Args:
        taking: what takes more of a margin account than it has available.
    """
    return JournalEntry(
        entry_id=entry_id_of("deficit.booked", taking.entry_id),
        kind="deficit.booked",
        cause=taking.entry_id,
        phase=Phase.POSTED,
        postings=_postings(shortfall, sign=1),
        resolves=None,
        reversal_of=None,
        correlation_id=taking.correlation_id,
        booked_at=taking.booked_at,
    )


def cure_entry(cured: Shortfall, *, cause: bytes, booked_at: UnixSeconds) -> JournalEntry:
    """Return the entry that takes units of an account for what it owes."""
    return JournalEntry(
        entry_id=entry_id_of("deficit.cured", cause),
        kind="deficit.cured",
        cause=cause,
        phase=Phase.POSTED,
        postings=_postings(cured, sign=-1),
        resolves=None,
        reversal_of=None,
        correlation_id=cured.account,
        booked_at=booked_at,
    )


def _postings(shortfall: Shortfall, *, sign: int) -> tuple[Posting, ...]:
    place = (shortfall.asset_id, shortfall.chain_id)
    return (
        Posting(BAD_DEBT, *place, sign * shortfall.units),
        Posting(margin_code(shortfall.account), *place, -sign * shortfall.units),
    )
