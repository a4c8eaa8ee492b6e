"""M-of-N attestations: what is accepted, and every way to break one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from coincurve import PrivateKey
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from chains.attestation import (
    SECP256K1_ORDER,
    Attestation,
    GuardianSet,
    assemble_attestation,
    attestation_digest,
    recover_signer,
    verify_attestation,
)
from chains.devnet.actors import DevKey, guardian_keys, guardian_set_of
from chains.errors import AttestationError
from chains.types import ChainId, checksum_address
from tests.chains.strategies import ADDRESSES, CHAIN, UINT32, WORDS

KEYS = guardian_keys(4, seed="attestation tests")
OUTSIDER = guardian_keys(1, seed="outsider")[0]
SET = guardian_set_of(KEYS, threshold=3, index=5)
VAULT = bytes(12) + b"\x0a" * 20
MESSAGE_ID = b"\x11" * 32


def digest_of(**changes: Any) -> bytes:
    """Return the digest of the plain message, with some parts changed."""
    parts: dict[str, Any] = {
        "chain_id": CHAIN,
        "contract": VAULT,
        "message_id": MESSAGE_ID,
        "guardian_set_index": SET.index,
    }
    return attestation_digest(**(parts | changes))


def signed_by(*keys: DevKey, digest: bytes | None = None) -> tuple[bytes, ...]:
    """Return signatures of keys, in the given order."""
    return tuple(key.sign(digest or digest_of()) for key in keys)


def verify(attestation: Attestation) -> tuple[bytes, ...]:
    """Verify against the plain set, chain and vault."""
    return verify_attestation(attestation, guardian_set=SET, chain_id=CHAIN, contract=VAULT)


GOOD = Attestation(MESSAGE_ID, SET.index, signed_by(*KEYS[:3]))


def test_a_quorum_of_members_is_accepted() -> None:
    """Three of four signers, ascending."""
    assert verify(GOOD) == tuple(key.address for key in KEYS[:3])


def test_more_than_the_quorum_is_accepted() -> None:
    """All four signers, ascending."""
    everybody = replace(GOOD, signatures=signed_by(*KEYS))

    assert verify(everybody) == SET.members


def test_assembling_takes_the_first_threshold_members_in_order() -> None:
    """Signatures may arrive in any order; an outsider's is left out."""
    signature_of = {key.address: signed_by(key)[0] for key in (KEYS[3], OUTSIDER, *KEYS[:2])}

    found = assemble_attestation(MESSAGE_ID, SET, signature_of)

    assert verify(found) == (KEYS[0].address, KEYS[1].address, KEYS[3].address)


def test_assembling_too_few_is_refused() -> None:
    """Two members and an outsider are not three members."""
    signature_of = {key.address: signed_by(key)[0] for key in (OUTSIDER, *KEYS[:2])}

    with pytest.raises(AttestationError, match="2 signatures, 3 are needed"):
        assemble_attestation(MESSAGE_ID, SET, signature_of)


def high_s(signature: bytes) -> bytes:
    """Return the other signature of the same key over the same digest."""
    s_value = SECP256K1_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s_value.to_bytes(32, "big") + bytes((55 - signature[64],))


def first_changed(change: Callable[[bytes], bytes]) -> Attestation:
    """Return the good attestation with its first signature changed."""
    return replace(GOOD, signatures=(change(GOOD.signatures[0]), *GOOD.signatures[1:]))


