"""
Writes contracts/vectors/solana.json: what the vault program and Python must both compute.

Run: python -m chains.devnet.solana_vectors
"""

import json
from pathlib import Path
from typing import Any, Final

from eth_hash.auto import keccak
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from chains.attestation import attestation_digest, domain_separator
from chains.command import account_id
from chains.devnet.actors import attest
from chains.devnet.anvil import PROJECT_ROOT
from chains.devnet.vectors import EXPIRY_SECONDS, HUB, KEYS, NO_WORD, OWNER, SET_ONE, SET_ZERO
from chains.devnet.vectors import set_hash as hash_of_set
from chains.message import Message, MessageKind
from chains.solana.vault_addresses import TOKEN_PROGRAM, VaultAddresses, vault_address
from chains.solana.vault_exit import exit_digest
from chains.solana.vault_instructions import CAPACITY, EXIT_DELAY, WINDOW, Exit, Token
from chains.types import UINT64_MAX, ChainId, chain_key

SOLANA_VECTORS_PATH: Final = PROJECT_ROOT / "contracts/vectors/solana.json"
# Mainnet, testnet, devnet: the first 32 letters of their genesis hashes.
CHAINS: Final = (
    ChainId("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"),
    ChainId("solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z"),
    ChainId("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"),
)
CHAIN: Final = CHAINS[2]
PROGRAM_ID: Final = Pubkey(keccak(b"program:vault"))
INITIALIZER: Final = Keypair.from_seed(keccak(b"initializer:vectors"))
OPENER: Final = Keypair.from_seed(keccak(b"opener:vectors"))
MINT: Final = Pubkey(keccak(b"mint:vectors"))
VAULT: Final = vault_address(
    program_id=PROGRAM_ID, hub_key=chain_key(HUB), initializer=INITIALIZER.pubkey()
)
AT: Final = VaultAddresses(PROGRAM_ID, VAULT)
EXIT: Final = Exit(
    account=account_id(opener=OWNER.address, salt=NO_WORD),
    salt=NO_WORD,
    token=Token(MINT, TOKEN_PROGRAM),
    recipient=OPENER.pubkey(),
)


def messages() -> dict[str, Message]:
    """Return a message of each kind that the program acts on, by name, in an order that works."""
    payment = {"account": _opener_account(), "recipient": bytes(OPENER.pubkey())}
    everything: dict[str, Any] = {"token": NO_WORD}
    rotation = {"token": hash_of_set(SET_ONE), "amount_units": SET_ONE.index}
    late = {"expiry_seconds": UINT64_MAX, "nonce": UINT64_MAX, "epoch": 2**32 - 1}
    return {
        "capacity": _message(MessageKind.PARAMETER, recipient=CAPACITY, amount_units=UINT64_MAX),
        "release": _message(MessageKind.RELEASE, **payment),
        "seize": _message(MessageKind.SEIZE, **payment, **late),
        "window": _message(MessageKind.PARAMETER, recipient=WINDOW, amount_units=60),
        "exit delay": _message(
            MessageKind.PARAMETER, recipient=EXIT_DELAY, amount_units=1, **everything
        ),
        "pause of a token": _message(MessageKind.PAUSE, amount_units=3),
        "pause of all": _message(MessageKind.PAUSE, amount_units=3, **everything),
        "guardian set": _message(MessageKind.GUARDIAN_SET, **rotation),
    }


def solana_vectors_text() -> str:
    """Return the file as text; the same code gives the same text."""
    return json.dumps(_vectors(), indent=2, sort_keys=True) + "\n"


def write_solana_vectors(path: Path = SOLANA_VECTORS_PATH) -> None:
    """Write the file."""
    path.write_text(solana_vectors_text(), encoding="utf-8")


def _opener_account() -> bytes:
    return account_id(opener=bytes(OPENER.pubkey()), salt=NO_WORD)


def _message(kind: MessageKind, **changes: Any) -> Message:
    fields: dict[str, Any] = {
        "vault": bytes(VAULT),
        "nonce": int(kind),
        "account": NO_WORD,
        "token": bytes(MINT),
        "amount_units": 1_500,
        "recipient": NO_WORD,
        "expiry_seconds": EXPIRY_SECONDS,
        "epoch": 7,
        "evidence": keccak(b"evidence"),
    }
    return Message(kind=kind, origin=chain_key(HUB), target=chain_key(CHAIN), **(fields | changes))


def _vectors() -> dict[str, Any]:
    digest = exit_digest(AT, EXIT, chain_id=CHAIN, deadline_seconds=EXPIRY_SECONDS)
    return {
        "chains": [{"chain": name, "key": _hex(chain_key(name))} for name in CHAINS],
        "accounts": [{"opener": _hex(bytes(OPENER.pubkey())), "account": _hex(_opener_account())}],
        "chain": CHAIN,
        "hub": HUB,
        "programId": str(PROGRAM_ID),
        "initializer": str(INITIALIZER.pubkey()),
        "vault": str(VAULT),
        "domainSeparator": _hex(domain_separator(CHAIN, bytes(VAULT))),
        "exit": {
            "account": _hex(EXIT.account),
            "token": _hex(bytes(MINT)),
            "recipient": _hex(bytes(EXIT.recipient)),
            "deadline": str(EXPIRY_SECONDS),
            "digest": _hex(digest),
            "signature": _hex(OWNER.sign(digest)),
        },
        "messages": [_message_vector(name, message) for name, message in messages().items()],
    }


def _message_vector(name: str, message: Message) -> dict[str, Any]:
    attestation = attest(message, chain_id=CHAIN, guardian_set=SET_ZERO, keys=KEYS[:3])
    digest = attestation_digest(
        chain_id=CHAIN,
        contract=message.vault,
        message_id=message.message_id,
        guardian_set_index=SET_ZERO.index,
    )
    return {
        "name": name,
        "bytes": _hex(message.encode()),
        "id": _hex(message.message_id),
        "guardianSetIndex": SET_ZERO.index,
        "digest": _hex(digest),
        "signatures": [_hex(signature) for signature in attestation.signatures],
    }


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()


if __name__ == "__main__":
    write_solana_vectors()
