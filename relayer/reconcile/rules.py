"""One rule per observed event: which postings book it. Pure; the step brings the context."""

from dataclasses import dataclass, replace
from typing import Final, assert_never

from chains.events import (
    Borrowed,
    CollateralExited,
    CollateralLocked,
    CollateralReleased,
    CollateralSeized,
    CreditGranted,
    EventPosition,
    ObservedEvent,
    Repaid,
)
from relayer.clock import UnixSeconds
from relayer.ledger.chart import (
    AccountCode,
    assumed_code,
    debt_code,
    in_flight_code,
    interest_code,
    lent_code,
    margin_code,
    vault_code,
)
from relayer.ledger.journal import JournalEntry, Phase, Posting, entry_id_of
from relayer.money import AssetId
from relayer.reconcile.debt import DebtState, after_borrowing, after_repayment, owed_units

SEEN: Final = "seen"
FINAL: Final = "final"
REVERTED: Final = "reverted"
REST: Final = "rest"


@dataclass(frozen=True, slots=True)
class EventContext:
    """
    What a rule must know beside the event.

    Args:
        asset_id: the asset of the event's token.
        protocol: the lender behind a credit line's event, None for a vault's.
        debt: the borrower's debt before the event; only for Borrowed and Repaid.
        payer_account: the margin account that the payer of a Repaid acts for, if any.
        margin_available_units: what the account has available; only for a CollateralExited that
            is seen.
        vault_available_units: what the vault holds for sure; likewise.
    """

    asset_id: AssetId
    protocol: str | None = None
    debt: DebtState | None = None
    payer_account: bytes | None = None
    margin_available_units: int = 0
    vault_available_units: int = 0


def kind_of(event: ObservedEvent) -> str:
    """Return the first word of the journal kinds that an event makes."""
    match event:
        case CollateralLocked():
            return "lock"
        case CollateralReleased():
            return "release"
        case CollateralSeized():
            return "seize"
        case CollateralExited():
            return "exit"
        case CreditGranted():
            return "grant"
        case Borrowed():
            return "borrow"
        case Repaid():
            return "repay"
        case _:
            assert_never(event)


def postings_of(event: ObservedEvent, context: EventContext) -> tuple[Posting, ...]:
    """
    Return the balanced postings of an event; empty when it moves no unit.

    Raises:
        DebtMismatchError: a credit line reports less debt than the ledger knows.
    """
    match event:
        case CollateralLocked():
            moves = {
                vault_code(event.position.contract): event.units,
                margin_code(event.account): -event.units,
            }
        case CollateralReleased() | CollateralSeized():
            moves = {
                in_flight_code(event.position.contract): event.units,
                vault_code(event.position.contract): -event.units,
            }
        case CollateralExited():
            # What the margin does not have the account owes: see relayer/steps/deficits.py.
            moves = {
                vault_code(event.position.contract): -event.units,
                margin_code(event.account): event.units,
            }
        case CreditGranted():
            moves = {}
        case Borrowed() | Repaid():
            moves = _debt_moves(event, context)
        case _:
            assert_never(event)
    return postings_from(moves, context.asset_id, event.position)


def seen_postings_of(event: ObservedEvent, context: EventContext) -> tuple[Posting, ...]:
    """
    Return the postings of an event whose block may still go; empty when it moves no unit yet.

    Of an exit only what margin and vault have for sure is reserved: the collateral behind the
    rest may itself be in a block that is not final. The rest is booked when the exit is final.

    Raises:
        DebtMismatchError: a credit line reports less debt than the ledger knows.
    """
    if isinstance(event, CollateralExited):
        sure_units = min(context.margin_available_units, context.vault_available_units)
        event = replace(event, units=min(event.units, max(0, sure_units)))
    return postings_of(event, context)


def rest_of_exit(event: CollateralExited, pending: JournalEntry | None) -> CollateralExited:
    """Return the part of a final exit that was not reserved while it was seen; units may be 0."""
    reserved_units = 0 if pending is None else sum(max(0, p.units) for p in pending.postings)
    return replace(event, units=event.units - reserved_units)


def postings_from(
    moves: dict[AccountCode, int], asset_id: AssetId, position: EventPosition
) -> tuple[Posting, ...]:
    """Return one posting per code that really moves."""
    return tuple(
        Posting(code, asset_id, position.chain_id, units) for code, units in moves.items() if units
    )


def _debt_moves(event: Borrowed | Repaid, context: EventContext) -> dict[AccountCode, int]:
    if context.debt is None or context.protocol is None:
        raise ValueError(f"{type(event).__name__} needs the debt before it and the protocol")
    total_after_units = owed_units(event.scaled_after, event.index_ray)
    if isinstance(event, Borrowed):
        after, interest_units = after_borrowing(
            context.debt,
            account=event.account,
            units=event.units,
            total_after_units=total_after_units,
        )
        lent_units = -event.units
    else:
        after, interest_units = after_repayment(
            context.debt,
            account=event.account,
            payer_account=context.payer_account,
            units=event.units,
            total_after_units=total_after_units,
        )
        lent_units = event.units
    moves = {
        debt_code(context.protocol, event.account): after.own_units - context.debt.own_units,
        lent_code(context.protocol): lent_units,
        interest_code(context.protocol): -interest_units,
    }
    for before_part, after_part in zip(context.debt.assumed, after.assumed, strict=True):
        code = assumed_code(context.protocol, event.account, before_part.assumer)
        moves[code] = after_part.units - before_part.units
    return moves


@dataclass(frozen=True, slots=True)
class Flow:
    """What an entry belongs to, and when it is booked."""

    correlation_id: bytes
    booked_at: UnixSeconds


def announce(
    event: ObservedEvent,
    postings: tuple[Posting, ...],
    *,
    stage: str,
    revivals: int,
    flow: Flow,
) -> JournalEntry:
    """
    Return the first entry of an event: PENDING while it is seen, POSTED when it is final.

    Args:
        stage: SEEN; FINAL when it is final at once; REST for what an exit did not reserve.
        revivals: how often the event's block came back after its entry had been taken back.
    """
    phase = Phase.PENDING if stage == SEEN else Phase.POSTED
    kind = f"{kind_of(event)}.{stage}"
    event_id = event.position.event_id
    return JournalEntry(
        entry_id=entry_id_of(kind, event_id, revivals),
        kind=kind,
        cause=event_id,
        phase=phase,
        postings=postings,
        resolves=None,
        reversal_of=None,
        correlation_id=flow.correlation_id,
        booked_at=flow.booked_at,
    )


def resolve(
    pending: JournalEntry, *, phase: Phase, revivals: int, booked_at: UnixSeconds
) -> JournalEntry:
    """Return the entry that makes a seen event final (SETTLE) or takes it back (VOID)."""
    stage = FINAL if phase is Phase.SETTLE else REVERTED
    kind = f"{pending.kind.rpartition('.')[0]}.{stage}"
    return pending.resolved(
        entry_id=entry_id_of(kind, pending.cause, revivals),
        kind=kind,
        phase=phase,
        booked_at=booked_at,
    )


def seen_entry_id(event: ObservedEvent, revivals: int) -> bytes:
    """Return the id that the pending entry of an event has, if it was booked while seen."""
    return entry_id_of(f"{kind_of(event)}.{SEEN}", event.position.event_id, revivals)
