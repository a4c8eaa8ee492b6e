"""Base 58, as addresses, hashes and signatures are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey
from solders.signature import Signature

from chains.base58 import TEXT_LENGTH_MAX, base58_of, bytes_of_base58


@given(st.binary(max_size=200))
def test_base_58_returns_what_it_was_given(raw: bytes) -> None:
    """Leading zeros too."""
    assert bytes_of_base58(base58_of(raw)) == raw


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_base_58_agrees_with_the_library(key: bytes, signature: bytes) -> None:
    """Addresses and signatures are texts that others can read."""
    assert base58_of(key) == str(Pubkey.from_bytes(key))
    assert base58_of(signature) == str(Signature.from_bytes(signature))


@pytest.mark.parametrize("text", ["0", "l", "é", "1" * (TEXT_LENGTH_MAX + 1)])
def test_what_is_not_base_58_is_refused(text: str) -> None:
    """Letters that look alike are left out of it, and it is read in bounded time."""
    with pytest.raises(ValueError, match="base 58"):
        bytes_of_base58(text)


def test_a_shorter_limit_can_be_set() -> None:
    """Where a word is read, no more than a word is worked through."""
    with pytest.raises(ValueError, match="base 58"):
        bytes_of_base58("1" * 45, length_max=44)
