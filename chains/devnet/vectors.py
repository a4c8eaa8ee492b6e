"""
Writes contracts/vectors/messages.json: one truth for Python, Solidity and the Solana program.

Run: python -m chains.devnet.vectors
"""

import json
from pathlib import Path
from typing import Any, Final

from eth_hash.auto import keccak

from chains.attestation import GuardianSet, attestation_digest, domain_separator
from chains.command import (
    Command,
    LinkOwner,
    Liquidation,
    OpenAccount,
    RequestCredit,
    RequestUnlock,
    account_id,
    command_fields,
)
from chains.devnet.actors import DevKey, attest, dev_key, guardian_keys, guardian_set_of
from chains.devnet.anvil import PROJECT_ROOT
from chains.message import UINT32_MAX, Message, MessageKind, guardian_set_hash
from chains.types import (
    UINT64_MAX,
    UINT256_MAX,
    WORD_BYTES,
    ChainId,
    chain_key,
    evm_chain_number,
    word_of_evm_address,
)

VECTORS_PATH: Final = PROJECT_ROOT / "contracts/vectors/messages.json"
HUB: Final = ChainId("hub:devnet")
CHAINS: Final = (ChainId("eip155:31337"), ChainId("eip155:1"))
EXPIRY_SECONDS: Final = 1_900_000_000
FULL_WORD: Final = b"\xff" * WORD_BYTES
FULL_ADDRESS: Final = word_of_evm_address(b"\xff" * 20)
NO_WORD: Final = bytes(WORD_BYTES)
KEYS: Final = guardian_keys(4, seed="vectors")
OWNER: Final = dev_key(keccak(b"owner:vectors"))
SET_ZERO: Final = guardian_set_of(KEYS[:3], threshold=2)
SET_ONE: Final = guardian_set_of(KEYS, threshold=3, index=1)


def address_named(label: str) -> bytes:
    """Return a left-padded address made from a label."""
    return word_of_evm_address(keccak(label.encode())[12:])


def message_of(kind: MessageKind, chain_id: ChainId, **changes: Any) -> Message:
    """Return a plain message of a kind to a chain, with some fields changed."""
    fields: dict[str, Any] = {
        "vault": address_named(f"vault:{chain_id}"),
        "nonce": int(kind),
        "account": account_id(opener=OWNER.address, salt=NO_WORD),
        "token": address_named("token"),
        "amount_units": 1_500_000_000_000_000_000,
        "recipient": OWNER.address,
        "expiry_seconds": EXPIRY_SECONDS,
        "epoch": 7,
        "evidence": keccak(b"evidence"),
    }
    return Message(
        kind=kind, origin=chain_key(HUB), target=chain_key(chain_id), **(fields | changes)
    )


def messages() -> dict[str, tuple[ChainId, Message]]:
    """Return the messages of the vectors by name: each kind, and the ends of every range."""
    local, mainnet = CHAINS
    nobody: dict[str, Any] = {"account": NO_WORD, "recipient": NO_WORD}
    key_word = b"outflow.capacity".ljust(WORD_BYTES, b"\0")
    words = ("vault", "account", "token", "recipient", "evidence")
    largest: dict[str, Any] = dict.fromkeys(words, FULL_WORD)
    largest |= {"vault": FULL_ADDRESS, "nonce": UINT64_MAX, "amount_units": UINT256_MAX}
    largest |= {"expiry_seconds": UINT64_MAX, "epoch": UINT32_MAX}
    smallest: dict[str, Any] = dict.fromkeys(words, NO_WORD)
    smallest |= dict.fromkeys(("nonce", "amount_units", "expiry_seconds", "epoch"), 0)
    rotation = nobody | {"token": set_hash(SET_ONE), "amount_units": SET_ONE.index}
    pause = nobody | {"token": NO_WORD, "amount_units": 3}
    parameter = {"account": NO_WORD, "recipient": key_word, "amount_units": 10**24}
    return {
        "release": (local, message_of(MessageKind.RELEASE, local)),
        "seize": (local, message_of(MessageKind.SEIZE, local)),
        "credit_grant": (mainnet, message_of(MessageKind.CREDIT_GRANT, mainnet)),
        "guardian_set": (local, message_of(MessageKind.GUARDIAN_SET, local, **rotation)),
        "pause": (local, message_of(MessageKind.PAUSE, local, **pause)),
        "parameter": (mainnet, message_of(MessageKind.PARAMETER, mainnet, **parameter)),
        "largest": (local, message_of(MessageKind.PARAMETER, local, **largest)),
        "smallest": (local, message_of(MessageKind.RELEASE, local, **smallest)),
    }


