"""Attestations that 13 of 19 guardians of a main network signed: same digest, keys and quorum."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from eth_hash.auto import keccak

from chains.attestation import GUARDIANS_MAX, SIGNATURE_BYTES, default_threshold, recover_signer
from chains.errors import AttestationError
from chains.types import word_of_text

VERSION: Final = 1
HEADER_BYTES: Final = 6
PLACE_BYTES: Final = 1 + SIGNATURE_BYTES
STRIDE: Final = 7  # bytes between two that are altered; the bit goes round with them
FILE: Final = Path(__file__).parents[2] / "contracts" / "vectors" / "mainnet.json"
MAINNET: Final[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))
SETS: Final = {
    int(index): tuple(word_of_text(text) for text in members)
    for index, members in MAINNET["guardian_sets"].items()
}
SIGNED: Final = tuple(bytes.fromhex(one["bytes"][2:]) for one in MAINNET["attestations"])


def signers_of(signed: bytes) -> tuple[bytes, ...]:
    """
    Return the guardians of the named set that signed, by index.

    The bytes are: version, set index (4), count, count times (index, r | s | v), and the body whose
    hash's hash was signed; v is 0 or 1.

    Raises:
        AttestationError: another version or set, too few, out of order, or of another key.
    """
    count = signed[5]
    body = signed[HEADER_BYTES + count * PLACE_BYTES :]
    members = SETS.get(int.from_bytes(signed[1:5], "big"))
    if signed[0] != VERSION or members is None:
        raise AttestationError(reason="another version or set")
    if not default_threshold(len(members)) <= count <= len(members) or not body:
        raise AttestationError(reason=f"{count} signatures")
    digest = keccak(keccak(body))
    signers: list[bytes] = []
    last = -1
    for number in range(count):
        at = HEADER_BYTES + number * PLACE_BYTES
        place, signature = signed[at], signed[at + 1 : at + PLACE_BYTES]
        if not last < place < len(members):
            raise AttestationError(reason="indexes must ascend strictly")
        if signature[-1] not in (0, 1):
            raise AttestationError(reason=f"v is {signature[-1]}")
        signer = recover_signer(digest, signature[:-1] + bytes((signature[-1] + 27,)))
        if signer != members[place]:
            raise AttestationError(reason=f"0x{signer.hex()} is not guardian {place}")
        signers.append(signer)
        last = place
    return tuple(signers)


def altered(signed: bytes) -> Iterator[bytes]:
    """Yield it with one bit changed, all over its bytes."""
    for at in (*range(HEADER_BYTES), *range(HEADER_BYTES, len(signed), STRIDE)):
        copy = bytearray(signed)
        copy[at] ^= 1 << at % 8
        yield bytes(copy)


def test_r17_the_attestations_are_of_full_sets_and_differ() -> None:
    """Nineteen guardians, of whom thirteen sign; two sets, and no attestation twice."""
    assert {len(members) for members in SETS.values()} == {GUARDIANS_MAX}
    assert default_threshold(GUARDIANS_MAX) == 13
    assert len(set(SIGNED)) == len(SIGNED) >= 7
    assert {int.from_bytes(signed[1:5], "big") for signed in SIGNED} == set(SETS)


@pytest.mark.parametrize("signed", SIGNED, ids=range(len(SIGNED)))
def test_r17_an_attestation_of_a_main_network_is_verified(signed: bytes) -> None:
    """Every signature is that of the guardian at its index."""
    assert len(set(signers_of(signed))) == 13


@pytest.mark.parametrize("signed", SIGNED, ids=range(len(SIGNED)))
def test_r17_it_is_refused_once_a_single_bit_is_another(signed: bytes) -> None:
    """In the header, an index, a signature or the body."""
    for copy in altered(signed):
        with pytest.raises(AttestationError):
            signers_of(copy)


def test_r17_it_is_refused_under_another_set() -> None:
    """The set before differs in one guardian, the set index names it."""
    for signed in SIGNED:
        index = int.from_bytes(signed[1:5], "big")
        other = 7 - index
        assert other in SETS
        if any(signed[HEADER_BYTES + n * PLACE_BYTES] == 0 for n in range(signed[5])):
            with pytest.raises(AttestationError, match="is not guardian 0"):
                signers_of(signed[:1] + other.to_bytes(4, "big") + signed[5:])
