"""The token movement behind each lock: what a lock claims must have come in before it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chains.errors import MovementMissingError
from chains.events import CollateralLocked, ObservedEvent
from chains.evm.abi import topic_of
from chains.evm.answers import RawLog
from chains.types import WORD_BYTES

TRANSFER_TOPIC: Final = topic_of("Transfer(address,address,uint256)")
TRANSFER_TOPICS: Final = 3  # the event and its two indexed parties


@dataclass(frozen=True, slots=True)
class Inflow:
    """Tokens that came to a vault, as their token says. [token base units]"""

    token: bytes
    vault: bytes
    tx_hash: bytes
    log_index: int
    units: int


def applicable_locks(
    events: Iterable[ObservedEvent], tokens: Collection[bytes]
) -> tuple[CollateralLocked, ...]:
    """Return the locks of known tokens; a lock of another token is never booked anyway."""
    return tuple(
        event for event in events if isinstance(event, CollateralLocked) and event.token in tokens
    )


def inflows_of(logs: Iterable[RawLog], locks: Sequence[CollateralLocked]) -> tuple[Inflow, ...]:
    """
    Return the movements into the vaults of these locks, of the tokens of these locks.

    What a vault sends to itself is none, and a log of another shape than ERC-20's is none.
    """
    tokens = {lock.token for lock in locks}
    vaults = {lock.position.contract for lock in locks}
    found = []
    for log in logs:
        if log.contract not in tokens or len(log.topics) != TRANSFER_TOPICS:
            continue
        topic, sender, recipient = log.topics
        if topic != TRANSFER_TOPIC or recipient not in vaults or sender == recipient:
            continue
        if len(log.data) == WORD_BYTES:
            units = int.from_bytes(log.data, "big")
            found.append(Inflow(log.contract, recipient, log.tx_hash, log.log_index, units))
    return tuple(found)


def missing_movements(
    locks: Sequence[CollateralLocked], inflows: Sequence[Inflow]
) -> tuple[MovementMissingError, ...]:
    """
    Return an error for each lock that claims more than came in before it.

    Per (transaction, vault, token), in the order of the logs: what came in before the lock, less
    what proven locks before it have claimed, must be at least what it claims. A lock without
    movement uses nothing up, so it takes no real one down with it.
    """
    came: dict[tuple[bytes, bytes, bytes], list[Inflow]] = {}
    for inflow in inflows:
        came.setdefault((inflow.tx_hash, inflow.vault, inflow.token), []).append(inflow)
    claimed: dict[tuple[bytes, bytes, bytes], int] = {}
    missing = []
    for lock in sorted(
        locks, key=lambda found: (found.position.block.height, found.position.log_index)
    ):
        position = lock.position
        key = (position.tx_hash, position.contract, lock.token)
        before = [one for one in came.get(key, ()) if one.log_index < position.log_index]
        free_units = sum(one.units for one in before) - claimed.get(key, 0)
        if free_units >= lock.units:
            claimed[key] = claimed.get(key, 0) + lock.units
        else:
            reason = f"lock {lock.lock_id} claims {lock.units}, {free_units} came in"
            missing.append(missing_movement(lock, reason))
    return tuple(missing)


def missing_movement(lock: CollateralLocked, reason: str) -> MovementMissingError:
    """Return the error that says why a lock is not backed."""
    position = lock.position
    return MovementMissingError(
        block=position.block,
        contract=position.contract,
        tx_hash=position.tx_hash,
        log_index=position.log_index,
        reason=f"movement_missing: {reason}",
    )
