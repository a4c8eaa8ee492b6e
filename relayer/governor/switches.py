"""Switches: what a person turned off, and which movements of value that stops."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from chains.types import ChainId
from relayer.money import AssetId

ANY: Final = "*"
EVERYTHING: Final = "everything"


class Direction(Enum):
    """IN: locks on a chain count as collateral. OUT: messages go to a chain."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Movement:
    """Value on its way: in by a lock on a chain, or out by a message to it."""

    direction: Direction
    chain_id: ChainId
    asset_id: AssetId


@dataclass(frozen=True, slots=True)
class Subject:
    """What a switch is about; None means any, so three times None is everything."""

    chain_id: ChainId | None = None
    direction: Direction | None = None
    asset_id: AssetId | None = None

    @property
    def key(self) -> str:
        """Return the one text that names this subject: chain, direction and asset, * for any."""
        direction = None if self.direction is None else self.direction.value
        return " ".join(part or ANY for part in (self.chain_id, direction, self.asset_id))

    def covers(self, movement: Movement) -> bool:
        """Return whether a movement belongs to this subject."""
        return (
            self.chain_id in (None, movement.chain_id)
            and self.direction in (None, movement.direction)
            and self.asset_id in (None, movement.asset_id)
        )

    def __str__(self) -> str:
        named = [str(part) for part in (self.asset_id, self.chain_id) if part is not None]
        if self.direction is not None:
            named.append(f"direction {self.direction.value}")
        return ", ".join(named) or EVERYTHING


@dataclass(frozen=True, slots=True)
class Switch:
    """A subject, whether it is stopped, and why."""

    subject: Subject
    is_off: bool
    reason: str

    def __str__(self) -> str:
        state = "is switched off" if self.is_off else "is on"
        return f"{self.subject} {state}: {self.reason}"


def switches_against(switches: Iterable[Switch], movement: Movement) -> tuple[Switch, ...]:
    """Return the switches that stop a movement; none means that it may go on."""
    return tuple(switch for switch in switches if switch.is_off and switch.subject.covers(movement))
