"""Observed events: one parsed fact of a watched contract, at a block."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, get_type_hints

from eth_hash.auto import keccak

from chains.errors import MessageFormatError
from chains.event_fields import (
    Fields,
    event_of_json,
    frozen_of,
    json_of,
    texts_of,
)
from chains.types import UINT64_MAX, UINT256_MAX, BlockRef, ChainId, chain_key, raw_text

POSITION_NAMES: Final = ("chain_id", "block", "tx_hash", "log_index", "contract", "event_id")


@dataclass(frozen=True, slots=True)
class EventPosition:
    """Where on a chain an event stands; order is (chain_id, height, log_index)."""

    chain_id: ChainId
    block: BlockRef
    tx_hash: bytes
    log_index: int
    contract: bytes
    event_id: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derive the id once; it is asked for often."""
        object.__setattr__(
            self,
            "event_id",
            event_id_of(self.chain_id, self.block.block_hash, self.tx_hash, self.log_index),
        )


def known_position(
    *place_and_id: *tuple[ChainId, BlockRef, bytes, int, bytes, bytes],
) -> EventPosition:
    """
    Return a position whose id was derived before, and was kept with it.

    Args:
        place_and_id: chain, block, transaction, log index, contract, event id.
    """
    position: EventPosition = frozen_of(EventPosition, POSITION_NAMES, place_and_id)
    return position


def event_id_of(chain_id: ChainId, block_hash: bytes, tx_hash: bytes, log_index: int) -> bytes:
    """
    Return keccak256(chain key | block hash | transaction | log index u64).

    The block hash is inside: after a reorg the same transaction in another block is another
    event.
    """
    return keccak(chain_key(chain_id) + block_hash + tx_hash + log_index.to_bytes(8, "big"))


@dataclass(frozen=True, slots=True)
class CollateralLocked:
    """A vault took collateral; units are what really arrived. [token base units]"""

    position: EventPosition
    lock_id: int
    account: bytes
    token: bytes
    depositor: bytes
    units: int
    held_after_units: int


@dataclass(frozen=True, slots=True)
class CollateralReleased:
    """A vault executed a release message. [token base units]"""

    position: EventPosition
    message_id: bytes
    account: bytes
    token: bytes
    recipient: bytes
    units: int
    held_after_units: int


@dataclass(frozen=True, slots=True)
class CollateralSeized:
    """A vault executed a seize message. [token base units]"""

    position: EventPosition
    message_id: bytes
    account: bytes
    token: bytes
    recipient: bytes
    units: int
    held_after_units: int


@dataclass(frozen=True, slots=True)
class CollateralExited:
    """An owner left through the exit after a silence of the guardians. [token base units]"""

    position: EventPosition
    account: bytes
    token: bytes
    owner: bytes
    recipient: bytes
    units: int
    held_after_units: int


@dataclass(frozen=True, slots=True)
class CreditGranted:
    """A credit line accepted a credit_grant message. [debt token base units, Unix seconds]"""

    position: EventPosition
    message_id: bytes
    account: bytes
    borrower: bytes
    limit_units: int
    expiry_seconds: int
    nonce: int


@dataclass(frozen=True, slots=True)
class Borrowed:
    """An account drew on its grant; its debt is ceil(scaled * index / 1e27) afterwards."""

    position: EventPosition
    account: bytes
    borrower: bytes
    recipient: bytes
    units: int
    scaled_after: int
    index_ray: int


@dataclass(frozen=True, slots=True)
class Repaid:
    """Somebody repaid a part of an account's debt."""

    position: EventPosition
    account: bytes
    payer: bytes
    units: int
    scaled_after: int
    index_ray: int


ObservedEvent = (
    CollateralLocked
    | CollateralReleased
    | CollateralSeized
    | CollateralExited
    | CreditGranted
    | Borrowed
    | Repaid
)
EVENT_TYPES: Final[dict[str, type[ObservedEvent]]] = {
    event_type.__name__: event_type
    for event_type in (
        CollateralLocked,
        CollateralReleased,
        CollateralSeized,
        CollateralExited,
        CreditGranted,
        Borrowed,
        Repaid,
    )
}
NUMBER_MAX: Final = {
    "lock_id": UINT64_MAX,
    "nonce": UINT64_MAX,
    "expiry_seconds": UINT64_MAX,
}
FIELDS: Final = {
    name: Fields(
        {
            part: None if hint is bytes else NUMBER_MAX.get(part, UINT256_MAX)
            for part, hint in get_type_hints(kind).items()
            if part != "position"
        }
    )
    for name, kind in EVENT_TYPES.items()
}


def payload_of(event: ObservedEvent) -> dict[str, str]:
    """Return the event's own fields (not its position): bytes as 0x-hex, integers as decimals."""
    return texts_of(event, FIELDS[type(event).__name__])


def facts_of(position: EventPosition, payload: Mapping[str, str]) -> dict[str, str]:
    """Return what an event of such a payload says with its place, as it is told to others."""
    return {
        "chain_id": position.chain_id,
        "height": str(position.block.height),
        "block_hash": raw_text(position.chain_id, position.block.block_hash),
        "tx_hash": raw_text(position.chain_id, position.tx_hash),
        "event_id": "0x" + position.event_id.hex(),
        **payload,
    }


def payload_json_of(event: ObservedEvent) -> str:
    """Return payload_of(event) as JSON, its names sorted, without spaces."""
    return json_of(event, FIELDS[type(event).__name__])


def event_of_payload(kind: str, position: EventPosition, payload: str) -> ObservedEvent:
    """
    Rebuild an event from what payload_json_of wrote and nothing else.

    Raises:
        MessageFormatError: unknown kind, missing or unknown field, or a value out of range.
        ValueError: no JSON.
    """
    event_type = EVENT_TYPES.get(kind)
    if event_type is None:
        raise MessageFormatError(field="kind", reason=f"{kind!r} is not an observed event")
    event: ObservedEvent = event_of_json(event_type, position, FIELDS[kind], payload)
    return event
