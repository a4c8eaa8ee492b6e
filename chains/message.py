"""
The canonical bytes of a message: fixed width, big-endian, equal in Python, Solidity and C.

version u8 | kind u8 | origin b32 | target b32 | vault b32 | nonce u64 | account b32 | token b32 |
amount u256 | recipient b32 | expiry u64 | epoch u32 | evidence b32

Vectors: contracts/vectors/messages.json.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from eth_hash.auto import keccak

from chains.errors import MessageFormatError
from chains.types import UINT64_MAX, UINT256_MAX, WORD_BYTES

MESSAGE_VERSION: Final = 1
UINT32_MAX: Final = 2**32 - 1
WIDTHS: Final = (
    ("version", 1),
    ("kind", 1),
    ("origin", 32),
    ("target", 32),
    ("vault", 32),
    ("nonce", 8),
    ("account", 32),
    ("token", 32),
    ("amount_units", 32),
    ("recipient", 32),
    ("expiry_seconds", 8),
    ("epoch", 4),
    ("evidence", 32),
)
MESSAGE_BYTES: Final = sum(width for _, width in WIDTHS)
WORD_FIELDS: Final = ("origin", "target", "vault", "account", "token", "recipient", "evidence")
NUMBER_LIMITS: Final = {
    "nonce": UINT64_MAX,
    "amount_units": UINT256_MAX,
    "expiry_seconds": UINT64_MAX,
    "epoch": UINT32_MAX,
}


class MessageKind(IntEnum):
    """What a message asks its target to do."""

    RELEASE = 1
    SEIZE = 2
    CREDIT_GRANT = 3
    GUARDIAN_SET = 4
    PAUSE = 5
    PARAMETER = 6


@dataclass(frozen=True, slots=True)
class Message:
    """
    One message from the hub to a contract.

    origin and target are chain keys (chains.types.chain_key), vault is the target contract,
    amount is in base units of token (for a guardian_set the new index, for a pause its flags, for
    a parameter its value), expiry the last Unix second at which it may be executed.
    """

    kind: MessageKind
    origin: bytes
    target: bytes
    vault: bytes
    nonce: int
    account: bytes
    token: bytes
    amount_units: int
    recipient: bytes
    expiry_seconds: int
    epoch: int
    evidence: bytes

    def __post_init__(self) -> None:
        for name in WORD_FIELDS:
            if len(getattr(self, name)) != WORD_BYTES:
                raise MessageFormatError(field=name, reason="32 bytes are needed")
        for name, limit in NUMBER_LIMITS.items():
            if not 0 <= getattr(self, name) <= limit:
                raise MessageFormatError(field=name, reason=f"outside 0..{limit}")

    def encode(self) -> bytes:
        """Return the 278 canonical bytes."""
        parts = [bytes((MESSAGE_VERSION, self.kind))]
        for name, width in WIDTHS[2:]:
            value = getattr(self, name)
            parts.append(value if isinstance(value, bytes) else value.to_bytes(width, "big"))
        return b"".join(parts)

    @property
    def message_id(self) -> bytes:
        """Return keccak256 of the canonical bytes."""
        return keccak(self.encode())


def decode_message(raw: bytes) -> Message:
    """
    Parse canonical bytes.

    Raises:
        MessageFormatError: wrong length, version or kind.
    """
    if len(raw) != MESSAGE_BYTES:
        raise MessageFormatError(
            field="message", reason=f"{len(raw)} bytes, {MESSAGE_BYTES} are needed"
        )
    if raw[0] != MESSAGE_VERSION:
        raise MessageFormatError(field="version", reason=f"{raw[0]}, only {MESSAGE_VERSION} is")
    if raw[1] not in MessageKind._value2member_map_:
        raise MessageFormatError(field="kind", reason=f"{raw[1]} is unknown")
    values: dict[str, bytes | int] = {}
    offset = 2
    for name, width in WIDTHS[2:]:
        field = raw[offset : offset + width]
        values[name] = field if name in WORD_FIELDS else int.from_bytes(field, "big")
        offset += width
    return Message(kind=MessageKind(raw[1]), **values)  # type: ignore[arg-type]


def guardian_set_hash(*, index: int, threshold: int, members: Sequence[bytes]) -> bytes:
    """Return keccak256(index u32 | threshold u8 | members b32...), the token of a guardian_set."""
    return keccak(index.to_bytes(4, "big") + threshold.to_bytes(1, "big") + b"".join(members))
