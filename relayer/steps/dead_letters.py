"""Dead letters: all that waits for a person, in one list; put back with a reason, never dropped."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import structlog

from chains.command import Liquidation
from chains.types import WORD_BYTES
from relayer.clock import UnixSeconds
from relayer.errors import RefusedError, StateMovedError
from relayer.outbox.life import MessageState
from relayer.steps.observe import ring_reconcile
from relayer.steps.reread import DENIED
from relayer.store.dead_letters import Handling
from relayer.store.job_records import JobRecord, JobState
from relayer.store.observed_rows import Booked, StoredEvent
from relayer.store.outbox import StoredMessage
from relayer.store.unit_of_work import UnitOfWork

REASON_LENGTH_MAX: Final = 500
REPLAY: Final = "replay"
CLOSE: Final = "close"
JOB_REMEDY: Final = "heal what the reason names, then: relayer dlq replay {id} --reason TEXT --yes"
UNPROVEN_REMEDY: Final = (
    "find out who forged it or which node lied; only a reading that confirms it lets it be booked: "
    "relayer replay"
)
UNPROVEN: Final = ("movement_missing", DENIED)
EVENT_REMEDIES: Final = {
    **dict.fromkeys(UNPROVEN, UNPROVEN_REMEDY),
    "message_unknown": "wait for the message, or find out who signed it; then replay",
    "effect_": "compare the message with the event on the chain before anything else",
    "exceeds_available": "relayer custody and relayer audit say what is missing; then replay",
}
EVENT_REMEDY: Final = "add what the reason names to the configuration, restart, then replay"
MESSAGE_REMEDY: Final = "what it held was given back; the owner signs a new request. Then: "
SEIZE_REMEDY: Final = "the liquidation was undone and is decided anew by itself. Then: "
CLOSE_REMEDY: Final = "relayer dlq close {id} --reason TEXT --yes"
log = structlog.get_logger(__name__)


class LetterKind(Enum):
    """JOB: quarantined. EVENT: parked. MESSAGE: failed for good."""

    JOB = "job"
    EVENT = "event"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """
    One thing that waits for a person.

    Args:
        name: the job's key, the event's id or the message's id.
        what: the job's kind, the event's or the message's.
        since: Unix second; None where it is not known.
        attempts: how often it failed in a row, or came back from a reorg.
        remedy: what a person does next.
    """

    kind: LetterKind
    name: str
    what: str
    reason: str
    since: UnixSeconds | None
    attempts: int
    remedy: str

    @property
    def letter_id(self) -> str:
        """The name under which commands know it."""
        if self.kind is LetterKind.JOB:
            return f"job:{self.what}:{self.name}"
        return f"{self.kind.value}:{self.name}"

    @property
    def can_replay(self) -> bool:
        """Whether putting it back can help: a failed message has ended for good."""
        return self.kind is not LetterKind.MESSAGE


def dead_letters(uow: UnitOfWork, limit: int) -> tuple[DeadLetter, ...]:
    """Return what waits for a person: jobs, then events, then messages, at most limit of each."""
    jobs = [_of_job(record) for record in uow.jobs.quarantined(limit)]
    events = [_of_event(stored) for stored in uow.chains.parked_events(limit)]
    messages = [
        _of_message(uow, stored) for stored in uow.outbox.in_state(MessageState.FAILED, limit=limit)
    ]
    closed = uow.dead_letters.among([letter.letter_id for letter in messages], CLOSE)
    return (*jobs, *events, *(found for found in messages if found.letter_id not in closed))


def dead_letter(uow: UnitOfWork, letter_id: str) -> DeadLetter:
    """
    Return one of them.

    Raises:
        RefusedError: there is none with this id.
    """
    kind, _, name = letter_id.partition(":")
    found: DeadLetter | None = None
    match kind:
        case "job":
            job_kind, _, key = name.partition(":")
            try:
                record = uow.jobs.job(job_kind, key)
            except KeyError:
                record = None
            if record is not None and record.state is JobState.QUARANTINED:
                found = _of_job(record)
        case "event":
            stored = uow.chains.event(_word(letter_id, name))
            if stored is not None and stored.booked is Booked.PARKED:
                found = _of_event(stored)
        case "message":
            message = uow.outbox.get(_word(letter_id, name))
            if message is not None and message.state is MessageState.FAILED:
                found = _of_message(uow, message)
    if found is None:
        raise RefusedError(
            code="unknown_letter", detail=f"no dead letter {letter_id}; see: relayer dlq list"
        )
    return found


def put_back(uow: UnitOfWork, letter: DeadLetter, *, reason: str, taken_by: str) -> None:
    """
    Let a job run again from its first attempt, or an event be booked; who and why is kept.

    Raises:
        RefusedError: it is a message, which has ended, or an event that nobody confirms, or
            somebody was faster, or no reason.
    """
    if not letter.can_replay:
        detail = f"{letter.letter_id} has ended: {letter.remedy}"
        raise RefusedError(code="letter_ended", detail=detail)
    if letter.kind is LetterKind.EVENT and letter.reason.startswith(UNPROVEN):
        raise RefusedError(code="event_unproven", detail=f"{letter.letter_id}: {letter.remedy}")
    _record(uow, letter, REPLAY, reason=reason, taken_by=taken_by)
    try:
        if letter.kind is LetterKind.JOB:
            uow.jobs.replay(letter.what, letter.name)
        else:
            event_id = _word(letter.letter_id, letter.name)
            stored = uow.chains.event(event_id)
            if stored is not None:
                ring_reconcile(uow, stored.event.position.chain_id)
            uow.chains.unpark(event_id)
    except StateMovedError as exc:
        raise RefusedError(code="unknown_letter", detail=str(exc)) from exc
    log.info("job.replayed", letter_id=letter.letter_id, reason=reason)


def close(uow: UnitOfWork, letter: DeadLetter, *, reason: str, taken_by: str) -> None:
    """
    Take a failed message off the list; it stays where it is, and who closed it and why is kept.

    Raises:
        RefusedError: it is a job or an event, which must be healed, or no reason.
    """
    if letter.can_replay:
        raise RefusedError(
            code="letter_alive", detail=f"{letter.letter_id} can be put back: {letter.remedy}"
        )
    _record(uow, letter, CLOSE, reason=reason, taken_by=taken_by)


def _record(
    uow: UnitOfWork, letter: DeadLetter, action: str, *, reason: str, taken_by: str
) -> None:
    kept = reason.strip()
    if not 1 <= len(kept) <= REASON_LENGTH_MAX:
        raise RefusedError(code="reason", detail=f"--reason: 1 to {REASON_LENGTH_MAX} characters")
    uow.dead_letters.record(
        Handling(letter.letter_id, action, letter.reason, kept, taken_by, uow.clock.now())
    )


def _of_job(record: JobRecord) -> DeadLetter:
    return DeadLetter(
        LetterKind.JOB,
        record.key,
        record.kind,
        record.reason or "",
        record.waiting_since,
        record.attempts,
        JOB_REMEDY.format(id=f"job:{record.kind}:{record.key}"),
    )


def _of_event(stored: StoredEvent) -> DeadLetter:
    reason = stored.parked_reason or ""
    remedy = next(
        (text for start, text in EVENT_REMEDIES.items() if reason.startswith(start)), EVENT_REMEDY
    )
    return DeadLetter(
        LetterKind.EVENT,
        "0x" + stored.event_id.hex(),
        type(stored.event).__name__,
        reason,
        stored.seen_at,
        stored.revivals,
        remedy,
    )


def _of_message(uow: UnitOfWork, stored: StoredMessage) -> DeadLetter:
    life = uow.outbox.life(stored.message_id)
    command = stored.message.command
    is_seizure = command is not None and isinstance(command.command, Liquidation)
    name = "0x" + stored.message_id.hex()
    return DeadLetter(
        LetterKind.MESSAGE,
        name,
        stored.message.message.kind.name.lower(),
        f"{stored.reason.value}: {life[-1].detail}" if life else stored.reason.value,
        life[-1].at if life else None,
        stored.attempts,
        (SEIZE_REMEDY if is_seizure else MESSAGE_REMEDY)
        + CLOSE_REMEDY.format(id=f"message:{name}"),
    )


def _word(letter_id: str, text: str) -> bytes:
    try:
        word = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        word = b""
    if len(word) != WORD_BYTES:
        raise RefusedError(
            code="unknown_letter", detail=f"{letter_id}: write 32 bytes of 0x-hex behind the colon"
        )
    return word
