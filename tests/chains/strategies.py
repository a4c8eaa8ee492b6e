"""Hypothesis strategies of chain values."""

from typing import Final

from hypothesis import strategies as st

from chains.events import EVENT_TYPES, EventPosition, ObservedEvent
from chains.message import UINT32_MAX, Message, MessageKind
from chains.types import UINT64_MAX, UINT256_MAX, BlockRef, ChainId, word_of_evm_address

CHAIN: Final = ChainId("eip155:31337")
WORDS: Final = st.binary(min_size=32, max_size=32)
ADDRESSES: Final = st.binary(min_size=20, max_size=20).map(word_of_evm_address)
UINT32: Final = st.integers(0, UINT32_MAX)
UINT64: Final = st.integers(0, UINT64_MAX)
UINT256: Final = st.integers(0, UINT256_MAX)
ADDRESS_FIELDS: Final = frozenset({"token", "depositor", "recipient", "owner", "borrower", "payer"})
UINT64_FIELDS: Final = frozenset({"lock_id", "expiry_seconds", "nonce"})

MESSAGES: Final = st.builds(
    Message,
    kind=st.sampled_from(MessageKind),
    origin=WORDS,
    target=WORDS,
    vault=WORDS,
    nonce=UINT64,
    account=WORDS,
    token=WORDS,
    amount_units=UINT256,
    recipient=WORDS,
    expiry_seconds=UINT64,
    epoch=UINT32,
    evidence=WORDS,
)
POSITIONS: Final = st.builds(
    EventPosition,
    chain_id=st.just(CHAIN),
    block=st.builds(BlockRef, height=UINT64, block_hash=WORDS),
    tx_hash=WORDS,
    log_index=UINT64,
    contract=ADDRESSES,
)


@st.composite
def observed_events(draw: st.DrawFn) -> ObservedEvent:
    """Draw an event of any type, with fields over their whole range."""
    event_type = draw(st.sampled_from(list(EVENT_TYPES.values())))
    values: dict[str, object] = {}
    for name, hint in event_type.__annotations__.items():
        if name == "position":
            values[name] = draw(POSITIONS)
        elif hint is bytes:
            values[name] = draw(ADDRESSES if name in ADDRESS_FIELDS else WORDS)
        else:
            values[name] = draw(UINT64 if name in UINT64_FIELDS else UINT256)
    return event_type(**values)  # type: ignore[arg-type]
