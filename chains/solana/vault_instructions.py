"""
Instructions of the vault program; each file in contracts/solana/src lists the same accounts.

Fields that the program knows, or reads from an account, are not in the data: it rebuilds the
message from them, so a wrong account is another message.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from chains.attestation import Attestation, GuardianSet
from chains.message import Message, MessageKind
from chains.solana.vault_addresses import (
    SYSTEM_PROGRAM,
    VaultAddresses,
    associated_token_account,
    program_content,
    short_members,
    vault_address,
)
from chains.types import SOLANA_NAMESPACE


class Tag(IntEnum):
    """First byte of instruction data."""

    INITIALISE = 0
    LIST_ASSET = 1
    SEAL = 2
    LOCK = 3
    EXECUTE = 4
    STAGE_SET = 5
    ROTATE_SET = 6
    EXIT = 7
    EXIT_SIGNED = 8


# The recipient word of a parameter message to the byte that stands for it in the data.
CAPACITY, WINDOW, EXIT_DELAY = (
    text.ljust(32, b"\0") for text in (b"outflow.capacity", b"outflow.window", b"exit.delay")
)
PARAMETER_BYTES: Final = {CAPACITY: b"\x00", WINDOW: b"\x01", EXIT_DELAY: b"\x02"}


@dataclass(frozen=True, slots=True)
class VaultLimits:
    """What a vault starts with; bounds are those of CollateralVault.sol."""

    overlap_seconds: int
    exit_delay_seconds: int
    listing_window_seconds: int


@dataclass(frozen=True, slots=True)
class Token:
    """A mint and the program it belongs to."""

    mint: Pubkey
    program: Pubkey


@dataclass(frozen=True, slots=True)
class Deposit:
    """Who locks how much for which margin account. [base units]"""

    payer: Pubkey
    depositor: Pubkey
    source: Pubkey
    account: bytes
    units: int


def initialise(
    program_id: Pubkey,
    initializer: Pubkey,
    *,
    lane: tuple[bytes, str],
    limits: VaultLimits,
    guardian_set: GuardianSet,
) -> Instruction:
    """Return the making of a vault; the lane is the hub's key and the chain's CAIP-2 name."""
    hub_key, chain_id = lane
    vault = vault_address(program_id=program_id, hub_key=hub_key, initializer=initializer)
    at = VaultAddresses(program_id, vault)
    numbers = (limits.overlap_seconds, limits.exit_delay_seconds, limits.listing_window_seconds)
    content = (
        hub_key
        + chain_id.removeprefix(SOLANA_NAMESPACE).encode()
        + b"".join(number.to_bytes(8, "big") for number in numbers)
        + _set_content(guardian_set)
    )
    metas = [
        _signer(initializer, writable=True),
        _writable(vault),
        _writable(at.guardian_set(0)),
        _plain(SYSTEM_PROGRAM),
    ]
    return _instruction(at, Tag.INITIALISE, content, [*metas, *_event_metas(at)])


def list_asset(
    at: VaultAddresses, initializer: Pubkey, *, token: Token, capacity: int
) -> Instruction:
    """Return the listing of a token before the vault is sealed. [base units]"""
    metas = [_signer(initializer, writable=True), _plain(at.vault), *_listing_metas(at, token)]
    metas += [_plain(SYSTEM_PROGRAM), *_event_metas(at)]
    return _instruction(at, Tag.LIST_ASSET, capacity.to_bytes(8, "big"), metas)


def seal(at: VaultAddresses, initializer: Pubkey) -> Instruction:
    """Return the end of the initializer's part; nobody may be able to replace the program then."""
    metas = [_signer(initializer), _writable(at.vault), _plain(at.program_id)]
    return _instruction(at, Tag.SEAL, b"", [*metas, _plain(program_content(at.program_id))])


def lock(at: VaultAddresses, deposit: Deposit, *, token: Token) -> Instruction:
    """Return a lock of collateral."""
    metas = [
        _signer(deposit.payer, writable=True),
        _signer(deposit.depositor),
        _writable(at.vault),
        _writable(at.asset(token.mint)),
        _plain(token.mint),
        _writable(at.custody(token.mint)),
        _writable(at.position(account=deposit.account, mint=token.mint)),
        _writable(deposit.source),
        _plain(token.program),
        _plain(SYSTEM_PROGRAM),
        *_event_metas(at),
    ]
    content = deposit.account + deposit.units.to_bytes(8, "big")
    return _instruction(at, Tag.LOCK, content, metas)


def execute(
    at: VaultAddresses,
    payer: Pubkey,
    *,
    message: Message,
    attestation: Attestation,
    token_program: Pubkey,
) -> Instruction:
    """
    Return the delivery of a release, seize, pause or parameter message.

    Raises:
        KeyError: a parameter message with a key that no vault knows.
    """
    token = Token(Pubkey(message.token), token_program)
    extra = b""
    own: list[AccountMeta] = []
    if message.kind in (MessageKind.RELEASE, MessageKind.SEIZE):
        own = _payout_metas(at, token, account=message.account, recipient=Pubkey(message.recipient))
    elif message.kind is MessageKind.PAUSE and any(message.token):
        own = [_writable(at.asset(token.mint))]
    elif message.kind is MessageKind.PARAMETER:
        extra = PARAMETER_BYTES[message.recipient]
        if message.recipient == CAPACITY:
            own = _listing_metas(at, token)
        elif message.recipient == WINDOW:
            own = [_writable(at.asset(token.mint))]
    metas = [*_message_metas(at, payer, message, attestation), *own, *_event_metas(at)]
    content = _message_content(message) + extra + b"".join(attestation.signatures)
    return _instruction(at, Tag.EXECUTE, content, metas)


