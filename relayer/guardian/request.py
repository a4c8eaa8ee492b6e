"""What a guardian is asked to sign, with everything it needs to re-derive it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chains.command import SignedCommand, command_fields, command_of_fields
from chains.errors import MessageFormatError
from chains.message import Message, decode_message
from chains.types import ChainId, chain_id_of
from relayer.sections import LIQUIDATORS_MAX

SIGNATURES_MAX: Final = 4
LINKS_PER_ACCOUNT_MAX: Final = 64
# Every opening and link of every liquidator that may be configured, and of the account itself.
CONTEXT_MAX: Final = (LIQUIDATORS_MAX + 1) * (1 + LINKS_PER_ACCOUNT_MAX)
CHAINS_MAX: Final = 100
HEIGHT_DIGITS_MAX: Final = 20
REQUEST_KEYS: Final = frozenset({"message", "target_chain", "command", "context", "heights"})
COMMAND_KEYS: Final = frozenset({"kind", "fields", "signatures"})


@dataclass(frozen=True, slots=True)
class AttestationRequest:
    """
    One message to attest.

    Args:
        command: the signed request or hub decision that the message carries out.
        context: the commands that opened the accounts involved and linked their owners.
        heights: per chain, the final height up to which the hub had booked when it decided; a
            guardian that has not come as far answers later.
    """

    message: Message
    target_chain: ChainId
    command: SignedCommand
    context: tuple[SignedCommand, ...]
    heights: Mapping[ChainId, int]


def request_fields(request: AttestationRequest) -> dict[str, Any]:
    """Return the request as JSON values."""
    return {
        "message": "0x" + request.message.encode().hex(),
        "target_chain": request.target_chain,
        "command": _command_fields(request.command),
        "context": [_command_fields(command) for command in request.context],
        "heights": {chain_id: str(height) for chain_id, height in request.heights.items()},
    }


def request_of_fields(fields: object) -> AttestationRequest:
    """
    Parse a request from JSON values of unknown origin.

    Raises:
        MessageFormatError: a field is missing, unknown or malformed; it is named.
    """
    values = _object("request", fields, REQUEST_KEYS)
    context = values["context"]
    heights = values["heights"]
    if not isinstance(context, list) or len(context) > CONTEXT_MAX:
        raise MessageFormatError(field="context", reason=f"a list of at most {CONTEXT_MAX}")
    if not isinstance(heights, dict) or len(heights) > CHAINS_MAX:
        raise MessageFormatError(field="heights", reason=f"an object of at most {CHAINS_MAX}")
    return AttestationRequest(
        message=decode_message(_bytes("message", values["message"])),
        target_chain=_chain("target_chain", values["target_chain"]),
        command=_command("command", values["command"]),
        context=tuple(_command("context", entry) for entry in context),
        heights={_chain("heights", name): _height(text) for name, text in heights.items()},
    )


def _command_fields(signed: SignedCommand) -> dict[str, Any]:
    return {
        "kind": type(signed.command).__name__,
        "fields": command_fields(signed.command),
        "signatures": ["0x" + signature.hex() for signature in signed.signatures],
    }


def _command(field: str, value: object) -> SignedCommand:
    values = _object(field, value, COMMAND_KEYS)
    fields, signatures = values["fields"], values["signatures"]
    if not isinstance(values["kind"], str) or not isinstance(fields, dict):
        raise MessageFormatError(field=field, reason="kind is text and fields is an object")
    if not all(isinstance(name, str) and isinstance(text, str) for name, text in fields.items()):
        raise MessageFormatError(field=f"{field}.fields", reason="names and values are text")
    if not isinstance(signatures, list) or len(signatures) > SIGNATURES_MAX:
        raise MessageFormatError(
            field=f"{field}.signatures", reason=f"a list of at most {SIGNATURES_MAX}"
        )
    return SignedCommand(
        command_of_fields(values["kind"], fields),
        tuple(_bytes(f"{field}.signatures", text) for text in signatures),
    )


def _object(field: str, value: object, keys: frozenset[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != keys:
        raise MessageFormatError(field=field, reason=f"an object with exactly {sorted(keys)}")
    return value


def _bytes(field: str, value: object) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise MessageFormatError(field=field, reason="0x-hex text is needed")
    try:
        raw = bytes.fromhex(value[2:])
    except ValueError as exc:
        raise MessageFormatError(field=field, reason="not hexadecimal") from exc
    if len(value) != 2 + 2 * len(raw):  # fromhex overlooks spaces
        raise MessageFormatError(field=field, reason="not plain hexadecimal")
    return raw


def _chain(field: str, value: object) -> ChainId:
    try:
        return chain_id_of(str(value))
    except ValueError as exc:
        raise MessageFormatError(field=field, reason=str(exc)) from exc


def _height(value: object) -> int:
    if (
        not isinstance(value, str)
        or not (value.isascii() and value.isdecimal())
        or len(value) > HEIGHT_DIGITS_MAX
        or value != str(int(value))
    ):
        raise MessageFormatError(field="heights", reason="plain decimal text is needed")
    return int(value)
