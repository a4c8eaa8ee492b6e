"""Countersign: a guardian re-derives a message from its own view, holds it, and signs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from chains.attestation import attestation_digest
from chains.command import (
    Command,
    Liquidation,
    RequestCredit,
    RequestUnlock,
)
from chains.events import CollateralSeized, ObservedEvent, Repaid
from chains.types import ChainId
from relayer.errors import NotYetError, RefusedError
from relayer.guardian.checks import GuardianView, check_binding, check_signers, refuse
from relayer.guardian.request import AttestationRequest
from relayer.ledger.chart import Side, margin_code, vault_code
from relayer.ledger.journal import JournalEntry
from relayer.outbox.life import MessageEvent, MessageState, WaitReason
from relayer.steps.catalog import Catalog
from relayer.steps.compose import (
    commit_grant,
    held_entry,
    hold,
    liquidate,
    liquidation_of,
    moved_entry,
    place_of,
)
from relayer.steps.conclude import conclude_refused, effects_of
from relayer.steps.decide import check_credit, check_unlock
from relayer.steps.deficits import lend_shortfall
from relayer.steps.ending import must_post
from relayer.steps.learn import learn
from relayer.steps.observe import ring_reconcile
from relayer.steps.rebook import in_place
from relayer.steps.reconcile import MESSAGE_UNKNOWN, payer_account_of
from relayer.steps.restrain import GovernedError, check_brakes, check_room, keep_waiting
from relayer.steps.review import check_liquidation
from relayer.steps.standing import keep_standing
from relayer.store.observed_rows import EventState, StoredEvent
from relayer.store.outbox import MessageFilter
from relayer.store.unit_of_work import Store, UnitOfWork

SIGNED_DETAIL: Final = "countersigned"
# Finality lags by minutes; a chain that stands still is at its newest block anyway.
PLACE_AGE_SECONDS_MAX: Final = 3_600
log = structlog.get_logger(__name__)

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Signatory:
    """A guardian's own key and how far its prices may lie from the hub's."""

    address: bytes
    sign: Sign
    price_tolerance_bps: int


def countersign(
    store: Store, catalog: Catalog, signatory: Signatory, request: AttestationRequest
) -> bytes:
    """
    Return the guardian's signature over a message that it has re-derived, or raise why not.

    What the message takes is held in the guardian's own ledger in the same transaction, so no
    two messages that share a unit are ever signed by one guardian; and two quorums share one.
    Asked again, the answer is the same signature.

    Raises:
        RefusedError: the message will never be signed.
        NotYetError: this guardian does not know enough yet.
    """
    if signatory.address not in catalog.guardian_set.members:
        raise refuse("not_a_member", "this guardian's key is not in the configured set")
    try:
        return _countersign(store, catalog, signatory, request)
    except GovernedError as exc:
        keep_waiting(store, exc)
        raise
    except RefusedError as exc:
        conclude_refused(store, request.message.message_id, exc)
        raise


def _countersign(
    store: Store, catalog: Catalog, signatory: Signatory, request: AttestationRequest
) -> bytes:
    message = request.message
    set_index = catalog.guardian_set.index
    with store.unit_of_work() as uow:
        uow.ledger.lock()
        request = _as_held(uow, request)
        check_brakes(uow, catalog, request)
        known = uow.outbox.signatures(message.message_id, set_index).get(signatory.address)
        if known is not None:
            return known
        if uow.outbox.get(message.message_id) is None:
            _check(uow, catalog, signatory, request)
            _book(uow, catalog, request)
            check_room(uow, catalog, request, is_executed=bool(_effects(uow, request)))
            uow.outbox.move(
                message.message_id,
                MessageEvent.DISPATCH,
                WaitReason.SIGNATURES_MISSING,
                SIGNED_DETAIL,
                uow.clock.now(),
            )
            _unpark(uow, request)
        else:
            _check_still_held(uow, request)
        digest = attestation_digest(
            chain_id=request.target_chain,
            contract=message.vault,
            message_id=message.message_id,
            guardian_set_index=set_index,
        )
        signature = signatory.sign(digest)
        uow.outbox.add_signature(message.message_id, set_index, signatory.address, signature)
    log.info("message.attested", message_id="0x" + message.message_id.hex())
    return signature


def _check(
    uow: UnitOfWork, catalog: Catalog, signatory: Signatory, request: AttestationRequest
) -> None:
    """Refuse a message that is shown for the first time and that this guardian cannot stand for."""
    message = request.message
    is_executed = bool(_effects(uow, request))
    _check_contracts(catalog, request)
    check_binding(
        request,
        GuardianView(
            hub=catalog.hub,
            epoch=catalog.parameters.epoch,
            target_contract=message.vault,
            now=uow.clock.now(),
            is_executed=is_executed,
        ),
    )
    _check_nonce(uow, request)
    _check_once(uow, catalog, request)
    learn(uow, catalog, request.context)
    _check_level(uow, catalog, request)
    # What the chain has executed must be booked, whatever else is unknown: several such effects
    # would wait for each other otherwise.
    if not is_executed:
        _check_unknown_effects(uow, catalog, request)
        _check_command(uow, catalog, signatory, request)


def _as_held(uow: UnitOfWork, request: AttestationRequest) -> AttestationRequest:
    """Return the request with the target and the command that this guardian checked, if it did."""
    stored = uow.outbox.get(request.message.message_id)
    if stored is None:
        return request
    held = stored.message
    command = request.command if held.command is None else held.command
    return replace(request, target_chain=held.target_chain, command=command)


def _check_still_held(uow: UnitOfWork, request: AttestationRequest) -> None:
    """Sign for another guardian set what this guardian signed before, while it is under way."""
    stored = uow.outbox.get(request.message.message_id)
    if stored is None or stored.state in (MessageState.FAILED, MessageState.RETURNED):
        raise refuse("message_ended", "what this message held was given back")


def _check_contracts(catalog: Catalog, request: AttestationRequest) -> None:
    """Refuse a target contract that this guardian does not have in its own configuration."""
    if request.target_chain not in catalog.chain_ids:
        raise refuse("unknown_chain", f"target_chain: {request.target_chain} is not configured")
    contracts = {catalog.vaults.get(request.target_chain)}
    contracts |= {
        line.contract for line in catalog.credit_lines if line.chain_id == request.target_chain
    }
    if request.message.vault not in contracts:
        raise refuse("unknown_vault", f"vault: 0x{request.message.vault.hex()} is not configured")


def _check_nonce(uow: UnitOfWork, request: AttestationRequest) -> None:
    """Refuse a second message with a nonce that this guardian signed for already."""
    message = request.message
    other = uow.outbox.at_nonce(request.target_chain, message.vault, message.nonce)
    if other is not None:
        raise refuse(
            "nonce_reused",
            f"nonce: {message.nonce} belongs to message 0x{other.message_id.hex()}",
        )


def _check_once(uow: UnitOfWork, catalog: Catalog, request: AttestationRequest) -> None:
    """Refuse a second message that carries out a command: whoever signed it asked once."""
    command_id = request.command.command.digest(catalog.hub)
    for known in uow.outbox.list(MessageFilter(correlation_id=command_id, limit=1)):
        raise refuse(
            "command_used",
            f"evidence: the command is carried out by message 0x{known.message_id.hex()}",
        )


def _check_level(uow: UnitOfWork, catalog: Catalog, request: AttestationRequest) -> None:
    """
    Wait until this guardian has booked as much of every chain as the hub had.

    Raises:
        NotYetError: it is behind.
    """
    for chain_id in catalog.chain_ids:
        finalized = uow.chains.cursor(chain_id).finalized
        needed = request.heights.get(chain_id, 0)
        height = -1 if finalized is None else finalized.height
        if height < needed:
            raise NotYetError(
                reason="behind", detail=f"{chain_id}: at {height}, the hub was at {needed}"
            )
        if uow.chains.unbooked_events(chain_id, 1):
            raise NotYetError(reason="behind", detail=f"{chain_id}: events wait to be booked")


def _check_unknown_effects(uow: UnitOfWork, catalog: Catalog, request: AttestationRequest) -> None:
    """
    Wait while an effect of an unknown message may have changed an account of this one.

    Only its message says which liquidator a seizure charged, so it concerns all of them.
    """
    command = request.command.command
    accounts = {request.message.account}
    if isinstance(command, Liquidation):
        accounts.add(command.liquidator)
    has_liquidator = any(catalog.liquidator(account) is not None for account in accounts)
    waiting = (
        list(uow.chains.parked_events(reason_prefix=MESSAGE_UNKNOWN)) if has_liquidator else []
    )
    for account in sorted(accounts):
        waiting += uow.chains.parked_events(reason_prefix=MESSAGE_UNKNOWN, account=account)
    for parked in waiting:
        event = parked.event
        if getattr(event, "message_id", b"") == request.message.message_id:
            continue
        if _is_settled_by(uow, catalog, event, command):
            continue
        if event.account in accounts or (has_liquidator and isinstance(event, CollateralSeized)):
            raise NotYetError(
                reason=MESSAGE_UNKNOWN,
                detail="an effect on this account is of a message not shown here yet",
            )


def _is_settled_by(
    uow: UnitOfWork, catalog: Catalog, event: ObservedEvent, command: Command
) -> bool:
    """Return whether an event is the liquidator's repayment after this very liquidation."""
    if not isinstance(event, Repaid) or not isinstance(command, Liquidation):
        return False
    payer_account = payer_account_of(uow, catalog, event)
    return (event.account, payer_account) == (command.account, command.liquidator)


