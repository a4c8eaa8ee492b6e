"""Accounts of the vault program, byte for byte; contracts/solana/src/layout.h is the same."""

import struct
from dataclasses import dataclass
from typing import Any, Final

from chains.attestation import GUARDIANS_MAX
from chains.errors import MessageFormatError
from chains.types import word_of_evm_address

VAULT: Final = struct.Struct("<8s32s32s32s32sQQQQQQQQQIBBBB")
GUARDIAN_SET: Final = struct.Struct("<8s32sQIBB380s6x")
ASSET: Final = struct.Struct("<8s32s32s32s32sQQQQ25QQQQQQQBB6x")
POSITION: Final = struct.Struct("<8s32s32s32sQ")
EXECUTED: Final = struct.Struct("<8s32sQ")
ADDRESS_BYTES: Final = 20


@dataclass(frozen=True, slots=True)
class VaultState:
    """A vault; times in Unix seconds."""

    hub_key: bytes
    chain_key: bytes
    initializer: bytes
    domain_separator: bytes
    lock_count: int
    last_attested_at: int
    exit_delay_seconds: int
    overlap_seconds: int
    listing_window_seconds: int
    guardian_set_index: int
    pause_flags: int
    is_sealed: bool


@dataclass(frozen=True, slots=True)
class StoredGuardianSet:
    """A guardian set; members are left-padded addresses, strictly ascending."""

    index: int
    threshold: int
    members: tuple[bytes, ...]
    valid_until: int


@dataclass(frozen=True, slots=True)
class AssetState:
    """A listed token. [base units, seconds]"""

    mint: bytes
    token_program: bytes
    custody: bytes
    held_units: int
    capacity_units: int
    window_seconds: int
    newest_bucket: int
    bucket_units: tuple[int, ...]
    pause_flags: int
    decimals: int


@dataclass(frozen=True, slots=True)
class PositionState:
    """What a margin account holds of a token. [base units]"""

    account: bytes
    mint: bytes
    units: int


@dataclass(frozen=True, slots=True)
class ExecutedMark:
    """An executed message."""

    message_id: bytes
    executed_at: int


def decode_vault(raw: bytes) -> VaultState:
    """
    Parse a vault account.

    Raises:
        MessageFormatError: another length or tag.
    """
    fields = _unpack(VAULT, raw, b"vault\0\0\x01")
    return VaultState(
        hub_key=fields[1],
        chain_key=fields[2],
        initializer=fields[3],
        domain_separator=fields[4],
        lock_count=fields[5],
        last_attested_at=fields[6],
        exit_delay_seconds=fields[7],
        overlap_seconds=fields[8],
        listing_window_seconds=fields[9],
        guardian_set_index=fields[14],
        pause_flags=fields[15],
        is_sealed=bool(fields[16]),
    )


def decode_guardian_set(raw: bytes) -> StoredGuardianSet:
    """
    Parse a guardian set account.

    Raises:
        MessageFormatError: another length or tag, or more members than there is room for.
    """
    _, _, valid_until, index, threshold, count, members = _unpack(
        GUARDIAN_SET, raw, b"guards\0\x01"
    )
    if count > GUARDIANS_MAX:
        raise MessageFormatError(field="members", reason=f"{count}, at most {GUARDIANS_MAX} fit")
    return StoredGuardianSet(
        index=index,
        threshold=threshold,
        members=tuple(
            word_of_evm_address(members[place * ADDRESS_BYTES : (place + 1) * ADDRESS_BYTES])
            for place in range(count)
        ),
        valid_until=valid_until,
    )


def decode_asset(raw: bytes) -> AssetState:
    """
    Parse an asset account.

    Raises:
        MessageFormatError: another length or tag.
    """
    fields = _unpack(ASSET, raw, b"asset\0\0\x01")
    return AssetState(
        mint=fields[2],
        token_program=fields[3],
        custody=fields[4],
        held_units=fields[5],
        capacity_units=fields[6],
        window_seconds=fields[7],
        newest_bucket=fields[8],
        bucket_units=fields[9:34],
        pause_flags=fields[40],
        decimals=fields[41],
    )


def decode_position(raw: bytes) -> PositionState:
    """
    Parse a position account.

    Raises:
        MessageFormatError: another length or tag.
    """
    _, _, account, mint, units = _unpack(POSITION, raw, b"posit\0\0\x01")
    return PositionState(account=account, mint=mint, units=units)


def decode_executed(raw: bytes) -> ExecutedMark:
    """
    Parse the mark of an executed message.

    Raises:
        MessageFormatError: another length or tag.
    """
    _, message_id, executed_at = _unpack(EXECUTED, raw, b"execute\x01")
    return ExecutedMark(message_id=message_id, executed_at=executed_at)


def _unpack(form: struct.Struct, raw: bytes, tag: bytes) -> tuple[Any, ...]:
    if len(raw) != form.size or not raw.startswith(tag):
        raise MessageFormatError(
            field="account", reason=f"{len(raw)} bytes that begin with {raw[:8]!r}, not {tag!r}"
        )
    return form.unpack(raw)
