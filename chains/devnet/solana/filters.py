"""Filters of a program's accounts: dataSize and memcmp."""

import base64
import binascii
from collections.abc import Callable
from typing import Any, Final

from solders.account import Account

from chains.base58 import bytes_of_base58
from chains.devnet.solana.codec import BASE58_TEXT_MAX
from chains.devnet.solana.params import checked_integer
from chains.devnet.solana.refusals import invalid

FILTERS_MAX: Final = 4
MEMCMP_BYTES_MAX: Final = 128

IsKept = Callable[[Account], bool]


def filters_of(config: dict[str, Any]) -> IsKept:
    """
    Return what an account must be like under a request's filters; all of them hold together.

    Raises:
        RefusalError: too many, unknown, or one that cannot be read.
    """
    asked = config.get("filters", [])
    if not isinstance(asked, list):
        raise invalid("Invalid params: filters are a list.")
    if len(asked) > FILTERS_MAX:
        raise invalid(f"Too many filters provided; max {FILTERS_MAX}")
    filters = [_filter_of(one) for one in asked]
    return lambda account: all(is_kept(account) for is_kept in filters)


def _filter_of(asked: object) -> IsKept:
    match asked:
        case {"dataSize": size}:
            length = checked_integer(size, "dataSize")
            return lambda account: len(account.data) == length
        case {"memcmp": dict(memcmp)}:
            first = checked_integer(memcmp.get("offset"), "offset")
            expected = _bytes_of(memcmp)
            return lambda account: account.data[first : first + len(expected)] == expected
        case _:
            raise invalid("Invalid params: a filter is dataSize or memcmp")


def _bytes_of(memcmp: dict[str, Any]) -> bytes:
    given, encoding = memcmp.get("bytes"), memcmp.get("encoding") or "base58"
    try:
        match given, encoding:
            case list(), _:
                raw = bytes(given)
            case str(), "base58":
                raw = bytes_of_base58(given, length_max=BASE58_TEXT_MAX)
            case str(), "base64":
                raw = base64.b64decode(given, validate=True)
            case _:
                raise invalid("Invalid params: memcmp bytes are base58 or base64")
    except (ValueError, TypeError, binascii.Error) as exc:
        raise invalid(f"Invalid param: {exc}") from None
    if len(raw) > MEMCMP_BYTES_MAX:
        raise invalid(f"Invalid param: memcmp compares at most {MEMCMP_BYTES_MAX} bytes")
    return raw
