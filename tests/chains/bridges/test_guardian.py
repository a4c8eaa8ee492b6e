"""The guardian bridge: a message and its attestation as one call."""

import asyncio
from dataclasses import replace

import pytest

from chains.attestation import Attestation
from chains.bridges.guardian import EXECUTE, GRANT, ROTATE, GuardianBridge
from chains.devnet.actors import attest, guardian_keys, guardian_set_of
from chains.errors import AttestationError, MessageFormatError
from chains.evm.reader import EvmReader, Watched
from chains.message import Message, MessageKind, guardian_set_hash
from chains.types import ChainId, chain_key
from tests.chains.strategies import CHAIN

KEYS = guardian_keys(3, seed="bridge")
SET = guardian_set_of(KEYS, threshold=2)
NEXT_SET = guardian_set_of(KEYS[:2], threshold=2, index=1)
MESSAGE = Message(
    kind=MessageKind.RELEASE,
    origin=chain_key(ChainId("hub:devnet")),
    target=chain_key(CHAIN),
    vault=bytes(12) + b"\x0a" * 20,
    nonce=1,
    account=b"\x01" * 32,
    token=bytes(12) + b"\x0b" * 20,
    amount_units=5,
    recipient=bytes(12) + b"\x0c" * 20,
    expiry_seconds=2**40,
    epoch=0,
    evidence=bytes(32),
)
ROTATION = replace(
    MESSAGE,
    kind=MessageKind.GUARDIAN_SET,
    token=guardian_set_hash(index=1, threshold=2, members=NEXT_SET.members),
    amount_units=1,
)


def bridge(*next_sets: object) -> GuardianBridge:
    """Return a bridge to the test chain; nothing is listening there."""
    reader = EvmReader(CHAIN, "http://127.0.0.1:1", watched=Watched())
    return GuardianBridge(reader, next_sets)  # type: ignore[arg-type]


def attested(message: Message) -> Attestation:
    """Return an attestation by the first two guardians."""
    return attest(message, chain_id=CHAIN, guardian_set=SET, keys=KEYS)


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        (MessageKind.RELEASE, EXECUTE),
        (MessageKind.SEIZE, EXECUTE),
        (MessageKind.PAUSE, EXECUTE),
        (MessageKind.PARAMETER, EXECUTE),
        (MessageKind.CREDIT_GRANT, GRANT),
    ],
)
def test_each_kind_goes_to_its_function(kind: MessageKind, function: str) -> None:
    """One call with the bytes, the set index and the signatures."""
    message = replace(MESSAGE, kind=kind)
    attestation = attested(message)

    (call,) = asyncio.run(bridge().deliver(message, attestation))

    assert (call.chain_id, call.contract, call.function) == (CHAIN, message.vault, function)
    assert call.arguments == (message.encode(), 0, attestation.signatures)


def test_a_rotation_carries_the_announced_members() -> None:
    """The message holds only their hash."""
    attestation = attested(ROTATION)

    (call,) = asyncio.run(bridge(NEXT_SET).deliver(ROTATION, attestation))

    assert call.function == ROTATE
    assert call.arguments == (
        ROTATION.encode(),
        0,
        NEXT_SET.members,
        2,
        attestation.signatures,
    )


def test_a_rotation_to_a_set_that_was_not_announced_is_refused() -> None:
    """There are no members to send."""
    with pytest.raises(MessageFormatError, match="not announced"):
        asyncio.run(bridge().deliver(ROTATION, attested(ROTATION)))


def test_an_attestation_of_another_message_is_refused() -> None:
    """It would only burn gas."""
    other = attested(replace(MESSAGE, nonce=2))

    with pytest.raises(AttestationError, match="another message"):
        asyncio.run(bridge().deliver(MESSAGE, other))
    with pytest.raises(AttestationError, match="another message"):
        bridge().proof(MESSAGE, other)


def test_a_message_to_another_chain_is_refused() -> None:
    """By every question."""
    elsewhere = replace(MESSAGE, target=chain_key(ChainId("eip155:1")))

    with pytest.raises(MessageFormatError, match="target"):
        asyncio.run(bridge().deliver(elsewhere, attested(elsewhere)))
    with pytest.raises(MessageFormatError, match="target"):
        asyncio.run(bridge().dispatch(elsewhere))
    with pytest.raises(MessageFormatError, match="target"):
        asyncio.run(bridge().status(elsewhere, None))


def test_dispatching_twice_gives_the_same_receipt() -> None:
    """The message id names it."""
    first = asyncio.run(bridge().dispatch(MESSAGE))
    second = asyncio.run(bridge().dispatch(MESSAGE))

    assert first == second
    assert first.message_id == MESSAGE.message_id


def test_a_proof_is_index_count_and_signatures() -> None:
    """5 bytes and 65 for each signature."""
    attestation = attested(MESSAGE)

    found = bridge().proof(MESSAGE, attestation)

    assert found == bytes((0, 0, 0, 0, 2)) + b"".join(attestation.signatures)
