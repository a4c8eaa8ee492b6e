"""Compose: make a message with its hold and store both in the caller's transaction."""

from dataclasses import dataclass

from chains.command import Liquidation, RequestCredit, RequestUnlock, SignedCommand
from chains.message import Message, MessageKind
from chains.types import ChainId, chain_id_of, chain_key
from relayer.clock import UnixSeconds
from relayer.errors import InvariantError, RefusedError
from relayer.ledger.journal import JournalEntry
from relayer.outbox.holds import Booking, DebtMove, hold_entry, liquidation_entry
from relayer.outbox.message import OutboxMessage
from relayer.steps.catalog import Catalog
from relayer.steps.govern import queue_times
from relayer.steps.heights import final_heights
from relayer.steps.position import debt_state, with_accrual
from relayer.steps.queues import ATTEST
from relayer.steps.rebook import Place, behind_block, in_place
from relayer.steps.standing import debt_before
from relayer.store.grants import CreditGrant, GrantState
from relayer.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Terms:
    """What a message says, before it has a nonce."""

    kind: MessageKind
    target_chain: ChainId
    contract: bytes
    account: bytes
    token: bytes
    amount_units: int
    recipient: bytes
    expiry_seconds: int


def terms_of(signed: SignedCommand, *, expiry_seconds: int) -> Terms:
    """
    Return what the message of a command says.

    Args:
        expiry_seconds: for messages whose command names no expiry.

    Raises:
        InvariantError: the command makes no message.
    """
    command = signed.command
    match command:
        case RequestUnlock():
            return Terms(
                MessageKind.RELEASE,
                chain_id_of(command.chain_id),
                command.vault,
                command.account,
                command.token,
                command.amount,
                command.recipient,
                expiry_seconds,
            )
        case Liquidation():
            return Terms(
                MessageKind.SEIZE,
                chain_id_of(command.collateral_chain),
                command.vault,
                command.account,
                command.token,
                command.seized,
                command.recipient,
                expiry_seconds,
            )
        case RequestCredit():
            return Terms(
                MessageKind.CREDIT_GRANT,
                chain_id_of(command.chain_id),
                command.credit_line,
                command.account,
                command.token,
                command.limit,
                command.borrower,
                command.expiry,
            )
        case _:
            raise InvariantError(f"{type(command).__name__} makes no message")


def compose_release(
    uow: UnitOfWork, catalog: Catalog, signed: SignedCommand, correlation_id: bytes
) -> Message:
    """Hold what an unlock takes and store its message."""
    message = _message(uow, catalog, signed)
    hold(uow, catalog, message, signed, correlation_id)
    return message


def compose_credit_grant(
    uow: UnitOfWork, catalog: Catalog, signed: SignedCommand, correlation_id: bytes
) -> Message:
    """Commit the account to a grant's limit and store its message."""
    message = _message(uow, catalog, signed)
    commit_grant(uow, message, signed, correlation_id)
    return message


def compose_seize(
    uow: UnitOfWork, catalog: Catalog, signed: SignedCommand, correlation_id: bytes
) -> Message:
    """Move debt and collateral on the ledger, hold what is paid out, and store the message."""
    message = _message(uow, catalog, signed)
    command = liquidation_of(signed)
    height = final_heights(uow, catalog).get(ChainId(command.debt_chain), 0)
    with in_place(uow, catalog, place_of(catalog, command, height)):
        liquidate(uow, catalog, signed, correlation_id, height=height)
        hold(uow, catalog, message, signed, correlation_id)
    return message


def place_of(catalog: Catalog, command: Liquidation, height: int) -> Place:
    """Return the place of a liquidation that stands behind a height of its debt's chain."""
    line = catalog.credit_line_at(command.debt_chain, command.credit_line)
    return behind_block(line, command.account, height)


def _message(uow: UnitOfWork, catalog: Catalog, signed: SignedCommand) -> Message:
    # What the governor may hold back must not expire meanwhile.
    _, leaves_at = queue_times(uow, catalog, signed.command)
    terms = terms_of(signed, expiry_seconds=leaves_at + catalog.times.expiry_seconds)
    return Message(
        kind=terms.kind,
        origin=chain_key(catalog.hub),
        target=chain_key(terms.target_chain),
        vault=terms.contract,
        nonce=uow.outbox.next_nonce(terms.target_chain, terms.contract),
        account=terms.account,
        token=terms.token,
        amount_units=terms.amount_units,
        recipient=terms.recipient,
        expiry_seconds=terms.expiry_seconds,
        epoch=catalog.parameters.epoch,
        evidence=signed.command.digest(catalog.hub),
    )


