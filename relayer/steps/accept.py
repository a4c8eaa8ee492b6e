"""
Accept a signed command: authority, signatures, deadline, then everything in one transaction.

Accepting decides nothing about risk: opening and linking happen at once, an unlock or a credit
becomes a pending request with a job that decides it.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Final, assert_never

from chains.command import (
    LinkOwner,
    OpenAccount,
    RequestCredit,
    RequestUnlock,
    SignedCommand,
    command_fields,
)
from chains.types import ChainId, text_of_word
from relayer.clock import UnixSeconds
from relayer.errors import RefusedError
from relayer.guardian.request import LINKS_PER_ACCOUNT_MAX
from relayer.steps.catalog import Catalog
from relayer.steps.command_terms import (
    OwnedCommand,
    check_named_signers,
    check_terms,
    owned_command,
)
from relayer.steps.observe import ring_assess
from relayer.steps.queues import DECIDE
from relayer.steps.rebook import payer_of, rebook_payer
from relayer.steps.tell import tell
from relayer.store.accounts import AccountStatus, MarginAccount
from relayer.store.commands import InProgress, Mismatch, New, Replay
from relayer.store.unit_of_work import Store, UnitOfWork

STATUS_DONE: Final = 201
STATUS_PENDING: Final = 202
REQUESTED: Final = {RequestUnlock: "unlock.requested", RequestCredit: "credit.requested"}


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The sender's name of one request; fingerprint is the SHA-256 of what it asks for."""

    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """
    The answer to a signed command, stored under its key as it was given.

    status is 201 where it is done and 202 where a decision is pending; is_replay says that the
    same key was answered before.
    """

    status: int
    command_id: bytes
    kind: str
    account: bytes
    is_replay: bool = False


class KeyReusedError(RefusedError):
    """The idempotency key was used for another request of the same signer."""

    def __init__(self, *, key: str) -> None:
        super().__init__(
            code="idempotency_key_reused",
            detail=f"Idempotency-Key: {key} was used for another body; take a new key",
        )


class KeyInProgressError(RefusedError):
    """The first request with this key has not been answered yet."""

    def __init__(self, *, key: str) -> None:
        super().__init__(
            code="idempotency_key_in_progress",
            detail=f"Idempotency-Key: {key} is being worked on; ask again with the same key",
        )


