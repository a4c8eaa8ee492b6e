"""Names of chains, blocks and addresses, checked when they are made."""

import re
from dataclasses import dataclass
from typing import Final, NewType

from eth_hash.auto import keccak

from chains.base58 import base58_of, bytes_of_base58

ChainId = NewType("ChainId", str)  # CAIP-2, for example eip155:1; the hub is hub:<deployment>

WORD_BYTES: Final = 32
EVM_ADDRESS_BYTES: Final = 20
EVM_ADDRESS_PAD: Final = bytes(WORD_BYTES - EVM_ADDRESS_BYTES)
UPPER_NIBBLE_MIN: Final = 8  # EIP-55: from here on a letter is a capital
UINT64_MAX: Final = 2**64 - 1
UINT256_MAX: Final = 2**256 - 1
CAIP2: Final = re.compile(r"^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$")
EVM_NAMESPACE: Final = "eip155:"
SOLANA_NAMESPACE: Final = "solana:"
EVM_REFERENCE: Final = re.compile(r"[1-9][0-9]*")
SOLANA_REFERENCE: Final = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32}")
WORD_LETTERS_MAX: Final = 44  # of 32 bytes in base 58
BASE58_WORD: Final = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}")


def chain_id_of(text: str) -> ChainId:
    """
    Return the text as a chain id.

    Raises:
        ValueError: not of the form namespace:reference (CAIP-2), or an EVM chain without a number.
    """
    if not CAIP2.fullmatch(text):
        raise ValueError(f"chain id {text[:64]!r} is not CAIP-2; write it like eip155:1")
    if text.startswith(EVM_NAMESPACE):
        evm_chain_number(ChainId(text))
    return ChainId(text)


def evm_chain_number(chain_id: ChainId) -> int:
    """
    Return the number behind eip155:<number>; one number has one name, so none begins with zero.

    Raises:
        ValueError: another namespace, or not a positive number.
    """
    reference = chain_id.removeprefix(EVM_NAMESPACE)
    if not chain_id.startswith(EVM_NAMESPACE) or not EVM_REFERENCE.fullmatch(reference):
        raise ValueError(f"chain id {chain_id!r} is not an EVM chain; write it like eip155:1")
    return int(reference)


def solana_reference(chain_id: ChainId) -> str:
    """
    Return the letters behind solana:<reference>: the first 32 of the cluster's genesis hash.

    Raises:
        ValueError: another namespace, or not 32 letters of base 58.
    """
    reference = chain_id.removeprefix(SOLANA_NAMESPACE)
    if not chain_id.startswith(SOLANA_NAMESPACE) or not SOLANA_REFERENCE.fullmatch(reference):
        raise ValueError(
            f"chain id {chain_id!r} is not a Solana cluster; write it like "
            "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp, with the first 32 letters of its genesis hash"
        )
    return reference


def chain_key(chain_id: ChainId) -> bytes:
    """Return the 32 bytes that stand for a chain in a message: keccak256 of its CAIP-2 name."""
    return keccak(chain_id.encode())


def word_of_evm_address(address: bytes) -> bytes:
    """
    Return a 20-byte address left-padded to 32 bytes.

    Raises:
        ValueError: not 20 bytes.
    """
    if len(address) != EVM_ADDRESS_BYTES:
        raise ValueError(f"an EVM address has 20 bytes, this one has {len(address)}")
    return EVM_ADDRESS_PAD + address


def evm_address_of_word(word: bytes) -> bytes:
    """
    Return the 20-byte address inside a 32-byte word.

    Raises:
        ValueError: not 32 bytes, or a non-zero byte in the padding.
    """
    if len(word) != WORD_BYTES or not word.startswith(EVM_ADDRESS_PAD):
        raise ValueError(f"0x{word.hex()} is not a left-padded EVM address")
    return word[len(EVM_ADDRESS_PAD) :]


