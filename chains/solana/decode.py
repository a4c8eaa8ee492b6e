"""From the transactions of a block to observed events: who made an instruction decides."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from chains.errors import MalformedLogError, MessageFormatError, MovementMissingError
from chains.events import (
    CollateralExited,
    CollateralLocked,
    CollateralReleased,
    CollateralSeized,
    EventPosition,
    ObservedEvent,
)
from chains.solana.blocks import Call, Transaction
from chains.solana.vault_events import (
    EVENT_TAG,
    FIELDS_AT,
    VAULT_AT,
    VaultEvent,
    VaultEventKind,
    decode_event,
)
from chains.types import BlockRef, ChainId

PLACE_BITS: Final = 16
OUTER_PLACE: Final = 2**PLACE_BITS - 1  # from here down for what no program made
OBSERVED: Final = {
    VaultEventKind.COLLATERAL_LOCKED: CollateralLocked,
    VaultEventKind.COLLATERAL_RELEASED: CollateralReleased,
    VaultEventKind.COLLATERAL_SEIZED: CollateralSeized,
    VaultEventKind.COLLATERAL_EXITED: CollateralExited,
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose events count: one vault's of one program, signed by the program's own address."""

    chain_id: ChainId
    program: bytes
    events_authority: bytes
    vault: bytes


@dataclass(frozen=True, slots=True)
class Fact:
    """One event of the vault, of those that the ledger knows or of the others."""

    position: EventPosition
    event: VaultEvent

    @property
    def observed(self) -> ObservedEvent | None:
        """The event as the ledger knows it, None for settings and guardian sets."""
        kind: Any = OBSERVED.get(self.event.kind)
        if kind is None:
            return None
        found: ObservedEvent = kind(
            position=self.position, **self.event.words, **self.event.numbers
        )
        return found


def log_index(tx_place: int, call_place: int) -> int:
    """Return where an event stands in its block: by transaction, then by inner instruction."""
    return (tx_place << PLACE_BITS) | call_place


def facts_of(
    transaction: Transaction, block: BlockRef, origin: Origin
) -> tuple[tuple[Fact, ...], tuple[MalformedLogError, ...]]:
    """
    Return the events that a transaction printed, and what looks like one of them and is none.

    The program refuses an event that its own address did not sign, so in a transaction that
    succeeded each of them is its own; a node that shows another one is told.
    """
    facts: list[Fact] = []
    malformed: list[MalformedLogError] = []
    for place, content in enumerate(transaction.outer):
        if _is_of(content, origin):
            reason = "an event that no program made"
            at = OUTER_PLACE - place
            malformed.append(_malformed(transaction, at, block, origin, reason))
    for call in transaction.calls:
        if not _is_of(call.content, origin):
            continue
        try:
            event = _event_of(call, origin)
        except MessageFormatError as exc:
            reason = str(exc)
            malformed.append(_malformed(transaction, call.place, block, origin, reason))
            continue
        position = EventPosition(
            chain_id=origin.chain_id,
            block=block,
            tx_hash=transaction.signature,
            log_index=log_index(transaction.place, call.place),
            contract=origin.vault,
        )
        facts.append(Fact(position, event))
    return tuple(facts), tuple(malformed)


def _is_of(content: bytes, origin: Origin) -> bool:
    """Return whether data begins as an event, of this vault as far as it can be told."""
    vault = content[VAULT_AT:FIELDS_AT]
    return content.startswith(EVENT_TAG) and origin.vault.startswith(vault)


def _event_of(call: Call, origin: Origin) -> VaultEvent:
    if call.program != origin.program:
        raise MessageFormatError(field="program", reason="another program's instruction")
    if call.accounts != (origin.events_authority,):
        raise MessageFormatError(field="accounts", reason="not signed by the events authority")
    if call.maker is not None and call.maker != origin.program:
        raise MessageFormatError(field="stackHeight", reason="made by another program")
    event = decode_event(call.content)
    if event is None:
        raise MessageFormatError(field="event", reason="no event")
    return event


def missing_movements(
    transaction: Transaction, facts: Iterable[Fact], custodies: dict[bytes, bytes]
) -> tuple[MovementMissingError, ...]:
    """
    Return an error for each lock that claims more than came into the custody account.

    came in = held after - held before + what was paid out in the same transaction. In the order of
    the events, what proven locks before have claimed is taken off. A lock without movement uses
    nothing up, so it takes no real one down with it.

    Args:
        custodies: the custody account of each known mint; locks of other mints are left alone.
    """
    events = [fact.observed for fact in facts]
    paid: dict[bytes, int] = {}
    for event in events:
        if isinstance(event, CollateralReleased | CollateralSeized | CollateralExited):
            paid[event.token] = paid.get(event.token, 0) + event.units
    claimed: dict[bytes, int] = {}
    missing = []
    for event in events:
        if not isinstance(event, CollateralLocked) or event.token not in custodies:
            continue
        moved = moved_units(transaction, custodies[event.token], event.token)
        free_units = moved + paid.get(event.token, 0) - claimed.get(event.token, 0)
        if free_units >= event.units:
            claimed[event.token] = claimed.get(event.token, 0) + event.units
            continue
        reason = f"lock {event.lock_id} claims {event.units}, {max(0, free_units)} came in"
        position = event.position
        missing.append(
            MovementMissingError(
                block=position.block,
                contract=position.contract,
                tx_hash=position.tx_hash,
                log_index=position.log_index,
                reason=f"movement_missing: {reason}",
            )
        )
    return tuple(missing)


def moved_units(transaction: Transaction, custody: bytes, mint: bytes) -> int:
    """Return by how much a custody account grew; one of another mint holds nothing of this one."""
    sides = [side.get(custody) for side in (transaction.before, transaction.after)]
    before, after = (0 if one is None or one.mint != mint else one.units for one in sides)
    return after - before


def _malformed(
    transaction: Transaction, place: int, block: BlockRef, origin: Origin, reason: str
) -> MalformedLogError:
    return MalformedLogError(
        block=block,
        contract=origin.vault,
        tx_hash=transaction.signature,
        log_index=log_index(transaction.place, place),
        reason=reason,
    )