def hold(
    uow: UnitOfWork,
    catalog: Catalog,
    message: Message,
    signed: SignedCommand,
    correlation_id: bytes,
) -> None:
    """
    Post the hold of a release or seize and store the message; the same for hub and guardian.

    Raises:
        RefusedError: the margin does not cover it.
    """
    entry = held_entry(uow, catalog, message, signed, correlation_id)
    result = uow.ledger.post(entry)
    if not result.is_booked:
        raise RefusedError(
            code="insufficient_collateral",
            detail=f"{result.detail}: {message.amount_units} units are not available",
        )
    store_message(uow, message, signed, correlation_id, hold_entry_id=entry.entry_id)


def held_entry(
    uow: UnitOfWork,
    catalog: Catalog,
    message: Message,
    signed: SignedCommand,
    correlation_id: bytes,
) -> JournalEntry:
    """Return the hold of a release or seize."""
    terms = terms_of(signed, expiry_seconds=message.expiry_seconds)
    command = signed.command
    owner = command.liquidator if isinstance(command, Liquidation) else message.account
    asset = catalog.asset_of(terms.target_chain, terms.token)
    booking = Booking(asset.asset_id, terms.target_chain, correlation_id, uow.clock.now())
    return hold_entry(message, owner=owner, booking=booking)


def commit_grant(
    uow: UnitOfWork, message: Message, signed: SignedCommand, correlation_id: bytes
) -> None:
    """Store a grant, which counts as debt from now on, and its message."""
    terms = terms_of(signed, expiry_seconds=message.expiry_seconds)
    uow.grants.upsert(
        CreditGrant(
            message_id=message.message_id,
            chain_id=terms.target_chain,
            credit_line=terms.contract,
            account=terms.account,
            borrower=terms.recipient,
            limit_units=terms.amount_units,
            expiry_seconds=UnixSeconds(terms.expiry_seconds),
            nonce=message.nonce,
            state=GrantState.SIGNED,
        )
    )
    store_message(uow, message, signed, correlation_id, hold_entry_id=None)


def liquidate(
    uow: UnitOfWork, catalog: Catalog, signed: SignedCommand, correlation_id: bytes, *, height: int
) -> None:
    """
    Post the entry that moves debt and collateral to the liquidator's account.

    Args:
        height: the final height of the debt's chain behind which it stands.

    Raises:
        RefusedError: the account has less collateral than is seized.
        InvariantError: the command is no liquidation.
    """
    result = uow.ledger.post(moved_entry(uow, catalog, signed, correlation_id, height=height))
    if not result.is_booked:
        seized = getattr(signed.command, "seized", 0)
        raise RefusedError(
            code="insufficient_collateral",
            detail=f"{result.detail}: {seized} units are not available",
        )


def liquidation_of(signed: SignedCommand) -> Liquidation:
    """
    Return the liquidation that a command is.

    Raises:
        InvariantError: it is none.
    """
    if not isinstance(signed.command, Liquidation):
        raise InvariantError(f"{type(signed.command).__name__} is no liquidation")
    return signed.command


def moved_entry(
    uow: UnitOfWork,
    catalog: Catalog,
    signed: SignedCommand,
    correlation_id: bytes,
    *,
    height: int | None,
) -> JournalEntry:
    """
    Return the entry that a liquidation makes of the debt as it stands now.

    Args:
        height: behind which it stands; later liquidations are left out. None: all count.

    Raises:
        InvariantError: the command is no liquidation.
    """
    command = liquidation_of(signed)
    line = catalog.credit_line_at(command.debt_chain, command.credit_line)
    chain_id = chain_id_of(command.collateral_chain)
    asset = catalog.asset_of(chain_id, command.token)
    if height is None:
        before = debt_state(uow, line, command.account)
    else:
        before = debt_before(uow, line, command.account, height=height + 1)
    decided_at = UnixSeconds(command.decided_at)
    return liquidation_entry(
        command,
        command_id=command.digest(catalog.hub),
        debt=DebtMove(
            protocol=line.protocol,
            debt_asset_id=line.asset_id,
            debt_chain_id=line.chain_id,
            before=before,
            accrued=with_accrual(uow, line, command.account, before, decided_at),
        ),
        booking=Booking(asset.asset_id, chain_id, correlation_id, uow.clock.now()),
    )


def store_message(
    uow: UnitOfWork,
    message: Message,
    signed: SignedCommand,
    correlation_id: bytes,
    *,
    hold_entry_id: bytes | None,
) -> None:
    """Put a message into the outbox and ring for its attestation."""
    now = uow.clock.now()
    terms = terms_of(signed, expiry_seconds=message.expiry_seconds)
    uow.outbox.enqueue(
        OutboxMessage(
            message=message,
            target_chain=terms.target_chain,
            correlation_id=correlation_id,
            hold_entry_id=hold_entry_id,
            command=signed,
            # A guardian that was away may learn of an executed message after its expiry.
            created_at=UnixSeconds(min(now, message.expiry_seconds)),
            deadline_at=UnixSeconds(message.expiry_seconds),
        )
    )
    uow.jobs.ring(ATTEST, message.message_id.hex(), ATTEST, now, correlation_id)
