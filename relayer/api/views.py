"""Journal entries, requests and messages as answers."""

from chains.command import command_fields
from chains.types import address_text, raw_text, text_of_word
from relayer.api.values import Answer, UnitsText, hex_of
from relayer.steps.catalog import Catalog
from relayer.store.commands import StoredCommand
from relayer.store.ledger import BookedEntry
from relayer.store.outbox import LifeEntry, StoredMessage
from relayer.store.requests import Request, RequestState
from relayer.store.unit_of_work import UnitOfWork


class PostingAnswer(Answer):
    """Signed base units on one account of the ledger: debit above zero, credit below."""

    code: str
    asset_id: str
    chain_id: str
    units: UnitsText


class EntryAnswer(Answer):
    """A journal entry; entry_hash chains it to the one before."""

    seq: int
    entry_id: str
    kind: str
    phase: str
    cause: str
    resolves: str | None
    reversal_of: str | None
    correlation_id: str
    booked_at: int
    postings: tuple[PostingAnswer, ...]
    entry_hash: str


class HistoryPage(Answer):
    """Entries, oldest first; next_cursor is null on the last page."""

    entries: tuple[EntryAnswer, ...]
    next_cursor: str | None


class RequestAnswer(Answer):
    """
    A signed command and its decision; state is PENDING, GRANTED or REFUSED.

    numbers are the figures behind the decision; message_id names the message that carries it out.
    """

    command_id: str
    kind: str
    account: str
    state: str
    code: str
    detail: str
    message_id: str | None
    numbers: dict[str, str]
    command: dict[str, str]
    created_at: int
    decided_at: int | None


class MessageAnswer(Answer):
    """A message to a contract. reason says machine-readably why it is where it is."""

    message_id: str
    kind: str
    target_chain: str
    contract: str
    nonce: int
    account: str
    token: str
    amount: UnitsText
    recipient: str
    expiry: int
    epoch: int
    evidence: str
    state: str
    reason: str
    attempts: int
    next_attempt_at: int
    deadline_at: int
    created_at: int
    correlation_id: str


class LifeAnswer(Answer):
    """One step of a message's life."""

    seq: int
    before: str | None
    after: str
    event: str
    reason: str
    detail: str
    at: int


class SignatureAnswer(Answer):
    """A guardian's signature."""

    signer: str
    signature: str


class TransactionAnswer(Answer):
    """A transaction that was broadcast for a message."""

    chain_id: str
    tx_hash: str
    role: str
    at: int


class MessageDetail(MessageAnswer):
    """A message with its canonical bytes, its life, signatures and transactions."""

    payload: str
    life: tuple[LifeAnswer, ...]
    signatures: tuple[SignatureAnswer, ...]
    transactions: tuple[TransactionAnswer, ...]


class MessagePage(Answer):
    """Messages, oldest first; next_after is null on the last page."""

    messages: tuple[MessageAnswer, ...]
    next_after: str | None


def entry_answer(booked: BookedEntry) -> EntryAnswer:
    """Return a journal entry as an answer."""
    entry = booked.entry
    return EntryAnswer(
        seq=booked.seq,
        entry_id=hex_of(entry.entry_id),
        kind=entry.kind,
        phase=entry.phase.name,
        cause=hex_of(entry.cause),
        resolves=None if entry.resolves is None else hex_of(entry.resolves),
        reversal_of=None if entry.reversal_of is None else hex_of(entry.reversal_of),
        correlation_id=hex_of(entry.correlation_id),
        booked_at=entry.booked_at,
        postings=tuple(
            PostingAnswer(
                code=posting.code,
                asset_id=posting.asset_id,
                chain_id=posting.chain_id,
                units=str(posting.units),
            )
            for posting in entry.postings
        ),
        entry_hash=hex_of(booked.entry_hash),
    )


def message_answer(stored: StoredMessage) -> MessageAnswer:
    """Return a message as an answer."""
    canonical = stored.message.message
    return MessageAnswer(
        message_id=hex_of(stored.message_id),
        kind=canonical.kind.name,
        target_chain=stored.message.target_chain,
        contract=address_text(stored.message.target_chain, canonical.vault),
        nonce=canonical.nonce,
        account=hex_of(canonical.account),
        token=address_text(stored.message.target_chain, canonical.token),
        amount=str(canonical.amount_units),
        recipient=address_text(stored.message.target_chain, canonical.recipient),
        expiry=canonical.expiry_seconds,
        epoch=canonical.epoch,
        evidence=hex_of(canonical.evidence),
        state=stored.state.value,
        reason=stored.reason.value,
        attempts=stored.attempts,
        next_attempt_at=stored.next_attempt_at,
        deadline_at=stored.deadline_at,
        created_at=stored.message.created_at,
        correlation_id=hex_of(stored.message.correlation_id),
    )


def message_detail(uow: UnitOfWork, catalog: Catalog, stored: StoredMessage) -> MessageDetail:
    """Return a message with everything that happened to it."""
    index = catalog.guardian_set.index
    return MessageDetail(
        **message_answer(stored).model_dump(),
        payload=hex_of(stored.message.message.encode()),
        life=tuple(_life_answer(entry) for entry in uow.outbox.life(stored.message_id)),
        signatures=tuple(
            SignatureAnswer(signer=text_of_word(signer), signature=hex_of(signature))
            for signer, signature in uow.outbox.signatures(stored.message_id, index).items()
        ),
        transactions=tuple(
            TransactionAnswer(
                chain_id=sent.chain_id,
                tx_hash=raw_text(sent.chain_id, sent.tx_hash),
                role=sent.role,
                at=sent.at,
            )
            for sent in uow.outbox.transactions(stored.message_id)
        ),
    )


def _life_answer(entry: LifeEntry) -> LifeAnswer:
    return LifeAnswer(
        seq=entry.seq,
        before=None if entry.before is None else entry.before.value,
        after=entry.after.value,
        event=entry.event,
        reason=entry.reason.value,
        detail=entry.detail,
        at=entry.at,
    )


def request_answer(uow: UnitOfWork, command_id: bytes) -> RequestAnswer | None:
    """
    Return what became of a signed command; None when it was never accepted.

    Opening and linking are done when they are accepted, so they have no decision of their own.
    """
    stored = uow.commands.command(command_id)
    request = uow.requests.get(command_id)
    if stored is None:
        return None
    command = stored.signed.command
    if request is None:
        request = _done_at_once(stored)
    return RequestAnswer(
        command_id=hex_of(command_id),
        kind=request.kind,
        account=hex_of(request.account),
        state=request.state.value,
        code=request.code,
        detail=request.detail,
        message_id=None if request.message_id is None else hex_of(request.message_id),
        numbers=dict(request.numbers),
        command=command_fields(command),
        created_at=request.created_at,
        decided_at=request.decided_at,
    )


def _done_at_once(stored: StoredCommand) -> Request:
    return Request(
        command_id=stored.command_id,
        kind=type(stored.signed.command).__name__,
        account=stored.signed.command.account,
        correlation_id=stored.command_id,
        state=RequestState.GRANTED,
        code="granted",
        detail="done when it was accepted",
        message_id=None,
        numbers={},
        created_at=stored.received_at,
        decided_at=stored.received_at,
    )
