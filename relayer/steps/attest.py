"""Attest: ask the guardians for signatures until a quorum stands behind a message."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from chains.attestation import GuardianSet, attestation_digest, recover_signer
from chains.command import LinkOwner, Liquidation, OpenAccount, SignedCommand
from chains.errors import AttestationError
from relayer.clock import UnixSeconds
from relayer.errors import InvariantError, StateMovedError
from relayer.guardian.request import CONTEXT_MAX, AttestationRequest, request_fields
from relayer.outbox.life import MessageEvent, MessageState, WaitReason
from relayer.steps.catalog import Catalog
from relayer.steps.ending import settle_hold
from relayer.steps.fence import Fence
from relayer.steps.gate import expire_unattested, pass_gate
from relayer.steps.give_back import drop_hold
from relayer.steps.heights import final_heights, heights_of_numbers
from relayer.steps.ports import GuardianAnswer, GuardianDoor
from relayer.steps.queues import RELAY, relay_queue
from relayer.store.outbox import StoredMessage
from relayer.store.unit_of_work import Store, UnitOfWork

OPEN_STATES: Final = (MessageState.DISPATCHED,)
UNASKED_STATES: Final = (MessageState.FAILED, MessageState.RETURNED)
DETAIL_CHARACTERS_MAX: Final = 1_500
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one guardian answered about one message."""

    label: str
    address: bytes
    answer: GuardianAnswer


@dataclass(frozen=True, slots=True)
class AttestOutcome:
    """
    Where the message stands, and how many signatures it has. is_open: ask again later.

    delay_seconds is when, None for the usual time.
    """

    state: MessageState
    signatures: int
    is_open: bool
    reason: WaitReason
    delay_seconds: int | None = None


async def attest(
    store: Store,
    catalog: Catalog,
    doors: Sequence[GuardianDoor],
    message_id: bytes,
    *,
    fence: Fence,
) -> AttestOutcome:
    """
    Ask every guardian that has not signed, and move the message on when a quorum has.

    Guardians beyond the quorum are asked too, so that each knows what is under way. Only when all
    of them refuse and none has signed does the message fail and its hold come back: a guardian
    that lies may say no and sign afterwards, so with one signature out, or one guardian silent,
    a quorum may still form. Then only the expiry and the proof behind it give anything back.
    While a brake stops the message nobody is asked; before the first is, it becomes DISPATCHED.

    Raises:
        StateMovedError: the message is unknown.
    """
    held = await asyncio.to_thread(pass_gate, store, catalog, message_id, fence)
    if held is not None:
        return AttestOutcome(held.state, 0, held.is_open, held.reason, held.delay_seconds)
    stored, signed, request = await asyncio.to_thread(_read, store, catalog, message_id)
    missing = [door for door in doors if door.address not in signed]
    answers = await asyncio.gather(*(door.ask(request) for door in missing))
    asked = [
        Asked(door.label, door.address, answer)
        for door, answer in zip(missing, answers, strict=True)
    ]
    return await asyncio.to_thread(_write, store, catalog, stored, asked, fence)


def _read(
    store: Store, catalog: Catalog, message_id: bytes
) -> tuple[StoredMessage, dict[bytes, bytes], dict[str, Any]]:
    with store.read() as uow:
        stored = uow.outbox.get(message_id)
        if stored is None:
            raise StateMovedError(what=f"message 0x{message_id.hex()}", expected="stored")
        signed = uow.outbox.signatures(message_id, catalog.guardian_set.index)
        return stored, signed, request_fields(attestation_request(uow, catalog, stored))


def attestation_request(
    uow: UnitOfWork, catalog: Catalog, stored: StoredMessage
) -> AttestationRequest:
    """
    Return what the guardians need to re-derive a message.

    Raises:
        InvariantError: the message has no command.
    """
    command = stored.message.command
    if command is None:
        raise InvariantError(f"message 0x{stored.message_id.hex()} has no command to check")
    decided = uow.requests.get(stored.message.message.evidence)
    known = {} if decided is None else decided.numbers
    return AttestationRequest(
        message=stored.message.message,
        target_chain=stored.message.target_chain,
        command=command,
        context=_context(uow, catalog, command),
        heights=heights_of_numbers(known, catalog) or final_heights(uow, catalog),
    )


def _context(uow: UnitOfWork, catalog: Catalog, signed: SignedCommand) -> tuple[SignedCommand, ...]:
    """
    Return what opened the accounts involved and linked their owners, in order.

    Liquidators are involved in every message: a guardian that does not know their addresses would
    take what they repay of a debt that they took over for a repayment of the borrower. What
    accounts and configurations may hold fits; an account from before the limit is cut last.
    """
    command = signed.command
    if isinstance(command, OpenAccount | LinkOwner):
        return ()
    history = _history(uow, catalog, command.account)
    accounts = {liquidator.account for liquidator in catalog.liquidators} - {command.account}
    if isinstance(command, Liquidation):
        accounts.add(command.liquidator)
    liquidators = [
        known for account in sorted(accounts) for known in _history(uow, catalog, account)
    ]
    if isinstance(command, Liquidation):
        context = liquidators + history  # a borrower links as many addresses as he likes
    else:
        context = _path_to(history, set(signed.signers(catalog.hub)), catalog) + liquidators
    return tuple(context[:CONTEXT_MAX])


