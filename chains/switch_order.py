"""
Orders of the operator to stop something or let it go on, as EIP-712 digests.

The domain is that of commands: it binds the hub. The sequence number makes an old order worthless.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from eth_hash.auto import keccak

from chains.attestation import recover_signer
from chains.command import command_domain
from chains.errors import MessageFormatError
from chains.types import UINT64_MAX, WORD_BYTES, ChainId

TYPE: Final = (
    "SwitchOrder(string chainId,string direction,string assetId,bool isOff,string reason,"
    "uint64 sequence,uint64 issuedAt)"
)
ANY: Final = "*"
DIRECTIONS: Final = (ANY, "in", "out")
NAME_CHARACTERS_MAX: Final = 64
REASON_CHARACTERS_MAX: Final = 500
TEXTS: Final = {
    "chain_id": NAME_CHARACTERS_MAX,
    "direction": NAME_CHARACTERS_MAX,
    "asset_id": NAME_CHARACTERS_MAX,
    "reason": REASON_CHARACTERS_MAX,
}
NUMBERS: Final = ("sequence", "issued_at")


@dataclass(frozen=True, slots=True)
class SwitchOrder:
    """
    Stop what is named, or let it go on; * names any chain, both directions or any asset.

    Args:
        sequence: higher than that of any earlier order about the same.
        issued_at: Unix second of the order, by the operator's clock.
    """

    chain_id: str
    direction: str
    asset_id: str
    is_off: bool
    reason: str
    sequence: int
    issued_at: int

    def __post_init__(self) -> None:
        for name, length in TEXTS.items():
            if not 1 <= len(getattr(self, name)) <= length:
                raise MessageFormatError(field=name, reason=f"1 to {length} characters")
        for name in ("chain_id", "asset_id"):
            if not getattr(self, name).isprintable() or " " in getattr(self, name):
                raise MessageFormatError(field=name, reason="no spaces and no control characters")
        if self.direction not in DIRECTIONS:
            raise MessageFormatError(field="direction", reason=f"one of {', '.join(DIRECTIONS)}")
        for name in NUMBERS:
            if not 0 <= getattr(self, name) <= UINT64_MAX:
                raise MessageFormatError(field=name, reason="outside 0..2^64-1")

    def digest(self, hub: ChainId) -> bytes:
        """Return the EIP-712 digest: what the operator signs."""
        words = [
            keccak(TYPE.encode()),
            keccak(self.chain_id.encode()),
            keccak(self.direction.encode()),
            keccak(self.asset_id.encode()),
            int(self.is_off).to_bytes(WORD_BYTES, "big"),
            keccak(self.reason.encode()),
            self.sequence.to_bytes(WORD_BYTES, "big"),
            self.issued_at.to_bytes(WORD_BYTES, "big"),
        ]
        return keccak(b"\x19\x01" + command_domain(hub) + keccak(b"".join(words)))


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order and the operator's signature over it."""

    order: SwitchOrder
    signature: bytes

    def signer(self, hub: ChainId) -> bytes:
        """
        Return the left-padded address behind the signature.

        Raises:
            AttestationError: it is malformed.
        """
        return recover_signer(self.order.digest(hub), self.signature)


def signed_order_fields(signed: SignedOrder) -> dict[str, Any]:
    """Return a signed order as JSON values; numbers as decimal text."""
    order = signed.order
    return {
        "chain_id": order.chain_id,
        "direction": order.direction,
        "asset_id": order.asset_id,
        "is_off": order.is_off,
        "reason": order.reason,
        "sequence": str(order.sequence),
        "issued_at": str(order.issued_at),
        "signature": "0x" + signed.signature.hex(),
    }


def signed_order_of_fields(fields: object) -> SignedOrder:
    """
    Parse a signed order from JSON values of unknown origin.

    Raises:
        MessageFormatError: a field is missing, unknown or malformed; it is named.
    """
    keys = {*TEXTS, *NUMBERS, "is_off", "signature"}
    if not isinstance(fields, Mapping) or set(fields) != keys:
        raise MessageFormatError(field="order", reason=f"an object with exactly {sorted(keys)}")
    for name in (*TEXTS, *NUMBERS, "signature"):
        if not isinstance(fields[name], str):
            raise MessageFormatError(field=name, reason="text is needed")
    if not isinstance(fields["is_off"], bool):
        raise MessageFormatError(field="is_off", reason="true or false is needed")
    order = SwitchOrder(
        **{name: fields[name] for name in TEXTS},
        is_off=fields["is_off"],
        sequence=_number("sequence", fields["sequence"]),
        issued_at=_number("issued_at", fields["issued_at"]),
    )
    return SignedOrder(order, _bytes(fields["signature"]))


def _number(field: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(UINT64_MAX)):
        raise MessageFormatError(field=field, reason="decimal text is needed")
    return int(text)


def _bytes(text: str) -> bytes:
    if not text.startswith("0x"):
        raise MessageFormatError(field="signature", reason="0x-hex text is needed")
    try:
        return bytes.fromhex(text[2:])
    except ValueError as exc:
        raise MessageFormatError(field="signature", reason="not hexadecimal") from exc