MUTATIONS: dict[str, Attestation] = {
    "no signature": replace(GOOD, signatures=()),
    "one too few": replace(GOOD, signatures=GOOD.signatures[:2]),
    "the same signer twice": replace(GOOD, signatures=(*GOOD.signatures[:2], GOOD.signatures[1])),
    "one signer three times": replace(GOOD, signatures=(GOOD.signatures[0],) * 3),
    "descending": replace(GOOD, signatures=GOOD.signatures[::-1]),
    "two swapped": replace(
        GOOD, signatures=(GOOD.signatures[1], GOOD.signatures[0], GOOD.signatures[2])
    ),
    "an outsider": replace(
        GOOD,
        signatures=signed_by(*sorted((OUTSIDER, *KEYS[:2]), key=lambda key: key.address)),
    ),
    "an outsider beyond the quorum": replace(
        GOOD,
        signatures=signed_by(*sorted((OUTSIDER, *KEYS[:3]), key=lambda key: key.address)),
    ),
    "high s": first_changed(high_s),
    "v of 0": first_changed(lambda raw: raw[:64] + b"\x00"),
    "v of 29": first_changed(lambda raw: raw[:64] + b"\x1d"),
    "the other v": first_changed(lambda raw: raw[:64] + bytes((55 - raw[64],))),
    "64 bytes": first_changed(lambda raw: raw[:64]),
    "66 bytes": first_changed(lambda raw: raw + b"\x00"),
    "r of zero": first_changed(lambda raw: bytes(32) + raw[32:]),
    "s of zero": first_changed(lambda raw: raw[:32] + bytes(32) + raw[64:]),
    "r of the order": first_changed(lambda raw: SECP256K1_ORDER.to_bytes(32, "big") + raw[32:]),
    "another message": replace(GOOD, message_id=b"\x12" * 32),
    "another set index": replace(GOOD, guardian_set_index=SET.index + 1),
    "signed for another set index": replace(
        GOOD, signatures=signed_by(*KEYS[:3], digest=digest_of(guardian_set_index=4))
    ),
    "signed for another chain": replace(
        GOOD, signatures=signed_by(*KEYS[:3], digest=digest_of(chain_id=ChainId("eip155:1")))
    ),
    "signed for another vault": replace(
        GOOD, signatures=signed_by(*KEYS[:3], digest=digest_of(contract=bytes(32)))
    ),
    "the bare id was signed": replace(GOOD, signatures=signed_by(*KEYS[:3], digest=MESSAGE_ID)),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_attestation_is_refused(name: str) -> None:
    """Each class of change ends in a refusal."""
    with pytest.raises(AttestationError):
        verify(MUTATIONS[name])


@given(place=st.integers(0, 3 * 65 - 1), change=st.integers(1, 255))
def test_every_altered_signature_byte_is_refused(place: int, change: int) -> None:
    """No byte of a signature can be changed."""
    raw = bytearray(b"".join(GOOD.signatures))
    raw[place] ^= change
    signatures = tuple(bytes(raw[at : at + 65]) for at in range(0, len(raw), 65))

    with pytest.raises(AttestationError):
        verify(replace(GOOD, signatures=signatures))


@given(digest=WORDS, signature=st.binary(max_size=80) | st.binary(min_size=65, max_size=65))
def test_random_signatures_raise_nothing_but_an_attestation_error(
    digest: bytes, signature: bytes
) -> None:
    """Whatever arrives, the check has one way to refuse."""
    try:
        signer = recover_signer(digest, signature)
    except AttestationError:
        return
    assert len(signer) == 32


@given(digest=WORDS, seed=st.integers(1, 2**64))
def test_the_signer_is_recovered(digest: bytes, seed: int) -> None:
    """Recovery names the address of the key."""
    key = seed.to_bytes(32, "big")
    raw = PrivateKey(key).sign_recoverable(digest, hasher=None)

    found = recover_signer(digest, raw[:64] + bytes((raw[64] + 27,)))

    assert checksum_address(found) == Account.from_key(key).address


@given(vault=WORDS, message_id=WORDS, index=UINT32)
def test_the_digest_for_solana_is_that_of_eip_712(
    vault: bytes, message_id: bytes, index: int
) -> None:
    """The salt of its domain binds chain and vault."""
    chain_id = ChainId("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1")
    typed = encode_typed_data(
        domain_data={
            "name": "CollateralRelayer",
            "version": "1",
            "salt": keccak(keccak(chain_id.encode()) + vault),
        },
        message_types={
            "Attestation": [
                {"name": "messageId", "type": "bytes32"},
                {"name": "guardianSetIndex", "type": "uint32"},
            ]
        },
        message_data={"messageId": message_id, "guardianSetIndex": index},
    )

    found = attestation_digest(
        chain_id=chain_id, contract=vault, message_id=message_id, guardian_set_index=index
    )

    assert found == keccak(b"\x19\x01" + typed.header + typed.body)


def test_a_chain_of_no_family_has_no_domain() -> None:
    """A hub has no vault to sign for."""
    with pytest.raises(ValueError, match="not an EVM chain"):
        digest_of(chain_id=ChainId("hub:devnet"))


@given(number=st.integers(1, 2**63), contract=ADDRESSES, message_id=WORDS, index=UINT32)
def test_the_digest_is_that_of_eip_712(
    number: int, contract: bytes, message_id: bytes, index: int
) -> None:
    """An independent implementation comes to the same digest."""
    typed = encode_typed_data(
        domain_data={
            "name": "CollateralRelayer",
            "version": "1",
            "chainId": number,
            "verifyingContract": checksum_address(contract),
        },
        message_types={
            "Attestation": [
                {"name": "messageId", "type": "bytes32"},
                {"name": "guardianSetIndex", "type": "uint32"},
            ]
        },
        message_data={"messageId": message_id, "guardianSetIndex": index},
    )
    key = Account.from_key(b"\x01" * 32)
    expected = key.sign_message(typed)

    found = attestation_digest(
        chain_id=ChainId(f"eip155:{number}"),
        contract=contract,
        message_id=message_id,
        guardian_set_index=index,
    )

    assert found == bytes(expected.message_hash)


@pytest.mark.parametrize(
    ("threshold", "members"),
    [
        (0, SET.members),
        (2, SET.members),  # two disjoint quorums of two
        (5, SET.members),
        (1, ()),
        (2, (SET.members[0], SET.members[0])),
        (2, (SET.members[1], SET.members[0])),
        (11, tuple(number.to_bytes(32, "big") for number in range(1, 21))),
    ],
)
def test_a_set_whose_quorums_need_not_meet_or_is_misshapen_is_refused(
    threshold: int, members: tuple[bytes, ...]
) -> None:
    """A set has 1 to 19 distinct ascending members and a majority threshold."""
    with pytest.raises(AttestationError):
        GuardianSet(index=0, threshold=threshold, members=members)


def test_the_largest_set_is_accepted() -> None:
    """19 members, 13 of them a quorum."""
    members = tuple(number.to_bytes(32, "big") for number in range(1, 20))

    assert GuardianSet(index=0, threshold=13, members=members).members == members
