"""Strict readers of what a node answers. Every answer is hostile until it is read here."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from chains.line.shapes import AnswerShapeError, fields_of, items_of, shown
from chains.types import (
    EVM_ADDRESS_BYTES,
    UINT64_MAX,
    UINT256_MAX,
    WORD_BYTES,
    BlockHeader,
    BlockRef,
    word_of_evm_address,
)

QUANTITY: Final = re.compile(r"0x[0-9a-fA-F]{1,64}")
TOPICS_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class RawLog:
    """One log as a node gave it, checked for form but not for meaning."""

    contract: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block: BlockRef
    tx_hash: bytes
    log_index: int


def quantity_of(value: object, what: str, limit: int = UINT64_MAX) -> int:
    """Return a hex number in 0..limit."""
    if not isinstance(value, str) or not QUANTITY.fullmatch(value):
        raise AnswerShapeError(f"{what} is {shown(value)}, a hex number is needed")
    number = int(value, 16)
    if number > limit:
        raise AnswerShapeError(f"{what} is {number}, at most {limit} is possible")
    return number


def wei_of(value: object, what: str) -> int:
    """Return a hex number in 0..2^256-1."""
    return quantity_of(value, what, UINT256_MAX)


def bytes_of(value: object, what: str, length: int | None = None) -> bytes:
    """Return hex bytes, of the given length if there is one."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise AnswerShapeError(f"{what} is {shown(value)}, hex bytes are needed")
    try:
        raw = bytes.fromhex(value[2:])
    except ValueError as exc:
        raise AnswerShapeError(f"{what} is not hexadecimal") from exc
    if len(value) != 2 + 2 * len(raw):  # fromhex overlooks spaces
        raise AnswerShapeError(f"{what} is not plain hexadecimal")
    if length is not None and len(raw) != length:
        raise AnswerShapeError(f"{what} has {len(raw)} bytes, {length} are needed")
    return raw


def address_of(value: object, what: str) -> bytes:
    """Return a left-padded address."""
    return word_of_evm_address(bytes_of(value, what, EVM_ADDRESS_BYTES))


def header_of(value: object) -> BlockHeader:
    """Return a block header."""
    fields = fields_of(value, "block")
    return BlockHeader(
        block=BlockRef(
            height=quantity_of(fields.get("number"), "block.number"),
            block_hash=bytes_of(fields.get("hash"), "block.hash", WORD_BYTES),
        ),
        parent_hash=bytes_of(fields.get("parentHash"), "block.parentHash", WORD_BYTES),
        timestamp_seconds=quantity_of(fields.get("timestamp"), "block.timestamp"),
    )


def log_of(value: object) -> RawLog:
    """Return one log of a block; a removed or a pending log is refused."""
    fields = fields_of(value, "log")
    if fields.get("removed", False) is not False:
        raise AnswerShapeError("a log is flagged removed, but its block was asked for")
    topics = items_of(fields.get("topics"), "log.topics")
    if len(topics) > TOPICS_MAX:
        raise AnswerShapeError(f"log.topics has {len(topics)} members, at most {TOPICS_MAX} exist")
    return RawLog(
        contract=address_of(fields.get("address"), "log.address"),
        topics=tuple(bytes_of(topic, "log.topics", WORD_BYTES) for topic in topics),
        data=bytes_of(fields.get("data"), "log.data"),
        block=BlockRef(
            height=quantity_of(fields.get("blockNumber"), "log.blockNumber"),
            block_hash=bytes_of(fields.get("blockHash"), "log.blockHash", WORD_BYTES),
        ),
        tx_hash=bytes_of(fields.get("transactionHash"), "log.transactionHash", WORD_BYTES),
        log_index=quantity_of(fields.get("logIndex"), "log.logIndex"),
    )


def ordered_logs(value: object) -> tuple[RawLog, ...]:
    """
    Return logs by (height, log index); a node that contradicts itself is refused.

    Refused are: the same place twice, and two blocks at one height.
    """
    logs = sorted(
        (log_of(item) for item in items_of(value, "logs")),
        key=lambda log: (log.block.height, log.log_index),
    )
    for left, right in pairwise(logs):
        if left.block.height != right.block.height:
            continue
        if left.block != right.block:
            raise AnswerShapeError(f"two blocks at height {left.block.height}")
        if left.log_index == right.log_index:
            raise AnswerShapeError(f"two logs at {left.block.height}/{left.log_index}")
    return tuple(logs)
