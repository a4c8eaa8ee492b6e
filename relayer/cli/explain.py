"""What is known about a message, as JSON and as text. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rich.console import RenderableType

from chains.types import address_text, raw_text
from relayer.cli.advice import ADVICE, STATE_TEXT
from relayer.cli.answer import Answer
from relayer.cli.render import (
    amount_text,
    fields_of,
    plain,
    table_of,
    time_text,
    when_text,
)
from relayer.outbox.life import FINAL_STATES, MessageState, WaitReason
from relayer.store.outbox import LifeEntry, MessageTransaction, StoredMessage

GUARDIAN_REASONS: Final = frozenset(
    {
        WaitReason.SIGNATURES_MISSING,
        WaitReason.GUARDIANS_UNREACHABLE,
        WaitReason.GUARDIANS_NOT_YET,
        WaitReason.GUARDIANS_REFUSED,
    }
)
UNSIGNED_STATES: Final = frozenset({MessageState.PENDING, MessageState.DISPATCHED})


@dataclass(frozen=True, slots=True)
class GuardianFacts:
    """The configured set, and by label whether a signature of this set is stored."""

    set_index: int
    threshold: int
    signed: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """
    All that the store knows about a message.

    asset_id and scale are None where the message's token is no configured asset.
    """

    stored: StoredMessage
    asset_id: str | None
    scale: int | None
    guardians: GuardianFacts
    transactions: tuple[MessageTransaction, ...]
    life: tuple[LifeEntry, ...]

    @property
    def message_id(self) -> str:
        """The id as 0x-hex."""
        return "0x" + self.stored.message_id.hex()

    @property
    def is_ended(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.stored.state in FINAL_STATES

    @property
    def signed_count(self) -> int:
        """How many guardians of the current set signed."""
        return sum(self.guardians.signed.values())

    def amount(self) -> str:
        """Return the amount for a person."""
        units = self.stored.message.message.amount_units
        return (
            str(units) if self.asset_id is None else amount_text(units, self.scale, self.asset_id)
        )

    def verdicts(self) -> dict[str, str]:
        """
        Return what each guardian last said, by label.

        The life keeps it as "label: words; label: words" under the guardians_* reasons.
        """
        said: dict[str, str] = {}
        for line in self.life:
            if line.reason not in GUARDIAN_REASONS:
                continue
            for part in line.detail.split("; "):
                label, colon, words = part.partition(": ")
                if colon and label in self.guardians.signed:
                    said[label] = words
        return said

    def last_detail(self) -> str:
        """Return the newest words about the reason it waits for, or nothing."""
        for line in reversed(self.life):
            if line.reason is self.stored.reason and line.detail:
                return line.detail
        return ""


def summary_value(facts: MessageFacts) -> dict[str, object]:
    """Return a message as one line of a list."""
    stored = facts.stored
    canonical = stored.message.message
    return {
        "message_id": facts.message_id,
        "kind": canonical.kind.name.lower(),
        "state": stored.state.value,
        "reason": stored.reason.value,
        "is_ended": facts.is_ended,
        "target_chain": stored.message.target_chain,
        "contract": address_text(stored.message.target_chain, canonical.vault),
        "nonce": canonical.nonce,
        "account": "0x" + canonical.account.hex(),
        "asset_id": facts.asset_id,
        "amount_units": str(canonical.amount_units),
        "attempts": stored.attempts,
        "next_attempt_at": None if facts.is_ended else stored.next_attempt_at,
        "deadline_at": stored.deadline_at,
        "created_at": stored.message.created_at,
        "correlation_id": "0x" + stored.message.correlation_id.hex(),
    }


def message_value(facts: MessageFacts) -> dict[str, object]:
    """Return everything about a message."""
    canonical = facts.stored.message.message
    command = facts.stored.message.command
    hold = facts.stored.message.hold_entry_id
    verdicts = facts.verdicts()
    chain_id = facts.stored.message.target_chain
    return summary_value(facts) | {
        "token": address_text(chain_id, canonical.token),
        "recipient": address_text(chain_id, canonical.recipient),
        "expiry_seconds": canonical.expiry_seconds,
        "epoch": canonical.epoch,
        "evidence": "0x" + canonical.evidence.hex(),
        "hold_entry_id": None if hold is None else "0x" + hold.hex(),
        "command_kind": None if command is None else type(command.command).__name__,
        "guardians": {
            "set_index": facts.guardians.set_index,
            "threshold": facts.guardians.threshold,
            "signed_count": facts.signed_count,
            "members": [
                {"label": label, "has_signed": has_signed, "said": verdicts.get(label)}
                for label, has_signed in facts.guardians.signed.items()
            ],
        },
        "transactions": [
            {
                "chain_id": sent.chain_id,
                "tx_hash": raw_text(sent.chain_id, sent.tx_hash),
                "role": sent.role,
                "at": sent.at,
            }
            for sent in facts.transactions
        ],
        "life": [
            {
                "seq": line.seq,
                "before": None if line.before is None else line.before.value,
                "after": line.after.value,
                "event": line.event,
                "reason": line.reason.value,
                "detail": line.detail,
                "at": line.at,
            }
            for line in facts.life
        ],
    }


def list_answer(found: tuple[MessageFacts, ...], now_seconds: int) -> Answer:
    """Return messages, one a line."""
    rows = [
        (
            facts.message_id,
            facts.stored.message.message.kind.name.lower(),
            facts.stored.message.target_chain,
            facts.amount(),
            facts.stored.state.value,
            facts.stored.reason.value,
            when_text(facts.stored.message.created_at, now_seconds),
        )
        for facts in found
    ]
    columns = ("message", "kind", "target", "amount", "state", "reason", "composed")
    return Answer(
        value={"messages": [summary_value(facts) for facts in found]},
        shown=(table_of("Messages", columns, rows), plain("more: relayer why MESSAGE_ID")),
    )


def show_answer(facts: MessageFacts, now_seconds: int) -> Answer:
    """Return one message with all its parts."""
    return Answer(
        value=message_value(facts),
        shown=(_fields_table(facts, now_seconds), *_tables(facts, now_seconds)),
    )


def why_answer(facts: MessageFacts, now_seconds: int) -> Answer:
    """Return why a message is where it is: a paragraph, then the facts behind it."""
    advice = ADVICE[facts.stored.reason]
    explanation = paragraph(facts, now_seconds)
    return Answer(
        value=message_value(facts)
        | {"explanation": explanation, "waits_for": advice.waits_for, "to_do": advice.to_do},
        shown=(
            plain(explanation),
            _fields_table(facts, now_seconds, ("what to do", advice.to_do)),
            *_tables(facts, now_seconds),
        ),
    )


def paragraph(facts: MessageFacts, now_seconds: int) -> str:
    """Return one paragraph: what it is, where it is, what it waits for, until when, what to do."""
    stored = facts.stored
    canonical = stored.message.message
    advice = ADVICE[stored.reason]
    kind = canonical.kind.name.lower().replace("_", " ")
    composed = when_text(stored.message.created_at, now_seconds)
    subject = f"The {kind} of {facts.amount()} on {stored.message.target_chain}"
    sentences = [f"{subject} {STATE_TEXT[stored.state]}; it was composed {composed}."]
    if stored.state in UNSIGNED_STATES:
        guardians = facts.guardians
        sentences.append(
            f"{facts.signed_count} of {len(guardians.signed)} guardians have signed, "
            f"{guardians.threshold} are needed."
        )
    if facts.is_ended:
        sentences.append("Its life has ended.")
    else:
        sentences.append(
            f"It waits for {advice.waits_for} ({stored.reason.value}); the next attempt is "
            f"{_due_text(stored.next_attempt_at, now_seconds)}, after {stored.attempts} so far; "
            f"an effect is expected by {time_text(stored.deadline_at)} "
            f"({when_text(stored.deadline_at, now_seconds)})."
        )
    detail = facts.last_detail()
    if detail:
        sentences.append(f"Last heard: {detail.rstrip('.')}.")
    sentences.append(f"What to do: {advice.to_do}.")
    return " ".join(sentences)


def _due_text(at_seconds: int, now_seconds: int) -> str:
    return "due now" if at_seconds <= now_seconds else when_text(at_seconds, now_seconds)


def _fields_table(
    facts: MessageFacts, now_seconds: int, last: tuple[str, str] | None = None
) -> RenderableType:
    stored = facts.stored
    canonical = stored.message.message
    chain_id = stored.message.target_chain
    pairs: dict[str, object] = {
        "message": facts.message_id,
        "kind": canonical.kind.name.lower(),
        "state": stored.state.value,
        "reason": stored.reason.value,
        "waits for": ADVICE[stored.reason].waits_for,
        "target": f"{chain_id} {address_text(chain_id, canonical.vault)}",
        "lane nonce": canonical.nonce,
        "account": "0x" + canonical.account.hex(),
        "amount": facts.amount(),
        "recipient": address_text(chain_id, canonical.recipient),
        "composed": when_text(stored.message.created_at, now_seconds),
        "next attempt": (
            None if facts.is_ended else _due_text(stored.next_attempt_at, now_seconds)
        ),
        "attempts": stored.attempts,
        "deadline": time_text(stored.deadline_at),
        "expiry": time_text(canonical.expiry_seconds),
        "correlation": "0x" + stored.message.correlation_id.hex(),
    }
    if last is not None:
        pairs[last[0]] = last[1]
    return fields_of("Message", pairs)


def _tables(facts: MessageFacts, now_seconds: int) -> tuple[RenderableType, ...]:
    verdicts = facts.verdicts()
    guardians = facts.guardians
    return (
        table_of(
            f"Guardians of set {guardians.set_index}: {facts.signed_count} signed, "
            f"{guardians.threshold} needed",
            ("guardian", "signed", "last said"),
            [(label, has, verdicts.get(label)) for label, has in guardians.signed.items()],
        ),
        table_of(
            "Transactions",
            ("chain", "transaction", "role", "sent"),
            [
                (
                    sent.chain_id,
                    raw_text(sent.chain_id, sent.tx_hash),
                    sent.role,
                    when_text(sent.at, now_seconds),
                )
                for sent in facts.transactions
            ],
        ),
        table_of(
            "Life",
            ("seq", "when", "event", "state", "reason", "detail"),
            [
                (
                    line.seq,
                    time_text(line.at),
                    line.event,
                    line.after.value,
                    line.reason.value,
                    line.detail or None,
                )
                for line in facts.life
            ],
        ),
    )
