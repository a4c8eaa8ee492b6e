"""A quorum of signers: what both languages refuse, what a digest binds, and real attestations."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from chains.attestation import (
    Attestation,
    GuardianSet,
    attestation_digest,
    default_threshold,
    recover_signer,
    verify_attestation,
)
from chains.devnet.refused_vectors import (
    CHAIN,
    MESSAGE,
    SET,
    good_attestation,
    refused_vectors,
)
from chains.errors import AttestationError
from chains.message import Message
from chains.types import ChainId, word_of_evm_address
from tests.chains.strategies import ADDRESSES, MESSAGES, UINT32, UINT64, WORDS

UPGRADES: Final = Path(__file__).parent / "guardian_upgrades.json"
FIRST_GUARDIAN: Final = "0x58cc3ae5c097b213ce3c81979e1b9f9570746aa5"
SIGNATURES_REAL: Final = 27
CLASSES_MIN: Final = 16
EVM_CHAINS: Final = st.integers(1, 2**63).map(lambda number: ChainId(f"eip155:{number}"))
REFUSED: Final = refused_vectors()


def verify(attestation: Attestation) -> tuple[bytes, ...]:
    """Verify against the set, chain and contract of the vectors."""
    return verify_attestation(attestation, guardian_set=SET, chain_id=CHAIN, contract=MESSAGE.vault)


def test_r17_what_the_vectors_are_changed_from_is_accepted() -> None:
    """Otherwise a refusal would prove nothing."""
    assert verify(good_attestation()) == SET.members[: SET.threshold]


@pytest.mark.parametrize("name", REFUSED)
def test_r17_each_broken_attestation_is_refused_with_its_reason(name: str) -> None:
    """The same vectors are read by contracts/evm/test/RefusedVectors.t.sol."""
    vector = REFUSED[name]

    with pytest.raises(AttestationError) as refusal:
        verify(vector.attestation)

    assert vector.reason in str(refusal.value)


def test_r17_no_two_vectors_are_the_same() -> None:
    """So that the count of classes is a count of classes."""
    assert len({vector.attestation for vector in REFUSED.values()}) == len(REFUSED) >= CLASSES_MIN


@given(first=EVM_CHAINS, second=EVM_CHAINS, contract=ADDRESSES, message_id=WORDS, index=UINT32)
def test_r17_the_digest_binds_the_chain_id(
    first: ChainId, second: ChainId, contract: bytes, message_id: bytes, index: int
) -> None:
    """Equal digests mean equal chains."""
    digests = {
        attestation_digest(
            chain_id=each, contract=contract, message_id=message_id, guardian_set_index=index
        )
        for each in (first, second)
    }

    assert len(digests) == len({first, second})


@given(
    parts=st.tuples(ADDRESSES, WORDS, UINT32),
    others=st.tuples(ADDRESSES, WORDS, UINT32),
    place=st.integers(0, 2),
)
def test_r17_the_digest_binds_contract_message_and_set(
    parts: tuple[bytes, bytes, int], others: tuple[bytes, bytes, int], place: int
) -> None:
    """Changing one of them, and nothing else, changes the digest."""
    changed: list[Any] = list(parts)
    changed[place] = others[place]

    found = _digest(*parts) == _digest(changed[0], changed[1], changed[2])

    assert found == (tuple(changed) == parts)


@given(message=MESSAGES, expiry_seconds=UINT64, epoch=UINT32, nonce=UINT64)
def test_r17_the_digest_binds_expiry_epoch_and_nonce(
    message: Message, expiry_seconds: int, epoch: int, nonce: int
) -> None:
    """They are in the message's bytes, whose hash is signed."""
    for other in (
        replace(message, expiry_seconds=expiry_seconds),
        replace(message, epoch=epoch),
        replace(message, nonce=nonce),
    ):
        digests = {_digest(each.vault, each.message_id, 0) for each in (message, other)}

        assert len(digests) == len({message, other})


def _digest(contract: bytes, message_id: bytes, index: int) -> bytes:
    return attestation_digest(
        chain_id=CHAIN, contract=contract, message_id=message_id, guardian_set_index=index
    )


@pytest.mark.parametrize("members", range(1, 20))
def test_r17_the_default_threshold_is_above_two_thirds(members: int) -> None:
    """The smallest number of signers that is more than two thirds, and a set takes it."""
    smallest = next(count for count in range(1, 20) if 3 * count > 2 * members)
    words = tuple(number.to_bytes(32, "big") for number in range(1, members + 1))

    assert default_threshold(members) == smallest
    assert GuardianSet(index=0, threshold=smallest, members=words).threshold == smallest


def real_attestations() -> list[dict[str, Any]]:
    """Return attestations that another network's contracts took on mainnet."""
    found: list[dict[str, Any]] = json.loads(UPGRADES.read_text())["attestations"]
    return found


def raw_of(text: str) -> bytes:
    """Return the bytes of 0x-hex."""
    return bytes.fromhex(text.removeprefix("0x"))


def our_form(signature: dict[str, Any]) -> bytes:
    """Return a signature with 27 or 28 in place of the recovery id."""
    raw = raw_of(signature["r_s_v"])
    return raw[:-1] + bytes((raw[-1] + 27,))


def test_r17_every_signature_of_real_attestations_recovers_to_its_guardian() -> None:
    """All of them, from the one public first guardian to sets of 19."""
    checked = 0
    members = [FIRST_GUARDIAN]

    for attestation in real_attestations():
        body = raw_of(attestation["body"])
        assert attestation["members"] == members, "each set is named by the upgrade before it"
        places = [signature["member"] for signature in attestation["signatures"]]
        assert places == sorted(set(places))
        assert len(places) == default_threshold(len(members))
        for signature in attestation["signatures"]:
            signer = recover_signer(keccak(keccak(body)), our_form(signature))
            assert signer == word_of_evm_address(raw_of(members[signature["member"]]))
            checked += 1
        members = members_named_by(body)

    assert checked == SIGNATURES_REAL


def members_named_by(body: bytes) -> list[str]:
    """Return the new members at the end of an upgrade: a count, then 20 bytes each."""
    payload = body[51:]
    count = payload[39]
    assert len(payload) == 40 + 20 * count
    return ["0x" + payload[at : at + 20].hex() for at in range(40, len(payload), 20)]


@pytest.mark.parametrize("place", range(3))
def test_r17_a_real_attestation_with_one_changed_bit_is_of_nobody(place: int) -> None:
    """The signatures then recover to no member of the set, or to no key."""
    attestation = real_attestations()[place]
    members = {word_of_evm_address(raw_of(text)) for text in attestation["members"]}
    body = bytearray(raw_of(attestation["body"]))
    body[0] ^= 1

    signers = {
        recover_signer(keccak(keccak(bytes(body))), our_form(signature))
        for signature in attestation["signatures"]
    }

    assert not signers & members
