"""
Events of the vault program, read from the instructions it makes to itself.

The program refuses such an instruction unless its own events authority signed, and only itself can
sign for that address. So an instruction counts if it is one of the vault program, made by the vault
program, in a transaction that succeeded; logs are not read at all.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from chains.errors import MessageFormatError
from chains.types import WORD_BYTES

EVENT_TAG: Final = b"RELAYEV1"
KIND_AT: Final = len(EVENT_TAG)
VAULT_AT: Final = KIND_AT + 1
FIELDS_AT: Final = VAULT_AT + 32
ADDRESS_BYTES: Final = 20


class VaultEventKind(IntEnum):
    """What happened in the vault."""

    COLLATERAL_LOCKED = 1
    COLLATERAL_RELEASED = 2
    COLLATERAL_SEIZED = 3
    COLLATERAL_EXITED = 4
    PAUSE_CHANGED = 5
    OUTFLOW_CAPACITY_CHANGED = 6
    OUTFLOW_WINDOW_CHANGED = 7
    EXIT_DELAY_CHANGED = 8
    GUARDIAN_SET_ROTATED = 9


_PAID: Final = (
    ("message_id", 32), ("account", 32), ("token", 32), ("recipient", 32), ("units", 8),
    ("held_after_units", 8),
)  # fmt: skip
# Names are those of chains/events.py; 32 bytes are a word, less is a number.
EVENT_FIELDS: Final = {
    VaultEventKind.COLLATERAL_LOCKED: (
        ("lock_id", 8), ("account", 32), ("token", 32), ("depositor", 32), ("units", 8),
        ("held_after_units", 8),
    ),
    VaultEventKind.COLLATERAL_RELEASED: _PAID,
    VaultEventKind.COLLATERAL_SEIZED: _PAID,
    VaultEventKind.COLLATERAL_EXITED: (
        ("account", 32), ("token", 32), ("owner", 32), ("recipient", 32), ("units", 8),
        ("held_after_units", 8),
    ),
    VaultEventKind.PAUSE_CHANGED: (("message_id", 32), ("token", 32), ("flags", 8)),
    VaultEventKind.OUTFLOW_CAPACITY_CHANGED: (("message_id", 32), ("token", 32), ("units", 8)),
    VaultEventKind.OUTFLOW_WINDOW_CHANGED: (("message_id", 32), ("token", 32), ("seconds", 8)),
    VaultEventKind.EXIT_DELAY_CHANGED: (("message_id", 32), ("seconds", 8)),
    VaultEventKind.GUARDIAN_SET_ROTATED: (
        ("message_id", 32), ("index", 4), ("previous_valid_until", 8), ("threshold", 1),
        ("count", 1),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class VaultEvent:
    """One event, its words and numbers by name; members are 20-byte addresses of a new set."""

    kind: VaultEventKind
    vault: bytes
    words: dict[str, bytes]
    numbers: dict[str, int]
    members: tuple[bytes, ...] = ()


def decode_event(content: bytes) -> VaultEvent | None:
    """
    Parse the data of an instruction of the vault program.

    Returns:
        None where the instruction is no event.

    Raises:
        MessageFormatError: the data begins as an event and is none.
    """
    if not content.startswith(EVENT_TAG):
        return None
    if len(content) < FIELDS_AT or content[KIND_AT] not in VaultEventKind._value2member_map_:
        raise MessageFormatError(field="event", reason=f"{content[:FIELDS_AT].hex()} is unknown")
    kind = VaultEventKind(content[KIND_AT])
    words: dict[str, bytes] = {}
    numbers: dict[str, int] = {}
    at = FIELDS_AT
    for name, width in EVENT_FIELDS[kind]:
        part = content[at : at + width]
        if width == WORD_BYTES:
            words[name] = part
        else:
            numbers[name] = int.from_bytes(part, "big")
        at += width
    end = at + numbers.get("count", 0) * ADDRESS_BYTES
    if len(content) != end:
        raise MessageFormatError(field=kind.name, reason=f"{len(content)} bytes, not {end}")
    members = tuple(
        content[place : place + ADDRESS_BYTES] for place in range(at, end, ADDRESS_BYTES)
    )
    return VaultEvent(kind, content[VAULT_AT:FIELDS_AT], words, numbers, members)
