"""Signatures of Solana wallets: what is taken, and every way to break one."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest
from Crypto.Signature import eddsa
from hypothesis import given
from hypothesis import strategies as st
from solders.keypair import Keypair
from solders.message import from_bytes_versioned

from chains.command import (
    Command,
    LinkOwner,
    OpenAccount,
    SignedCommand,
    account_id,
    command_of_fields,
)
from chains.devnet.actors import DevWallet, dev_key, dev_wallet, guardian_keys
from chains.devnet.wallet_vectors import WALLETS_PATH
from chains.ed25519 import ed25519_signer
from chains.errors import AttestationError, MessageFormatError
from chains.types import ChainId
from tests.chains.test_command import HUB, commands

VECTORS: Final = json.loads(WALLETS_PATH.read_text(encoding="utf-8"))
VECTOR_HUB: Final = ChainId(VECTORS["hub"])
CHAIN_NAMES: Final = st.from_regex(r"solana:[1-9A-HJ-NP-Za-km-z]{32}", fullmatch=True)
WALLETS: Final = st.binary(min_size=32, max_size=32).map(dev_wallet)
ANN: Final = dev_wallet(b"\x0a" * 32)
OPENING: Final = OpenAccount(ANN.address, bytes(32))


@st.composite
def shown_commands(draw: st.DrawFn) -> Command:
    """Draw a command whose chains have names, so that a wallet can show it."""
    command = draw(commands())
    named: dict[str, Any] = {
        name: draw(CHAIN_NAMES)
        for name in command.__slots__
        if isinstance(getattr(command, name), str)
    }
    return replace(command, **named)


def _raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _command(vector: dict[str, Any]) -> Command:
    return command_of_fields(vector["type"].partition("(")[0], vector["fields"])


@pytest.mark.parametrize("vector", VECTORS["commands"], ids=lambda vector: vector["name"])
def test_the_vectors_hold(vector: dict[str, Any]) -> None:
    """Text, digest and signature of each command; the key is the signer's word."""
    command = _command(vector)
    signed = SignedCommand(command, (_raw(vector["signature"]),))

    assert command.signing_text(VECTOR_HUB).decode() == vector["text"]
    assert "0x" + command.digest(VECTOR_HUB).hex() == vector["digest"]
    assert signed.signers(VECTOR_HUB) == (_raw(VECTORS["publicKey"]),)


@pytest.mark.parametrize("vector", VECTORS["commands"], ids=lambda vector: vector["name"])
def test_another_library_takes_the_same_signatures(vector: dict[str, Any]) -> None:
    """RFC 8032 is what both implement."""
    proof = _raw(vector["signature"])
    verifier = eddsa.new(eddsa.import_public_key(proof[:32]), "rfc8032")

    verifier.verify(vector["text"].encode(), proof[32:])


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["name"])
def test_every_broken_signature_is_refused_for_its_reason(vector: dict[str, Any]) -> None:
    """Wrong length, second spellings, weak keys, other texts."""
    opening = _command(VECTORS["commands"][0])
    signed = SignedCommand(opening, (_raw(vector["signature"]),))

    with pytest.raises(AttestationError) as refused:
        signed.signers(VECTOR_HUB)

    assert vector["reason"] in refused.value.reason


@pytest.mark.parametrize("name", ["the key of order 1", "a key of order 8", "R of order 1"])
def test_what_is_refused_for_weakness_satisfies_a_laxer_equation(name: str) -> None:
    """So these vectors are refused for what they are, not for a bit that is wrong."""
    proof = next(_raw(one["signature"]) for one in VECTORS["refused"] if one["name"] == name)
    verifier = eddsa.new(eddsa.import_public_key(proof[:32]), "rfc8032")

    verifier.verify(VECTORS["commands"][0]["text"].encode(), proof[32:])


@given(command=shown_commands(), wallet=WALLETS)
def test_a_wallet_signs_any_command(command: Command, wallet: DevWallet) -> None:
    """And nobody else's key, command or hub fits its signature."""
    proof = wallet.sign_command(command, HUB)

    assert SignedCommand(command, (proof,)).signers(HUB) == (wallet.address,)
    with pytest.raises(AttestationError):
        SignedCommand(command, (proof,)).signers(ChainId("hub:other"))
    with pytest.raises(AttestationError):
        SignedCommand(command, (dev_wallet(b"\x55" * 32).address + proof[32:],)).signers(HUB)
    with pytest.raises(AttestationError):
        SignedCommand(OPENING, (proof,)).signers(HUB)


@given(place=st.integers(0, 95), mask=st.integers(1, 255))
def test_no_other_bytes_are_the_same_signature(place: int, mask: int) -> None:
    """Not one bit may differ, so a signature has one spelling."""
    proof = bytearray(ANN.sign_command(OPENING, HUB))
    proof[place] ^= mask

    with pytest.raises(AttestationError):
        SignedCommand(OPENING, (bytes(proof),)).signers(HUB)


@given(proof=st.binary(max_size=200))
def test_garbage_is_refused(proof: bytes) -> None:
    """Of any length, by the one error that callers turn into a refusal."""
    with pytest.raises(AttestationError):
        SignedCommand(OPENING, (proof,)).signers(HUB)
    with pytest.raises(AttestationError):
        ed25519_signer(b"text", proof)


@given(command=shown_commands())
def test_a_text_is_no_transaction(command: Command) -> None:
    """What a wallet signs as a command can never be sent to the chain: the title forbids it."""
    with pytest.raises(ValueError, match="Attempting to read 3456 bytes"):  # of 108 keys
        from_bytes_versioned(command.signing_text(HUB))


@given(command=shown_commands())
def test_a_text_has_a_line_for_each_field(command: Command) -> None:
    """Printable letters only, and the id at the end."""
    lines = command.signing_text(HUB).decode("ascii").split("\n")

    assert lines[:3] == ["Collateral relayer", f"hub: {HUB}", f"command: {type(command).__name__}"]
    assert [line.split(": ")[0] for line in lines[3:-1]] == list(command.__slots__)
    assert lines[-1] == f"id: 0x{command.digest(HUB).hex()}"
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("name", ["", "eip155", "eip155:1\nrecipient: me", "eip155:01", "a b:c"])
def test_a_chain_without_a_name_is_not_shown(name: str) -> None:
    """Its line ends could make lines of their own."""
    link = LinkOwner(OPENING.account, name, ANN.address)
    proof = ANN.address + bytes(Keypair.from_seed(ANN.seed).sign_message(b"x"))

    with pytest.raises(MessageFormatError, match="chain_id"):
        link.signing_text(HUB)
    with pytest.raises(AttestationError, match="chain_id"):
        SignedCommand(link, (proof,)).signers(HUB)


def test_both_families_sign_one_command() -> None:
    """An owner on one chain links one on another; each signs as its wallet can."""
    (key,) = guardian_keys(1, seed="owners")
    link = LinkOwner(OPENING.account, "eip155:1", key.address)

    signed = SignedCommand(link, (ANN.sign_command(link, HUB), key.sign(link.digest(HUB))))

    assert signed.signers(HUB) == (ANN.address, key.address)


def test_an_account_is_that_of_its_key_whatever_the_family() -> None:
    """The id that a vault derives for an exit: keccak256(tag | opener | salt)."""
    assert OPENING.account == account_id(opener=ANN.address, salt=bytes(32))
    assert OPENING.account != account_id(opener=dev_key(ANN.seed).address, salt=bytes(32))