def check_wallet(chain_id: ChainId, word: bytes) -> None:
    """
    Refuse a word that names no wallet of a chain: an EVM address there, a public key on Solana.

    Raises:
        ValueError: says what is needed instead.
    """
    is_evm_address = word.startswith(EVM_ADDRESS_PAD)
    if not any(word):
        raise ValueError("it is the zero address; name a real one")
    if chain_id.startswith(SOLANA_NAMESPACE) and is_evm_address:
        raise ValueError(
            f"{checksum_address(word)} is an EVM address; {chain_id} has wallets of 32 bytes"
        )
    if not chain_id.startswith(SOLANA_NAMESPACE) and not is_evm_address:
        raise ValueError(f"0x{word.hex()} is not a left-padded EVM address; send an EVM address")


def checksum_address(word: bytes) -> str:
    """Return the EIP-55 spelling of a left-padded EVM address."""
    lower = evm_address_of_word(word).hex()
    nibbles = keccak(lower.encode()).hex()
    return "0x" + "".join(
        letter.upper() if int(nibble, 16) >= UPPER_NIBBLE_MIN else letter
        for letter, nibble in zip(lower, nibbles, strict=False)
    )


def word_of_text(text: str) -> bytes:
    """
    Parse 0x-hex of 20 bytes (an EVM address) or 32 bytes, or base 58 of 32 bytes, into a word.

    What can be read as hex is hex.

    Raises:
        ValueError: neither, or of another length.
    """
    digits = text.removeprefix("0x")
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    is_hex = len(raw) in (EVM_ADDRESS_BYTES, WORD_BYTES)
    if not is_hex and not text.startswith("0x") and BASE58_WORD.fullmatch(text):
        return word_of_base58(text)
    if not raw and digits:
        raise ValueError(f"{text[:80]!r} is not hexadecimal, nor an address in base 58")
    if len(digits) != 2 * len(raw):  # fromhex overlooks spaces
        raise ValueError(f"{text[:80]!r} is not plain hexadecimal")
    if not is_hex:
        raise ValueError(f"{text[:80]!r} has {len(raw)} bytes; 20 or 32 are needed")
    return word_of_evm_address(raw) if len(raw) == EVM_ADDRESS_BYTES else raw


def word_of_base58(text: str) -> bytes:
    """
    Parse base 58 of 32 bytes: an address or a hash of Solana.

    Raises:
        ValueError: another letter, or of another length.
    """
    raw = bytes_of_base58(text, length_max=WORD_LETTERS_MAX)
    if len(raw) != WORD_BYTES:
        raise ValueError(f"{text!r} has {len(raw)} bytes in base 58; {WORD_BYTES} are needed")
    return raw


def address_text(chain_id: str, word: bytes) -> str:
    """Return an address as people of its chain write it: in base 58 on Solana, else as hex."""
    return base58_of(word) if chain_id.startswith(SOLANA_NAMESPACE) else text_of_word(word)


def raw_text(chain_id: str, raw: bytes) -> str:
    """Return a hash of a chain as people write it there: in base 58 on Solana, else as 0x-hex."""
    return base58_of(raw) if chain_id.startswith(SOLANA_NAMESPACE) else "0x" + raw.hex()


def text_of_word(word: bytes) -> str:
    """Return a checksummed address where the word is a padded EVM address, else 0x-hex."""
    if len(word) == WORD_BYTES and word.startswith(EVM_ADDRESS_PAD) and any(word):
        return checksum_address(word)
    return "0x" + word.hex()


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block: height and hash together."""

    height: int
    block_hash: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.height <= UINT64_MAX:
            raise ValueError(f"height {self.height} is outside 0..2^64-1")
        if len(self.block_hash) != WORD_BYTES:
            raise ValueError(f"a block hash has 32 bytes, this one has {len(self.block_hash)}")


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """What the reader keeps of a block. Time is Unix seconds as the chain says."""

    block: BlockRef
    parent_hash: bytes
    timestamp_seconds: int


@dataclass(frozen=True, slots=True)
class TokenRef:
    """The chain's own name of a token."""

    chain_id: ChainId
    address: bytes

    def __post_init__(self) -> None:
        if len(self.address) != WORD_BYTES:
            raise ValueError(f"a token address has 32 bytes, this one has {len(self.address)}")
