"""Logs as a node keeps them, and the bloom of their addresses and topics."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from eth_hash.auto import keccak

from chains.evm.abi import topic_of
from chains.evm.decode import CREDIT_LINE_SHAPES, VAULT_SHAPES
from chains.types import evm_address_of_word

BLOOM_BITS: Final = 2048
BLOOM_BYTES: Final = 256
BLOOM_HASHES_BYTES: Final = 6
BLOOM_CACHE_MAX: Final = 200_000
TRANSFER: Final = "0x" + topic_of("Transfer(address,address,uint256)").hex()
TOPICS: Final = {
    shape.event_type.__name__: "0x" + shape.topic.hex()
    for shape in (*VAULT_SHAPES, *CREDIT_LINE_SHAPES)
}


@dataclass(frozen=True, slots=True)
class Log:
    """What a contract said, as hex texts; where it stands is told by its block."""

    address: str
    topics: tuple[str, ...]
    data: str


@lru_cache(maxsize=BLOOM_CACHE_MAX)
def bloom_bits(item: str) -> int:
    """
    Return the three bloom bits of an address or a topic, given as hex text, as a 2048-bit number.

    Source: the Ethereum yellow paper, 4.3.1 (M3:2048)
    """
    digest = keccak(bytes.fromhex(item[2:]))
    bits = 0
    for at in range(0, BLOOM_HASHES_BYTES, 2):
        bits |= 1 << (int.from_bytes(digest[at : at + 2], "big") % BLOOM_BITS)
    return bits


def bloom_of(logs: Iterable[Log]) -> int:
    """Return the bloom of some logs as a 2048-bit number."""
    bits = 0
    for log in logs:
        bits |= bloom_bits(log.address)
        for topic in log.topics:
            bits |= bloom_bits(topic)
    return bits


def bloom_text(bits: int) -> str:
    """Return a bloom as a node writes it."""
    return "0x" + bits.to_bytes(BLOOM_BYTES, "big").hex()


def word_text(value: int | bytes) -> str:
    """Return 32 bytes as hex text."""
    raw = value.to_bytes(32, "big") if isinstance(value, int) else value
    return "0x" + raw.hex()


def address_text(word: bytes) -> str:
    """Return a left-padded address as a node writes it, lower case."""
    return "0x" + evm_address_of_word(word).hex()


def event_log(
    kind: str, contract: bytes, topics: Sequence[int | bytes], words: Sequence[int | bytes]
) -> Log:
    """
    Return the log of an observed event.

    Args:
        kind: the event's name, for example CollateralLocked.
        topics: the indexed values after the event's own topic, in the contract's order.
        words: the other values, in the contract's order.
    """
    indexed = tuple(map(word_text, topics))
    payload = "0x" + "".join(word_text(word)[2:] for word in words)
    return Log(address_text(contract), (TOPICS[kind], *indexed), payload)


def transfer_log(token: bytes, *, sender: bytes, recipient: bytes, units: int) -> Log:
    """Return the log of an ERC-20 transfer. [token base units]"""
    topics = (TRANSFER, word_text(sender), word_text(recipient))
    return Log(address_text(token), topics, word_text(units))


def log_fields(log: Log, place: dict[str, Any], log_index: int) -> dict[str, Any]:
    """
    Return a log as a node answers it.

    Args:
        place: blockHash, blockNumber, transactionHash, transactionIndex and blockTimestamp.
    """
    return {
        "address": log.address,
        "topics": list(log.topics),
        "data": log.data,
        **place,
        "logIndex": hex(log_index),
        "removed": False,
    }
