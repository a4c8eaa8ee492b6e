"""Names of chains, blocks and addresses."""

import pytest
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address
from hypothesis import example, given
from hypothesis import strategies as st
from solders.pubkey import Pubkey
from solders.signature import Signature

from chains.types import (
    BlockRef,
    ChainId,
    TokenRef,
    address_text,
    chain_id_of,
    chain_key,
    check_wallet,
    checksum_address,
    evm_address_of_word,
    evm_chain_number,
    raw_text,
    solana_reference,
    text_of_word,
    word_of_evm_address,
    word_of_text,
)
from tests.chains.strategies import ADDRESSES, CHAIN, WORDS


@pytest.mark.parametrize(
    "text", ["eip155:1", "hub:devnet", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"]
)
def test_a_caip_2_name_is_a_chain_id(text: str) -> None:
    """namespace:reference is accepted."""
    assert chain_id_of(text) == text


@pytest.mark.parametrize("text", ["", "1", "eip155", "eip155:", "EIP155:1", "eip155:1 ", "a:1"])
def test_another_name_is_refused(text: str) -> None:
    """The error shows how to write it."""
    with pytest.raises(ValueError, match="write it like eip155:1"):
        chain_id_of(text)


def test_a_trailing_line_break_is_refused() -> None:
    """A name is one line."""
    with pytest.raises(ValueError, match="CAIP-2"):
        chain_id_of("eip155:1\n")


@pytest.mark.parametrize("text", ["solana:1", "eip155:0", "eip155:x", "eip155:-1"])
def test_only_positive_evm_numbers_are_evm_numbers(text: str) -> None:
    """Another namespace or no number is refused."""
    with pytest.raises(ValueError, match="not an EVM chain"):
        evm_chain_number(ChainId(text))


def test_the_chain_key_is_the_hash_of_the_name() -> None:
    """keccak256(utf8(CAIP-2))."""
    assert chain_key(CHAIN) == keccak(b"eip155:31337")


@given(address=st.binary(min_size=20, max_size=20))
def test_padding_an_address_can_be_undone(address: bytes) -> None:
    """word_of_evm_address and evm_address_of_word are inverse."""
    word = word_of_evm_address(address)

    assert word == bytes(12) + address
    assert evm_address_of_word(word) == address


@given(word=WORDS)
def test_a_word_with_dirty_padding_is_no_address(word: bytes) -> None:
    """The upper twelve bytes are zero or it is refused."""
    if word[:12] == bytes(12):
        return
    with pytest.raises(ValueError, match="not a left-padded"):
        evm_address_of_word(word)


@given(word=ADDRESSES)
def test_the_checksum_is_that_of_eip_55(word: bytes) -> None:
    """An independent implementation writes the same."""
    assert checksum_address(word) == to_checksum_address("0x" + word[12:].hex())


@given(word=ADDRESSES | WORDS)
def test_text_of_a_word_leads_back_to_it(word: bytes) -> None:
    """Addresses are written short, other words in full."""
    assert word_of_text(text_of_word(word)) == word


@pytest.mark.parametrize("text", ["0x", "0x12", "0xzz", "0x" + "00" * 33])
def test_text_of_another_length_is_refused(text: str) -> None:
    """20 or 32 bytes of hexadecimal."""
    with pytest.raises(ValueError, match=r"are needed|hexadecimal"):
        word_of_text(text)


@pytest.mark.parametrize(("height", "size"), [(-1, 32), (2**64, 32), (0, 31), (0, 33)])
def test_a_block_has_a_height_and_a_whole_hash(height: int, size: int) -> None:
    """A block that exists is well formed."""
    with pytest.raises(ValueError, match=r"height|block hash"):
        BlockRef(height, bytes(size))


def test_a_token_has_a_whole_address() -> None:
    """32 bytes."""
    with pytest.raises(ValueError, match="32 bytes"):
        TokenRef(CHAIN, bytes(20))


@pytest.mark.parametrize("text", ["eip155:01", "eip155:0", "eip155:x", "eip155:1_0"])
def test_an_evm_chain_has_one_name(text: str) -> None:
    """eip155:01 would be a second chain to the ledger, and the same one to the node."""
    with pytest.raises(ValueError, match="eip155:1"):
        chain_id_of(text)


def test_a_word_with_spaces_in_it_is_refused() -> None:
    """fromhex overlooks them."""
    with pytest.raises(ValueError, match="plain hexadecimal"):
        word_of_text("0x" + " ".join(["ab"] * 20))


@pytest.mark.parametrize(
    ("chain_id", "word", "detail"),
    [
        (ChainId("eip155:1"), bytes(12) + b"\x07" * 20, None),
        (ChainId("eip155:1"), bytes(31) + b"\x01", None),
        (ChainId("eip155:1"), b"\x07" * 32, "not a left-padded EVM address"),
        (ChainId("eip155:1"), bytes(11) + b"\x01" * 21, "not a left-padded EVM address"),
        (ChainId("eip155:1"), bytes(32), "zero address"),
        (ChainId("solana:abc"), b"\x07" * 32, None),
        (ChainId("solana:abc"), bytes(11) + b"\x01" * 21, None),
        (ChainId("solana:abc"), bytes(12) + b"\x07" * 20, "is an EVM address; solana:abc has"),
        (ChainId("solana:abc"), bytes(32), "zero address"),
    ],
)
def test_a_wallet_is_a_word_of_its_chain(
    chain_id: ChainId, word: bytes, detail: str | None
) -> None:
    """An address of the other family is nobody's there."""
    if detail is None:
        check_wallet(chain_id, word)
        return

    with pytest.raises(ValueError, match=detail):
        check_wallet(chain_id, word)


@given(word=WORDS)
@example(word=bytes(32))
def test_an_address_of_solana_is_written_and_read_in_base_58(word: bytes) -> None:
    """And hex of the same bytes is the same word; on other chains it stays hex."""
    chain = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"

    text = address_text(chain, word)

    assert text == str(Pubkey.from_bytes(word))
    assert word_of_text(text) == word == word_of_text("0x" + word.hex())
    assert address_text("eip155:1", word) == text_of_word(word)


def test_bytes_of_a_chain_are_spelled_as_there() -> None:
    """A signature of 64 bytes in base 58 on Solana; 0x-hex elsewhere, never as an address."""
    signature = bytes(range(64))

    assert raw_text("solana:x", signature) == str(Signature.from_bytes(signature))
    assert raw_text("eip155:1", bytes(12) + b"\x01" * 20) == "0x" + "00" * 12 + "01" * 20


@pytest.mark.parametrize(
    "text", ["1" * 31, "1" * 33, "l" * 43, "z" * 44, "0x" + "z" * 44, "z" * 45]
)
def test_what_is_no_word_in_either_spelling_is_refused(text: str) -> None:
    """Another length, another letter, or hex that is none."""
    with pytest.raises(ValueError, match=r"hexadecimal|base 58"):
        word_of_text(text)


def test_hex_keeps_its_meaning() -> None:
    """Forty letters that are both are an EVM address."""
    assert word_of_text("ab" * 20) == word_of_evm_address(bytes.fromhex("ab" * 20))


@pytest.mark.parametrize(
    "text", ["eip155:1", "solana:mainnet", "solana:" + "0" * 32, "solana:" + "5" * 31]
)
def test_a_cluster_is_named_by_its_genesis_hash(text: str) -> None:
    """32 letters of base 58."""
    with pytest.raises(ValueError, match="first 32 letters"):
        solana_reference(ChainId(text))
