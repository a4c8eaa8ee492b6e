"""An outbox message: the canonical bytes and everything that must be stored with them."""

from dataclasses import dataclass
from typing import Final

from chains.command import SignedCommand
from chains.errors import MessageFormatError
from chains.message import Message, MessageKind
from chains.types import WORD_BYTES, ChainId, chain_key
from relayer.clock import UnixSeconds

# Kinds that move value out of a vault; each needs a hold in the ledger before it exists.
HOLDING_KINDS: Final = frozenset({MessageKind.RELEASE, MessageKind.SEIZE})


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """
    A message stored with the decision that caused it, before it is sent.

    Args:
        target_chain: the chain whose key is message.target.
        correlation_id: 32 bytes that follow the cause through journal, messages and events.
        hold_entry_id: the pending journal entry that reserves the value; needed by release and
            seize, None for kinds that move nothing.
        command: the request or hub decision that guardians check; None where there is none.
        created_at: Unix second of composition.
        deadline_at: Unix second by which an effect is expected; at most the message's expiry.
    """

    message: Message
    target_chain: ChainId
    correlation_id: bytes
    hold_entry_id: bytes | None
    command: SignedCommand | None
    created_at: UnixSeconds
    deadline_at: UnixSeconds

    def __post_init__(self) -> None:
        if chain_key(self.target_chain) != self.message.target:
            raise MessageFormatError(
                field="target_chain", reason=f"{self.target_chain} is not the message's target"
            )
        if len(self.correlation_id) != WORD_BYTES:
            raise MessageFormatError(field="correlation_id", reason="32 bytes are needed")
        if self.hold_entry_id is not None and len(self.hold_entry_id) != WORD_BYTES:
            raise MessageFormatError(field="hold_entry_id", reason="32 bytes are needed")
        if self.message.kind in HOLDING_KINDS and self.hold_entry_id is None:
            raise MessageFormatError(
                field="hold_entry_id", reason=f"{self.message.kind.name} needs a hold"
            )
        if not self.created_at <= self.deadline_at <= self.message.expiry_seconds:
            raise MessageFormatError(
                field="deadline_at", reason="must lie between created_at and the message's expiry"
            )

    @property
    def message_id(self) -> bytes:
        """Return keccak256 of the canonical bytes."""
        return self.message.message_id
