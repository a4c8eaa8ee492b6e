"""Base 58, accounts and transactions as texts."""

import base64
import binascii
from typing import Any, Final

from solders.account import Account
from solders.message import MessageV1
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from chains.base58 import base58_of, bytes_of_base58
from chains.devnet.exchange import CODE_INVALID_REQUEST, RefusalError
from chains.devnet.solana.options import PACKET_BYTES_MAX
from chains.devnet.solana.refusals import invalid

BASE58_TEXT_MAX: Final = 1_683  # what 1,232 bytes can need
BASE64_TEXT_MAX: Final = 1_644
BASE58_ACCOUNT_BYTES_MAX: Final = 128
TX_TYPE: Final = "solana_transaction::versioned::VersionedTransaction"
SYSTEM_PROGRAM: Final = Pubkey.default()
NO_ACCOUNT: Final = Account(0, b"", SYSTEM_PROGRAM)


def pubkey_of(text: object) -> Pubkey:
    """
    Return an address.

    Raises:
        RefusalError: it is none.
    """
    if not isinstance(text, str):
        raise invalid("Invalid params: invalid type, expected a string.")
    try:
        return Pubkey.from_string(text)
    except ValueError:
        raise invalid("Invalid param: Invalid") from None


def signature_of(text: object) -> str:
    """
    Return a signature in its one form as text.

    Raises:
        RefusalError: it is none.
    """
    if not isinstance(text, str):
        raise invalid("Invalid params: invalid type, expected a string.")
    try:
        return str(Signature.from_string(text))
    except ValueError:
        raise invalid("Invalid param: Invalid") from None


def packet_of(text: object, encoding: str) -> bytes:
    """
    Return the bytes of a packet, a transaction or a message.

    Raises:
        RefusalError: not in that encoding, or more than fits a packet.
    """
    if not isinstance(text, str):
        raise invalid("Invalid params: invalid type, expected a string.")
    limit = {"base58": BASE58_TEXT_MAX, "base64": BASE64_TEXT_MAX}.get(encoding)
    if limit is None:
        raise invalid(f"unsupported encoding: {encoding}. Supported encodings: base58, base64")
    if len(text) > limit:
        raise invalid(
            f"{encoding} encoded {TX_TYPE} too large: {len(text)} bytes"
            f" (max: encoded/raw {limit}/{PACKET_BYTES_MAX})"
        )
    try:
        if encoding == "base58":
            raw = bytes_of_base58(text, length_max=BASE58_TEXT_MAX)
        else:
            raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as exc:
        raise invalid(f"invalid {encoding} encoding: {exc}") from None
    if len(raw) > PACKET_BYTES_MAX:
        raise invalid(
            f"decoded {TX_TYPE} too large: {len(raw)} bytes (max: {PACKET_BYTES_MAX} bytes)"
        )
    return raw


def transaction_of(text: object, encoding: str) -> VersionedTransaction:
    """
    Return a transaction that is well formed.

    Raises:
        RefusalError: it is none, or more than fits a packet.
    """
    raw = packet_of(text, encoding)
    try:
        tx = VersionedTransaction.from_bytes(raw)
    except ValueError as exc:
        raise invalid(f"failed to deserialize {TX_TYPE}: {exc}") from None
    if isinstance(tx.message, MessageV1):
        raise invalid("transactions of version 1 are not served by this devnet")
    try:
        tx.sanitize()
    except Exception as exc:  # noqa: BLE001  (the SDK raises a class of its own for each reason)
        raise invalid(f"invalid transaction: {exc}") from None
    return tx


def base64_of(raw: bytes) -> str:
    """Return bytes in base 64."""
    return base64.b64encode(raw).decode()


def account_fields(account: Account, config: dict[str, Any]) -> dict[str, Any]:
    """
    Return an account as a cluster shows it, under a request's encoding and dataSlice.

    Raises:
        RefusalError: an encoding that is unknown, not served, or too small for the content.
    """
    content = account.data
    shown = content
    part = config.get("dataSlice")
    if part is not None:
        first, length = part["offset"], part["length"]
        if type(first) is not int or type(length) is not int or first < 0 or length < 0:
            raise invalid("Invalid params: invalid dataSlice.")
        shown = content[first : first + length]
    return {
        "data": _encoded(shown, config.get("encoding", "binary")),
        "executable": account.executable,
        "lamports": account.lamports,
        "owner": str(account.owner),
        "rentEpoch": account.rent_epoch,
        "space": len(content),
    }


def _encoded(content: bytes, encoding: object) -> object:
    if encoding == "base64":
        return [base64_of(content), encoding]
    if encoding not in ("binary", "base58"):
        raise invalid(f"encoding {encoding} is not served by this devnet; ask for base64")
    if len(content) > BASE58_ACCOUNT_BYTES_MAX:
        raise RefusalError(
            CODE_INVALID_REQUEST,
            f"Encoded binary (base 58) data should be less than {BASE58_ACCOUNT_BYTES_MAX} bytes,"
            " please use Base64 encoding.",
        )
    text = base58_of(content)
    return text if encoding == "binary" else [text, encoding]
