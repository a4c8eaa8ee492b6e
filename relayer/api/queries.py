"""What is known: accounts, their history, requests and messages."""

from typing import Annotated, Final

from fastapi import APIRouter, Query

from relayer.api.accounts import AccountAnswer, account_answer
from relayer.api.body import StrictRoute
from relayer.api.doors import WithDoors
from relayer.api.margin import HealthAnswer, read_health
from relayer.api.problems import PROBLEM_RESPONSES, ProblemError
from relayer.api.values import (
    LIMIT_DEFAULT,
    CursorQuery,
    LimitQuery,
    WordPath,
    WordQuery,
    cursor_text,
    seq_of_cursor,
    word_of,
)
from relayer.api.views import (
    HistoryPage,
    MessageDetail,
    MessagePage,
    RequestAnswer,
    entry_answer,
    message_answer,
    message_detail,
    request_answer,
)
from relayer.ledger.chart import AccountCode, debt_code, margin_code
from relayer.steps.accept import known_account
from relayer.steps.catalog import Catalog
from relayer.store.ledger import BookedEntry
from relayer.store.outbox import MessageFilter
from relayer.store.unit_of_work import UnitOfWork

ACCOUNT_TAG: Final = b"history"

router = APIRouter(
    prefix="/v1", tags=["queries"], route_class=StrictRoute, responses=PROBLEM_RESPONSES
)


@router.get("/accounts/{account}")
def get_account(doors: WithDoors, account: WordPath) -> AccountAnswer:
    """Return owners, balances, debts and grants of an account."""
    with doors.store.read() as uow:
        return account_answer(uow, doors.catalog, word_of(account))


@router.get("/accounts/{account}/health")
def get_health(doors: WithDoors, account: WordPath) -> HealthAnswer:
    """Return the account's health at the three levels, and its limits."""
    return read_health(doors.store, doors.catalog, word_of(account))


@router.get("/accounts/{account}/history")
def get_history(
    doors: WithDoors,
    account: WordPath,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> HistoryPage:
    """Return the journal entries that move the account, oldest first."""
    word = word_of(account)
    scope = ACCOUNT_TAG + word
    after_seq = seq_of_cursor(scope, cursor)
    with doors.store.read() as uow:
        known_account(uow, word)
        found = _entries(uow, doors.catalog, word, after_seq=after_seq, limit=limit + 1)
    page = found[:limit]
    return HistoryPage(
        entries=tuple(entry_answer(booked) for booked in page),
        next_cursor=cursor_text(scope, page[-1].seq) if len(found) > limit else None,
    )


def _entries(
    uow: UnitOfWork, catalog: Catalog, account: bytes, *, after_seq: int, limit: int
) -> list[BookedEntry]:
    codes: list[AccountCode] = [
        margin_code(account),
        *(debt_code(line.protocol, account) for line in catalog.credit_lines),
    ]
    found = {
        booked.seq: booked
        for code in codes
        for booked in uow.ledger.entries_of_account(code, after_seq=after_seq, limit=limit)
    }
    return [found[seq] for seq in sorted(found)[:limit]]


@router.get("/requests/{command_id}")
def get_request(doors: WithDoors, command_id: WordPath) -> RequestAnswer:
    """Return what became of a signed command."""
    with doors.store.read() as uow:
        answer = request_answer(uow, word_of(command_id))
    if answer is None:
        raise ProblemError(
            "unknown_request",
            f"command_id: {command_id} was not accepted here; send it to POST /v1/messages",
        )
    return answer


@router.get("/messages")
def list_messages(
    doors: WithDoors,
    account: WordQuery,
    limit: LimitQuery = LIMIT_DEFAULT,
    after: Annotated[
        str | None,
        Query(pattern=r"^0x[0-9a-fA-F]{64}$", description="next_after of the page before"),
    ] = None,
) -> MessagePage:
    """Return the messages to vaults and credit lines about an account, oldest first."""
    with doors.store.read() as uow:
        known_account(uow, word_of(account))
        last = None if after is None else uow.outbox.get(word_of(after))
        if after is not None and last is None:
            raise ProblemError("cursor_invalid", f"after: {after} is no message; begin without it")
        found = uow.outbox.list(
            MessageFilter(account=word_of(account), after=last, limit=limit + 1)
        )
    page = found[:limit]
    return MessagePage(
        messages=tuple(message_answer(stored) for stored in page),
        next_after="0x" + page[-1].message_id.hex() if len(found) > limit else None,
    )


@router.get("/messages/{message_id}")
def get_message(doors: WithDoors, message_id: WordPath) -> MessageDetail:
    """Return one message: its fields, its life, signatures and transactions."""
    with doors.store.read() as uow:
        stored = uow.outbox.get(word_of(message_id))
        if stored is None:
            raise ProblemError("unknown_message", f"message_id: {message_id} is not known here")
        return message_detail(uow, doors.catalog, stored)
