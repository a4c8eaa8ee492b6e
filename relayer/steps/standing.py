"""Where liquidations stand among the events of a debt, and what a debt is without later ones."""

from chains.command import Liquidation
from chains.message import Message
from chains.types import ChainId
from relayer.ledger.chart import AccountCode, assumed_code, debt_code
from relayer.ledger.journal import JournalEntry, entry_id_of
from relayer.reconcile.debt import AssumedPart, DebtState
from relayer.steps.catalog import CreditLine
from relayer.steps.heights import PREFIX
from relayer.steps.position import debt_position, debt_state, debt_state_of
from relayer.store.requests import Request
from relayer.store.unit_of_work import UnitOfWork

KIND = "Liquidation"
UNDONE = ("liquidation.dropped", "liquidation.returned")


def keep_standing(
    uow: UnitOfWork, command: Liquidation, message: Message, *, chain_id: ChainId, height: int
) -> None:
    """Keep behind which height of its debt's chain a liquidation stands, as the hub said."""
    command_id = message.evidence
    is_new = uow.requests.open(
        command_id=command_id, kind=KIND, account=command.account, correlation_id=command_id
    )
    if is_new:
        numbers = {PREFIX + chain_id: str(height)}
        uow.requests.grant(command_id, message_id=message.message_id, numbers=numbers)


def height_of(request: Request | None, chain_id: str) -> int | None:
    """Return the height behind which a liquidation stands, None where it was not kept."""
    text = None if request is None else request.numbers.get(PREFIX + chain_id)
    return None if text is None else int(text)


def is_undone(uow: UnitOfWork, command_id: bytes) -> bool:
    """Return whether what a liquidation moved was given back."""
    return any(uow.ledger.entry(entry_id_of(kind, command_id)) for kind in UNDONE)


def debt_before(uow: UnitOfWork, line: CreditLine, borrower: bytes, *, height: int) -> DebtState:
    """
    Return a debt as an event at a height finds it: liquidations that stand at or above it left out.

    A liquidation stands behind the final height that its decision names, whenever it is learned.
    Once a later event is booked it is too late to leave one out: all that is booked counts.
    """
    state = debt_state(uow, line, borrower)
    position = debt_position(uow, line, borrower)
    if not state.assumed or (position is not None and position.seen_height > height):
        return state
    own_units = state.own_units
    parts = {part.assumer: part.units for part in state.assumed}
    for moved in _liquidations_from(uow, line, borrower, height):
        units = {posting.code: posting.units for posting in moved.postings}
        own_units -= units.get(debt_code(line.protocol, borrower), 0)
        for assumer in parts:
            parts[assumer] -= units.get(_part_code(line, borrower, assumer), 0)
    if any(units < 0 for units in parts.values()):
        return state  # something was paid on it already
    assumed = tuple(AssumedPart(assumer, units) for assumer, units in parts.items())
    return debt_state_of(own_units, assumed, position)


def _liquidations_from(
    uow: UnitOfWork, line: CreditLine, borrower: bytes, height: int
) -> list[JournalEntry]:
    """Return the entries of an account's liquidations that stand at a height or above it."""
    found = []
    for request in uow.requests.granted(borrower, KIND):
        stands_at = height_of(request, line.chain_id)
        if stands_at is None or stands_at < height:
            continue
        moved = uow.ledger.entry(entry_id_of("liquidation.moved", request.command_id))
        if moved is not None and not is_undone(uow, request.command_id):
            found.append(moved.entry)
    return found


def _part_code(line: CreditLine, borrower: bytes, assumer: bytes) -> AccountCode:
    return assumed_code(line.protocol, borrower, assumer)
