"""What every answer is read with first. Every answer is hostile until it is read."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from chains.errors import RpcAnswerError
from chains.types import ChainId

SHOWN_LENGTH_MAX: Final = 60
READ_LENGTH_MAX: Final = 1_000  # of a text, before what looks like an address is taken out
URL: Final = re.compile(r"\b\w+://\S*")


class AnswerShapeError(ValueError):
    """A value in an answer is not what it must be; never leaves the adapter."""


@contextmanager
def usable(chain_id: ChainId, method: str) -> Iterator[None]:
    """
    Turn a misshapen value met inside into the error that callers know.

    Raises:
        RpcAnswerError: something inside raised ValueError.
    """
    try:
        yield
    except ValueError as exc:
        raise RpcAnswerError(chain_id=chain_id, method=method, reason=str(exc)) from exc


def shown(value: object) -> str:
    """
    Return a value as short printable text without anything that looks like an address.

    Neither a long text nor a deep list is gone through: a node chooses what is shown.
    """
    if isinstance(value, dict | list):
        return f"a {type(value).__name__} of {len(value)}"
    read = str(value)[:READ_LENGTH_MAX]
    text = "".join(letter if letter.isprintable() else "?" for letter in read)
    return URL.sub("<url>", text)[:SHOWN_LENGTH_MAX]


def fields_of(value: object, what: str) -> Mapping[str, object]:
    """Return an object with string keys."""
    if not isinstance(value, dict):
        raise AnswerShapeError(f"{what} is {shown(value)}, an object is needed")
    return value


def items_of(value: object, what: str) -> list[object]:
    """Return a list."""
    if not isinstance(value, list):
        raise AnswerShapeError(f"{what} is {shown(value)}, a list is needed")
    return value
