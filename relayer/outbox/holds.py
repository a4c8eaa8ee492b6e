"""What a message reserves in the ledger before it exists, and what ends the reservation."""

from dataclasses import dataclass

from chains.command import Liquidation
from chains.message import Message, MessageKind
from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.errors import InvariantError
from relayer.ledger.chart import (
    INSURANCE,
    AccountCode,
    assumed_code,
    debt_code,
    in_flight_code,
    interest_code,
    margin_code,
)
from relayer.ledger.journal import JournalEntry, Phase, Posting, entry_id_of
from relayer.money import AssetId
from relayer.reconcile.debt import DebtState

HELD_KINDS = {MessageKind.RELEASE: "unlock", MessageKind.SEIZE: "seize"}


@dataclass(frozen=True, slots=True)
class Booking:
    """Where and when entries are booked: the asset and chain of the postings, cause's flow."""

    asset_id: AssetId
    chain_id: ChainId
    correlation_id: bytes
    booked_at: UnixSeconds


def held_kind(message: Message) -> str:
    """
    Return the first word of the journal kinds of a message's hold.

    Raises:
        InvariantError: the message's kind moves no collateral.
    """
    kind = HELD_KINDS.get(message.kind)
    if kind is None:
        raise InvariantError(f"a {message.kind.name} message holds nothing")
    return kind


def hold_entry(message: Message, *, owner: bytes, booking: Booking) -> JournalEntry:
    """
    Return the pending entry that reserves what a release or seize takes from a margin account.

    Args:
        owner: whose margin is reserved: the account of a release, the liquidator of a seize.
    """
    kind = f"{held_kind(message)}.held"
    return JournalEntry(
        entry_id=entry_id_of(kind, message.message_id),
        kind=kind,
        cause=message.message_id,
        phase=Phase.PENDING,
        postings=_transfer(
            margin_code(owner), in_flight_code(message.vault), message.amount_units, booking
        ),
        resolves=None,
        reversal_of=None,
        correlation_id=booking.correlation_id,
        booked_at=booking.booked_at,
    )


def sent_entry(hold: JournalEntry, *, booked_at: UnixSeconds) -> JournalEntry:
    """Return the entry that moves a hold in flight: from now on it may be executed."""
    return _end_of(hold, stage="sent", phase=Phase.SETTLE, booked_at=booked_at)


def dropped_entry(hold: JournalEntry, *, booked_at: UnixSeconds) -> JournalEntry:
    """Return the entry that gives a hold back: it was refused before it could be executed."""
    return _end_of(hold, stage="dropped", phase=Phase.VOID, booked_at=booked_at)


def returned_entry(hold: JournalEntry, *, booked_at: UnixSeconds) -> JournalEntry:
    """Return the reversal of what was in flight: it is proven that it can never be executed."""
    return reversal_entry(
        _end_of(hold, stage="sent", phase=Phase.SETTLE, booked_at=booked_at),
        stage="returned",
        booked_at=booked_at,
    )


def reversal_entry(entry: JournalEntry, *, stage: str, booked_at: UnixSeconds) -> JournalEntry:
    """Return the entry that cancels a posted one, linked to it."""
    kind = _kind_at(entry, stage)
    return entry.reversed(entry_id=entry_id_of(kind, entry.cause), kind=kind, booked_at=booked_at)


def _end_of(
    hold: JournalEntry, *, stage: str, phase: Phase, booked_at: UnixSeconds
) -> JournalEntry:
    kind = _kind_at(hold, stage)
    return hold.resolved(
        entry_id=entry_id_of(kind, hold.cause), kind=kind, phase=phase, booked_at=booked_at
    )


def _kind_at(entry: JournalEntry, stage: str) -> str:
    return f"{entry.kind.partition('.')[0]}.{stage}"


@dataclass(frozen=True, slots=True)
class DebtMove:
    """
    The debt side of a liquidation: who lends, in which asset, and the accrued debt before it.

    before is what the ledger has, accrued the same with interest up to the decision.
    """

    protocol: str
    debt_asset_id: AssetId
    debt_chain_id: ChainId
    before: DebtState
    accrued: DebtState


def liquidation_entry(
    command: Liquidation, *, command_id: bytes, debt: DebtMove, booking: Booking
) -> JournalEntry:
    """
    Return the entry that moves debt and collateral to the liquidator on the hub ledger.

    Interest up to the decision is booked in it, so that both parts accrue from the same moment.
    """
    moves: dict[AccountCode, int] = {
        debt_code(debt.protocol, command.account): (
            debt.accrued.own_units - debt.before.own_units - command.repaid
        ),
        interest_code(debt.protocol): debt.before.total_units - debt.accrued.total_units,
    }
    for before, accrued in zip(debt.before.assumed, debt.accrued.assumed, strict=True):
        code = assumed_code(debt.protocol, command.account, before.assumer)
        moves[code] = accrued.units - before.units
    code = assumed_code(debt.protocol, command.account, command.liquidator)
    moves[code] = moves.get(code, 0) + command.repaid
    collateral: dict[AccountCode, int] = {
        margin_code(command.account): command.seized + command.insured,
        margin_code(command.liquidator): -command.seized,
        INSURANCE: -command.insured,
    }
    postings = [
        Posting(code, debt.debt_asset_id, debt.debt_chain_id, units)
        for code, units in moves.items()
        if units
    ]
    postings += [
        Posting(code, booking.asset_id, booking.chain_id, units)
        for code, units in collateral.items()
        if units
    ]
    return JournalEntry(
        entry_id=entry_id_of("liquidation.moved", command_id),
        kind="liquidation.moved",
        cause=command_id,
        phase=Phase.POSTED,
        postings=tuple(postings),
        resolves=None,
        reversal_of=None,
        correlation_id=booking.correlation_id,
        booked_at=booking.booked_at,
    )


def _transfer(
    debit: AccountCode, credit: AccountCode, units: int, booking: Booking
) -> tuple[Posting, ...]:
    return (
        Posting(debit, booking.asset_id, booking.chain_id, units),
        Posting(credit, booking.asset_id, booking.chain_id, -units),
    )
