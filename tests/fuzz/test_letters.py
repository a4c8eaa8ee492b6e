# ruff: noqa: PT017
"""Bytes of messages, signatures, fields of commands and of stored events: one form each."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from coincurve import PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from chains.attestation import (
    SECP256K1_ORDER,
    Attestation,
    GuardianSet,
    assemble_attestation,
    attestation_digest,
    recover_signer,
    sign_digest,
    signer_address,
    verify_attestation,
)
from chains.command import COMMAND_TYPES, Command, command_fields, command_of_fields
from chains.errors import AttestationError, MessageFormatError
from chains.event_fields import event_of_texts
from chains.events import FIELDS, ObservedEvent, event_of_payload, payload_json_of, payload_of
from chains.message import MESSAGE_BYTES, Message, decode_message
from chains.types import ChainId, chain_id_of, evm_chain_number, text_of_word, word_of_text
from tests.chains.strategies import CHAIN, MESSAGES, WORDS, observed_events
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.garbage import HALF_A_CHARACTER, TEXTS, mutated_bytes, mutated_text

VECTORS: Final = json.loads(
    (Path(__file__).parents[2] / "contracts" / "vectors" / "messages.json").read_text("utf-8")
)
HUB: Final = ChainId("hub:test")
KEYS: Final = sorted(
    (PrivateKey(bytes(31) + bytes((number,))) for number in range(1, 6)), key=signer_address
)
SET: Final = GuardianSet(index=7, threshold=4, members=tuple(map(signer_address, KEYS)))
CONTRACT: Final = bytes(12) + b"\x07" * 20
NUMBERS: Final = {"uint64": 2**64 - 1, "uint256": 2**256 - 1}


@fuzzed(150)
@given(raw=MESSAGES.map(Message.encode).flatmap(mutated_bytes) | st.binary(max_size=600))
@example(raw=bytes(1_000_000))
def test_bytes_that_are_read_as_a_message_are_its_bytes(raw: bytes) -> None:
    """No two byte strings are one message; all others are refused by name."""
    with bounded(cpu_seconds_max=0.5):
        try:
            message = decode_message(raw)
        except MessageFormatError as refused:
            assert refused.field in ("message", "version", "kind")
            return
    assert message.encode() == raw
    assert len(raw) == MESSAGE_BYTES


@fuzzed(100)
@given(message=MESSAGES)
def test_a_message_is_read_back_as_it_was(message: Message) -> None:
    """Each field over its whole range."""
    assert decode_message(message.encode()) == message


@fuzzed(100)
@given(content=st.data(), vector=st.sampled_from(VECTORS["messages"]))
def test_a_vector_with_one_bit_turned_is_another_message(
    content: st.DataObject, vector: dict[str, Any]
) -> None:
    """Or none; the committed bytes themselves are read and written as they are."""
    raw = bytes.fromhex(vector["bytes"].removeprefix("0x"))
    bit = content.draw(st.integers(0, 8 * len(raw) - 1))
    turned = bytearray(raw)
    turned[bit // 8] ^= 1 << bit % 8

    original = decode_message(raw)

    assert original.encode() == raw
    try:
        other = decode_message(bytes(turned))
    except MessageFormatError:
        assert bit < 16
    else:
        assert other != original
        assert other.message_id != original.message_id


@fuzzed(60)
@given(digest=WORDS, content=st.data(), key=st.sampled_from(KEYS))
def test_another_signature_is_another_signer_or_none(
    digest: bytes, content: st.DataObject, key: PrivateKey
) -> None:
    """A signature cannot be altered and still be the same signer's."""
    signature = sign_digest(key, digest)
    changed = content.draw(mutated_bytes(signature))
    assert recover_signer(digest, signature) == signer_address(key)
    if changed == signature:
        return

    try:
        signer = recover_signer(digest, changed)
    except AttestationError as refused:
        assert len(refused.reason) < 200
    else:
        assert signer != signer_address(key)


@fuzzed(60)
@given(digest=WORDS, signature=st.binary(max_size=200) | st.binary(min_size=65, max_size=65))
def test_any_bytes_are_a_signature_or_refused(digest: bytes, signature: bytes) -> None:
    """AttestationError and nothing else."""
    try:
        signer = recover_signer(digest, signature)
    except AttestationError:
        return
    assert len(signer) == 32
    assert signer.startswith(bytes(12))


@fuzzed(80)
@given(content=st.data(), message_id=WORDS)
def test_only_a_quorum_in_order_attests(content: st.DataObject, message_id: bytes) -> None:
    """Whatever is done to the signatures: doubled, turned around, altered, of strangers."""
    digest = attestation_digest(
        chain_id=CHAIN, contract=CONTRACT, message_id=message_id, guardian_set_index=SET.index
    )
    honest = {signer_address(key): sign_digest(key, digest) for key in KEYS}
    stranger = sign_digest(PrivateKey(b"\x55" * 32), digest)
    parts = [*honest.values(), stranger, _high_s(stranger), _high_s(honest[SET.members[0]])]
    chosen = content.draw(st.lists(st.sampled_from(parts) | st.binary(max_size=70), max_size=8))
    index = content.draw(st.sampled_from([SET.index, SET.index, SET.index + 1]))

    try:
        signers = verify_attestation(
            Attestation(message_id, index, tuple(chosen)),
            guardian_set=SET, chain_id=CHAIN, contract=CONTRACT,
        )  # fmt: skip
    except AttestationError:
        return
    assert index == SET.index
    assert len(set(signers)) == len(signers) >= SET.threshold
    assert [honest[signer] for signer in signers] == chosen


