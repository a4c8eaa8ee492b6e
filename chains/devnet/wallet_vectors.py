"""
Writes contracts/vectors/wallets.json: what a Solana wallet shows and signs, and what is refused.

Run: python -m chains.devnet.wallet_vectors
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from eth_hash.auto import keccak

from chains.command import (
    Command,
    LinkOwner,
    OpenAccount,
    RequestCredit,
    RequestUnlock,
    command_fields,
)
from chains.devnet.actors import dev_wallet
from chains.devnet.anvil import PROJECT_ROOT
from chains.devnet.vectors import EXPIRY_SECONDS, FULL_ADDRESS, HUB, NO_WORD, OWNER, address_named
from chains.ed25519 import FIELD_PRIME, GROUP_ORDER
from chains.types import UINT256_MAX, WORD_BYTES, ChainId

WALLETS_PATH: Final = PROJECT_ROOT / "contracts/vectors/wallets.json"
EVM_CHAIN: Final = ChainId("eip155:1")
SOLANA_CHAIN: Final = ChainId("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")
WALLET: Final = dev_wallet(keccak(b"wallet:vectors"))
SECOND: Final = dev_wallet(keccak(b"second wallet:vectors"))
OPENING: Final = OpenAccount(opener=WALLET.address, salt=NO_WORD)
IDENTITY: Final = (1).to_bytes(WORD_BYTES, "little")  # the point (0, 1)
SIGN_BIT: Final = 1 << 255
# y of one of the four points of order 8
ORDER_EIGHT: Final = bytes.fromhex(
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
)


def wallet_commands() -> dict[str, Command]:
    """Return commands of an owner with a Solana wallet, by name."""
    account = OPENING.account
    return {
        "open_account": OPENING,
        "link_solana_owner": LinkOwner(account, SOLANA_CHAIN, SECOND.address),
        "link_evm_owner": LinkOwner(account, EVM_CHAIN, OWNER.address),
        "request_unlock": RequestUnlock(
            account=account,
            chain_id=SOLANA_CHAIN,
            vault=keccak(b"vault:solana"),
            token=keccak(b"mint:vectors"),
            amount=1_500_000,
            recipient=SECOND.address,
            deadline=EXPIRY_SECONDS,
            nonce=keccak(b"nonce"),
        ),
        "request_unlock_on_evm": RequestUnlock(
            account=account,
            chain_id=EVM_CHAIN,
            vault=address_named("vault"),
            token=address_named("token"),
            amount=UINT256_MAX,
            recipient=FULL_ADDRESS,
            deadline=0,
            nonce=NO_WORD,
        ),
        "request_credit": RequestCredit(
            account=account,
            chain_id=EVM_CHAIN,
            credit_line=address_named("vault"),
            token=address_named("token"),
            limit=0,
            borrower=OWNER.address,
            expiry=EXPIRY_SECONDS,
            deadline=EXPIRY_SECONDS,
            nonce=keccak(b"nonce"),
        ),
    }


def refused_signatures() -> dict[str, tuple[str, bytes]]:
    """Return signatures of the opening that must be refused, by name: a word of why, the bytes."""
    right = WALLET.sign_command(OPENING, HUB)
    key, nonce, scalar = right[:32], right[32:64], int.from_bytes(right[64:], "little")
    length, altered, spelling = "bytes (secp256k1)", "too large", "second spelling"
    return {
        "empty": (length, b""),
        "without the key": (length, right[32:]),
        "a byte short": (length, right[:-1]),
        "a byte long": (length, right + b"\0"),
        "s above the group's order": (altered, key + nonce + _little(scalar + GROUP_ORDER)),
        "s of the group's order": (altered, key + nonce + _little(GROUP_ORDER)),
        "secp256k1 behind the key": (altered, key + OWNER.sign(OPENING.digest(HUB))[:64]),
        "all zero": ("EVM address", bytes(len(right))),
        "a key like an EVM address": ("EVM address", bytes(12) + key[12:] + right[32:]),
        "the key of order 1, above the field": (spelling, _weak(_little(FIELD_PRIME + 1))),
        "R of order 1, above the field": (spelling, _with_nonce(_little(FIELD_PRIME + 1))),
    } | {name: ("did not sign", signature) for name, signature in _unsigned(right).items()}


def _unsigned(right: bytes) -> dict[str, bytes]:
    """Return what has the right form and is nobody's signature, or that of a weak key."""
    key, nonce, scalar = right[:32], right[32:64], int.from_bytes(right[64:], "little")
    other = OpenAccount(WALLET.address, b"\x01" * WORD_BYTES)
    return {
        "another command": WALLET.sign_command(other, HUB),
        "another hub": WALLET.sign_command(OPENING, ChainId("hub:other")),
        "the digest alone": key + bytes(WALLET.keypair.sign_message(OPENING.digest(HUB))),
        "another key": SECOND.address + right[32:],
        "a bit of the key flipped": bytes((key[0] ^ 1,)) + right[1:],
        "the sign of the key flipped": key[:31] + bytes((key[31] ^ 0x80,)) + right[32:],
        "a bit of R flipped": key + bytes((nonce[0] ^ 1,)) + right[33:],
        "negative s": key + nonce + _little(GROUP_ORDER - scalar),
        "the key of order 1": _weak(IDENTITY),
        "the key of order 1, negative zero": _weak(_little(1 + SIGN_BIT)),
        "the key of order 2": _weak(_little(FIELD_PRIME - 1)),
        "a key of order 8": _weak(ORDER_EIGHT),
        "R of order 1": _with_nonce(IDENTITY),
        "R of order 1, negative zero": _with_nonce(_little(1 + SIGN_BIT)),
    }


def _weak(key: bytes) -> bytes:
    """Return what satisfies 8 * s * B = 8 * R + 8 * k * A over any text where A has order 8."""
    return key + IDENTITY + bytes(WORD_BYTES)


def _with_nonce(nonce: bytes) -> bytes:
    """Return what satisfies s * B = R + k * A where R stands for the point of order 1."""
    secret = bytearray(hashlib.sha512(WALLET.seed).digest()[:32])
    secret[0] &= 0xF8
    secret[31] = secret[31] & 0x7F | 0x40
    text = OPENING.signing_text(HUB)
    k = int.from_bytes(hashlib.sha512(nonce + WALLET.address + text).digest(), "little")
    return WALLET.address + nonce + _little(k * int.from_bytes(secret, "little") % GROUP_ORDER)


def wallet_vectors_text() -> str:
    """Return the file as text; the same code gives the same text."""
    return json.dumps(_vectors(), indent=2, sort_keys=True) + "\n"


def write_wallet_vectors(path: Path = WALLETS_PATH) -> None:
    """Write the file."""
    path.write_text(wallet_vectors_text(), encoding="utf-8")


def _vectors() -> dict[str, Any]:
    return {
        "hub": HUB,
        "publicKey": _hex(WALLET.address),
        "seed": _hex(WALLET.seed),
        "commands": [
            {
                "name": name,
                "type": command.TYPE,
                "fields": command_fields(command),
                "digest": _hex(command.digest(HUB)),
                "text": command.signing_text(HUB).decode(),
                "signature": _hex(WALLET.sign_command(command, HUB)),
            }
            for name, command in wallet_commands().items()
        ],
        "refused": [
            {"name": name, "reason": reason, "signature": _hex(signature)}
            for name, (reason, signature) in refused_signatures().items()
        ],
    }


def _little(number: int) -> bytes:
    return number.to_bytes(WORD_BYTES, "little")


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()


if __name__ == "__main__":
    write_wallet_vectors()
