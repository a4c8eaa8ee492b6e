"""
Corrections of the ledger as an EIP-712 document that people sign.

It names the break that it answers, so it can be posted once; the domain is that of a hub's
commands. The digest is the correction's id.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from eth_hash.auto import keccak

from chains.attestation import SIGNATURE_BYTES, recover_signer
from chains.command import command_domain
from chains.errors import MessageFormatError
from chains.types import UINT64_MAX, WORD_BYTES, ChainId

POSTING_TYPE: Final = "CorrectionPosting(string code,int256 units)"
CORRECTION_TYPE: Final = (
    "Correction(string chainId,string assetId,uint256 breakId,CorrectionPosting[] postings,"
    "string reason)" + POSTING_TYPE
)
UNITS_SIZE_MAX: Final = 2**255 - 1
UNITS_DIGITS_MAX: Final = 78
POSTINGS_MAX: Final = 64
REASON_LENGTH_MAX: Final = 500
FIELDS: Final = frozenset({"chain_id", "asset_id", "break_id", "postings", "reason"})


@dataclass(frozen=True, slots=True)
class CorrectionPosting:
    """Signed units on one account: debit above zero, credit below. [base units]"""

    code: str
    units: int

    def __post_init__(self) -> None:
        if not 1 <= abs(self.units) <= UNITS_SIZE_MAX:
            raise MessageFormatError(field="postings.units", reason="outside +-(1..2^255-1)")


@dataclass(frozen=True, slots=True)
class Correction:
    """What people want the ledger to say: postings of one asset on one chain, and why."""

    chain_id: str
    asset_id: str
    break_id: int
    postings: tuple[CorrectionPosting, ...]
    reason: str

    def __post_init__(self) -> None:
        if not 1 <= self.break_id <= UINT64_MAX:
            raise MessageFormatError(field="break_id", reason="outside 1..2^64-1")
        if not 1 <= len(self.postings) <= POSTINGS_MAX:
            raise MessageFormatError(field="postings", reason=f"1 to {POSTINGS_MAX} are needed")
        if not 1 <= len(self.reason.strip()) <= len(self.reason) <= REASON_LENGTH_MAX:
            raise MessageFormatError(
                field="reason", reason=f"1 to {REASON_LENGTH_MAX} characters are needed"
            )

    def digest(self, hub: ChainId) -> bytes:
        """Return the EIP-712 digest: what is signed, and the correction's id."""
        hashes = [
            keccak(
                keccak(POSTING_TYPE.encode())
                + keccak(posting.code.encode())
                + posting.units.to_bytes(WORD_BYTES, "big", signed=True)
            )
            for posting in self.postings
        ]
        struct_hash = keccak(
            keccak(CORRECTION_TYPE.encode())
            + keccak(self.chain_id.encode())
            + keccak(self.asset_id.encode())
            + self.break_id.to_bytes(WORD_BYTES, "big")
            + keccak(b"".join(hashes))
            + keccak(self.reason.encode())
        )
        return keccak(b"\x19\x01" + command_domain(hub) + struct_hash)


@dataclass(frozen=True, slots=True)
class SignedCorrection:
    """A correction and its signatures, ascending by signer."""

    correction: Correction
    signatures: tuple[bytes, ...]

    def signers(self, hub: ChainId) -> tuple[bytes, ...]:
        """
        Return the left-padded address behind each signature.

        Raises:
            AttestationError: a signature is malformed, or its s is high.
        """
        digest = self.correction.digest(hub)
        return tuple(recover_signer(digest, signature) for signature in self.signatures)


def correction_fields(correction: Correction) -> dict[str, Any]:
    """Return the fields as JSON has them: integers as text."""
    return {
        "chain_id": correction.chain_id,
        "asset_id": correction.asset_id,
        "break_id": str(correction.break_id),
        "postings": [
            {"code": posting.code, "units": str(posting.units)} for posting in correction.postings
        ],
        "reason": correction.reason,
    }


def correction_of_fields(fields: Mapping[str, Any]) -> Correction:
    """
    Parse a correction.

    Raises:
        MessageFormatError: a missing or unknown field, or a value of the wrong form.
    """
    for name in sorted(FIELDS - set(fields)):
        raise MessageFormatError(field=name, reason="is missing")
    for name in sorted(set(fields) - FIELDS):
        raise MessageFormatError(field=name, reason="is not a field of a correction")
    postings = fields["postings"]
    if not isinstance(postings, list) or not all(
        isinstance(posting, dict) and set(posting) == {"code", "units"} for posting in postings
    ):
        raise MessageFormatError(field="postings", reason="a list of {code, units} is needed")
    return Correction(
        chain_id=_text(fields, "chain_id"),
        asset_id=_text(fields, "asset_id"),
        break_id=_whole("break_id", fields["break_id"]),
        postings=tuple(
            CorrectionPosting(_text(posting, "code"), _whole("postings.units", posting["units"]))
            for posting in postings
        ),
        reason=_text(fields, "reason"),
    )


def signed_correction_of(document: Mapping[str, Any]) -> SignedCorrection:
    """
    Parse a correction with its signatures: the fields and a list of 0x-hex.

    Raises:
        MessageFormatError: as correction_of_fields, or signatures of the wrong form.
    """
    signatures = document.get("signatures")
    if not isinstance(signatures, list) or not all(isinstance(text, str) for text in signatures):
        raise MessageFormatError(field="signatures", reason="a list of 0x-hex is needed")
    fields = {name: value for name, value in document.items() if name != "signatures"}
    return SignedCorrection(
        correction_of_fields(fields), tuple(_signature(text) for text in signatures)
    )


def _signature(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as exc:
        raise MessageFormatError(field="signatures", reason=f"{text[:140]!r} is not hex") from exc
    if len(raw) != SIGNATURE_BYTES:
        raise MessageFormatError(
            field="signatures", reason=f"{len(raw)} bytes; {SIGNATURE_BYTES} are needed"
        )
    return raw


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise MessageFormatError(field=name, reason="text is needed")
    return value


def _whole(name: str, value: object) -> int:
    digits = value.removeprefix("-") if isinstance(value, str) else ""
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > UNITS_DIGITS_MAX:
        raise MessageFormatError(field=name, reason="an integer as text is needed")
    return int(str(value))
