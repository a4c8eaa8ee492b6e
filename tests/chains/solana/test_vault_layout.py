"""Accounts of the vault program, read."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import MessageFormatError
from chains.solana.vault_layout import (
    ASSET,
    EXECUTED,
    GUARDIAN_SET,
    POSITION,
    VAULT,
    PositionState,
    decode_asset,
    decode_executed,
    decode_guardian_set,
    decode_position,
    decode_vault,
)

TAGS: dict[Callable[[bytes], object], tuple[bytes, int]] = {
    decode_vault: (b"vault\0\0\1", VAULT.size),
    decode_guardian_set: (b"guards\0\1", GUARDIAN_SET.size),
    decode_asset: (b"asset\0\0\1", ASSET.size),
    decode_position: (b"posit\0\0\1", POSITION.size),
    decode_executed: (b"execute\1", EXECUTED.size),
}


@pytest.mark.parametrize("decode", TAGS)
def test_an_account_has_its_length_and_its_tag(decode: Callable[[bytes], object]) -> None:
    """One byte more or less, another type, another version, nothing: all are errors."""
    tag, size = TAGS[decode]
    whole = tag.ljust(size, b"\0")
    decode(whole)

    for broken in (whole[:-1], whole + b"\0", b"\0" + whole[1:], tag[:7] + b"\2" + whole[8:], b""):
        with pytest.raises(MessageFormatError):
            decode(broken)


@given(content=st.binary(min_size=POSITION.size - 8, max_size=POSITION.size - 8))
def test_a_position_is_read_as_it_was_written(content: bytes) -> None:
    """Account, mint and units stand where the header says."""
    position = decode_position(b"posit\0\0\1" + content)

    assert position == PositionState(
        account=content[32:64],
        mint=content[64:96],
        units=int.from_bytes(content[96:104], "little"),
    )


@pytest.mark.parametrize("decode", TAGS)
@given(content=st.binary(min_size=8, max_size=64))
def test_any_content_behind_a_tag_is_read_or_an_error(
    decode: Callable[[bytes], object], content: bytes
) -> None:
    """A node that lies about an account's bytes makes no other error than this one."""
    tag, size = TAGS[decode]
    raw = tag + (content * (size // len(content) + 1))[: size - len(tag)]

    with contextlib.suppress(MessageFormatError):
        decode(raw)


@pytest.mark.parametrize("count", [20, 255])
def test_a_guardian_set_has_room_for_nineteen(count: int) -> None:
    """A larger count would be read from behind the members."""
    tag, size = TAGS[decode_guardian_set]
    raw = bytearray(tag.ljust(size, b"\1"))
    raw[8 + 32 + 8 + 4 + 1] = count

    with pytest.raises(MessageFormatError, match="members"):
        decode_guardian_set(bytes(raw))
