"""Deficits: book what is taken of an account beyond what it has, and take it from what it gets."""

import structlog

from chains.types import ChainId
from relayer.errors import InvariantError
from relayer.ledger.admission import left_units
from relayer.ledger.chart import AccountKind, Side, margin_code, parse_code
from relayer.ledger.journal import JournalEntry
from relayer.reconcile.reversal import Shortfall, cure_entry, deficit_entry, shortfall_of
from relayer.steps.tell import tell
from relayer.store.deficits import Deficit, DeficitAction
from relayer.store.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)


def lend_shortfall(uow: UnitOfWork, taking: JournalEntry) -> JournalEntry | None:
    """
    Return what lets an entry through that takes more of a margin account than it has.

    Post it right before the entry. The account owes it, and pays it with the next units that
    become its own. So what it has and owes in the end follows from what happened and not from the
    order in which it was learned: one of both is zero, and their difference is the sum of all
    that was booked.

    Returns:
        None where nothing is short, where the entry is booked already, or where another line
        refuses it.
    """
    if uow.ledger.entry(taking.entry_id) is not None:
        return None
    short = None
    for posting in taking.postings:
        account = parse_code(posting.code)
        has_units = left_units(account, uow.ledger.counters(*posting.line))
        taken_units = posting.units if account.side is Side.CREDIT else -posting.units
        if account.kind is AccountKind.MARGIN:
            short = shortfall_of(posting, has_units) or short
        elif account.is_constrained and taken_units > max(0, has_units):
            return None
    return None if short is None else _lent(uow, taking, short)


def _lent(uow: UnitOfWork, taking: JournalEntry, short: Shortfall) -> JournalEntry:
    """Keep what an account owes, and tell it."""
    entry = deficit_entry(taking, short)
    deficit = Deficit(short.account, short.asset_id, short.chain_id, short.units)
    uow.deficits.record(entry.entry_id, DeficitAction.BOOKED, deficit)
    keys = _keys(deficit)
    log.error("deficit.booked", account="0x" + deficit.account.hex(), **keys)
    tell(
        uow,
        "deficit.booked",
        keys,
        account=deficit.account,
        correlation_id=entry.correlation_id,
    )
    return entry


def cure_deficits(uow: UnitOfWork, chain_id: ChainId) -> int:
    """
    Take what accounts owe from what they have available; return how many paid.

    Call while the ledger is locked: what comes back to such an account is not its own to use.
    """
    return sum(cure_deficit(uow, owed) for owed in uow.deficits.open(chain_id))


def cure_deficit(uow: UnitOfWork, owed: Deficit) -> bool:
    """Take what one account owes from what it has available; False when it has nothing."""
    counters = uow.ledger.counters(margin_code(owed.account), owed.asset_id, owed.chain_id)
    units = min(owed.units, max(0, counters.available(Side.CREDIT)))
    if units:
        _cure(uow, owed, units)
    return units > 0


def cause_of_cure(owed: Deficit) -> bytes:
    """Return the cause of the next cure: counted by the entries before it, so each has its own."""
    name = f":{owed.asset_id}:{owed.chain_id}:{owed.entries_count}"
    return owed.account + name.encode()


def _cure(uow: UnitOfWork, owed: Deficit, units: int) -> None:
    entry = cure_entry(
        Shortfall(owed.account, owed.asset_id, owed.chain_id, units),
        cause=cause_of_cure(owed),
        booked_at=uow.clock.now(),
    )
    result = uow.ledger.post(entry)
    if not result.is_booked:
        raise InvariantError(f"{entry.kind} 0x{entry.entry_id.hex()}: {result}")
    part = Deficit(owed.account, owed.asset_id, owed.chain_id, units)
    uow.deficits.record(entry.entry_id, DeficitAction.CURED, part)
    log.warning("deficit.cured", account="0x" + owed.account.hex(), **_keys(part))
    tell(
        uow, "deficit.cured", _keys(part), account=owed.account, correlation_id=entry.correlation_id
    )


def _keys(deficit: Deficit) -> dict[str, str]:
    return {
        "chain_id": deficit.chain_id,
        "asset_id": deficit.asset_id,
        "units": str(deficit.units),
    }