def _history(uow: UnitOfWork, catalog: Catalog, account: bytes) -> list[SignedCommand]:
    """Return an account's opening and its links, each after the one that let its signer sign."""
    opened = uow.accounts.account(account)
    opening = None if opened is None else uow.commands.command(opened.command_id)
    if opened is None or opening is None:
        return []
    command_ids = dict.fromkeys(owner.command_id for owner in uow.accounts.owners(account))
    found = [uow.commands.command(command_id) for command_id in command_ids]
    waiting = [
        (stored.signed, stored.signed.signers(catalog.hub))
        for stored in found
        if stored is not None
    ]
    history, owners = [opening.signed], {opened.opener}
    while any(signers[0] in owners for _, signers in waiting):
        ready = [link for link in waiting if link[1][0] in owners]
        waiting = [link for link in waiting if link[1][0] not in owners]
        history += [signed for signed, _ in ready]
        owners |= {signers[1] for _, signers in ready}
    return history


def _path_to(
    history: list[SignedCommand], signers: set[bytes], catalog: Catalog
) -> list[SignedCommand]:
    """Return what of an account's history makes the signers owners: it may be long, this is not."""
    needed = set(signers)
    path = []
    for known in reversed(history):
        command = known.command
        if isinstance(command, OpenAccount):
            path.append(known)
        elif isinstance(command, LinkOwner) and command.owner in needed:
            path.append(known)
            needed.add(known.signers(catalog.hub)[0])
    return path[::-1]


def _write(
    store: Store, catalog: Catalog, stored: StoredMessage, asked: Sequence[Asked], fence: Fence
) -> AttestOutcome:
    guardian_set = catalog.guardian_set
    message_id = stored.message_id
    with store.unit_of_work() as uow:
        fence(uow)
        uow.ledger.lock()
        now = uow.clock.now()
        for entry in asked:
            if entry.answer.signature is not None and _is_by(stored, catalog, entry):
                uow.outbox.add_signature(
                    message_id, guardian_set.index, entry.address, entry.answer.signature
                )
        count = len(uow.outbox.signatures(message_id, guardian_set.index))
        current = uow.outbox.get(message_id)
        state = stored.state if current is None else current.state
        reason = _reason(count, guardian_set.threshold, asked)
        if state not in OPEN_STATES:
            return AttestOutcome(state, count, _is_open(state, count, guardian_set), reason)
        if count >= guardian_set.threshold:
            state = _attested(uow, stored, count, now)
        elif count == 0 and _refusals(asked) == len(guardian_set.members):
            state = _refused(uow, catalog, stored, asked, now)
        elif now > stored.message.message.expiry_seconds:
            state = expire_unattested(uow, stored.message)
        else:
            uow.outbox.wait(
                message_id,
                reason,
                next_attempt_at=UnixSeconds(now + catalog.times.attest_retry_seconds),
                detail=_detail(asked),
            )
    return AttestOutcome(state, count, _is_open(state, count, guardian_set), reason)


def _is_open(state: MessageState, count: int, guardian_set: GuardianSet) -> bool:
    """Return whether a guardian is left that must still learn of the message."""
    return state not in UNASKED_STATES and count < len(guardian_set.members)


def _attested(uow: UnitOfWork, stored: StoredMessage, count: int, now: UnixSeconds) -> MessageState:
    """Move on with a quorum: anybody may carry the message, so what it holds is in flight."""
    state = uow.outbox.move(
        stored.message_id,
        MessageEvent.ATTEST,
        WaitReason.QUORUM_REACHED,
        f"{count} signatures",
        now,
    )
    settle_hold(uow, stored.message)
    uow.jobs.ring(
        RELAY,
        stored.message_id.hex(),
        relay_queue(stored.message.target_chain),
        now,
        stored.message.correlation_id,
    )
    log.info("message.attested", message_id="0x" + stored.message_id.hex(), signatures=count)
    return state


def _refused(
    uow: UnitOfWork,
    catalog: Catalog,
    stored: StoredMessage,
    asked: Sequence[Asked],
    now: UnixSeconds,
) -> MessageState:
    detail = _detail(asked)
    state = uow.outbox.move(
        stored.message_id, MessageEvent.REJECT, WaitReason.GUARDIANS_REFUSED, detail, now
    )
    drop_hold(uow, catalog, stored.message)
    log.error("message.failed", message_id="0x" + stored.message_id.hex(), reason=detail)
    return state


def _is_by(stored: StoredMessage, catalog: Catalog, asked: Asked) -> bool:
    """Return whether a signature is really the asked guardian's over this message."""
    digest = attestation_digest(
        chain_id=stored.message.target_chain,
        contract=stored.message.message.vault,
        message_id=stored.message_id,
        guardian_set_index=catalog.guardian_set.index,
    )
    try:
        return recover_signer(digest, asked.answer.signature or b"") == asked.address
    except AttestationError as exc:
        log.error("signature.refused", guardian=asked.label, reason=exc.reason)
        return False


def _refusals(asked: Sequence[Asked]) -> int:
    return sum(entry.answer.is_final for entry in asked)


def _reason(count: int, threshold: int, asked: Sequence[Asked]) -> WaitReason:
    if count >= threshold:
        return WaitReason.QUORUM_REACHED
    if any(entry.answer.is_final for entry in asked):
        return WaitReason.GUARDIANS_REFUSED
    if asked and all(entry.answer.code == "unreachable" for entry in asked):
        return WaitReason.GUARDIANS_UNREACHABLE
    if any(entry.answer.signature is None for entry in asked):
        return WaitReason.GUARDIANS_NOT_YET
    return WaitReason.SIGNATURES_MISSING


def _detail(asked: Sequence[Asked]) -> str:
    parts = [
        f"{entry.label}: {entry.answer.code} {entry.answer.detail}".strip()
        for entry in asked
        if entry.answer.signature is None
    ]
    return "; ".join(parts)[:DETAIL_CHARACTERS_MAX]
