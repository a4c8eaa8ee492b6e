"""The entry that a signed correction posts."""

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.chart import AccountCode
from relayer.ledger.journal import JournalEntry, Phase, Posting, entry_id_of
from relayer.money import AssetId

CORRECTION = "correction"


def correction_entry(
    correction_id: bytes,
    moves: tuple[tuple[AccountCode, int], ...],
    *,
    asset_id: AssetId,
    chain_id: ChainId,
    booked_at: UnixSeconds,
) -> JournalEntry:
    """
    Return the entry of a correction: the same correction makes the same id.

    Args:
        moves: account and signed units, debit above zero. [base units]

    Raises:
        ValueError: the postings do not balance, an account stands twice, or a code names nothing.
    """
    return JournalEntry(
        entry_id=entry_id_of(CORRECTION, correction_id),
        kind=CORRECTION,
        cause=correction_id,
        phase=Phase.POSTED,
        postings=tuple(Posting(code, asset_id, chain_id, units) for code, units in moves),
        resolves=None,
        reversal_of=None,
        correlation_id=correction_id,
        booked_at=booked_at,
    )
