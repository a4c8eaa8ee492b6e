"""A quorum of signers: what both languages refuse, what a digest binds, and real attestations."""

from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.attestation import (
    Attestation,
    GuardianSet,
    attestation_digest,
    default_threshold,
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
from chains.types import ChainId
from tests.chains.strategies import ADDRESSES, MESSAGES, UINT32, UINT64, WORDS

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
