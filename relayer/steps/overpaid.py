"""Overpaid: what was repaid on a debt that was taken over and then given back."""

from typing import Final

from relayer.ledger.chart import AccountKind, debt_code, parse_code
from relayer.ledger.journal import JournalEntry, Phase, Posting, entry_id_of
from relayer.store.unit_of_work import UnitOfWork

KIND: Final = "liquidation.overpaid"


def overpaid_entry(uow: UnitOfWork, moved: JournalEntry) -> JournalEntry | None:
    """
    Return what brings a taken-over debt back to zero after its liquidation was undone.

    A repayment between the liquidation and its end may have gone to the part that was taken over.
    The reversal takes the whole part back, so the part would be below zero; what was paid on it
    was paid on the borrower's own debt. None where nothing was.

    Args:
        moved: the entry of the liquidation; its reversal is in the journal already.
    """
    postings: list[Posting] = []
    for posting in moved.postings:
        account = parse_code(posting.code)
        if account.kind is not AccountKind.ASSUMED or account.word is None:
            continue
        found = uow.ledger.counters(posting.code, posting.asset_id, posting.chain_id)
        units = -found.net_units
        if units <= 0 or account.protocol is None:
            continue
        own = debt_code(account.protocol, account.word)
        postings.append(Posting(posting.code, posting.asset_id, posting.chain_id, units))
        postings.append(Posting(own, posting.asset_id, posting.chain_id, -units))
    if not postings:
        return None
    return JournalEntry(
        entry_id=entry_id_of(KIND, moved.cause),
        kind=KIND,
        cause=moved.cause,
        phase=Phase.POSTED,
        postings=tuple(postings),
        resolves=None,
        reversal_of=None,
        correlation_id=moved.correlation_id,
        booked_at=uow.clock.now(),
    )
