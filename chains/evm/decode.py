"""Logs of vaults and credit lines as observed events; strict, by hand, because it is hot."""

from dataclasses import dataclass
from typing import Final

from chains.errors import MalformedLogError
from chains.events import (
    Borrowed,
    CollateralExited,
    CollateralLocked,
    CollateralReleased,
    CollateralSeized,
    CreditGranted,
    EventPosition,
    ObservedEvent,
    Repaid,
)
from chains.evm.abi import topic_of
from chains.evm.answers import RawLog
from chains.types import EVM_ADDRESS_PAD, UINT64_MAX, WORD_BYTES, ChainId

Fields = tuple[tuple[str, str], ...]  # (field of the observed event, Solidity type)


@dataclass(frozen=True, slots=True)
class EventShape:
    """Where a contract puts each field: the indexed ones in topics, the others in data."""

    event_type: type[ObservedEvent]
    topics: Fields
    data: Fields
    wire_types: str

    @property
    def topic(self) -> bytes:
        """The first topic."""
        return topic_of(f"{self.event_type.__name__}({self.wire_types})")


MOVED_DATA: Final[Fields] = (
    ("recipient", "address"),
    ("units", "uint256"),
    ("held_after_units", "uint256"),
)
MESSAGE_TOPICS: Final[Fields] = (
    ("message_id", "bytes32"),
    ("account", "bytes32"),
    ("token", "address"),
)
DEBT_DATA: Final[Fields] = (
    ("units", "uint256"),
    ("scaled_after", "uint256"),
    ("index_ray", "uint256"),
)
MOVED_TYPES: Final = "bytes32,bytes32,address,address,uint256,uint256"
VAULT_SHAPES: Final = (
    EventShape(
        CollateralLocked,
        (("lock_id", "uint64"), ("account", "bytes32"), ("token", "address")),
        (("depositor", "address"), ("units", "uint256"), ("held_after_units", "uint256")),
        "uint256,bytes32,address,address,uint256,uint256",
    ),
    EventShape(CollateralReleased, MESSAGE_TOPICS, MOVED_DATA, MOVED_TYPES),
    EventShape(CollateralSeized, MESSAGE_TOPICS, MOVED_DATA, MOVED_TYPES),
    EventShape(
        CollateralExited,
        (("account", "bytes32"), ("token", "address")),
        (("owner", "address"), *MOVED_DATA),
        "bytes32,address,address,address,uint256,uint256",
    ),
)
CREDIT_LINE_SHAPES: Final = (
    EventShape(
        CreditGranted,
        (("message_id", "bytes32"), ("account", "bytes32")),
        (
            ("borrower", "address"),
            ("limit_units", "uint256"),
            ("expiry_seconds", "uint64"),
            ("nonce", "uint64"),
        ),
        "bytes32,bytes32,address,uint256,uint64,uint64",
    ),
    EventShape(
        Borrowed,
        (("account", "bytes32"), ("borrower", "address")),
        (("recipient", "address"), *DEBT_DATA),
        "bytes32,address,address,uint256,uint256,uint256",
    ),
    EventShape(
        Repaid,
        (("account", "bytes32"), ("payer", "address")),
        DEBT_DATA,
        "bytes32,address,uint256,uint256,uint256",
    ),
)
VAULT_EVENTS: Final[dict[bytes, EventShape]] = {shape.topic: shape for shape in VAULT_SHAPES}
CREDIT_LINE_EVENTS: Final[dict[bytes, EventShape]] = {
    shape.topic: shape for shape in CREDIT_LINE_SHAPES
}
WATCHED_TOPICS: Final = (*VAULT_EVENTS, *CREDIT_LINE_EVENTS)


def decode_log(log: RawLog, *, chain_id: ChainId, shapes: dict[bytes, EventShape]) -> ObservedEvent:
    """
    Return the event behind a log.

    Args:
        shapes: what the emitting contract may say, VAULT_EVENTS or CREDIT_LINE_EVENTS.

    Raises:
        MalformedLogError: a topic that this kind of contract does not emit, another number of
            topics, another length of data, dirty padding, or a number out of range.
    """
    shape = shapes.get(log.topics[0]) if log.topics else None
    if shape is None:
        raise _malformed(log, "this contract does not emit such an event")
    if len(log.topics) != 1 + len(shape.topics):
        raise _malformed(log, f"{len(log.topics)} topics, {1 + len(shape.topics)} are needed")
    if len(log.data) != WORD_BYTES * len(shape.data):
        raise _malformed(
            log, f"{len(log.data)} bytes of data, {WORD_BYTES * len(shape.data)} are needed"
        )
    values: dict[str, bytes | int] = {}
    for (name, kind), word in zip(shape.topics, log.topics[1:], strict=True):
        values[name] = _value(log, name, kind, word)
    at = 0
    for name, kind in shape.data:
        values[name] = _value(log, name, kind, log.data[at : at + WORD_BYTES])
        at += WORD_BYTES
    position = EventPosition(chain_id, log.block, log.tx_hash, log.log_index, log.contract)
    return shape.event_type(position=position, **values)  # type: ignore[arg-type]


def _value(log: RawLog, name: str, kind: str, word: bytes) -> bytes | int:
    match kind:
        case "bytes32":
            return word
        case "address":
            if not word.startswith(EVM_ADDRESS_PAD):
                raise _malformed(log, f"{name} 0x{word.hex()} is not a padded address")
            return word
        case "uint64":
            number = int.from_bytes(word, "big")
            if number > UINT64_MAX:
                raise _malformed(log, f"{name} {number} is outside 0..2^64-1")
            return number
        case _:
            return int.from_bytes(word, "big")


def _malformed(log: RawLog, reason: str) -> MalformedLogError:
    return MalformedLogError(
        block=log.block,
        contract=log.contract,
        tx_hash=log.tx_hash,
        log_index=log.log_index,
        reason=reason,
    )