def _check_command(
    uow: UnitOfWork, catalog: Catalog, signatory: Signatory, request: AttestationRequest
) -> None:
    """Refuse what this guardian would not have decided itself, with its own ledger and prices."""
    now = uow.clock.now()
    signed = request.command
    command = signed.command
    match command:
        case RequestUnlock():
            (owner,) = check_signers(signed, hub=catalog.hub, count=1)
            _check_owner(uow, command.account, owner)
            check_unlock(uow, catalog, command, now)
        case RequestCredit():
            owner, operator = check_signers(signed, hub=catalog.hub, count=2)
            _check_owner(uow, command.account, owner)
            line = catalog.credit_line_at(command.chain_id, command.credit_line)
            if operator != line.operator:
                raise refuse("signer_not_operator", f"{line.protocol}'s operator did not sign")
            check_credit(uow, catalog, command, now)
        case Liquidation():
            _check_place(uow, request, command)
            check_liquidation(uow, catalog, command, tolerance_bps=signatory.price_tolerance_bps)
        case _:
            raise refuse("kind_mismatch", f"{type(command).__name__} makes no message")


def _check_place(uow: UnitOfWork, request: AttestationRequest, command: Liquidation) -> None:
    """Refuse a liquidation among old events: repayments of long ago would pay the part it moves."""
    chain_id = ChainId(command.debt_chain)
    height = request.heights.get(chain_id, 0)
    finalized = uow.chains.cursor(chain_id).finalized
    if finalized is None or finalized.height <= height:
        return
    stored = uow.chains.canonical_checkpoint(chain_id, height)
    seconds = 0 if stored is None else stored.header.timestamp_seconds
    if seconds < command.decided_at - PLACE_AGE_SECONDS_MAX:
        raise refuse("place_stale", f"heights: block {height} of {chain_id} is too old")