@fuzzed(40)
@given(chosen=st.sets(st.sampled_from(KEYS), min_size=4), message_id=WORDS)
def test_what_is_assembled_attests(chosen: set[PrivateKey], message_id: bytes) -> None:
    """Any quorum, in any order."""
    digest = attestation_digest(
        chain_id=CHAIN, contract=CONTRACT, message_id=message_id, guardian_set_index=SET.index
    )
    made = assemble_attestation(
        message_id, SET, {signer_address(key): sign_digest(key, digest) for key in chosen}
    )

    signers = verify_attestation(made, guardian_set=SET, chain_id=CHAIN, contract=CONTRACT)

    assert list(signers) == sorted(signer_address(key) for key in chosen)[: SET.threshold]


def _high_s(signature: bytes) -> bytes:
    s_value = SECP256K1_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s_value.to_bytes(32, "big") + bytes((55 - signature[64],))


@st.composite
def commands(draw: st.DrawFn) -> Command:
    """Draw a command of any kind."""
    kind = draw(st.sampled_from(list(COMMAND_TYPES.values())))
    values: list[Any] = []
    for solidity_type, _ in kind.members():
        if solidity_type == "bytes32":
            values.append(draw(WORDS))
        elif solidity_type == "string":
            values.append(draw(st.sampled_from(["eip155:1", "hub:x"]) | st.text(max_size=9)))
        else:
            values.append(draw(st.integers(0, NUMBERS[solidity_type])))
    return kind(*values)


@fuzzed(100)
@given(command=commands())
def test_a_command_is_read_back_as_it_was(command: Command) -> None:
    """Field by field, so under the same digest."""
    found = command_of_fields(type(command).__name__, command_fields(command))

    assert found == command
    assert found.digest(HUB) == command.digest(HUB)


@fuzzed(200)
@given(command=commands(), content=st.data())
def test_fields_that_are_read_as_a_command_are_its_fields(
    command: Command, content: st.DataObject
) -> None:
    """Beyond the case of hexadecimal digits there is one form; a digest is always had."""
    fields = command_fields(command)
    kind = content.draw(st.sampled_from([type(command).__name__] * 9 + [*COMMAND_TYPES]))
    for _ in range(content.draw(st.integers(1, 2))):
        name = content.draw(st.sampled_from([*fields, "x"]))
        texts = mutated_text(fields.get(name, "")) | TEXTS | st.just(HALF_A_CHARACTER)
        fields[name] = content.draw(texts)

    with bounded(cpu_seconds_max=0.5):
        try:
            found = command_of_fields(kind, fields)
        except MessageFormatError as refused:
            assert refused.field
            assert len(refused.reason) < 300
            return
    written = command_fields(found)
    for name, (solidity_type, _) in zip(written, found.members(), strict=True):
        is_word = solidity_type == "bytes32"
        assert written[name] == (fields[name].lower() if is_word else fields[name])
    assert len(found.digest(HUB)) == 32


@fuzzed(150)
@given(event=observed_events(), content=st.data())
def test_a_payload_that_is_read_is_written_as_it_was(
    event: ObservedEvent, content: st.DataObject
) -> None:
    """What is written is read as the event, as texts and as the JSON of them, both ways."""
    payload = payload_of(event)
    kind = type(event).__name__
    assert event_of_payload(kind, event.position, payload_json_of(event)) == event
    name = content.draw(st.sampled_from([*payload, "x"]))
    changed = payload | {name: content.draw(mutated_text(payload.get(name, "")) | TEXTS)}

    with bounded(cpu_seconds_max=0.5):
        try:
            found = event_of_texts(type(event), event.position, FIELDS[kind], changed)
        except MessageFormatError as refused:
            assert refused.field
            return
    assert payload_of(found) == changed


@fuzzed(150)
@given(text=TEXTS | st.from_regex(r"\A(eip155|hub|solana):[0-9a-zA-Z_-]{1,8}\Z"))
def test_a_chain_has_one_name(text: str) -> None:
    """Two names of one EVM chain would be two chains to the ledger."""
    try:
        chain_id = chain_id_of(text)
    except ValueError:
        return
    assert chain_id == text
    if text.startswith("eip155:"):
        assert f"eip155:{evm_chain_number(chain_id)}" == text


@fuzzed(100)
@given(word=WORDS, content=st.data())
def test_a_word_that_is_read_is_plain_hexadecimal(word: bytes, content: st.DataObject) -> None:
    """Nothing is overlooked in it."""
    text = content.draw(mutated_text(text_of_word(word)) | TEXTS)
    try:
        found = word_of_text(text)
    except ValueError:
        return
    assert found.hex().endswith(text.removeprefix("0x").lower())


@pytest.mark.parametrize("count", [0, 20, 300])
def test_a_set_has_one_to_nineteen_members(count: int) -> None:
    """However many a contract announces."""
    members = tuple(number.to_bytes(32, "big") for number in range(1, count + 1))

    with pytest.raises(AttestationError):
        GuardianSet(index=0, threshold=max(1, count), members=members)
