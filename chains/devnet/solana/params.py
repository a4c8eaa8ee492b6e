"""The parameters of a request, as far as every method reads them alike."""

from typing import Any, Final

from chains.devnet.solana.options import API_VERSION
from chains.devnet.solana.refusals import invalid, min_context_slot
from chains.finality import Finality

LEVELS: Final = {
    "processed": Finality.LATEST,
    "confirmed": Finality.SAFE,
    "finalized": Finality.FINALIZED,
}
LEVEL_NAMES: Final = {level: name for name, level in LEVELS.items()}
U64_MAX: Final = 2**64 - 1


class Params:
    """What was asked; a null is as good as nothing, in the list and in objects."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def get(self, place: int) -> Any:
        """Return a parameter, None if it is not there."""
        return self._values[place] if place < len(self._values) else None

    def required(self, place: int) -> Any:
        """
        Return a parameter.

        Raises:
            RefusalError: it is not there.
        """
        value = self.get(place)
        if value is None:
            raise invalid(f"Invalid params: invalid length {place}, expected more parameters.")
        return value

    def integer(self, place: int) -> int:
        """
        Return a number of 64 bits.

        Raises:
            RefusalError: it is not there, or none.
        """
        return checked_integer(self.required(place))

    def listed(self, place: int, *, most: int) -> list[Any]:
        """
        Return a list.

        Raises:
            RefusalError: none, or too long.
        """
        value = self.required(place)
        if not isinstance(value, list):
            raise invalid("Invalid params: invalid type, expected a sequence.")
        if len(value) > most:
            raise invalid(f"Too many inputs provided; max {most}")
        return value

    def config(self, place: int) -> dict[str, Any]:
        """
        Return an object without its nulls, empty if there is none.

        Raises:
            RefusalError: something else.
        """
        value = self.get(place)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise invalid("Invalid params: invalid type, expected an object.")
        kept = {name: inner for name, inner in value.items() if inner is not None}
        if not isinstance(kept.get("dataSlice", {}), dict):
            raise invalid("Invalid params: invalid dataSlice.")
        return kept


def checked_integer(value: object, name: str = "parameter") -> int:
    """
    Return a number of 64 bits.

    Raises:
        RefusalError: it is none.
    """
    if type(value) is not int or not 0 <= value <= U64_MAX:
        raise invalid(f"Invalid params: invalid {name}, expected u64.")
    return value


def level_of(config: dict[str, Any], name: str = "commitment") -> Finality:
    """
    Return the level that was asked for, the final one if none was.

    Raises:
        RefusalError: there is no such level.
    """
    asked = config.get(name, "finalized")
    level = LEVELS.get(asked) if isinstance(asked, str) else None
    if level is None:
        known = ", ".join(LEVELS)
        raise invalid(f"Invalid params: unknown commitment, expected one of {known}.")
    return level


def sure_level_of(config: dict[str, Any]) -> Finality:
    """
    Return the level that was asked for where only blocks that are done count.

    Raises:
        RefusalError: there is no such level, or it is processed.
    """
    level = level_of(config)
    if level is Finality.LATEST:
        raise invalid("Method does not support commitment below `confirmed`")
    return level


def check_context_slot(config: dict[str, Any], slot: int) -> None:
    """
    Check that a level has reached what the asker has seen elsewhere.

    Raises:
        RefusalError: it has not.
    """
    asked = config.get("minContextSlot")
    if asked is not None and checked_integer(asked, "minContextSlot") > slot:
        raise min_context_slot(slot)


def in_context(slot: int, value: object) -> dict[str, Any]:
    """Return a value together with the slot that it is true for."""
    return {"context": {"apiVersion": API_VERSION, "slot": slot}, "value": value}
