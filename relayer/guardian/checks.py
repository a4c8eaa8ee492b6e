"""What must hold between a message, its command and the world before a guardian signs. Pure."""

from dataclasses import dataclass
from typing import Final, assert_never

from chains.command import (
    Command,
    LinkOwner,
    Liquidation,
    OpenAccount,
    RequestCredit,
    RequestUnlock,
    SignedCommand,
)
from chains.errors import AttestationError
from chains.message import Message, MessageKind
from chains.types import ChainId, chain_key
from relayer.clock import UnixSeconds
from relayer.errors import RefusedError
from relayer.guardian.request import AttestationRequest

EXPIRY_AHEAD_SECONDS_MAX: Final = 7 * 86_400
NONCE_MAX: Final = 2**63 - 1
COMMAND_OF_KIND: Final[dict[MessageKind, type[Command]]] = {
    MessageKind.RELEASE: RequestUnlock,
    MessageKind.SEIZE: Liquidation,
    MessageKind.CREDIT_GRANT: RequestCredit,
}


@dataclass(frozen=True, slots=True)
class GuardianView:
    """
    What a guardian knows by itself of the message's target.

    is_executed: the target has accepted the message already, so its time and epoch are the past's.
    """

    hub: ChainId
    epoch: int
    target_contract: bytes
    now: UnixSeconds
    is_executed: bool = False


def refuse(code: str, detail: str) -> RefusedError:
    """Return a refusal."""
    return RefusedError(code=code, detail=detail)


def check_binding(request: AttestationRequest, view: GuardianView) -> None:
    """
    Refuse a message that is not exactly what its command asks for, here and now.

    Raises:
        RefusedError: the field that differs is named.
    """
    message = request.message
    command = request.command.command
    expected: list[tuple[str, object, object]] = [
        ("origin", message.origin, chain_key(view.hub)),
        ("target", message.target, chain_key(request.target_chain)),
        ("vault", message.vault, view.target_contract),
        ("evidence", message.evidence, command.digest(view.hub)),
    ]
    if COMMAND_OF_KIND.get(message.kind) is not type(command):
        raise refuse(
            "kind_mismatch",
            f"a {message.kind.name} message cannot come of {type(command).__name__}",
        )
    if not view.is_executed:
        expected.append(("epoch", message.epoch, view.epoch))
    expected += _terms(message, request.target_chain, command)
    for field, found, needed in expected:
        if found != needed:
            raise refuse("message_mismatch", f"{field}: {_shown(found)} is not {_shown(needed)}")
    if message.nonce > NONCE_MAX:
        raise refuse("message_mismatch", f"nonce: {message.nonce} is above {NONCE_MAX}")
    if not view.is_executed:
        _check_times(message, command, view.now)


def _terms(
    message: Message, target_chain: ChainId, command: Command
) -> list[tuple[str, object, object]]:
    match command:
        case RequestUnlock():
            return [
                ("chain_id", target_chain, command.chain_id),
                ("vault", message.vault, command.vault),
                ("account", message.account, command.account),
                ("token", message.token, command.token),
                ("amount", message.amount_units, command.amount),
                ("recipient", message.recipient, command.recipient),
            ]
        case Liquidation():
            return [
                ("chain_id", target_chain, command.collateral_chain),
                ("vault", message.vault, command.vault),
                ("account", message.account, command.account),
                ("token", message.token, command.token),
                ("amount", message.amount_units, command.seized),
                ("recipient", message.recipient, command.recipient),
            ]
        case RequestCredit():
            return [
                ("chain_id", target_chain, command.chain_id),
                ("vault", message.vault, command.credit_line),
                ("account", message.account, command.account),
                ("token", message.token, command.token),
                ("amount", message.amount_units, command.limit),
                ("recipient", message.recipient, command.borrower),
                ("expiry", message.expiry_seconds, command.expiry),
            ]
        case OpenAccount() | LinkOwner():
            raise refuse("kind_mismatch", f"{type(command).__name__} makes no message")
        case _:
            assert_never(command)


def _check_times(message: Message, command: Command, now: UnixSeconds) -> None:
    if not now < message.expiry_seconds <= now + EXPIRY_AHEAD_SECONDS_MAX:
        raise refuse(
            "expiry_out_of_range",
            f"expiry: {message.expiry_seconds} is not within "
            f"{EXPIRY_AHEAD_SECONDS_MAX} s after {now}",
        )
    if isinstance(command, RequestUnlock | RequestCredit) and command.deadline < now:
        raise refuse("deadline_passed", f"deadline: {command.deadline} is before {now}")


def check_signers(signed: SignedCommand, *, hub: ChainId, count: int) -> tuple[bytes, ...]:
    """
    Return who signed a command.

    Raises:
        RefusedError: another number of signatures, or a malformed one.
    """
    if len(signed.signatures) != count:
        raise refuse(
            "signatures_missing",
            f"signatures: {type(signed.command).__name__} needs {count}, "
            f"has {len(signed.signatures)}",
        )
    try:
        return signed.signers(hub)
    except AttestationError as exc:
        raise refuse("signature_invalid", f"signatures: {exc.reason}") from exc


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