def fingerprint_of(content: object) -> bytes:
    """Return the SHA-256 of a JSON value, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).digest()


def accept(
    store: Store, catalog: Catalog, signed: SignedCommand, *, idempotency: IdempotencyKey
) -> Accepted:
    """
    Check a signed command and store everything that follows from it, or nothing at all.

    Keys belong to the first signer, so nobody can use up the keys of others. The same command
    under another key is the same command: it is answered again and nothing is written twice. A
    refusal stores nothing, so its key stays free.

    Raises:
        RefusedError: a field names what is not served, the deadline has passed, or a signer may
            not act; KeyReusedError and KeyInProgressError for the key.
        AttestationError: a signature is malformed.
    """
    command = owned_command(signed)
    check_terms(command, catalog)
    signers = signed.signers(catalog.hub)
    check_named_signers(command, signers, catalog)
    command_id = command.digest(catalog.hub)
    accepted = Accepted(
        status=STATUS_PENDING if type(command) in REQUESTED else STATUS_DONE,
        command_id=command_id,
        kind=type(command).__name__,
        account=command.account,
    )
    with store.unit_of_work() as uow:
        sender = "0x" + signers[0].hex()
        earlier = _earlier_answer(uow, idempotency, sender)
        if earlier is not None:
            return earlier
        if uow.commands.command(command_id) is None:
            _check_authority(uow, command, signers[0])
            if uow.commands.store(command_id, signed):
                _apply(uow, command, accepted)
                _follow_payer(uow, catalog, command)
        uow.commands.finish(idempotency.key, sender, status=accepted.status, body=_body(accepted))
    return accepted


def _earlier_answer(uow: UnitOfWork, idempotency: IdempotencyKey, sender: str) -> Accepted | None:
    begun = uow.commands.begin(idempotency.key, sender, idempotency.fingerprint)
    match begun:
        case New():
            return None
        case Replay(status=status, body=body):
            return _answer_of_body(status, body)
        case InProgress():
            raise KeyInProgressError(key=idempotency.key)
        case Mismatch():
            raise KeyReusedError(key=idempotency.key)
        case _:
            assert_never(begun)


def _body(accepted: Accepted) -> bytes:
    answer = {
        "command_id": accepted.command_id.hex(),
        "kind": accepted.kind,
        "account": accepted.account.hex(),
    }
    return json.dumps(answer, sort_keys=True).encode()


def _answer_of_body(status: int, body: bytes) -> Accepted:
    answer = json.loads(body)
    return Accepted(
        status=status,
        command_id=bytes.fromhex(answer["command_id"]),
        kind=answer["kind"],
        account=bytes.fromhex(answer["account"]),
        is_replay=True,
    )


def known_account(uow: UnitOfWork, account: bytes) -> MarginAccount:
    """
    Return an account that is open.

    Raises:
        RefusedError: code unknown_account.
    """
    opening = uow.accounts.account(account)
    if opening is None:
        raise RefusedError(
            code="unknown_account",
            detail=f"account: 0x{account.hex()} is not open here; open it or correct the id",
        )
    return opening


def _check_authority(uow: UnitOfWork, command: OwnedCommand, signer: bytes) -> None:
    """Check what time and the store decide: the deadline, the account, its owners."""
    if isinstance(command, OpenAccount):
        return
    if not isinstance(command, LinkOwner):
        _check_times(command, uow.clock.now())
    known_account(uow, command.account)
    if not uow.accounts.is_owner(command.account, None, signer):
        raise RefusedError(
            code="signer_not_owner",
            detail=f"signatures.0: {text_of_word(signer)} is no owner of account "
            f"0x{command.account.hex()}; let an owner sign, or link the address first",
        )
    if isinstance(command, LinkOwner):
        _check_links(uow, command)


def _check_links(uow: UnitOfWork, command: LinkOwner) -> None:
    """Refuse more owners than guardians can be told of; the lock lets each count the others."""
    uow.ledger.lock()
    owners = uow.accounts.owners(command.account)
    is_linked = any((o.chain_id, o.owner) == (command.chain_id, command.owner) for o in owners)
    if not is_linked and len(owners) >= LINKS_PER_ACCOUNT_MAX:
        raise RefusedError(
            code="links_full",
            detail=f"account: 0x{command.account.hex()} has {len(owners)} linked owners, and "
            f"{LINKS_PER_ACCOUNT_MAX} are the most; open another account",
        )


def _check_times(command: RequestUnlock | RequestCredit, now: UnixSeconds) -> None:
    if command.deadline < now:
        raise RefusedError(
            code="deadline_passed",
            detail=f"deadline: {command.deadline} is before {now}; sign with a later one",
        )
    if isinstance(command, RequestCredit) and command.expiry <= now:
        raise RefusedError(
            code="expiry_passed",
            detail=f"expiry: {command.expiry} is not after {now}; sign with a later one",
        )


def _apply(uow: UnitOfWork, command: OwnedCommand, accepted: Accepted) -> None:
    now = uow.clock.now()
    command_id = accepted.command_id
    match command:
        case OpenAccount():
            status = uow.accounts.open(
                command.account,
                opener=command.opener,
                salt=command.salt,
                command_id=command_id,
                at=now,
            )
            if status is AccountStatus.CREATED:
                _announce(uow, "account.opened", command, accepted)
        case LinkOwner():
            status = uow.accounts.link(
                command.account,
                chain_id=ChainId(command.chain_id),
                owner=command.owner,
                command_id=command_id,
                at=now,
            )
            if status is AccountStatus.CREATED:
                _announce(uow, "owner.linked", command, accepted)
        case RequestUnlock() | RequestCredit():
            uow.requests.open(
                command_id=command_id,
                kind=accepted.kind,
                account=command.account,
                correlation_id=command_id,
            )
            uow.jobs.ring(DECIDE, command_id.hex(), DECIDE, now, command_id)
            _announce(uow, REQUESTED[type(command)], command, accepted)
        case _:
            assert_never(command)


def _follow_payer(uow: UnitOfWork, catalog: Catalog, command: OwnedCommand) -> None:
    """Let what a liquidator's new address repaid before count for what it took over."""
    if not isinstance(command, OpenAccount | LinkOwner):
        return
    if catalog.liquidator(command.account) is None:
        return
    uow.ledger.lock()
    if rebook_payer(uow, catalog, payer_of(command)):
        ring_assess(uow)


def _announce(uow: UnitOfWork, event_type: str, command: OwnedCommand, accepted: Accepted) -> None:
    content = {"command_id": "0x" + accepted.command_id.hex(), **command_fields(command)}
    tell(
        uow,
        event_type,
        content,
        account=accepted.account,
        correlation_id=accepted.command_id,
    )
