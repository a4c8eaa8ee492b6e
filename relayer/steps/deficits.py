"""Deficits: book what an account used and never had, and take it from what the account gets."""

import structlog

from chains.types import ChainId
from relayer.errors import InvariantError
from relayer.ledger.chart import Side, margin_code
from relayer.ledger.journal import JournalEntry
from relayer.reconcile.reversal import Shortfall, cure_entry, deficit_entry
from relayer.steps.tell import tell
from relayer.store.deficits import Deficit, DeficitAction
from relayer.store.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)


def book_deficit(uow: UnitOfWork, reversal: JournalEntry, shortfall: Shortfall) -> JournalEntry:
    """Return the entry that lets a reversal through, kept as owed by the account and told."""
    entry = deficit_entry(reversal, shortfall)
    deficit = Deficit(shortfall.account, shortfall.asset_id, shortfall.chain_id, shortfall.units)
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
    Take what accounts owe after a recovery from what they have available; return how many paid.

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
