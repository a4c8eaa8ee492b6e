# ruff: noqa: PT017
"""What Solana nodes answer: read strictly, refused by name, or said to be another's fault."""

import base64
import struct
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from chains.base58 import base58_of, bytes_of_base58
from chains.errors import MalformedLogError, MessageFormatError, RpcAnswerError
from chains.line.shapes import usable
from chains.solana import answers, vault_layout
from chains.solana.blocks import BlockContent, content_of
from chains.solana.decode import Origin, facts_of, missing_movements
from chains.solana.outflow import RING_SIZE, OutflowRing
from chains.solana.vault_events import EVENT_TAG, decode_event
from chains.types import BlockRef, ChainId, address_text, word_of_text
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.garbage import JSON_VALUES, mutated, mutated_bytes

CHAIN: Final = ChainId("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")
PROGRAM, VAULT, MINT, CUSTODY, EVENTS = (Pubkey(bytes([n]) * 32) for n in range(5, 10))
PAYER: Final = Keypair.from_seed(bytes([1]) * 32)
ORIGIN: Final = Origin(CHAIN, bytes(PROGRAM), bytes(EVENTS), bytes(VAULT))
EVENT: Final = (
    EVENT_TAG + b"\x01" + bytes(VAULT) + (1).to_bytes(8, "big") + bytes(32) + bytes(MINT)
    + bytes(32) + (7).to_bytes(8, "big") * 2
)  # fmt: skip


def transaction() -> VersionedTransaction:
    """Return a transaction that names the vault."""
    metas = [
        AccountMeta(key, is_signer=False, is_writable=True)
        for key in (VAULT, MINT, CUSTODY, EVENTS)
    ]
    message = Message.new_with_blockhash(
        [Instruction(PROGRAM, b"\x03", metas)], PAYER.pubkey(), Hash(bytes(32))
    )
    return VersionedTransaction(message, [PAYER])


KEYS: Final = transaction().message.account_keys
BALANCE: Final = {
    "accountIndex": KEYS.index(CUSTODY),
    "mint": str(MINT),
    "owner": str(VAULT),
    "uiTokenAmount": {"amount": "7", "decimals": 6},
}
BLOCK: Final[dict[str, Any]] = {
    "blockHeight": 8,
    "blockTime": 1_700_000_000,
    "blockhash": base58_of(b"\x01" * 32),
    "previousBlockhash": base58_of(b"\x02" * 32),
    "parentSlot": 8,
    "transactions": [
        {
            "transaction": [base64.b64encode(bytes(transaction())).decode(), "base64"],
            "version": "legacy",
            "meta": {
                "err": None,
                "status": {"Ok": None},
                "innerInstructions": [
                    {
                        "index": 0,
                        "instructions": [
                            {
                                "programIdIndex": KEYS.index(PROGRAM),
                                "accounts": [KEYS.index(EVENTS)],
                                "data": base58_of(EVENT),
                                "stackHeight": 2,
                            }
                        ],
                    }
                ],
                "preTokenBalances": [],
                "postTokenBalances": [BALANCE],
                "loadedAddresses": {"writable": [], "readonly": []},
            },
        }
    ],
}
ENTRY: Final = {"signature": "1" * 64, "slot": 9, "err": None, "memo": None, "blockTime": 1}
ACCOUNT: Final = {"owner": str(PROGRAM), "data": ["AAAA", "base64"], "space": 3, "lamports": 1}
READERS: Final[tuple[Callable[[Any], object], ...]] = (
    lambda value: answers.header_of(value, 9),
    lambda value: answers.slots_of(value, 0, 9),
    answers.page_of,
    answers.context_of,
    lambda value: answers.accounts_of(value, 1),
    lambda value: answers.number_of(value, "it"),
    lambda value: answers.decimal_of(value, "it"),
    lambda value: answers.word_of(value, "it"),
    lambda value: answers.signature_of(value, "it"),
    lambda value: answers.base64_of(value, "it"),
    lambda value: answers.is_failure(value, "it"),
    lambda value: content_of(value, program=bytes(PROGRAM), account=bytes(VAULT)),
)


def facts(content: BlockContent) -> list[Any]:
    """Return the events of a block, with all that is wrong."""
    found: list[Any] = []
    for one in content.succeeded:
        events, malformed = facts_of(one, BlockRef(9, b"\x01" * 32), ORIGIN)
        found += [fact.observed for fact in events]
        found += [*malformed, *missing_movements(one, events, {bytes(MINT): bytes(CUSTODY)})]
    return found


def test_the_block_that_is_changed_holds_one_lock() -> None:
    """Fuzzing begins at something that is right."""
    (lock,) = facts(content_of(BLOCK, program=bytes(PROGRAM), account=bytes(VAULT)))

    assert lock.units == 7