def commands() -> dict[str, Command]:
    """Return the commands of the vectors by name."""
    account = account_id(opener=OWNER.address, salt=NO_WORD)
    local, mainnet = CHAINS
    vault, token = address_named("vault"), address_named("token")
    return {
        "open_account": OpenAccount(opener=OWNER.address, salt=NO_WORD),
        "link_owner": LinkOwner(account=account, chain_id=mainnet, owner=FULL_ADDRESS),
        "request_unlock": RequestUnlock(
            account=account,
            chain_id=local,
            vault=vault,
            token=token,
            amount=10**18,
            recipient=OWNER.address,
            deadline=EXPIRY_SECONDS,
            nonce=keccak(b"nonce"),
        ),
        "request_credit": RequestCredit(
            account=account,
            chain_id=mainnet,
            credit_line=vault,
            token=token,
            limit=UINT256_MAX,
            borrower=OWNER.address,
            expiry=EXPIRY_SECONDS,
            deadline=EXPIRY_SECONDS,
            nonce=keccak(b"nonce"),
        ),
        "liquidation": Liquidation(
            account=account,
            liquidator=keccak(b"liquidator"),
            debt_chain=mainnet,
            credit_line=vault,
            repaid=2_000_000,
            collateral_chain=local,
            vault=vault,
            token=token,
            seized=10**18,
            insured=10**16,
            recipient=FULL_ADDRESS,
            decided_at=EXPIRY_SECONDS,
        ),
    }


def set_hash(guardian_set: GuardianSet) -> bytes:
    """Return the hash that announces a guardian set."""
    return guardian_set_hash(
        index=guardian_set.index,
        threshold=guardian_set.threshold,
        members=guardian_set.members,
    )


def vectors() -> dict[str, Any]:
    """Return the content of the file; numbers above 2^53 would break some readers, so text."""
    return {
        "accounts": [
            {
                "opener": _hex(opener),
                "salt": _hex(salt),
                "account": _hex(account_id(opener=opener, salt=salt)),
            }
            for opener, salt in ((OWNER.address, NO_WORD), (FULL_ADDRESS, FULL_WORD))
        ],
        "chains": [{"chain": name, "key": _hex(chain_key(name))} for name in (HUB, *CHAINS)],
        "commands": [
            {
                "name": name,
                "type": command.TYPE,
                "fields": command_fields(command),
                "digest": _hex(command.digest(HUB)),
                "signature": _hex(OWNER.sign(command.digest(HUB))),
            }
            for name, command in commands().items()
        ],
        "guardianSets": [_set_vector(found) for found in (SET_ZERO, SET_ONE)],
        "hub": HUB,
        "keys": [_key_vector(key) for key in (*KEYS, OWNER)],
        "messages": [
            _message_vector(name, chain_id, message)
            for name, (chain_id, message) in messages().items()
        ],
    }


def vectors_text() -> str:
    """Return the file as text; the same code gives the same text."""
    return json.dumps(vectors(), indent=2, sort_keys=True) + "\n"


def write_vectors(path: Path = VECTORS_PATH) -> None:
    """Write the file."""
    path.write_text(vectors_text(), encoding="utf-8")


def _message_vector(name: str, chain_id: ChainId, message: Message) -> dict[str, Any]:
    attestation = attest(message, chain_id=chain_id, guardian_set=SET_ZERO, keys=KEYS[:3])
    digest = attestation_digest(
        chain_id=chain_id,
        contract=message.vault,
        message_id=message.message_id,
        guardian_set_index=SET_ZERO.index,
    )
    return {
        "name": name,
        "chainNumber": str(evm_chain_number(chain_id)),
        "kind": int(message.kind),
        "origin": _hex(message.origin),
        "target": _hex(message.target),
        "vault": _hex(message.vault),
        "nonce": str(message.nonce),
        "account": _hex(message.account),
        "token": _hex(message.token),
        "amount": str(message.amount_units),
        "recipient": _hex(message.recipient),
        "expiry": str(message.expiry_seconds),
        "epoch": str(message.epoch),
        "evidence": _hex(message.evidence),
        "bytes": _hex(message.encode()),
        "id": _hex(message.message_id),
        "guardianSetIndex": SET_ZERO.index,
        "domainSeparator": _hex(domain_separator(chain_id, message.vault)),
        "digest": _hex(digest),
        "signatures": [_hex(signature) for signature in attestation.signatures],
    }


def _set_vector(guardian_set: GuardianSet) -> dict[str, Any]:
    return {
        "index": guardian_set.index,
        "threshold": guardian_set.threshold,
        "members": [_hex(member) for member in guardian_set.members],
        "hash": _hex(set_hash(guardian_set)),
    }


def _key_vector(key: DevKey) -> dict[str, str]:
    return {"address": _hex(key.address), "key": _hex(key.key)}


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()


if __name__ == "__main__":
    write_vectors()