def _effects(uow: UnitOfWork, request: AttestationRequest) -> list[StoredEvent]:
    message = request.message
    return effects_of(
        uow, message.message_id, chain_id=request.target_chain, contract=message.vault
    )


def _check_owner(uow: UnitOfWork, account: bytes, address: bytes) -> None:
    if not uow.accounts.is_owner(account, None, address):
        raise refuse("signer_not_owner", f"0x{address.hex()} is no owner of 0x{account.hex()}")


def _book(uow: UnitOfWork, catalog: Catalog, request: AttestationRequest) -> None:
    """Hold in this guardian's ledger what the message takes, as the hub did in its own."""
    message, signed = request.message, request.command
    command_id = signed.command.digest(catalog.hub)
    uow.commands.store(command_id, signed)
    match signed.command:
        case RequestUnlock():
            _lend(uow, request, held_entry(uow, catalog, message, signed, command_id))
            hold(uow, catalog, message, signed, command_id)
        case RequestCredit():
            commit_grant(uow, message, signed, command_id)
        case Liquidation():
            _book_liquidation(uow, catalog, request)
        case _:
            raise refuse("kind_mismatch", "nothing to hold")


def _book_liquidation(uow: UnitOfWork, catalog: Catalog, request: AttestationRequest) -> None:
    """Book a liquidation where the hub's stands, and what follows it on the chain behind it."""
    message, signed = request.message, request.command
    command = liquidation_of(signed)
    command_id = command.digest(catalog.hub)
    debt_chain = ChainId(command.debt_chain)
    height = request.heights.get(debt_chain, 0)
    keep_standing(uow, command, message, chain_id=debt_chain, height=height)
    with in_place(uow, catalog, place_of(catalog, command, height)):
        _lend(uow, request, moved_entry(uow, catalog, signed, command_id, height=height))
        liquidate(uow, catalog, signed, command_id, height=height)
        hold(uow, catalog, message, signed, command_id)
    ring_reconcile(uow, debt_chain)


def _lend(uow: UnitOfWork, request: AttestationRequest, taking: JournalEntry) -> None:
    """
    Let what a final block has executed take more than the account has here; it owes the rest.

    The hub held it before it booked what the account lacks now, an exit for example. Not what is
    only seen, and not what the vault cannot have had: that is refused as ever.
    """
    if not any(effect.state is EventState.FINAL for effect in _effects(uow, request)):
        return
    message = request.message
    code = margin_code(message.account)
    line = next(posting.line for posting in taking.postings if posting.code == code)
    vault = uow.ledger.counters(vault_code(message.vault), line.asset_id, line.chain_id)
    if vault.posted(Side.DEBIT) < message.amount_units:
        return
    lent = lend_shortfall(uow, taking)
    if lent is not None:
        must_post(uow, lent)


def _unpark(uow: UnitOfWork, request: AttestationRequest) -> None:
    """Let what was seen before this message, and is its effect, be booked now."""
    waiting = _effects(uow, request)
    for chain_id in sorted({parked.event.position.chain_id for parked in waiting}):
        ring_reconcile(uow, chain_id)
    for parked in waiting:
        uow.chains.unpark(parked.event_id)