@pytest.mark.parametrize("reader", range(len(READERS)))
@fuzzed(60)
@given(value=JSON_VALUES | mutated(BLOCK) | mutated([ENTRY, ENTRY]) | mutated([ACCOUNT]))
@example(value="1" * 1_000_000)
@example(value=[ENTRY] * 1_001)
def test_any_value_is_read_or_refused(reader: int, value: Any) -> None:
    """A shape error that callers know as RpcAnswerError, and no other error."""
    with bounded():
        try:
            READERS[reader](value)
        except ValueError as refused:
            assert len(str(refused)) < 400
            with pytest.raises(RpcAnswerError), usable(CHAIN, "getBlock"):
                raise


@fuzzed(300)
@given(block=mutated(BLOCK))
def test_a_changed_block_is_refused_or_gives_events_and_flaws(block: Any) -> None:
    """No event has more behind it than the block shows."""
    try:
        content = content_of(block, program=bytes(PROGRAM), account=bytes(VAULT))
    except ValueError:
        return

    for one in facts(content):
        assert isinstance(one, MalformedLogError) or one is None or one.units >= 0


@fuzzed(150)
@given(raw=mutated_bytes(bytes(transaction())))
def test_a_changed_transaction_is_read_as_it_is_or_refused(raw: bytes) -> None:
    """Nothing inside panics, and what is read is what the bytes say."""
    item = BLOCK["transactions"][0] | {"transaction": [base64.b64encode(raw).decode(), "base64"]}
    try:
        content = content_of(
            BLOCK | {"transactions": [item]}, program=bytes(PROGRAM), account=bytes(VAULT)
        )
    except ValueError:
        return

    for one in content.succeeded:
        assert one.signature in raw


@fuzzed(200)
@given(raw=mutated_bytes(EVENT))
def test_a_changed_event_is_none_or_refused(raw: bytes) -> None:
    """What is read encodes to the very bytes."""
    try:
        event = decode_event(raw)
    except MessageFormatError:
        return
    if event is None:
        assert not raw.startswith(EVENT_TAG)
        return
    assert len(raw) >= len(EVENT_TAG) + 33


DECODERS: Final[tuple[tuple[Callable[[bytes], object], struct.Struct, bytes], ...]] = (
    (vault_layout.decode_vault, vault_layout.VAULT, b"vault\0\0\x01"),
    (vault_layout.decode_guardian_set, vault_layout.GUARDIAN_SET, b"guards\0\x01"),
    (vault_layout.decode_asset, vault_layout.ASSET, b"asset\0\0\x01"),
    (vault_layout.decode_position, vault_layout.POSITION, b"posit\0\0\x01"),
    (vault_layout.decode_executed, vault_layout.EXECUTED, b"execute\x01"),
)


@pytest.mark.parametrize("place", range(len(DECODERS)))
@fuzzed(80)
@given(raw=st.data())
def test_an_account_of_the_vault_is_read_or_refused(place: int, raw: st.DataObject) -> None:
    """MessageFormatError, or ValueError for members that are none; nothing else."""
    decode, form, tag = DECODERS[place]
    body = raw.draw(st.binary(min_size=form.size - 8, max_size=form.size - 8))
    content = raw.draw(mutated_bytes(tag + body) | st.just(tag + body))
    try:
        decode(content)
    except (MessageFormatError, ValueError):
        return


@fuzzed(200)
@given(
    window=st.integers(1, 2**64 - 1),
    newest=st.integers(0, 2**64 - 1),
    units=st.lists(st.integers(0, 2**64 - 1), min_size=RING_SIZE, max_size=RING_SIZE),
    seconds=st.integers(0, 2**64 - 1),
    since=st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), max_size=3),
)
def test_any_ring_is_counted_in_bounded_time(
    window: int,
    newest: int,
    units: list[int],
    seconds: int,
    since: list[tuple[int, int]],
) -> None:
    """At most 25 buckets are added up."""
    ring = OutflowRing(2**63, window, newest, tuple(units))

    with bounded(cpu_seconds_max=0.5):
        available = ring.available_at(seconds, since)

    assert available is None or 0 <= available <= 2**63


@fuzzed(100)
@given(raw=st.binary(max_size=300), text=st.text(max_size=60))
def test_base_58_and_words_are_read_or_refused(raw: bytes, text: str) -> None:
    """Whatever is typed; what is read is written alike."""
    assert bytes_of_base58(base58_of(raw)) == raw
    try:
        word = word_of_text(text)
    except ValueError:
        return
    assert word_of_text(address_text(CHAIN, word)) == word
