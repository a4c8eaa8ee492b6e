"""Give back: end a message that never runs, and all that hangs on it, as if it had not been."""

from collections.abc import Iterator
from contextlib import contextmanager

from chains.command import Liquidation
from chains.types import ChainId
from relayer.errors import RefusedError
from relayer.ledger.journal import entry_id_of
from relayer.outbox.message import OutboxMessage
from relayer.steps.catalog import Catalog
from relayer.steps.compose import place_of
from relayer.steps.deficits import cure_deficits
from relayer.steps.ending import DROPPED, MOVED, RETURNED, end_hold, reverse_liquidation
from relayer.steps.rebook import taken_out
from relayer.steps.standing import height_of, is_undone
from relayer.store.unit_of_work import UnitOfWork


def drop_hold(uow: UnitOfWork, catalog: Catalog, message: OutboxMessage) -> None:
    """Give a hold back before any quorum existed, and undo the liquidation behind a seize."""
    _give_back(uow, catalog, message, DROPPED)


def return_hold(uow: UnitOfWork, catalog: Catalog, message: OutboxMessage) -> None:
    """Give back what was in flight, after proof that the message can never be executed."""
    _give_back(uow, catalog, message, RETURNED)


def _give_back(uow: UnitOfWork, catalog: Catalog, message: OutboxMessage, stage: str) -> None:
    end_hold(uow, message, stage=stage)
    if message.command is not None and isinstance(message.command.command, Liquidation):
        command_id = message.message.evidence
        with _without(uow, catalog, message.command.command, command_id):
            reverse_liquidation(uow, command_id, stage=stage)
    cure_deficits(uow, message.target_chain)


@contextmanager
def _without(
    uow: UnitOfWork, catalog: Catalog, command: Liquidation, command_id: bytes
) -> Iterator[None]:
    """
    Let the caller undo a liquidation, and book again what stands behind it on the chain.

    What a repayment paid follows from the liquidations before it, so each one behind this is split
    again, as it is where nobody ever heard of it.
    """
    moved = uow.ledger.entry(entry_id_of(MOVED, command_id))
    if moved is None or is_undone(uow, command_id):
        yield
        return
    height = height_of(uow.requests.get(command_id), ChainId(command.debt_chain)) or 0
    try:
        place = place_of(catalog, command, height)
    except RefusedError:  # its credit line is configured no more, so nobody reads that debt
        yield
        return
    with taken_out(uow, catalog, place):
        yield
