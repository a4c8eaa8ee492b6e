"""Fields of events as texts and back, and frozen objects made of them: compiled or plain."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import orjson

from chains.errors import MessageFormatError
from chains.types import WORD_BYTES

try:
    from chains import _event_kernel as kernel
except ImportError:  # no compiler when the package was built: same answers, slower
    kernel = None  # type: ignore[assignment]

IS_COMPILED: Final = kernel is not None
LIMIT_MIN: Final = 10**18  # numbers of 18 digits are compared with no limit
DECIMAL_DIGITS_MAX: Final = 78  # of 2^256
PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_]+")
PLAIN_WORD: Final = re.compile(r"0x[0-9a-f]{64}")
WORDS_MAX: Final = 16_384  # accounts, tokens and contracts kept in memory, 300 bytes each


@dataclass(frozen=True, slots=True)
class Fields:
    """
    The fields of a kind of event, other than its position.

    Args:
        limit_of: by name the largest number, LIMIT_MIN at least; None for 32 bytes.
    """

    limit_of: Mapping[str, int | None]
    names: tuple[str, ...] = field(init=False)
    limits: tuple[int | None, ...] = field(init=False)
    json_names: tuple[str, ...] = field(init=False)
    json_limits: tuple[int | None, ...] = field(init=False)
    json_heads: tuple[bytes, ...] = field(init=False)

    def __post_init__(self) -> None:
        if any(limit is not None and limit < LIMIT_MIN for limit in self.limit_of.values()):
            raise ValueError(f"limits of fields: {LIMIT_MIN} at least")
        if not all(PLAIN_NAME.fullmatch(name) for name in self.limit_of):
            raise ValueError("names of fields: letters, digits and _ only")
        object.__setattr__(self, "names", tuple(self.limit_of))
        object.__setattr__(self, "limits", tuple(self.limit_of.values()))
        ordered = tuple(sorted(self.limit_of))
        heads = (f'{"," if index else "{"}"{name}":"' for index, name in enumerate(ordered))
        object.__setattr__(self, "json_names", ordered)
        object.__setattr__(self, "json_limits", tuple(self.limit_of[name] for name in ordered))
        object.__setattr__(self, "json_heads", tuple(head.encode() for head in heads))


def texts_of(event: object, fields: Fields) -> dict[str, str]:
    """Return an event's fields: bytes as 0x-hex, integers as decimals."""
    texts = kernel.texts_of(event, fields.names, fields.limits) if IS_COMPILED else None
    return texts_of_reference(event, fields) if texts is None else texts


def texts_of_reference(event: object, fields: Fields) -> dict[str, str]:
    """Return what texts_of returns, in plain Python."""
    return {
        name: "0x" + getattr(event, name).hex() if limit is None else str(getattr(event, name))
        for name, limit in fields.limit_of.items()
    }


def event_of_texts(
    event_type: type, position: object, fields: Fields, texts: Mapping[str, str]
) -> Any:
    """
    Return the event that some texts say.

    Raises:
        MessageFormatError: missing or unknown field, or a value out of range.
    """
    if texts.keys() != fields.limit_of.keys():
        raise MessageFormatError(field=event_type.__name__, reason=f"fields {sorted(texts)}")
    values: dict[str, bytes | int] = {}
    for name, limit in fields.limit_of.items():
        text = texts[name]
        values[name] = _word(name, text) if limit is None else _number(name, text, limit)
    return event_type(position=position, **values)


def json_of(event: object, fields: Fields) -> str:
    """Return what texts_of says as a JSON object, its names sorted, without spaces."""
    made = None
    if IS_COMPILED:
        made = kernel.json_of(event, fields.json_names, fields.json_limits, fields.json_heads)
    return json_of_reference(event, fields) if made is None else made


def json_of_reference(event: object, fields: Fields) -> str:
    """Return what json_of returns, in plain Python."""
    return orjson.dumps(texts_of_reference(event, fields), option=orjson.OPT_SORT_KEYS).decode()


def event_of_json(event_type: type, position: object, fields: Fields, text: str) -> Any:
    """
    Return the event that a JSON object of texts says.

    Raises:
        MessageFormatError: missing or unknown field, or a value out of range.
        ValueError: no JSON.
    """
    event = None
    if IS_COMPILED:
        plan = (fields.json_names, fields.json_limits, fields.json_heads)
        event = kernel.event_of_json(event_type, position, *plan, text)
    if event is None:  # not compiled, or not as json_of writes it
        return event_of_json_reference(event_type, position, fields, text)
    return event


def event_of_json_reference(event_type: type, position: object, fields: Fields, text: str) -> Any:
    """Return what event_of_json returns, in plain Python."""
    return event_of_texts(event_type, position, fields, orjson.loads(text))


def frozen_of(kind: type, names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    """
    Return an object of a frozen class that has slots; nothing checks or derives its fields again.

    Args:
        names: all its fields.
        values: theirs, in the same order.
    """
    if len(names) != len(values):
        raise ValueError(f"{kind.__name__}: {len(values)} values for {len(names)} fields")
    if IS_COMPILED:
        return kernel.frozen_of(kind, names, values)
    return frozen_of_reference(kind, names, values)


def frozen_of_reference(kind: type, names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    """Return what frozen_of returns, in plain Python."""
    made: Any = object.__new__(kind)
    for name, value in zip(names, values, strict=True):
        object.__setattr__(made, name, value)
    return made


def _word(name: str, text: str) -> bytes:
    word = _plain_word(text)
    return _misshapen_word(name, text) if word is None else word


@lru_cache(maxsize=WORDS_MAX)
def _plain_word(text: str) -> bytes | None:
    """Return the 32 bytes that plain 0x-hex says, None where it is not that; few say much."""
    return bytes.fromhex(text[2:]) if PLAIN_WORD.fullmatch(text) else None


def _misshapen_word(name: str, text: str) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as exc:
        raise MessageFormatError(field=name, reason=f"{text!r} is not hexadecimal") from exc
    if len(raw) != WORD_BYTES:
        raise MessageFormatError(field=name, reason=f"{len(raw)} bytes, 32 are needed")
    raise MessageFormatError(field=name, reason=f"{text!r} is not plain 0x-hex")


def _number(name: str, text: str, limit: int) -> int:
    is_decimal = text.isascii() and text.isdecimal() and len(text) <= DECIMAL_DIGITS_MAX
    number = int(text) if is_decimal and (text[0] != "0" or text == "0") else -1
    if not 0 <= number <= limit:
        shown = text[:DECIMAL_DIGITS_MAX]
        raise MessageFormatError(field=name, reason=f"{shown!r} is not an integer in 0..{limit}")
    return number
