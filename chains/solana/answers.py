"""Strict readers of what a Solana node answers. Every answer is hostile until it is read here."""

import base64
import binascii
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from chains.base58 import bytes_of_base58
from chains.line.shapes import AnswerShapeError, fields_of, items_of, shown
from chains.types import UINT64_MAX, BlockHeader, BlockRef, word_of_base58

SIGNATURE_BYTES: Final = 64
SIGNATURE_LETTERS_MAX: Final = 88
UINT64_DIGITS_MAX: Final = 20
NUMBER_MAX: Final = 2**63 - 1  # of slots, seconds and lamports: databases keep no larger one
SIGNATURES_PER_PAGE: Final = 1_000
ACCOUNT_BYTES_MAX: Final = 10 * 1024 * 1024
ENCODING: Final = "base64"


@dataclass(frozen=True, slots=True)
class SlotHeader:
    """A block's header, and the slot of the block before it."""

    header: BlockHeader
    parent_slot: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction in the history of an account."""

    signature: bytes
    slot: int
    is_failed: bool


@dataclass(frozen=True, slots=True)
class AccountContent:
    """What an account holds, and the program that may write it."""

    owner: bytes
    content: bytes


def number_of(value: object, what: str, limit: int = NUMBER_MAX) -> int:
    """Return a whole number in 0..limit."""
    if type(value) is not int or not 0 <= value <= limit:
        raise AnswerShapeError(f"{what} is {shown(value)}, a number up to {limit} is needed")
    return value


def decimal_of(value: object, what: str) -> int:
    """Return a number of 64 bits that is written as text."""
    is_text = isinstance(value, str) and 0 < len(value) <= UINT64_DIGITS_MAX and value.isascii()
    if not (isinstance(value, str) and is_text and value.isdigit()) or int(value) > UINT64_MAX:
        raise AnswerShapeError(f"{what} is {shown(value)}, 64 bits as decimals are needed")
    return int(value)


def word_of(value: object, what: str) -> bytes:
    """Return 32 bytes that are written in base 58."""
    if not isinstance(value, str):
        raise AnswerShapeError(f"{what} is {shown(value)}, base 58 is needed")
    try:
        return word_of_base58(value)
    except ValueError:
        raise AnswerShapeError(f"{what} is {shown(value)}, 32 bytes are needed") from None


def signature_of(value: object, what: str) -> bytes:
    """Return 64 bytes that are written in base 58."""
    raw = b""
    if isinstance(value, str) and len(value) <= SIGNATURE_LETTERS_MAX:
        try:
            raw = bytes_of_base58(value)
        except ValueError:
            raw = b""
    if len(raw) != SIGNATURE_BYTES:
        raise AnswerShapeError(f"{what} is {shown(value)}, 64 bytes in base 58 are needed")
    return raw


def base64_of(value: object, what: str, length_max: int = ACCOUNT_BYTES_MAX) -> bytes:
    """Return bytes that come as [text, "base64"]."""
    parts = items_of(value, what)
    if parts[1:] != [ENCODING] or not isinstance(parts[0], str):
        raise AnswerShapeError(f"{what} is {shown(value)}, [text, base64] is needed")
    if len(parts[0]) > length_max * 4 // 3 + 4:
        raise AnswerShapeError(f"{what} is longer than {length_max} bytes")
    try:
        return base64.b64decode(parts[0], validate=True)
    except (binascii.Error, ValueError):
        raise AnswerShapeError(f"{what} is not base64") from None


def header_of(value: object, slot: int) -> SlotHeader:
    """Return the header of the block of a slot; its height among blocks must fit its slot."""
    fields = fields_of(value, "block")
    parent_slot = number_of(fields.get("parentSlot"), "block.parentSlot")
    if parent_slot >= slot > 0:
        raise AnswerShapeError(f"block {slot} has its parent at slot {parent_slot}")
    height = fields.get("blockHeight")
    if height is not None and number_of(height, "block.blockHeight") > slot:
        raise AnswerShapeError(f"block {slot} is said to be the {height}th")
    time = fields.get("blockTime")
    if time is None and slot == 0:
        time = 0  # the first block of a cluster has none
    header = BlockHeader(
        block=BlockRef(slot, word_of(fields.get("blockhash"), "block.blockhash")),
        parent_hash=word_of(fields.get("previousBlockhash"), "block.previousBlockhash"),
        timestamp_seconds=number_of(time, "block.blockTime"),
    )
    if header.parent_hash == header.block.block_hash:
        raise AnswerShapeError(f"block {slot} is its own parent")
    return SlotHeader(header, parent_slot)


def slots_of(value: object, first: int, last: int) -> tuple[int, ...]:
    """Return ascending slots within first..last."""
    found = tuple(number_of(slot, "slot") for slot in items_of(value, "slots"))
    if any(left >= right for left, right in pairwise(found)):
        raise AnswerShapeError("the slots do not ascend")
    if found and not first <= found[0] <= found[-1] <= last:
        raise AnswerShapeError(f"asked for slots {first}..{last}, got {found[0]}..{found[-1]}")
    return found


def page_of(value: object) -> tuple[Entry, ...]:
    """Return a page of an account's history, the newest first, no signature twice."""
    items = items_of(value, "signatures")
    if len(items) > SIGNATURES_PER_PAGE:
        raise AnswerShapeError(f"{len(items)} signatures, {SIGNATURES_PER_PAGE} were asked for")
    page = tuple(_entry_of(item) for item in items)
    if any(left.slot < right.slot for left, right in pairwise(page)):
        raise AnswerShapeError("the signatures do not descend by slot")
    if len({entry.signature for entry in page}) != len(page):
        raise AnswerShapeError("a signature stands twice in one page")
    return page


def _entry_of(value: object) -> Entry:
    fields = fields_of(value, "signature")
    return Entry(
        signature=signature_of(fields.get("signature"), "signature"),
        slot=number_of(fields.get("slot"), "signature.slot"),
        is_failed=is_failure(fields, "signature"),
    )


def is_failure(fields: object, what: str) -> bool:
    """Return whether something has an error; a missing one is refused, not taken for success."""
    found = fields_of(fields, what)
    if "err" not in found:
        raise AnswerShapeError(f"{what} does not say whether it failed")
    err = found["err"]
    if err is not None and not isinstance(err, dict | str):
        raise AnswerShapeError(f"{what}.err is {shown(err)}")
    return err is not None


def context_of(value: object) -> tuple[int, object]:
    """Return the slot that an answer is true for, and the answer."""
    fields = fields_of(value, "answer")
    context = fields_of(fields.get("context"), "context")
    if "value" not in fields:
        raise AnswerShapeError("the answer has no value")
    return number_of(context.get("slot"), "context.slot"), fields["value"]


def accounts_of(value: object, count: int) -> tuple[AccountContent | None, ...]:
    """Return what several accounts hold, None for each that is not there."""
    items = items_of(value, "accounts")
    if len(items) != count:
        raise AnswerShapeError(f"{len(items)} accounts, {count} were asked for")
    return tuple(None if item is None else _account_of(item) for item in items)


def _account_of(value: object) -> AccountContent:
    fields = fields_of(value, "account")
    content = base64_of(fields.get("data"), "account.data")
    space = fields.get("space")
    if space is not None and number_of(space, "account.space") != len(content):
        raise AnswerShapeError(f"account.space is {space}, but {len(content)} bytes are given")
    return AccountContent(word_of(fields.get("owner"), "account.owner"), content)
