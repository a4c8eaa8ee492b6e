"""Types of the compiled kernel."""

from typing import Any

def texts_of(
    event: object, names: tuple[str, ...], limits: tuple[int | None, ...]
) -> dict[str, str] | None:
    """Return fields by name as texts; None where one has another type."""

def json_of(
    event: object,
    names: tuple[str, ...],
    limits: tuple[int | None, ...],
    heads: tuple[bytes, ...],
) -> str | None:
    """Return fields as a JSON object of texts; None where one has another type."""

def event_of_json(
    event_type: type,
    position: object,
    names: tuple[str, ...],
    limits: tuple[int | None, ...],
    heads: tuple[bytes, ...],
    text: object,
) -> Any:
    """Return the event of a JSON object; None where it is not what json_of gave."""

def frozen_of(kind: type, names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    """Return an object of a frozen class with these fields, which nothing checks again."""