def stage_set(at: VaultAddresses, payer: Pubkey, *, guardian_set: GuardianSet) -> Instruction:
    """Return the writing down of a set that a rotation will name."""
    metas = [
        _signer(payer, writable=True),
        _plain(at.vault),
        _writable(_staged(at, guardian_set)),
        _plain(SYSTEM_PROGRAM),
    ]
    content = guardian_set.index.to_bytes(4, "big") + _set_content(guardian_set)
    return _instruction(at, Tag.STAGE_SET, content, metas)


def rotate_set(
    at: VaultAddresses,
    payer: Pubkey,
    *,
    message: Message,
    attestation: Attestation,
    guardian_set: GuardianSet,
) -> Instruction:
    """Return the delivery of a guardian_set message for a staged set."""
    payer_meta, vault, _, *rest = _message_metas(at, payer, message, attestation)
    metas = [
        payer_meta,
        vault,
        _writable(at.guardian_set(attestation.guardian_set_index)),
        *rest,
        _plain(_staged(at, guardian_set)),
        _writable(at.guardian_set(guardian_set.index)),
        *_event_metas(at),
    ]
    content = _message_content(message) + b"".join(attestation.signatures)
    return _instruction(at, Tag.ROTATE_SET, content, metas)


@dataclass(frozen=True, slots=True)
class Exit:
    """All that a margin account holds of a token, to a wallet. The salt opened the account."""

    account: bytes
    salt: bytes
    token: Token
    recipient: Pubkey


def exit_by_opener(at: VaultAddresses, opener: Pubkey, leaving: Exit) -> Instruction:
    """Return an owner's exit, signed by the Solana key that opened the account."""
    metas = [_plain(at.vault), *_exit_metas(at, leaving), _signer(opener), *_event_metas(at)]
    return _instruction(at, Tag.EXIT, leaving.salt, metas)


def exit_by_signature(
    at: VaultAddresses, leaving: Exit, *, deadline_seconds: int, signature: bytes
) -> Instruction:
    """Return an owner's exit, signed by the secp256k1 key that opened the account."""
    metas = [_plain(at.vault), *_exit_metas(at, leaving), *_event_metas(at)]
    content = leaving.salt + deadline_seconds.to_bytes(8, "big") + signature
    return _instruction(at, Tag.EXIT_SIGNED, content, metas)


def _instruction(
    at: VaultAddresses, tag: Tag, content: bytes, metas: list[AccountMeta]
) -> Instruction:
    return Instruction(at.program_id, bytes((tag,)) + content, metas)


def _message_content(message: Message) -> bytes:
    numbers = (message.nonce, message.amount_units, message.expiry_seconds)
    return (
        bytes((message.kind,))
        + b"".join(number.to_bytes(8, "big") for number in numbers)
        + message.epoch.to_bytes(4, "big")
        + message.evidence
    )


def _message_metas(
    at: VaultAddresses, payer: Pubkey, message: Message, attestation: Attestation
) -> list[AccountMeta]:
    return [
        _signer(payer, writable=True),
        _writable(at.vault),
        _plain(at.guardian_set(attestation.guardian_set_index)),
        _writable(at.executed(message.message_id)),
        _plain(SYSTEM_PROGRAM),
    ]


def _listing_metas(at: VaultAddresses, token: Token) -> list[AccountMeta]:
    return [
        _writable(at.asset(token.mint)),
        _plain(token.mint),
        _writable(at.custody(token.mint)),
        _plain(at.authority),
        _plain(token.program),
    ]


def _payout_metas(
    at: VaultAddresses, token: Token, *, account: bytes, recipient: Pubkey
) -> list[AccountMeta]:
    destination = associated_token_account(
        wallet=recipient, mint=token.mint, token_program=token.program
    )
    return [
        _writable(at.asset(token.mint)),
        _plain(token.mint),
        _writable(at.custody(token.mint)),
        _writable(at.position(account=account, mint=token.mint)),
        _writable(destination),
        _plain(at.authority),
        _plain(token.program),
    ]


def _exit_metas(at: VaultAddresses, leaving: Exit) -> list[AccountMeta]:
    return _payout_metas(at, leaving.token, account=leaving.account, recipient=leaving.recipient)


def _event_metas(at: VaultAddresses) -> list[AccountMeta]:
    return [_plain(at.events), _plain(at.program_id)]


def _staged(at: VaultAddresses, guardian_set: GuardianSet) -> Pubkey:
    return at.staged_set(
        index=guardian_set.index, threshold=guardian_set.threshold, members=guardian_set.members
    )


def _set_content(guardian_set: GuardianSet) -> bytes:
    head = bytes((guardian_set.threshold, len(guardian_set.members)))
    return head + short_members(guardian_set.members)


def _signer(key: Pubkey, *, writable: bool = False) -> AccountMeta:
    return AccountMeta(key, is_signer=True, is_writable=writable)


def _writable(key: Pubkey) -> AccountMeta:
    return AccountMeta(key, is_signer=False, is_writable=True)


def _plain(key: Pubkey) -> AccountMeta:
    return AccountMeta(key, is_signer=False, is_writable=False)
