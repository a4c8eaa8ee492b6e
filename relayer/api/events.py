"""The feed of outgoing events: everything that happened, by sequence, replayable from any."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool

from relayer.api.body import StrictRoute
from relayer.api.doors import Doors, WithDoors
from relayer.api.problems import PROBLEM_RESPONSES, ProblemError
from relayer.api.values import (
    LIMIT_DEFAULT,
    AfterQuery,
    Answer,
    LimitQuery,
    WordPath,
    hex_of,
    time_text,
    word_of,
)
from relayer.steps.accept import known_account
from relayer.store.feed import FeedEvent

WAIT_SECONDS_MAX: Final = 30
POLL_SECONDS: Final = 0.25
WaitQuery = Annotated[
    int, Query(ge=0, le=WAIT_SECONDS_MAX, description="how long to wait for a first event")
]

router = APIRouter(
    prefix="/v1", tags=["events"], route_class=StrictRoute, responses=PROBLEM_RESPONSES
)


class EventAnswer(Answer):
    """
    An event in the CloudEvents 1.0 envelope.

    seq counts all events, accountseq those of the account in subject; both from 1 without gaps.
    id never changes, so a reader that sees an event twice drops the second.
    """

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str | None
    time: str
    datacontenttype: str = "application/json"
    data: dict[str, Any]
    seq: int
    accountseq: int | None
    correlationid: str


class EventPage(Answer):
    """Events in order; ask again with after = last_seq. Empty when nothing happened meanwhile."""

    events: tuple[EventAnswer, ...]
    last_seq: int


def event_answer(event: FeedEvent, *, hub: str) -> EventAnswer:
    """Return a feed event in its envelope."""
    return EventAnswer(
        id=f"{hub}/{event.seq}",
        source=hub,
        type=event.event_type,
        subject=None if event.account is None else hex_of(event.account),
        time=time_text(event.at),
        data=dict(event.content),
        seq=event.seq,
        accountseq=event.account_seq,
        correlationid=hex_of(event.correlation_id),
    )


@router.get("/events")
async def get_events(
    doors: WithDoors,
    after: AfterQuery = 0,
    limit: LimitQuery = LIMIT_DEFAULT,
    wait_seconds: WaitQuery = 0,
) -> EventPage:
    """Return the events of all accounts after a seq, waiting for a first one if asked to."""
    return await _page(doors, None, _Range(after, limit, wait_seconds))


@router.get("/accounts/{account}/events")
async def get_account_events(
    doors: WithDoors,
    account: WordPath,
    after: AfterQuery = 0,
    limit: LimitQuery = LIMIT_DEFAULT,
    wait_seconds: WaitQuery = 0,
) -> EventPage:
    """Return an account's events after an accountseq, waiting for a first one if asked to."""
    return await _page(doors, word_of(account), _Range(after, limit, wait_seconds))


@dataclass(frozen=True, slots=True)
class _Range:
    after: int
    limit: int
    wait_seconds: int


async def _page(doors: Doors, account: bytes | None, asked: _Range) -> EventPage:
    found = await run_in_threadpool(_read, doors, account, asked)
    if not found and asked.wait_seconds:
        found = await _wait(doors, account, asked)
    answers = tuple(event_answer(event, hub=doors.catalog.hub) for event in found)
    last_seq = asked.after
    if found:
        last_seq = found[-1].seq if account is None else found[-1].account_seq or asked.after
    return EventPage(events=answers, last_seq=last_seq)


def _read(doors: Doors, account: bytes | None, asked: _Range) -> tuple[FeedEvent, ...]:
    with doors.store.read() as uow:
        if account is not None:
            known_account(uow, account)
        return uow.feed.after(account, asked.after, asked.limit)


async def _wait(doors: Doors, account: bytes | None, asked: _Range) -> tuple[FeedEvent, ...]:
    if not doors.waiters.acquire(blocking=False):
        raise ProblemError(
            "waiters_exhausted", "wait_seconds: too many requests wait here; poll without it"
        )
    try:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + asked.wait_seconds
        found: tuple[FeedEvent, ...] = ()
        while not found and loop.time() < deadline and not doors.stopping.is_set():
            await asyncio.sleep(POLL_SECONDS)
            found = await run_in_threadpool(_read, doors, account, asked)
        return found
    finally:
        doors.waiters.release()
